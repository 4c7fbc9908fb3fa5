"""What a tensor of a graph is, in terms of a chain: linear in what came before, or a function of that.

    Affine     z, linear in the activations before it, or in the inputs: matrices, factors, shifts
    Activated  a = f(z)
    Value      a tensor: affine, or made of one in the same way in every unit

What f is, is seen from what it computes: a value carries what becomes of a grid of numbers z, so that an
activation is the same in one operation, `Selu`, or in ten. A value that joins two layers fits no chain:
that is a `Break`, which names the operation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whygrad.interop.chain import Function, Linear, Scaling, Step
from whygrad.interop.onnx.recognise import function_of, grid
from whygrad.nn import Array

KEPT = 8  # affine values that a function may be one of: the first, and the nearest


class Break(Exception):
    """An operation that no chain of dense layers has."""

    def __init__(self, node: str, why: str) -> None:
        super().__init__(node, why)
        self.node, self.why = node, why


@dataclass(frozen=True, eq=False)
class Input:
    """The inputs of the chain: those of the graph side by side, (name, units), or a tensor within it.

    A tensor's numbers are computed from the graph's inputs by a runtime.
    """

    parts: tuple[tuple[str, int | None], ...] = ()
    tensor: str = ""


@dataclass(frozen=True, eq=False)
class Affine:
    """z: the steps from the activations before it, or from the inputs; `units` is None if not known."""

    below: "Input | Activated"
    units: int | None
    steps: tuple[Step, ...] = ()

    @property
    def is_dense(self) -> bool:
        """Whether there is a matrix in it, so that an activation may follow."""
        return any(isinstance(step, Linear) for step in self.steps)

    @property
    def is_single(self) -> bool:
        """Whether all numbers of its matrices are of float32."""
        matrices = [step.W for step in self.steps if isinstance(step, Linear)]
        with np.errstate(over="ignore"):
            return all(bool((W.astype(np.float32) == W).all()) for W in matrices)

    def then(self, step: Step, units: int | None) -> "Affine":
        """Return it with one step more."""
        return Affine(self.below, units, (*self.steps, step))


@dataclass(frozen=True, eq=False)
class Activated:
    """a = f(z)."""

    z: Affine
    function: Function


@dataclass(eq=False)
class Value:
    """A tensor with a row for each example, and the operation that gave it.

    `seen` is what becomes of a grid put in place of affine values that it is a function of, the nearest
    first; `of` is the value that it is a multiple of, with factor and shift; `beyond` the one of which it
    says whether it is greater than a number, and that number.
    """

    node: str
    units: int | None
    affine: Affine | None = None
    seen: dict["Value", Array] = field(default_factory=dict)
    of: tuple["Value", float, float] | None = None
    beyond: "tuple[Value, float] | None" = None

    def grids(self) -> dict["Value", Array]:
        """Return `seen`, and what the value is of itself."""
        if self.affine is None or not self.affine.is_dense:
            return self.seen
        return {self: grid(self.units or 1), **self.seen}


def resolve(value: Value) -> Affine:
    """Return a value as affine: where it is an activation, in that."""
    if value.affine is None:
        value.affine = _activated(value)
    return value.affine


def _activated(value: Value) -> Affine:
    for z, seen in value.seen.items():
        assert z.affine is not None  # which is why something is seen of it
        found = function_of(seen, grid(z.units or 1), value.node, z.affine.is_single)
        if found is not None:
            return Affine(Activated(z.affine, found), z.units)
    if value.of is not None:
        other, by, plus = value.of
        return resolve(other).then(Scaling(value.node, by, plus), other.units)
    if not value.seen:
        raise Break(value.node, "follows no Gemm or MatMul")
    raise Break(value.node, "computes no activation function that is known here")


def steps_of(affine: Affine) -> tuple[Input, list[Step]]:
    """Return the inputs, and all steps from there on."""
    found: list[Step] = list(affine.steps[::-1])
    while isinstance(affine.below, Activated):
        found.append(affine.below.function)
        affine = affine.below.z
        found += affine.steps[::-1]
    return affine.below, found[::-1]


def function(node: str, f: Callable[..., Any], values: list[Any]) -> Value:
    """Return a function of values and numbers, the same in every unit."""
    given = [value for value in values if isinstance(value, Value)]
    seen = [value.grids() for value in given]
    shared = [z for z in seen[0] if all(z in other for other in seen[1:])]
    if not shared and len(given) > 1:
        joined = " and ".join(dict.fromkeys(one.node for one in given))
        raise Break(node, f"joins what {joined} gave")
    if len(shared) > KEPT:
        shared = [*shared[: KEPT - 1], shared[-1]]
    found = Value(node, max((one.units for one in given if one.units), default=None))
    with np.errstate(all="ignore"):
        for z in shared:
            arrays = iter([other[z] for other in seen])
            found.seen[z] = f(*(next(arrays) if isinstance(v, Value) else v for v in values))
    return found


def scaled(node: str, value: Value, by: Any, plus: Any) -> Value:
    """Return by · value + plus, each a number for every unit or one for all."""
    by, plus = (_flat(node, np.asarray(one, np.float64)) for one in (by, plus))
    units = max(by.size, plus.size)
    units = value.units if units == 1 else units
    alike = all(one.size and (one == one[0]).all() for one in (by, plus))
    if not alike:
        return Value(node, units, resolve(value).then(Scaling(node, by, plus), units))
    by, plus = by[0], plus[0]
    found = function(node, lambda u: by * u + plus, [value])
    found.units, found.of = units, (value, float(by), float(plus))
    if value.affine is not None:
        found.affine = value.affine.then(Scaling(node, by, plus), units)
    return found


def _flat(node: str, array: Array) -> Array:
    """Return an array as numbers of the units, (units,)."""
    if array.ndim and array.size != array.shape[-1]:
        raise Break(node, f"has an array of shape {array.shape}, which is no number for each unit")
    return array.reshape(-1)


def multiplied(node: str, value: Value, W: Array, b: Array | None) -> Value:
    """Return W value + b, for W of shape (units, units before)."""
    affine = resolve(value)
    if affine.units is not None and affine.units != W.shape[1]:
        raise Break(node, f"takes {W.shape[1]} numbers, and is given {affine.units}")
    return Value(node, len(W), affine.then(Linear(node, W, b), len(W)))


def side_by_side(node: str, values: list[Value]) -> Value:
    """Return inputs of the graph, which may be scaled already, beside one another."""
    parts: list[tuple[str, int | None]] = []
    by, plus, where = [], [], list[str]()
    for value in values:
        affine = value.affine
        if affine is None or not isinstance(affine.below, Input) or affine.is_dense:
            raise Break(node, "joins what layers gave")
        if affine.units is None or affine.below.tensor:
            raise Break(node, "joins inputs whose columns are not known")
        parts += affine.below.parts
        factor, shift = np.ones(affine.units), np.zeros(affine.units)
        for step in affine.steps:
            assert isinstance(step, Scaling)
            factor, shift = factor * step.by, shift * step.by + step.plus
            where += [step.where] if step.where not in where else []
        by.append(factor)
        plus.append(shift)
    if len({name for name, _ in parts}) < len(parts):
        raise Break(node, "takes an input twice")
    units = sum(map(len, by))
    steps = (
        (Scaling(" and ".join(where), np.concatenate(by), np.concatenate(plus)),) if where else ()
    )
    return Value(node, units, Affine(Input(tuple(parts)), units, steps))
