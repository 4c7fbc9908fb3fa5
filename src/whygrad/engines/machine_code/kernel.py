"""A compiled function as Python calls it: its arguments become words of memory, and the call is one of C.

Arguments are numbers, arrays and named tuples of both, however deep. A number is one word, an array its
address and then its shape:

    words    result | number | address  rows  columns | address  size | …

The same function is compiled once for each kind of arguments, which a string describes: the dtype of every
number and array, and how many dimensions it has. Nothing is copied, nothing counts references, and the call
holds no lock of Python's.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from whygrad.engines.machine_code import cache, objects

# How Python's numbers are passed.
_NUMBERS = {
    bool: "b",
    int: "i",
    float: "d",
    np.int64: "i",
    np.uint64: "u",
    np.float64: "d",
    np.bool_: "b",
}


class Kernel:
    """A function that is compiled, or read from disk, for every kind of arguments it is called with.

    It is known by the names of its module and itself: nothing is imported where its code is on disk.
    """

    def __init__(self, module: str, name: str, function: Callable[..., Any] | None = None) -> None:
        self.module, self.name, self._function = module, name, function
        self.entries: dict[str, objects.Entry] = {}
        self.hits = self.misses = 0  # kinds that were found on disk, and that were compiled
        self.__name__, self.__module__ = name, module
        self.__doc__ = getattr(function, "__doc__", None)

    @property
    def py_func(self) -> Callable[..., Any]:
        """The function as it is written."""
        if self._function is None:
            self._function = getattr(import_module(self.module), self.name).py_func
        return self._function

    def __call__(self, *arguments: Any) -> Any:
        """Call it, once."""
        call = Call(self)
        call.give(arguments)
        return call()

    def entry(self, kind: str, arguments: tuple[Any, ...]) -> objects.Entry:
        """Return the code for a kind of arguments, from this process, from disk, or compiled now."""
        entry = self.entries.get(kind)
        if entry is None:
            entry = self.entries[kind] = self._found(kind, arguments)
        return entry

    def _found(self, kind: str, arguments: tuple[Any, ...]) -> objects.Entry:
        def make() -> bytes:
            from whygrad.engines.machine_code.exporting import export

            return export(self.py_func, arguments)

        entry, made = found(f"{self.module.rpartition('.')[2]}.{self.name}", kind, make)
        self.misses += made
        self.hits += not made
        return entry


def found(function: str, kind: str, make: Callable[[], bytes]) -> tuple[objects.Entry, bool]:
    """Return the code of a function from disk, or make it and keep it there; and whether it was made."""
    name = cache.file_name(function, kind)
    entry: objects.Entry | None = cache.read(name, objects.load)
    if entry is not None:
        return entry, False
    try:
        code = make()
        cache.keep(name, code)
    finally:
        cache.end_turn()
    return objects.load(code), True


class Call:
    """A call of a kernel that is made again and again: only what has changed is written anew."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._given: tuple[Any, ...] = ()
        self._kinds: list[str] = []
        self._places: list[int] = []
        self._words = np.zeros(0, np.int64)
        self._reals = np.zeros(0)
        self._kind, self._address, self._is_real = "", 0, False
        self._function: Callable[[int], int] | None = None

    def give(self, arguments: tuple[Any, ...]) -> None:
        """Take the arguments of the next calls; they are kept until others take their place."""
        if len(arguments) != len(self._given):
            self._lay_out(arguments)
            return
        kinds, places = self._kinds, self._places
        for i, (now, before) in enumerate(zip(arguments, self._given, strict=True)):
            if now is not before:
                kind, words = flatten(now)
                if kind != kinds[i]:
                    self._lay_out(arguments)
                    return
                self._write(places[i], words)
        self._given = arguments

    @property
    def ready(self) -> bool:
        """Whether the code for these arguments is at hand."""
        return self._function is not None

    def prepare(self) -> None:
        """Read the code for these arguments from disk, or compile it."""
        entry = self._kernel.entry(self._kind, self._given)
        self._function, self._is_real = entry.function, entry.is_real

    def __call__(self) -> Any:
        """Call it with the arguments given."""
        if self._function is None:
            self.prepare()
        assert self._function is not None
        if self._function(self._address):
            raise RuntimeError(f"{self._kernel.name} ended in the middle")
        return float(self._reals[0]) if self._is_real else int(self._words[0])

    def _lay_out(self, arguments: tuple[Any, ...]) -> None:
        flat = [flatten(argument) for argument in arguments]
        self._kinds = [kind for kind, _ in flat]
        self._places, size = [], 1
        for _, words in flat:
            self._places.append(size)
            size += len(words)
        self._words = np.zeros(size, np.int64)
        self._reals = self._words.view(np.float64)
        self._address = self._words.ctypes.data
        for place, (_, words) in zip(self._places, flat, strict=True):
            self._write(place, words)
        self._given, self._kind = arguments, ",".join(self._kinds)
        self._function = None

    def _write(self, place: int, words: list[Any]) -> None:
        for i, word in enumerate(words, start=place):
            if type(word) is float:
                self._reals[i] = word
            else:
                self._words[i] = word


def flatten(argument: Any) -> tuple[str, list[Any]]:
    """Return the kind of an argument, and its words: floats, and whole numbers of 64 bits.

    Raises `TypeError` for what compiled code cannot take: it would read wrong memory.
    """
    if isinstance(argument, np.ndarray):
        flags = argument.flags
        if not (flags.c_contiguous and argument.dtype.isnative):
            raise TypeError("a kernel takes arrays whose numbers lie side by side")
        mode = ("" if flags.writeable else "r") + ("" if flags.aligned else "u")
        kind = f"{argument.dtype.char}{argument.ndim}{mode}"
        return kind, [argument.__array_interface__["data"][0], *argument.shape]
    if isinstance(argument, tuple):
        parts = [flatten(part) for part in argument]
        kind = ",".join(kind for kind, _ in parts)
        return f"({kind})", [word for _, words in parts for word in words]
    kind = _NUMBERS.get(type(argument), "")
    if kind == "d":
        return kind, [float(argument)]
    if kind in ("b", "i"):
        return kind, [int(argument)]
    if kind == "u":
        whole = int(argument)
        return kind, [whole - 2**64 if whole >= 2**63 else whole]
    raise TypeError(f"a kernel takes numbers and arrays, not {type(argument).__name__}")
