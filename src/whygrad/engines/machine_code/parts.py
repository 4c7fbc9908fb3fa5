"""How Numba compiles functions here: one set of options for all, and parts that are optimised once."""

from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import cpu_target
from numba.core.typed_passes import NativeLowering
from numba.extending import intrinsic, overload

from whygrad.engines.machine_code.by_address import ByAddress, Lowering


class _Functions(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, for functions that pass large tuples by their address."""

    def define_pipelines(self) -> list[Any]:
        self.state.targetctx.__class__ = ByAddress  # a copy of Numba's, made for this function
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


# Stated in full, because an option left open is inherited from whichever caller is compiled first.
# "contract" (a * b + c rounded once) is the only freedom given: reassociation would cancel the
# argument reduction of exp, and nothing may assume that numbers are finite.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract"},
    "error_model": "numpy",
    "boundscheck": False,
    # Arrays are the caller's for the whole call: nothing counts references to them.
    "_nrt": False,
    # Nobody calls them through a pointer of C: a door less to compile.
    "no_cfunc_wrapper": True,
    "pipeline_class": _Functions,
}


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """The code of a function that only other compiled ones call: hardly optimised, and no machine code.

    It goes into its callers, and all is optimised once, in the loop that Python calls. Numba would optimise
    every function anew within each that calls it, however indirectly: the loop took half as long again.
    """

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironments(super().codegen)

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _WithoutEnvironments:
    """Numba's code generator, which puts a function's environment into its machine code: there is none."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        pass


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerPart(NativeLowering):  # type: ignore[misc]
    _name = "lower_part"
    lowering_class = Lowering

    def run_pass(self, state: Any) -> bool:
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return bool(super().run_pass(state))


class _Parts(_Functions):
    """The same, for functions that are parts of others."""

    def define_pipelines(self) -> list[Any]:
        [manager] = super().define_pipelines()
        manager.passes = [
            (_LowerPart if step is NativeLowering else step, told) for step, told in manager.passes
        ]
        manager.finalize()
        return [manager]


# A kernel that only other kernels call has no door to Python either.
INNER: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True, "pipeline_class": _Parts}


def _intrinsic(function: Any) -> Any:
    """Make an intrinsic that functions can refer to which are being compiled at this moment."""
    made = intrinsic(function)
    cpu_target.typing_context.refresh()
    return made


def _by_type(choose: Any) -> Any:
    """Make a function that is another one for other types of arguments: what `choose` returns for them."""

    def chosen(*arguments: Any) -> None: ...

    overload(chosen, jit_options=INNER, strict=False)(choose)
    cpu_target.typing_context.refresh()
    return chosen


# For sums: they run in parallel lanes, in an order that follows from the length alone.
_LANES: dict[str, Any] = INNER | {"fastmath": {"contract", "reassoc"}}
DECORATORS: dict[str, Any] = {
    "kernel": njit(**INNER),
    "lanes": njit(**_LANES),
    "inlined": njit(forceinline=True, **INNER),
    "intrinsic": _intrinsic,
    "by type": _by_type,
}
