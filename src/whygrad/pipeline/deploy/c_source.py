"""A `Deployable` → one file of C99 that needs nothing but math.h and string.h, and allocates nothing.

    NAME_row, NAME_result     a row of the table as it stands there, and what is predicted
    NAME_predict              from one to the other; without columns it takes an array
    NAME_MAIN                 with this macro the file has a `main` that proves itself on some rows

Functions that are the same in all files stand in `runtime.c`. Numbers are standardised in double, and cast
to what the network computes in. Texts are compared byte by byte.
"""

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.errors import InputError
from whygrad.nn.functions import SELU_ALPHA, SELU_SCALE
from whygrad.nn.parametric import GELU_CUBIC, GELU_SCALE
from whygrad.pipeline.deploy.form import (
    Choice,
    Column,
    Date,
    Deployable,
    Label,
    Layer,
    Number,
    Proof,
    Turned,
)
from whygrad.pipeline.deploy.source_text import (
    LONGEST,
    as_plain,
    c_string,
    commented,
    identifier,
    identifiers,
    limit_of,
    number,
    numbers,
    presentable,
    unspeakable,
    wrapped,
)
from whygrad.tables.columns import LARGEST
from whygrad.tables.dates import DAY
from whygrad.tables.encoding import BOUND, WEIGHT
from whygrad.version import __version__

RUNTIME = Path(__file__).with_name("runtime.c")
LABEL_TYPES = {str: "const char *", bool: "int ", int: "long long ", float: "double "}


def to_c(given: Deployable, proof: Proof, name: str) -> str:
    """Return the source of a network.

    Parameters
    ----------
    given : Deployable
        The network.
    proof : Proof
        Rows, of which the first few are written into the file.
    name : str
        What all names of the file begin with, once it is made an identifier.

    Returns
    -------
    str
        ASCII.

    Raises
    ------
    InputError
        For a category or label that C cannot hold.
    """
    _check(given)
    return "\n".join(_Source(given, presentable(proof), name).lines()) + "\n"


def _check(given: Deployable) -> None:
    """Raise `InputError` for texts and labels that C cannot hold."""
    texts = [label for label in given.result.labels if isinstance(label, str)]
    for column in given.columns:
        if isinstance(column, Choice):
            texts += [text for text, _ in column.codes]
    for text in filter(unspeakable, texts):
        what = "a NUL" if "\0" in text else f"more than {LONGEST} bytes"
        raise InputError(f"C cannot hold the text {text!r:.60}: it has {what}")
    for label in given.result.labels:
        if type(label) is int and not -(2**63) < label < 2**63:
            raise InputError(f"C has no whole number as large as the label {label}")


