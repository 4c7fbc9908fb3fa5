"""`whygrad why weight`: the chain rule of one weight, with its numbers, for one row.

∂C/∂W[l][j,k] = a[l-1][k] · f′(z[l][j]) · Σ_m W[l+1][m,j] δ[l+1][m]
∂C/∂W[L][j,k] = a[L-1][k] · f′(z[L][j]) · ∂C/∂a[L][j], or a[L-1][k] · (a[L][j] − y[j]) where f′ cancels
"""

import math
import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from whygrad.backprop import Trace, backward, forward, gradients
from whygrad.cli.printing import print_json, printer
from whygrad.errors import InputError
from whygrad.fitting import predict, truth
from whygrad.functions import shortcut
from whygrad.record import Run, open_run
from whygrad.record.held_out import read_part
from whygrad.show.numbers import number
from whygrad.tables.columns import quoted

Numbers: TypeAlias = list[dict[str, Any]]
MOST_TERMS = 10  # of a sum that get a line each


def weight(run: Path, place: str | None, row: int, *, json: bool) -> int:
    """Show the chain rule of a weight, "LAYER:TO,FROM" or the one that the row would move most."""
    opened = open_run(run)
    net, theta, target = opened.net, opened.theta, opened.encoding.target
    table, X, Y = _row(opened, row)
    said, true = target.decode(predict(opened.fitted, X, row))[0], truth(target, table)[0]
    trace = backward(net, theta, forward(net, theta, X), Y)
    dW = gradients(net, theta, trace).dW
    most = divmod(int(np.abs(dW[1]).argmax()), net.sizes[0])
    l, j, k = (1, *most) if place is None else _place(place, net.sizes)
    factors, terms = _factors(opened, trace, Y, l, j)
    source = f"what {_unit(opened, l - 1, k)} gives"
    if l == 1:
        source += f": {_shown(table[opened.encoding.origins[k]][0].as_py())} in the table"
    factors.insert(0, _factor(f"a[{l - 1}][{k}]", trace.a[l - 1][0, k], source))
    product, gradient = math.prod(one["value"] for one in factors) + 0.0, float(dW[l][j, k])
    sides = {"product": product, "gradient": gradient, "difference": abs(product - gradient)}
    about = {"run": str(run), "scored_on": opened.manifest["scored_on"], "row": row} | {
        "target": target.name,
        "true": target.classes[true] if target.classes else float(true),
        "predicted": said.item() if isinstance(said, np.generic) else said,
        "weight": {"layer": l, "to": j, "from": k, "value": float(theta.W[l][j, k])},
    }
    about |= {"factors": factors, "terms": terms} | sides
    path = f"from {_unit(opened, l - 1, k)} to {_unit(opened, l, j)}"
    print_json(about) if json else _print(about, path)
    return 0


def _row(run: Run, row: int) -> tuple[Any, Any, Any]:
    """Read a row that the run was scored on again, as a table, as input and as target."""
    rows, data = read_part(run, run.manifest["scored_on"])
    X, Y = data.X, data.Y
    if not 0 <= row < len(X):
        raise InputError(f"row {row}: the rows are 0 to {len(X) - 1}")
    return rows.slice(row, 1), X[row : row + 1], Y[row : row + 1]


def _place(text: str, sizes: tuple[int, ...]) -> tuple[int, int, int]:
    if not (found := re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9}),([0-9]{1,9})", text)):
        raise InputError(f"weight {quoted(text)}: give it as LAYER:TO,FROM, such as 1:0,0")
    l, j, k = map(int, found.groups())
    if not 1 <= l < len(sizes):
        raise InputError(f"weight {text}: the layers are 1 to {len(sizes) - 1}")
    if j >= sizes[l] or k >= sizes[l - 1]:
        ranges = f"TO is 0 to {sizes[l] - 1}, FROM is 0 to {sizes[l - 1] - 1}"
        raise InputError(f"weight {text}: in layer {l} {ranges}")
    return l, j, k


