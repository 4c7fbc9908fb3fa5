"""Where the time of a training step goes: each part of the native engine's step alone, on one thread.

    python benchmarks/parts.py [--cases A,E]

A part (gather the batch, forward, cost, error, backward, gradient, and the update where it is not one with
the gradient) is repeated on one batch, so that its operands are in the cache; the best of several repeats
counts. Beside it stands a whole step of training on one thread. What that takes beyond the sum of its
parts is fetching examples from memory, what layers push out of each other's cache, and what is done once
for each call of the engine.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # for the engine's own threads
sys.path.insert(0, str(Path(__file__).parent))
import numpy as np  # noqa: E402
from contestants import Case, Native  # noqa: E402
from keeping import keep, kept  # noqa: E402
from llvmlite import binding  # noqa: E402
from numba import _helperlib, njit  # noqa: E402
from steps import CASES, examples  # noqa: E402

from whygrad.cores import one_thread  # noqa: E402
from whygrad.engines.machine_code.exporting import OPTIONS  # noqa: E402
from whygrad.engines.machine_code.objects import PRODUCT  # noqa: E402
from whygrad.engines.native import by_units as small_layers  # noqa: E402
from whygrad.engines.native import passes  # noqa: E402
from whygrad.engines.native.layout import rule  # noqa: E402
from whygrad.engines.native.partition import units_of, weights_of  # noqa: E402
from whygrad.engines.native.updates import lanes_of, move  # noqa: E402

# The package defines its product within the code that it exports; what is compiled here takes Numba's own.
binding.add_symbol(PRODUCT, _helperlib.c_helpers["xxgemm"])

# What one repeat takes, about: so little that another program seldom comes between; and how many there are.
SECONDS, REPEATS = 0.002, 80


def gather(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        passes.gather(layers, examples, workspace, zero, zero, rows, rows)


def forward(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    units = layers.sizes[l]
    for _ in range(times):
        passes.forward_layer(
            l, layers, theta, examples, workspace, zero, zero, rows, zero, units, key, zero
        )


def cost(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        passes.find_costs(layers, workspace, zero, rows)


def error(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        passes.find_error(layers, workspace, zero, rows)


def backward(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    units = layers.sizes[l - 1]
    for _ in range(times):
        passes.backward_layer(l, layers, theta, workspace, zero, rows, zero, units, zero)


def descend(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    """Add a gradient to W and b at once, so little of it that nothing changes."""
    panels = l == 1 and layers.stretch > 0  # as in a step one by one, other layers in one go
    for _ in range(times):
        for block in range(layers.moving[l] if panels else 1):
            low, high = units_of(layers, l, block)
            if not panels:
                high = layers.sizes[l]
            W, _ = weights_of(layers, l, low, high)
            passes.add_gradient(
                l, layers, examples, workspace, zero, zero, zero, rows, low, high, -1e-9, 1.0, 1.0,
                theta, W, layers.b[l] + low, False,
            )  # fmt: skip


def gradient(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for block in range(layers.moving[l]):
            low, high = units_of(layers, l, block)
            W, size = weights_of(layers, l, low, high)
            passes.add_gradient(
                l, layers, examples, workspace, zero, zero, zero, rows, low, high, 1.0, 0.0, 0.0,
                workspace.block[zero], zero, size, block > 0,
            )  # fmt: skip


def update(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for block in range(layers.moving[l]):
            low, high = units_of(layers, l, block)
            W, size = weights_of(layers, l, low, high)
            g, b, lanes = workspace.block[zero], layers.b[l] + low, lanes_of(theta)
            at = W % lanes  # as a step lays it
            at_b = at + size + (b - W - size) % lanes
            move(rule, theta, opt_state, g, at, W, W + size, coefficients)
            move(rule, theta, opt_state, g, at_b, b, layers.b[l] + high, coefficients)


def narrow_gather(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for start in range(0, rows, by_units.piece):
            small_layers._gather(
                layers, examples, workspace, by_units, zero, zero, rows, start,
                min(by_units.piece, rows - start),
            )  # fmt: skip


def narrow_forward(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for start in range(0, rows, by_units.piece):
            small_layers._forward(layers, theta, by_units, zero, min(by_units.piece, rows - start))


def narrow_cost(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for start in range(0, rows, by_units.piece):
            small_layers._sum_of_costs(
                layers, examples, workspace, by_units, zero, start,
                min(by_units.piece, rows - start),
            )  # fmt: skip


def narrow_back(
    times, l, layers, rule, theta, opt_state, examples, workspace, by_units, coefficients, key, rows, zero
):  # fmt: skip
    for _ in range(times):
        for start in range(0, rows, by_units.piece):
            small_layers._back(
                layers, theta, examples, workspace, by_units, zero, zero, start,
                min(by_units.piece, rows - start),
            )  # fmt: skip


COMPILED = {
    part: njit(**OPTIONS)(part)
    for part in (
        gather,
        forward,
        cost,
        error,
        backward,
        descend,
        gradient,
        update,
        narrow_gather,
        narrow_forward,
        narrow_cost,
        narrow_back,
    )  # fmt: skip
}


def parts_of(case: Case, by_units: bool) -> dict[str, tuple[Callable[..., None], int]]:
    """Return the parts of a step by name, each with its layer; by_units networks have their own."""
    L = len(case.sizes) - 1
    if by_units:
        of_batch = {"gather": narrow_gather, "forward": narrow_forward, "cost": narrow_cost}
        of_batch["back and gradients"] = narrow_back
        found = {name: (part, 0) for name, part in of_batch.items()}
        return found | {f"update {l}": (update, l) for l in range(1, L + 1)}
    found: dict[str, tuple[Callable[..., None], int]] = {"gather": (gather, 0)}
    found |= {f"forward {l}": (forward, l) for l in range(1, L + 1)}
    found |= {"cost": (cost, 0), "error": (error, 0)}
    found |= {f"backward {l}": (backward, l) for l in range(L, 1, -1)}
    if case.optimizer == "sgd":
        return found | {f"gradient and step {l}": (descend, l) for l in range(1, L + 1)}
    for l in range(1, L + 1):
        found |= {f"gradient {l}": (gradient, l), f"update {l}": (update, l)}
    return found


def measure(case: Case, rows: int) -> dict[str, Any]:
    """Return the seconds of every part, and of a whole step."""
    n = case.batch if case.shared else rows // case.batch * case.batch
    runner = Native(case, case.net.init(seed=1, dtype=case.dtype).flat, *examples(case, n))
    times = []
    for _ in range(12):
        began = time.perf_counter()
        runner.epoch(np.arange(n) if case.shared else None, n // case.batch)
        times.append((time.perf_counter() - began) / (n // case.batch))
    layout, state = runner.engine._layout, runner.state
    theta, opt_state = layout.enter(state.theta.copy(), state.opt_state.copy())
    order = np.arange(n) if case.shared else np.random.default_rng(0).permutation(n)
    order = order.astype(np.int32)
    given = (
        layout.layers, rule(runner.plan.optimizer), theta, opt_state,
        layout.examples(order, order, runner.data), layout.workspace, layout.by_units,
        np.ascontiguousarray(runner.plan.optimizer.coefficients(np.array([1]), np.array([1e-9])))[0],
        np.uint64(0), np.int64(case.batch), np.int64(0),
    )  # fmt: skip
    parts = {}
    with one_thread():
        layout.workspace.block[:] = 1e-3
        for name, (part, l) in parts_of(case, len(layout.by_units.work) > 0).items():
            parts[name] = quickest(COMPILED[part], np.int64(l), given)
    return {"case": case.name, "step": min(times[1:]), "parts": parts}


def quickest(repeat: Callable[..., None], l: Any, given: tuple[Any, ...]) -> float:
    """Return the seconds that a part takes at best."""
    repeat(1, l, *given)
    began = time.perf_counter()
    repeat(3, l, *given)
    often, best = max(1, int(SECONDS * 3 / (time.perf_counter() - began))), float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        repeat(often, l, *given)
        best = min(best, (time.perf_counter() - began) / often)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cases", default="A,A′,B sgd,C sgd,C adam,D sgd,D adam,E", help="by comma"
    )
    parser.add_argument("--rows", type=int, default=12800)
    options = parser.parse_args()
    found = []
    for case in (case for case in CASES if case.name in options.cases.split(",")):
        row = measure(case, options.rows)
        found.append(row)
        rest = row["step"] - sum(row["parts"].values())
        told = ", ".join(f"{name} {seconds * 1e6:.2f}" for name, seconds in row["parts"].items())
        print(
            f"{case.name}: {row['step'] * 1e6:.1f} µs a step; {told}; rest {rest * 1e6:.1f}",
            flush=True,
        )
    measured = {row["case"] for row in found}
    keep("parts", [row for row in kept("parts", []) if row["case"] not in measured] + found)


if __name__ == "__main__":
    main()
