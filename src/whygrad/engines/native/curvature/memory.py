"""Memory for the R-pass: beside what a layout's workspace has, room for its numbers in the same array."""

from itertools import accumulate

import numpy as np

from whygrad.engines.native.arguments import Workspace
from whygrad.engines.native.curvature.passes import Changes
from whygrad.engines.native.layout import Layout, aligned_zeros, whole_lines


def with_changes(layout: Layout, batch_size: int) -> tuple[Workspace, Changes]:
    """Return a workspace with room for the R-pass of a batch, and where its numbers lie."""
    layers, workspace = layout.layers, layout.workspace
    widths = [units for units in layers.sizes.tolist() for _ in range(4)]
    begins = accumulate(
        (whole_lines(batch_size * width) for width in widths), initial=len(workspace.work)
    )
    places = np.array(list(begins), np.int64)
    error, dz, da, ddelta = (np.ascontiguousarray(places[n:-1:4]) for n in range(4))
    work = aligned_zeros(int(places[-1]), workspace.work.dtype)
    changes = Changes(error, dz, da, ddelta, layers._replace(delta=ddelta))
    return workspace._replace(work=work), changes