def _unit(run: Run, l: int, j: int) -> str:
    """Say what a unit is: an input by its column, an output by its class or target."""
    target = run.encoding.target
    if l == 0:
        return f"input {j}, {quoted(run.encoding.names[j])}"
    if l < run.net.L:
        return f"unit {j} of layer {l}"
    if not target.classes:
        return f"output {j}, {quoted(target.name)}"
    label = target.classes[-1 if target.n_outputs == 1 else j]
    return f"output {j}, {quoted(target.name)} is {quoted(str(label))}"


def _factors(run: Run, trace: Trace, Y: Any, l: int, j: int) -> tuple[Numbers, Numbers]:
    """Give the factors of δ[l][j], and the terms of the sum among them, if there is one."""
    net, W, z, a, delta = run.net, run.theta.W, trace.z, trace.a, trace.delta or ()
    f, C = net.f[l], net.C
    if l == net.L and shortcut(f, C):
        meaning = f"output {number(a[l][0, j])} less target {number(Y[0, j])}; f′ cancels out"
        return [_factor(f"(a[{l}][{j}] − y[{j}])", a[l][0, j] - Y[0, j], meaning)], []
    if f.product is not None:
        name = f"Σ_m ∂a[{l}][m]/∂z[{l}][{j}] ∂C/∂a[{l}][m]"
        return [_factor(name, delta[l][0, j], f"what {C.name} passes back through {f.name}")], []
    meaning = f"how much {f.name} still reacts, at z[{l}][{j}] = {number(z[l][0, j], True)}"
    slope = _factor(f"f′(z[{l}][{j}])", f.derivative(z[l])[0, j], meaning)
    if l == net.L:
        passed, meaning = C.derivative(a[l], Y)[0, j], f"how {C.name} changes with the output"
        return [slope, _factor(f"∂C/∂a[{l}][{j}]", passed, meaning)], []
    pairs = zip(W[l + 1][:, j].tolist(), delta[l + 1][0].tolist(), strict=True)
    terms = [
        {"m": m, "unit": _unit(run, l + 1, m), "weight": w, "delta": d, "product": w * d}
        for m, (w, d) in enumerate(pairs)
    ]
    passed, name = sum(term["product"] for term in terms), f"Σ_m W[{l + 1}][m,{j}] δ[{l + 1}][m]"
    return [slope, _factor(name, passed, f"what layer {l + 1} passes back")], terms


def _factor(name: str, value: Any, meaning: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "meaning": meaning}


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, float) else quoted(str(value))


def _print(about: dict[str, Any], path: str) -> None:
    factors, rows = about["factors"], about["scored_on"].replace("_", "-")
    at = "W[{layer}][{to},{from}]".format(**about["weight"])
    lines = [
        f"Why would {at} = {number(about['weight']['value'], True)} move? It leads {path}.",
        f"In row {about['row']} of the {rows} rows {quoted(about['target'])} is "
        f"{_shown(about['true'])}; the network says {_shown(about['predicted'])}.",
        f"\n  ∂C/∂{at} = {' · '.join(factor['name'] for factor in factors)}\n",
    ]
    largest = sorted(about["terms"], key=lambda term: -abs(term["product"]))
    for term in largest[:MOST_TERMS]:
        w, d, product = (number(term[name], True) for name in ("weight", "delta", "product"))
        lines.append(f"  m = {term['m']:<4} {w:>10} · {d:>10} = {product:>10}  {term['unit']}")
    if largest[MOST_TERMS:]:
        others = number(sum(term["product"] for term in largest[MOST_TERMS:]), True)
        lines.append(f"  {f'{len(largest) - MOST_TERMS} smaller ones':<32} = {others:>10}")
    lines += [""] * bool(largest)
    for one in factors:
        lines.append(f"  {one['name']} = {number(one['value'], True)}: {one['meaning']}")
    lines += [
        f"\n  {' · '.join(number(one['value'], True) for one in factors)} = {about['product']:+.6g}",
        f"  The gradient by whygrad.gradients: {about['gradient']:+.6g}. "
        f"The two differ by {about['difference']:.1g}.",
    ]
    printer().print("\n".join(lines), markup=False)
