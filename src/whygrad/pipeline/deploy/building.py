"""A trained network, and where there is one the encoding of its table → a `Deployable`, and its `Proof`.

Cells of text have countless spellings. What an export knows are those that `Category.codes` lists.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from whygrad.engines.prediction import outputs_of_rows
from whygrad.errors import InputError
from whygrad.fitted import Ensemble, Fitted
from whygrad.nn.functions import Activation, Array
from whygrad.nn.parametric import family_of
from whygrad.pipeline.deploy.form import (
    Choice,
    Column,
    Date,
    Deployable,
    Encoded,
    Label,
    Layer,
    Number,
    Proof,
    Result,
    Turned,
)
from whygrad.tables import DateColumn, Encoding, NumberColumn, SplitColumn, Target, quoted
from whygrad.tables.dates import DAY, EPOCH_TO, EPOCHS, PARTS
from whygrad.tables.encoding import TurnedColumn

ROWS = 1000  # that are compared at most
DRAWN = 100  # rows, where there are none


def of_network(fitted: Fitted | Ensemble, result: Result | None = None) -> Deployable:
    """Return what a network that takes numbers as they are is exported from."""
    return Deployable((), _layers(fitted), result or Result(), cost=fitted.net.C.name)


def _layers(fitted: Fitted | Ensemble) -> tuple[Layer, ...]:
    """Return the layers of a network, or of those that are averaged side by side.

    The last layer sums, as of `Ensemble.joined`, which has zeros where these have blocks. Raises
    `InputError` where a layer cannot be written down.
    """
    members = fitted.members if isinstance(fitted, Ensemble) else (fitted,)
    net, K = members[0].net, len(members)
    flat = np.concatenate([np.asarray(one.theta.flat) for one in members])
    if not np.isfinite(flat).all():
        raise InputError(
            "some of its parameters are not finite: train it again before it is exported"
        )
    if flat.dtype not in (np.float32, np.float64):
        raise InputError(
            f"its parameters are {flat.dtype}: only float32 and float64 can be exported"
        )
    layers = []
    for l, layer in enumerate(net.layers, start=1):
        family, parameters = _activation(layer.f, l, flat.dtype)
        W, b = ([getattr(one.theta, name)[l] for one in members] for name in "Wb")
        if l < net.L:
            weights, biases, blocks = np.vstack(W), np.concatenate(b), K if l > 1 else 1
        else:
            shares = [each / K for each in W]
            weights, biases, blocks = np.hstack(shares) if l > 1 else sum(shares), sum(b) / K, 1
        layers.append(
            Layer(weights, biases, layer.f.name, layer.dropout, family, parameters, blocks)
        )
    return tuple(layers)


def _activation(f: Activation, l: int, dtype: Any) -> tuple[str, tuple[float, ...]]:
    """Return family and parameters of the activation of layer l; raises `InputError` for a user's own."""
    found = family_of(f)
    if found is None:
        raise InputError(
            f"layer {l} has the activation {quoted(f.name)}, and only those of whygrad.functions can be "
            "exported"
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(np.array(found[1], dtype)).all():
            raise InputError(
                f"layer {l} has the activation {quoted(f.name)}: its numbers are not finite in {dtype}, "
                "and cannot be exported"
            )
    return found


def of_table(fitted: Fitted | Ensemble, encoding: Encoding) -> Deployable:
    """Return what a network on the columns of a table is exported from.

    Parameters
    ----------
    fitted : Fitted or Ensemble
        The network, or those whose outputs are averaged: they leave as one, side by side.
    encoding : Encoding
        How its columns become inputs, and its outputs the target.

    Returns
    -------
    Deployable
        All of it as plain data.

    Raises
    ------
    InputError
        For an activation of the user's own, and for parameters that are not finite.
    """
    layers = _layers(fitted)
    notes: list[str] = []
    try:
        columns, result = _columns(encoding, layers[0].W.dtype, notes), _result(encoding.target)
        turned = tuple(map(_turned, encoding.turned))
    except InputError:
        raise
    except (
        AttributeError,
        TypeError,
        ValueError,
    ) as error:  # of a file that anyone may have written
        raise InputError(f"the description of the table is damaged ({error})") from None
    each = zip(encoding.names, encoding.origins, encoding.scales, strict=True)
    inputs = tuple(Encoded(*one) for one in each) if columns else ()
    return Deployable(columns, layers, result, tuple(notes), fitted.net.C.name, inputs, turned)


def _result(target: Target) -> Result:
    """Return what the outputs mean for the target of a table."""
    if target.task == "regression":
        center, scale = finite(target.center), finite(target.scale)
        return Result("number", center=center, scale=scale, target=target.name)
    labels = as_labels(target.classes)
    return Result("classes", labels, threshold=finite(target.threshold))


def _columns(encoding: Encoding, dtype: Any, notes: list[str]) -> tuple[Column, ...]:
    """Return the columns of a table; () where they go in side by side as they are."""
    if not encoding.turned and all(_as_it_is(column) for column in encoding.columns):
        first, last = (quoted(encoding.columns[k].name) for k in (0, -1))
        notes.append(f"columns {first} to {last} go in as one array of {len(encoding.columns)}")
        return ()
    columns = []
    for column in encoding.columns:
        if isinstance(column, SplitColumn):
            names = " and ".join(quoted(part.name) for part in column.parts)
            notes.append(f"the numbers of column {quoted(column.name)} go in as {names}")
        parts = column.parts if isinstance(column, SplitColumn) else (column,)
        columns += [_column(part, encoding.target.na, dtype, notes) for part in parts]
    return tuple(columns)


def finite(value: float) -> float:
    """Return a number as it is; raises `ValueError` for one that source code has no literal for."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return float(value)


def as_labels(given: Sequence[Any]) -> tuple[Label, ...]:
    """Return labels as plain values of one type: text, whole numbers, numbers, or true and false."""
    labels = [one.item() if isinstance(one, np.generic) else one for one in given]
    kinds = {type(label) for label in labels}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise InputError(
            f"classes of {' and '.join(sorted(kind.__name__ for kind in kinds))} cannot be exported: they "
            "must be all text, all numbers, or true and false"
        )
    for label in labels:
        if isinstance(label, float) and not math.isfinite(label):
            raise InputError(f"the class {label} cannot be exported: it is no finite number")
    return tuple(labels)


def _as_it_is(column: Any) -> bool:
    """Return whether a column goes in as it is, such as the pixels of images."""
    return isinstance(column, NumberColumn) and (
        (column.kind, column.center, column.scale, column.fill, column.flagged, column.edges)
        == ("number", 0.0, 1.0, 0.0, False, ())
    )


def _column(column: Any, na: Sequence[str], dtype: Any, notes: list[str]) -> Column:
    """Return a column as plain data; `notes` gets what is to be known of it."""
    gaps = tuple(one for one in map(_number, na) if one is not None)
    if isinstance(column, NumberColumn):
        if column.form.unit == "%" and not column.form.bare:
            notes.append(f"column {quoted(column.name)} goes in as per cent: 12 for 12%")
        elif column.form.family and column.form.unit:
            notes.append(f"column {quoted(column.name)} goes in as a number, in {column.form.unit}")
        return Number(
            column.name,
            finite(column.center),
            finite(column.scale),
            finite(column.fill),
            bool(column.flagged),
            gaps,
            column.kind == "boolean",
            tuple(map(finite, column.edges)),
            column.largest(dtype),
        )
    if isinstance(column, DateColumn):
        return _date(column, gaps, notes)
    return Choice(
        column.name,
        tuple(column.codes(na).items()),
        len(column.names),
        len(column.values) if column.rare else -1,
    )


def _turned(column: TurnedColumn) -> Turned:
    edges = tuple(map(finite, column.edges))
    of = tuple((name, finite(factor)) for name, factor in column.of)
    return Turned(Number(column.name, finite(column.center), finite(column.scale), edges=edges), of)


def _number(sign: str) -> float | None:
    try:
        return finite(float(sign))
    except ValueError:
        return None


def _date(column: DateColumn, gaps: tuple[float, ...], notes: list[str]) -> Date:
    form = column.form.form
    epoch, clock = form in EPOCHS, form == "clock"
    unit = form if epoch else "seconds"
    since = "since midnight" if clock else "since 1970, UTC"
    notes.append(f"column {quoted(column.name)} goes in as a number: {unit} {since}")
    every = column.edges or ((),) * len(column.parts)
    pieces = tuple(tuple(map(finite, edges)) for edges in every)
    parts = tuple(zip(column.parts, pieces, strict=True))
    if any(edges and not PARTS[part][1] for part, edges in parts):
        raise ValueError("edges of a part that is not standardised")
    return Date(
        column.name,
        column.parts,
        tuple(len(edges or PARTS[part][0]) for part, edges in parts),
        tuple(map(finite, column.centers)),
        tuple(map(finite, column.widths)),
        pieces,
        finite(column.fill),
        bool(column.flagged),
        bool(column.flagged and column.edges),
        EPOCHS[form] if epoch else 1.0,
        -float(EPOCH_TO) if epoch else None,
        10.0 * EPOCH_TO if epoch else None,
        gaps if epoch else (),
        clock,
    )


# ── proofs ───────────────────────────────────────────────────────────────────────────────────────────


def proof_of_network(given: Deployable, fitted: Fitted | Ensemble, X: Any, what: str) -> Proof:
    """Return rows, (n, n_0), and the outputs of the network; X is drawn where it is None."""
    X, what = inputs_or_drawn(given, X, what)
    return Proof({"X": X}, _outputs(fitted, X), None, what)


def _outputs(fitted: Fitted | Ensemble, X: Array) -> Array:
    """Return a[L] as whygrad predicts it: of an ensemble by its members, not by them joined."""
    if isinstance(fitted, Ensemble):
        return fitted.net.f[-1].value(fitted.z(X, outputs_of_rows))
    return outputs_of_rows(fitted.net, fitted.theta, X)


def inputs_or_drawn(given: Deployable, X: Any, what: str) -> tuple[Array, str]:
    """Return inputs in the network's dtype, at most `ROWS` of them, or drawn ones."""
    if X is None:
        X, what = np.random.default_rng(0).normal(size=(DRAWN, given.n_0)), "rows drawn at random"
    X = np.asarray(X[:ROWS], given.dtype)
    if X.shape[1:] != (given.n_0,) or not len(X):
        raise InputError(f"rows have shape {X.shape}: they must be (n, {given.n_0})")
    return X, what


def proof_of_table(
    given: Deployable, fitted: Fitted | Ensemble, encoding: Encoding, table: Any, what: str
) -> Proof:
    """Return rows of a table and what whygrad predicts for them; rows are drawn where `table` is None."""
    if table is None:
        table, what = drawn_table(encoding), "rows drawn at random"
    table = table.slice(0, ROWS)
    target = encoding.target
    X = encoding.encode(table, given.dtype)
    a = _outputs(fitted, X)
    if given.columns:
        inputs: dict[str, Array] = {}
        for column in encoding.columns:
            cells = table.column(column.name)
            if isinstance(column, SplitColumn):
                names = [part.name for part in column.parts]
                inputs |= dict(zip(names, column.read(cells, target.na), strict=True))
            else:
                inputs[column.name] = _as_it_goes_in(column, cells, target.na)
    else:
        inputs = {"X": X}
    decided = target.decode(a)
    if target.task == "regression":
        return Proof(inputs, decided[:, None], None, what)
    return Proof(inputs, target.probabilities(a), decided, what)


def _as_it_goes_in(column: Any, cells: Any, na: Sequence[str]) -> Array:
    """Return the cells of a column as an export takes them: numbers, text, or times in their own unit."""
    found: Array = column.read(cells, na)
    per = EPOCHS.get(column.form.form) if isinstance(column, DateColumn) else None
    return found if per is None else found / per


def drawn_table(encoding: Encoding) -> Any:
    """Return rows that could be those of training: around its centers, one in ten missing or unknown."""
    random = np.random.default_rng(0)
    drawn = {}
    for column in encoding.columns:
        lost = random.random(DRAWN) < 0.1
        cells: Any
        if isinstance(column, NumberColumn):
            values = column.center + column.scale * random.normal(size=DRAWN)
            if column.kind == "boolean":
                values = random.integers(0, 2, DRAWN).astype(float)
            cells = pa.array(np.where(lost, np.nan, values), from_pandas=True)
        elif isinstance(column, DateColumn):
            cells = pa.array(_seconds(column, random), pa.timestamp("s"), mask=lost)
            if column.form.form == "clock":
                cells = cells.cast(pa.time32("s"))
        elif isinstance(column, SplitColumn):
            around = [(part.center, part.scale) for part in column.parts]
            sizes = np.abs([c + s * random.normal(size=DRAWN) for c, s in around]).round()
            every = np.ones((len(column.forms), DRAWN))
            every[list(column.places)] = sizes
            written = [column.mark.join(f"{one:.0f}" for one in row) for row in every.T]
            cells = pa.array(written, pa.large_string(), mask=lost)
        else:
            values = random.choice(np.array([*column.values, "(unknown)"], object), DRAWN)
            cells = pa.array(values, pa.large_string(), mask=lost)
        drawn[column.name] = cells
    return pa.table(drawn)


def _seconds(column: DateColumn, random: np.random.Generator) -> Array:
    """Return times around that which stands in for a missing one, as whole seconds."""
    if column.form.form == "clock":
        return random.integers(0, DAY, DRAWN)
    return np.int64(column.fill) + random.integers(-1000 * DAY, 1000 * DAY, DRAWN)
