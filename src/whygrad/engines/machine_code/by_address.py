"""How compiled functions hand over what a step works on: a large tuple by its address.

Numba passes a tuple as its parts, and of an array seven numbers: a function that takes the layers, the
examples and the workspace had 300 to 670 parameters, which took longer to compile than what it does. By
address it has a tenth of them, and reads what it needs.
"""

from collections import Counter
from functools import cached_property
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.cpu import CPUContext
from numba.core.datamodel.packer import ArgPacker, _flatten, _Unflattener
from numba.core.ir import Assign
from numba.core.lowering import Lower

FEW = 8  # parts of a tuple that is still passed by them


class _Packer(ArgPacker):  # type: ignore[misc]
    """The parameters of a function: large tuples are one each, an address."""

    def __init__(self, models: Any, kinds: Any) -> None:
        super().__init__(models, kinds)
        self.by_address = [
            isinstance(kind, types.BaseTuple) and len([*_flatten(model.get_argument_type())]) > FEW
            for kind, model in zip(kinds, self._dm_args, strict=True)
        ]
        passed = [
            model.get_value_type().as_pointer() if by_address else model.get_argument_type()
            for by_address, model in zip(self.by_address, self._dm_args, strict=True)
        ]
        self._unflattener, self._be_args = _Unflattener(passed), list(_flatten(passed))

    def as_arguments(self, builder: Any, values: Any) -> Any:
        """Return what is passed for the values."""
        passed = [
            _address(builder, value) if by_address else model.as_argument(builder, value)
            for by_address, model, value in zip(self.by_address, self._dm_args, values, strict=True)
        ]
        return tuple(_flatten(passed))

    def from_arguments(self, builder: Any, passed: Any) -> Any:
        """Return the values of what has been passed."""
        parts = zip(
            self.by_address, self._dm_args, self._unflattener.unflatten(passed), strict=True
        )
        return [
            builder.load(part) if by_address else model.from_argument(builder, part)
            for by_address, model, part in parts
        ]


def _address(builder: Any, value: Any) -> Any:
    """Return where a tuple lies that is given; any other gets a place."""
    return value.operands[0] if _is_given(value) else cgutils.alloca_once_value(builder, value)


def _is_given(value: Any) -> bool:
    """Return whether a value was read from a tuple that is a parameter, which nobody writes to."""
    if not isinstance(value, ir.LoadInstr):
        return False
    at = value.operands[0]
    while isinstance(at, ir.GEPInstr):
        at = at.operands[0]
    return isinstance(at, ir.Argument)


class Lowering(Lower):  # type: ignore[misc]
    """How a function becomes code of LLVM's: tuples that are parameters, or parts of them, stay there.

    So do the variables that are nothing else. Numba would copy all of a tuple to read one part.
    """

    @cached_property
    def _assignments(self) -> Counter[str]:
        """How often each variable is assigned to."""
        found = (one for block in self.blocks.values() for one in block.find_insts(Assign))
        return Counter(one.target.name for one in found)

    def extract_function_arguments(self) -> Any:
        """Read the parameters, addresses of which are promised what that of the result is."""
        values = super().extract_function_arguments()
        for value in filter(_is_given, values):
            for promise in self.function.args[0].attributes:
                value.operands[0].add_attribute(promise)
        return values

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        """Set a variable; of a tuple that is given, its address will do."""
        is_large = isinstance(self.typeof(name), types.BaseTuple) and _is_given(value)
        if not is_large or self._assignments[name] > 1:
            super().storevar(value, name, argidx)
            return
        value.parent.instructions.remove(value)
        self._singly_assigned_vars.discard(name)
        self.varmap[name] = value.operands[0]

    def delvar(self, name: str) -> None:
        """Forget a variable, unless it is nothing but an address."""
        if not isinstance(self.varmap.get(name), ir.Argument | ir.GEPInstr):
            super().delvar(name)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """Return the value of an expression: a named part of a tuple in memory is read alone."""
        if expr.op == "getattr":
            name = expr.value.name
            kind, at = self.typeof(name), self.varmap.get(name)
            if isinstance(kind, types.BaseNamedTuple) and at is not None:
                place = kind.fields.index(expr.attr)
                return self.builder.load(cgutils.gep_inbounds(self.builder, at, 0, place))
        return super().lower_expr(resty, expr)


class ByAddress(CPUContext):  # type: ignore[misc]
    """What code is made for, as Numba has it, where functions pass large tuples by their address."""

    def get_arg_packer(self, kinds: Any) -> _Packer:
        """Return how values of these kinds are passed."""
        return _Packer(self.data_model_manager, kinds)
