"""The steps of a scikit-learn Pipeline, column by column: what the inputs of its network are, in its table.

What scales columns, picks them out, fills gaps or encodes categories is followed back; a step that makes
new columns of several is not, and its own names are used.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from whygrad.errors import InputError
from whygrad.interop.columns import Column, one_hot, picked, plain, scaled

Columns = list[Column]


def columns_after(step: Any, columns: Columns, name: str, notes: list[str]) -> Columns:
    """Return the columns after a fitted step; what has to be said of it is added to the notes.

    Raises `InputError` for a step that computes with code of its user's own.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return columns
    if isinstance(step, Pipeline):
        for inner, one in step.steps:
            columns = columns_after(one, columns, inner, notes)
        return columns
    if isinstance(step, FeatureUnion):
        parts = [columns_after(one, columns, inner, notes) for inner, one in step.transformer_list]
        return [column for part in parts for column in part]
    if isinstance(step, ColumnTransformer):
        return _of_column_transformer(step, columns, notes)
    kind = type(step).__name__
    follow = STEPS.get(kind)
    if kind == "FunctionTransformer" and step.func is not None:
        named = step.feature_names_out is not None
        follow = _by_shape if isinstance(step.func, np.ufunc) and step.func.nin == 1 else None
        if follow is None and not named:
            raise InputError(
                f"step {name!r}, a FunctionTransformer, computes what only its code tells: give it "
                "feature_names_out='one-to-one', where it keeps the columns apart, or transform the table "
                "by it first"
            )
    n_out = _count_after(step)
    if follow is not None:
        found = follow(step, columns, notes)
        if n_out in (None, len(found)):
            return found
    elif hasattr(step, "get_support"):
        return picked(columns, step.get_support(indices=True))
    return _by_its_own_names(step, name, notes)


def _count_after(step: Any) -> int | None:
    try:
        return len(step.get_feature_names_out())
    except (AttributeError, ValueError):  # a step that cannot tell
        return None


def _by_its_own_names(step: Any, name: str, notes: list[str]) -> Columns:
    """Return what a step calls its columns, where nobody can tell what they are of those before."""
    kind = type(step).__name__
    try:
        names = list(map(str, step.get_feature_names_out()))
    except (AttributeError, ValueError):
        raise InputError(
            f"step {name!r}, a {kind}, does not tell what it makes of columns: give it "
            "get_feature_names_out, or transform the table by it first"
        ) from None
    notes.append(f"{kind} makes new columns: answers speak of these, such as {names[0]!r}")
    return plain(names)


def _of_column_transformer(step: Any, columns: Columns, notes: list[str]) -> Columns:
    parts: dict[str, Columns] = {}
    for name, one, chosen in step.transformers_:
        at = _places(columns, chosen, getattr(step, "feature_names_in_", None))
        if len(at) == 0 or (isinstance(one, str) and one == "drop"):
            parts[name] = []
        else:
            parts[name] = columns_after(one, picked(columns, at), name, notes)
    found: list[Column | None] = [None] * sum(map(len, parts.values()))
    for name, part in parts.items():
        place = step.output_indices_[name]
        for k, column in zip(range(place.start, place.stop), part, strict=False):
            found[k] = column
    return [column for column in found if column is not None]


def _places(columns: Columns, chosen: Any, names: Any) -> Any:
    """Return the places of the columns that a part of a ColumnTransformer takes."""
    places = np.arange(len(columns))
    known = [] if names is None else list(names)
    if isinstance(chosen, slice):
        ends: list[Any] = [chosen.start, chosen.stop]
        start, stop = (known.index(end) if isinstance(end, str) else end for end in ends)
        if isinstance(chosen.stop, str):
            stop += 1  # by names, the last one belongs to it
        return places[start : stop : chosen.step]
    given = np.atleast_1d(np.asarray(chosen, dtype=object))
    if len(given) and all(isinstance(one, bool | np.bool_) for one in given):
        return places[given.astype(bool)]
    return np.array(
        [known.index(one) if isinstance(one, str) else places[one] for one in given], int
    )


# ── steps that are followed ──────────────────────────────────────────────────────────────────────────


def _same(step: Any, columns: Columns, notes: list[str]) -> Columns:
    return columns


def _standard(step: Any, columns: Columns, notes: list[str]) -> Columns:
    by = 1 / step.scale_ if step.with_std else 1.0
    return scaled(columns, by, -step.mean_ * by if step.with_mean else 0.0)


def _robust(step: Any, columns: Columns, notes: list[str]) -> Columns:
    by = 1 / step.scale_ if step.with_scaling else 1.0
    return scaled(columns, by, -step.center_ * by if step.with_centering else 0.0)


def _by_shape(step: Any, columns: Columns, notes: list[str]) -> Columns:
    notes.append(
        f"{type(step).__name__} bends the numbers of {_listed(columns)}: they stand as they are after it"
    )
    return [Column(column.name, column.origin) for column in columns]


def _listed(columns: Columns) -> str:
    names = [repr(column.name) for column in columns[:3]]
    return ", ".join(names) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")


def _one_hot_encoded(step: Any, columns: Columns, notes: list[str]) -> Columns:
    found: Columns = []
    rare = getattr(step, "infrequent_categories_", None) or [None] * len(columns)
    dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * len(columns)
    for column, known, few, drop in zip(columns, step.categories_, rare, dropped, strict=True):
        kept = [label for label in known.tolist() if few is None or label not in few.tolist()]
        if few is not None and len(few):
            kept.append("other")
        if drop is not None:
            gone = known[drop]
            kept = [label for label in kept if label != gone]
        found += one_hot(column, kept)
    return found


def _ordinal(step: Any, columns: Columns, notes: list[str]) -> Columns:
    for column, known in zip(columns, step.categories_, strict=True):
        places = ", ".join(f"{i} is {label}" for i, label in enumerate(known.tolist()[:4]))
        notes.append(
            f"{column.name!r} stands by the place of its value: {places}{', …' if len(known) > 4 else ''}"
        )
    return [Column(column.name, column.origin) for column in columns]


def _imputed(step: Any, columns: Columns, notes: list[str]) -> Columns:
    """Return the columns but those without any value, and flags of what was missing."""
    found = columns
    if hasattr(step, "statistics_") and not getattr(step, "keep_empty_features", False):
        full = [value == value and value is not None for value in step.statistics_.tolist()]
        found = [column for column, known in zip(columns, full, strict=True) if known]
    indicator = getattr(step, "indicator_", None)
    if indicator is None:
        return found
    gaps = [columns[int(i)] for i in indicator.features_]
    return found + [Column(f"{gap.origin} is missing", gap.origin) for gap in gaps]


STEPS: dict[str, Callable[[Any, Columns, list[str]], Columns]] = {
    "FunctionTransformer": _same,  # without a function
    "StandardScaler": _standard,
    "MinMaxScaler": lambda step, columns, _: scaled(columns, step.scale_, step.min_),
    "MaxAbsScaler": lambda step, columns, _: scaled(columns, 1 / step.scale_, 0.0),
    "RobustScaler": _robust,
    "PowerTransformer": _by_shape,
    "QuantileTransformer": _by_shape,
    "OneHotEncoder": _one_hot_encoded,
    "OrdinalEncoder": _ordinal,
    "SimpleImputer": _imputed,
    "KNNImputer": _imputed,
    "IterativeImputer": _imputed,
}
