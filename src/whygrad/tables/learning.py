"""Learning an encoding from training rows: which columns are of use, and how each is encoded.

Left out, each with a line that says so: dates, free text, identifiers, constants, and what is neither a
number nor text. The rest is learned as scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder do,
of which the last is imported where there are categories to learn.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError
from whygrad.nn.functions import Array
from whygrad.tables.columns import (
    Kind,
    check_names,
    described,
    find,
    is_number,
    kind_of,
    kind_of_categories,
    missing,
    quoted,
    refuse_infinity,
    texts,
    to_float,
)
from whygrad.tables.encoding import Category, Column, Encoding, NumberColumn
from whygrad.tables.target import Target

MOST_CATEGORIES = 50  # of one column; the others count as rare
FEW = 20  # so few values tell nothing: text is categories, whole numbers are quantities

IDENTIFIER = re.compile(
    r"(?i:(.*[ _.-])?(id|ids|uuid|guid|key|index|idx|rownum|row|nr|no|number)|unnamed.*|)|.*[a-z]I[Dd]"
)
DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?$"


def learn(table: Any, target: Target) -> Encoding:
    """Learn the encoding of a table from its training rows.

    Parameters
    ----------
    table : pyarrow.Table
        The rows to learn from: no test rows.
    target : Target
        The column to predict.

    Returns
    -------
    Encoding
        The columns in use, standardised or one-hot, and notes on those that were left out.

    Raises
    ------
    InputError
        For duplicate names, infinity, and where no column is left to learn from.

    Examples
    --------
    >>> table = pa.table({"rooms": [3, 4, None, 5], "town": ["A", "B", "A", "B"], "rent": [1.0, 2, 3, 5]})
    >>> learn(table, Target("rent", "regression", "number")).names
    ('rooms', 'rooms is missing', 'town=A', 'town=B')
    """
    check_names(table.schema.names, "the table")
    columns: list[Column] = []
    notes = list(target.notes)
    for name in table.schema.names:
        if name == target.name:
            continue
        column = find(table, name)
        learned, reason = _learn_column(column, name)
        if learned is None:
            notes.append(f"column {quoted(name)} left out: {reason}")
        else:
            columns.append(learned)
    if not columns:
        why = "; ".join(notes) or "there is none besides the target"
        raise InputError(f"no column is left to learn from: {why}")
    return Encoding(tuple(columns), _scaled(target, table), tuple(notes))


def _learn_column(column: Any, name: str) -> tuple[Column | None, str]:
    """Return what was learned of a column, or None and the reason why it is of no use."""
    kind = kind_of(column)
    if kind == "date":
        return None, "dates and times are not used; give what matters of them as numbers"
    if kind == "other":
        return None, f"it holds {described(column)}"
    if missing(column).all():
        return None, "it has no value in any training row"
    if kind in ("number", "boolean"):
        return _learn_number(to_float(column), name, kind, bool(pa.types.is_integer(column.type)))
    return _learn_category(texts(column), name)


def _learn_number(values: Array, name: str, kind: Kind, whole: bool) -> tuple[Column | None, str]:
    refuse_infinity(values, name)
    gone = np.isnan(values)
    known = values[~gone]
    if known.min() == known.max() and not gone.any():
        return None, f"it is {known[0]:g} in every row"
    if whole and _identifies(known, name):
        return None, "it identifies the rows, every one is different"
    fill = float(np.median(known))
    center, scale = standardised(np.where(gone, fill, values))
    return NumberColumn(name, kind, center, scale, fill, flagged=bool(gone.any())), ""


def standardised(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation of numbers, 1 for the latter where they are all the same.

    To the bit what scikit-learn's StandardScaler gives for a column alone, in a fraction of its time: a
    corrected sum of squares (Chan, Golub, LeVeque 1983), with its bound on the rounding of a constant.

    >>> standardised(np.array([1.0, 2, 3, 6]))
    (3.0, 1.8708286933869707)
    """
    # As a column, since NumPy adds in another order along a table of several.
    column, n = values[:, None], len(values)
    mean = column.sum(axis=0) / n
    gaps = column - mean
    correction = gaps.sum(axis=0)
    gaps **= 2
    variance = (gaps.sum(axis=0) - correction**2 / n) / n
    epsilon = np.finfo(np.float64).eps
    same = variance <= n * epsilon * variance + (n * mean * epsilon) ** 2
    return float(mean[0]), 1.0 if same[0] else float(np.sqrt(variance)[0])


def _identifies(values: Array, name: str) -> bool:
    """Return whether whole numbers identify rows: all different, and named, sorted or packed like that."""
    if len(values) < 2 or len(np.unique(values)) < len(values):
        return False
    if len(values) < FEW:
        return bool(IDENTIFIER.fullmatch(name))
    steps = np.diff(values)
    in_order = bool((steps > 0).all() or (steps < 0).all())
    packed = values.max() - values.min() < 2 * len(values)
    return bool(IDENTIFIER.fullmatch(name)) or in_order or packed


def _learn_category(column: Any, name: str) -> tuple[Column | None, str]:
    from sklearn.preprocessing import OneHotEncoder

    n = len(column)
    known = column.drop_null()
    counts = pc.value_counts(known)
    distinct = len(counts)
    if distinct == len(known) and distinct > 1:
        return None, _why_text(known, "it identifies the rows, every one is different")
    if distinct > max(FEW, n // 3):
        return None, _why_text(known, f"free text, {distinct} different values in {n} rows")
    gone = known.null_count != column.null_count
    if distinct == 1 and not gone:
        return None, f"it is {quoted(known[0].as_py())} in every row"
    rows = np.array(column.to_pylist(), dtype=object)[:, None]
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=max(2, min(10, n // 50)),
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
    ).fit(rows)
    infrequent = encoder.infrequent_categories_[0]
    rare = [] if infrequent is None else [value for value in infrequent if value is not None]
    apart = set(rare)
    values = tuple(v for v in encoder.categories_[0] if v is not None and v not in apart)
    if not values and not gone:
        return None, _why_text(known, f"free text, none of its {distinct} values is frequent")
    kind = kind_of_categories(known.unique().to_pylist())
    return Category(name, kind, values, rare=bool(rare), missing=gone), ""


def _why_text(known: Any, otherwise: str) -> str:
    """Return the reason why text of many values is left out: dates and spoilt numbers are named."""
    if pc.mean(pc.match_substring_regex(known, DATE)).as_py() > 0.9:
        return "dates and times are not used; give what matters of them as numbers"
    spoilt = [value for value in known.to_pylist() if not is_number(value)]
    if len(spoilt) < len(known) / 10:
        return (
            f"numbers mixed with text such as {quoted(spoilt[0])}" if spoilt else "numbers as text"
        )
    return otherwise


def _scaled(target: Target, table: Any) -> Target:
    """Return the target with the center and scale of the training rows, where it holds numbers."""
    if target.task == "classification":
        return target
    center, scale = standardised(target.observed(table))
    return replace(target, center=center, scale=scale)
