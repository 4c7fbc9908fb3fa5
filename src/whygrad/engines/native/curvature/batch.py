"""One batch's gradient and its Hessian times some directions, in one compiled call."""

from typing import Any

import numpy as np

from whygrad.engines.native.arguments import Examples, Layers, ThreadContext, Workspace
from whygrad.engines.native.barrier import wait_at_barrier
from whygrad.engines.native.blas import vector
from whygrad.engines.native.compiling import ZERO, cached_kernel
from whygrad.engines.native.curvature.passes import (
    Changes,
    along,
    find_gradient,
    find_product,
    trace,
)
from whygrad.engines.native.dropout import following
from whygrad.engines.native.microkernels import HEIGHT
from whygrad.engines.native.partition import share
from whygrad.engines.native.passes import total_weight
from whygrad.engines.native.updates import Penalties
from whygrad.nn.functions import Array

_EXAMPLES: Any = np.int64(HEIGHT)


@cached_kernel
def hessian_times(
    layers: Layers, changes: Changes, penalties: Penalties, theta: Array, directions: Array,
    examples: Examples, workspace: Workspace, thread: ThreadContext, batch_size: int, batch_index: int,
    seed: Any, step: int, gradient: Array, products: Array, slopes: Array, outputs: Array,
) -> int:  # fmt: skip
    """Fill the gradient of a batch, and for each direction, by rows, Hv, the slopes ∇C_x · v and Rzᴸ.

    Returns the number of the batch's examples.
    """
    first = batch_index * batch_size
    rows = min(batch_size, len(examples.order) - first)
    S = total_weight(examples, first, rows)
    l1 = penalties.l1 + (penalties.l1_per_example / S if S > 0 else 0.0)
    l2 = penalties.l2 + (penalties.l2_per_example / S if S > 0 else 0.0)
    S = S if S > 0 else 1.0
    key = following(following(np.uint64(0), seed), np.uint64(step))
    part, parts = thread.part, thread.parts
    low, high = share(rows, parts, part, _EXAMPLES), share(rows, parts, part + 1, _EXAMPLES)
    trace(layers, changes, theta, examples, workspace, first, low, high, rows, key, part)
    phase = ZERO
    for k in range(len(directions)):
        v, product = directions[k], products[k]
        along(
            layers, changes, theta, v, examples, workspace, first, low, high, part, slopes[k],
            vector(outputs, k * batch_size * layers.sizes[-1], batch_size * layers.sizes[-1]),
        )  # fmt: skip
        phase += 1
        wait_at_barrier(thread.barrier_count, parts, phase)
        if k == 0:
            find_gradient(
                layers, theta, examples, workspace, thread, first, rows, S, l1, l2, gradient
            )  # fmt: skip
        find_product(
            layers, changes, v, examples, workspace, thread, first, rows, S, l2, product
        )  # fmt: skip
        phase += 1
        wait_at_barrier(thread.barrier_count, parts, phase)
    return rows