@cache
def functions() -> dict[str, str]:
    """Return the functions of `runtime.c` by name."""
    _, *pieces = re.split(r"^//@ (\w+)\n", RUNTIME.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


class _Source:
    """The lines of one file."""

    def __init__(self, given: Deployable, proof: Proof, name: str) -> None:
        self.given, self.proof, self.name = given, proof, identifier(name, "net")
        self.file = f"{commented(name)}.c"
        self.real, self.F = ("float", "f") if given.dtype == "float32" else ("double", "")
        self.fields = identifiers(column.name for column in given.columns)
        self.values = given.result.values.replace("variable", "values")
        self.scalar = given.result.kind == "number"

    def lines(self) -> Iterator[str]:
        yield from self._opening()
        yield from self._declarations()
        yield from self._constants()
        yield from self._functions()
        yield from self._predict()
        yield from self._main()

    def _literals(self, array: Any) -> list[str]:
        return numbers(array, self.given.dtype, self.F)

    def _opening(self) -> Iterator[str]:
        name, given = self.name, self.given
        row = "&row" if given.columns else "x"
        yield f"/* {name}: a trained network in C99, written by whygrad {__version__}."
        yield " *"
        yield f" * {given.sizes}, in {self.real}."
        yield f" * {name}_predict({row}, &result) predicts. Nothing is allocated, no state is kept."
        yield from (f" * {commented(note)}." for note in given.notes)
        if given.columns:
            yield " * Texts are compared as bytes of UTF-8. A missing number is NAN, a missing text NULL."
        yield " *"
        yield " * To see it prove itself on rows that whygrad predicted (exit code 0, or else 1):"
        yield f" *     cc -std=c99 -D{name.upper()}_MAIN {self.file} -lm && ./a.out"
        yield " */"
        yield "#include <math.h>"
        yield "#include <string.h>"
        yield ""

    def _declarations(self) -> Iterator[str]:
        name, given, result = self.name, self.given, self.given.result
        if given.columns:
            yield "/* A row of the table. */"
            yield "typedef struct {"
            for field, column in zip(self.fields, given.columns, strict=True):
                kind = "const char *" if isinstance(column, Choice) else "double "
                yield f"    {kind}{field}; /* {commented(column.name)} */"
            yield f"}} {name}_row;"
            yield ""
        yield "/* What is predicted. */"
        yield "typedef struct {"
        if result.kind == "classes":
            yield f"    int index; /* in {name}_labels */"
            yield f"    {LABEL_TYPES[type(result.labels[0])]}label;"
        if result.kind == "several":
            yield f"    int labels[{given.n_L}]; /* 0 or 1 */"
        yield (
            "    double value;"
            if self.scalar
            else f"    {self.real} {self.values}[{given.n_values}];"
        )
        yield f"}} {name}_result;"
        yield ""
        yield f"{self._signature()};"
        yield ""

    def _signature(self) -> str:
        taken = f"const {self.name}_row *row" if self.given.columns else f"const {self.real} *x"
        return f"void {self.name}_predict({taken}, {self.name}_result *result)"

    def _constants(self) -> Iterator[str]:
        labels = self.given.result.labels
        if labels:
            kind = LABEL_TYPES[type(labels[0])].removeprefix("const ")
            constant = f"{kind}const " if kind == "char *" else kind
            yield f"static const {constant}{self.name}_labels[{len(labels)}] = {{"
            yield wrapped([_label(label) for label in labels])
            yield "};"
        for l, layer in enumerate(self.given.layers, start=1):
            for what, array in (("W", layer.W), ("b", layer.b)):
                yield f"static const {self.real} {self.name}_{what}{l}[{array.size}] = {{"
                yield wrapped(self._literals(array))
                yield "};"
        yield ""

    def _functions(self) -> Iterator[str]:
        yield self._function("dense")
        for family in dict.fromkeys(layer.family for layer in self.given.layers):
            if family != "identity":
                yield self._function(family)
        pairs = list(zip(self.fields, self.given.columns, strict=True))
        if any(isinstance(column, Date) and _has_date(column) for _, column in pairs):
            yield self._function("civil")
        numbers = [*self.given.columns, *(one.number for one in self.given.turned)]
        if any(any(getattr(column, "edges", ())) for column in numbers):
            yield self._function("pieces")
        choices = [(field, column) for field, column in pairs if isinstance(column, Choice)]
        if choices:
            yield self._function("find")
        for field, choice in choices:
            codes = sorted((text.encode(), c_string(text), place) for text, place in choice.codes)
            yield f"static const {self.name}_code {self.name}_codes_{field}[{len(codes)}] = {{"
            yield wrapped([f"{{{text}, {place}}}" for _, text, place in codes])
            yield "};"
            yield ""

    def _function(self, what: str) -> str:
        """Return a function of `runtime.c` with this file's name and type."""
        constants = {
            "SELU_SCALE": SELU_SCALE,
            "SELU_ALPHA": SELU_ALPHA,
            "GELU_SCALE": GELU_SCALE,
            "GELU_CUBIC": GELU_CUBIC,
            "PIECES_BOUND": BOUND,
            "PIECES_WEIGHT": WEIGHT,
        }
        filled = functions()[what].replace("NAME", self.name).replace("REAL", self.real)
        for constant, value in constants.items():
            filled = filled.replace(constant, repr(value))
        return re.sub(r"\b(expm1|exp|log1p|fabs|tanh|erfc)F\(", rf"\1{self.F}(", filled)

    def _predict(self) -> Iterator[str]:
        given, name = self.given, self.name
        widest = max(given.n_0 if given.columns else 1, *(len(layer.b) for layer in given.layers))
        yield self._signature()
        yield "{"
        yield f"    {self.real} a[{widest}], z[{widest}];"
        yield "    int j;"
        place, below = 0, "a" if given.columns else "x"
        for field, column in zip(self.fields, given.columns, strict=True):
            yield f"    {{ /* {commented(column.name)} */"
            yield from (f"        {line}" for line in self._column(column, field, place))
            yield "    }"
            place += column.width
        for turned in given.turned:
            yield f"    {{ /* {commented(turned.number.name)} */"
            yield from (f"        {line}" for line in self._turned(turned, place))
            yield "    }"
            place += turned.number.width
        for l, layer in enumerate(given.layers, start=1):
            yield from (f"    {line}" for line in self._dense(layer, l, below))
            units = len(layer.b)
            a = "z[j]"
            if layer.family == "softmax":
                yield f"    {name}_softmax(z, {units});"
            elif layer.family != "identity":
                parameters = self._literals(np.array(layer.parameters))
                a = f"{name}_{layer.family}({', '.join([a, *parameters])})"
            yield f"    for (j = 0; j < {units}; j++)"
            yield f"        a[j] = {a};"
            below = "a"
        yield from (f"    {line}" for line in self._result())
        yield "}"

    def _dense(self, layer: Layer, l: int, below: str) -> Iterator[str]:
        """Yield the lines of a product, from the layer below into z; of several blocks one by one."""
        dense, W, b = (f"{self.name}_{what}" for what in ("dense", f"W{l}", f"b{l}"))
        units, inputs = len(layer.b) // layer.blocks, layer.W.shape[1]
        if layer.blocks == 1:
            yield f"{dense}({W}, {b}, {units}, {inputs}, {below}, z);"
            return
        W, b, z = f"{W} + j * {units * inputs}", f"{b} + j * {units}", f"z + j * {units}"
        yield f"for (j = 0; j < {layer.blocks}; j++)"
        yield f"    {dense}({W}, {b}, {units}, {inputs}, {below} + j * {inputs}, {z});"

    # ── columns ──

    def _column(self, column: Column, field: str, place: int) -> Iterator[str]:
        """Yield the lines that encode one column, into a from `place` on."""
        if isinstance(column, Choice):
            codes = f"{self.name}_codes_{field}, {len(column.codes)}"
            yield f"int place = {self.name}_find(row->{field}, {codes}, {column.other});"
            yield f"for (j = 0; j < {column.width}; j++)"
            yield f"    a[{place} + j] = j == place;"
            return
        per = f" * {number(column.per)}" if isinstance(column, Date) and column.per != 1 else ""
        yield f"double cell = row->{field}, value = cell{per};"
        gone = _gone(column, "cell")
        if isinstance(column, Date) and column.low is not None and column.high is not None:
            gone += [f"value < {number(column.low)}", f"value > {number(column.high)}"]
        yield f"int missing = {' || '.join(gone)};"
        yield "if (missing)"
        yield f"    value = {number(column.fill)};"
        if isinstance(column, Date):
            yield from self._date(column, place)
        else:
            yield from self._scaled(place, "value", column.center, column.scale, column.edges)
        if column.flagged:
            flag = place + column.width - 1
            if column.zeroed:
                yield f"for (j = {place}; missing && j < {flag}; j++)"
                yield "    a[j] = 0;"
            yield f"a[{flag}] = ({self.real})missing;"

    def _turned(self, turned: Turned, place: int) -> Iterator[str]:
        """Yield the lines that encode what some columns make together, into a from `place` on."""
        known = zip(self.fields, self.given.columns, strict=True)
        cells = {
            one.name: (f"row->{field}", one) for field, one in known if isinstance(one, Number)
        }
        summed = turned.number
        yield "double value = 0;"
        for name, factor in turned.of:
            cell, column = cells[name]
            missing = " || ".join(_gone(column, cell))
            yield f"value += {number(factor)} * ({missing} ? {number(column.fill)} : {cell});"
        yield from self._scaled(place, "value", summed.center, summed.scale, summed.edges)

    def _date(self, column: Date, place: int) -> Iterator[str]:
        """Yield the lines that take a time apart."""
        if set(column.parts) - {"day number"}:
            yield f"double days = floor(value / {DAY}.0);"
        if _has_date(column):
            yield "double year, month, day;"
            yield f"{self.name}_civil(days, &year, &month, &day);"
            yield "(void)year, (void)month, (void)day;"
        if "weekday" in column.parts:
            yield "double weekday = days + 3 - 7 * floor((days + 3) / 7); /* 0 is Monday */"
        if "hour" in column.parts:
            yield f"double hour = (value - days * {DAY}.0) / 3600.0;"
        for part, width, center, scale, edges in zip(
            column.parts, column.widths, column.centers, column.scales, column.edges, strict=True
        ):
            for k, value in enumerate(_part(part, width)):
                yield from self._scaled(place + k, value, center, scale, edges)
            place += width

    def _scaled(
        self, place: int, value: str, center: float, scale: float, edges: Sequence[float]
    ) -> Iterator[str]:
        """Yield the lines that standardise a number, in pieces where it has edges."""
        if edges:
            yield "{"
            yield f"    static const double edges[{len(edges)}] = {{"
            yield from wrapped([number(edge) for edge in edges], " " * 8).splitlines()
            yield "    };"
            scaling = f"{value}, {number(center)}, {number(scale)}"
            yield f"    {self.name}_pieces({scaling}, edges, {len(edges)}, a + {place});"
            yield "}"
            return
        if (center, scale) != (0.0, 1.0):
            value = f"({value} - {_signed(center)}) / {number(scale)}"
        yield f"a[{place}] = ({self.real})({value});"

    # ── results ──

    def _result(self) -> Iterator[str]:
        """Yield the lines from the outputs in a to the result."""
        given, result, values = self.given, self.given.result, self.values
        threshold = number(result.threshold, given.dtype) + self.F
        if self.scalar:
            scaled = f"(double)a[0] * {number(result.scale)} + {_signed(result.center)}"
            undone = f"{result.inverse}({scaled})" if result.inverse else scaled
            yield f"result->value = {undone};"
            return
        if result.kind == "several":
            yield f"for (j = 0; j < {given.n_L}; j++)"
            yield f"    result->labels[j] = a[j] > {threshold};"
        if result.kind == "classes":
            if given.two:
                yield f"result->index = a[0] > {threshold} ? {len(result.labels) - 1} : 0;"
            else:
                yield "result->index = 0;"
                yield f"for (j = 1; j < {given.n_L}; j++)"
                yield "    if (a[j] > a[result->index])"
                yield "        result->index = j;"
            yield f"result->label = {self.name}_labels[result->index];"
        if given.two and result.shares:
            yield f"result->{values}[0] = 1 - a[0];"
            yield f"result->{values}[1] = a[0];"
            return
        over = ""
        if result.divided:
            tiny = number(float(np.finfo(given.dtype).tiny), given.dtype) + self.F
            yield "z[0] = 0;"
            yield f"for (j = 0; j < {given.n_L}; j++)"
            yield "    z[0] += a[j];"
            over = f" / (z[0] < {tiny} ? {tiny} : z[0])"
        yield f"for (j = 0; j < {given.n_L}; j++)"
        yield f"    result->{values}[j] = a[j]{over};"

    # ── the proof ──

    def _main(self) -> Iterator[str]:
        name, given, proof, n = self.name, self.given, self.proof, len(self.proof)
        classes = (
            [given.result.labels.index(one) for one in as_plain(proof.labels)]
            if (given.result.kind == "classes")
            else []
        )
        yield ""
        yield f"#ifdef {name.upper()}_MAIN"
        yield "#include <stdio.h>"
        yield ""
        yield "int main(void)"
        yield "{"
        if given.columns:
            cells = [[_cell(array[row]) for array in proof.inputs.values()] for row in range(n)]
            yield from _rows(f"{name}_row rows[{n}]", cells)
        else:
            cells = [self._literals(row) for row in proof.inputs["X"]]
            yield from _rows(f"{self.real} rows[{n}][{given.n_0}]", cells)
        if self.scalar:
            yield from _rows(
                f"double expected[{n}][1]", [numbers(row, "float64") for row in proof.values]
            )
        else:
            expected = [self._literals(row) for row in proof.values]
            yield from _rows(f"{self.real} expected[{n}][{given.n_values}]", expected)
        if classes:
            yield f"    static const int classes[{n}] = {{{', '.join(map(str, classes))}}};"
        value = "result.value" if self.scalar else f"result.{self.values}[j]"
        yield "    double worst = 0;"
        yield "    int i, j, wrong = 0;"
        yield f"    for (i = 0; i < {n}; i++) {{"
        yield f"        {name}_result result;"
        yield f"        {name}_predict({'&rows[i]' if given.columns else 'rows[i]'}, &result);"
        yield f"        for (j = 0; j < {given.n_values}; j++) {{"
        yield f"            double apart = fabs((double){value} - (double)expected[i][j]);"
        yield "            if (!(apart <= worst))"
        yield "                worst = apart;"
        yield "        }"
        if classes:
            yield "        wrong += result.index != classes[i];"
        yield "    }"
        yield f'    printf("{name}: {n} rows, the largest difference is %.3g\\n", worst);'
        yield f"    return wrong || !(worst <= {number(limit_of(given, proof))});"
        yield "}"
        yield "#endif"


def _rows(declared: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the declaration of an array of rows."""
    yield f"    static const {declared} = {{"
    for items in rows:
        yield "        {"
        yield wrapped(items, " " * 12)
        yield "        },"
    yield "    };"


def _label(label: Label) -> str:
    if isinstance(label, str):
        return c_string(label)
    if isinstance(label, bool):
        return str(int(label))
    return number(label) if isinstance(label, float) else f"{label}LL"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return c_string(value)
    return "NAN" if math.isnan(value) else number(float(value))


def _gone(column: Number | Date, cell: str) -> list[str]:
    """Return the conditions under which a cell is missing."""
    largest = column.largest if isinstance(column, Number) else LARGEST
    gone = [f"!(fabs({cell}) <= {number(largest)})"]  # NaN as well
    gone += [f"{cell} == {number(gap)}" for gap in column.gaps]
    if isinstance(column, Number) and column.boolean:
        gone.append(f"({cell} != 0 && {cell} != 1)")
    return gone


def _signed(value: float) -> str:
    """Return a number for after a plus or minus."""
    written = number(value)
    return f"({written})" if written.startswith("-") else written


def _has_date(column: Date) -> bool:
    return bool(set(column.parts) & {"year", "month", "day"})


def _part(part: str, width: int) -> Sequence[str]:
    """Return the columns of a part of a date, of value, year, month, day, weekday and hour."""
    if part == "weekday":
        return [f"weekday == {k}" for k in range(width)]
    if part in ("month", "hour"):
        turn = f"{2 * math.pi!r} * {part} / {12 if part == 'month' else 24}.0"
        return [f"sin({turn})", f"cos({turn})"]
    return [f"value / {DAY}.0" if part == "day number" else part]
