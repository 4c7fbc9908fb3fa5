"""What functions that Numba compiles are written with; Numba is imported once something compiles.

Most processes find their code on disk, and Numba takes longer to import than a small training. So
decorators only take note of a function, and `types`, `cgutils` and `ir` are modules that are imported when
they are first asked for something, which happens while code is made.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Deferred:
    """A function that is to be compiled, as a part of others: `kind` is a key of `parts.DECORATORS`.

    Compiled functions that refer to it take what `real` is, a dispatcher or an intrinsic of Numba.
    """

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        self.kind, self.py_func = kind, function
        functools.update_wrapper(self, function)

    @functools.cached_property
    def real(self) -> Any:
        """What Numba makes of the function."""
        from whygrad.engines.machine_code.parts import DECORATORS

        return DECORATORS[self.kind](self.py_func)

    def __call__(self, *arguments: Any) -> Any:
        """Raise, since only compiled functions can call it."""
        raise NotImplementedError(f"{self.py_func.__name__} is a part of compiled functions")


def intrinsic(function: Callable[..., Any]) -> Any:
    """As Numba's decorator of that name: the function writes instructions of LLVM."""
    return Deferred("intrinsic", function)


class _Module:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found


types: Any = _Module("numba.types")
cgutils: Any = _Module("numba.core.cgutils")
arrayobj: Any = _Module("numba.np.arrayobj")
ir: Any = _Module("llvmlite.ir")
