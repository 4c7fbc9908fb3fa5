"""The engine on JAX and XLA, for accelerators and for many processes.

    steps        `nn.backprop` as it stands, traced: a run of steps as one compiled loop
    engine       its side of Python: a plan and data become arrays of a device
    processes    several processes that share a batch: the first leads, the others follow

JAX is an extra, imported when this engine is chosen. Its face is `XlaEngine`, `joined` and `following`. The
folder imports what its parent may, and the reference engine.
"""

from whygrad.engines.xla.engine import XlaEngine
from whygrad.engines.xla.processes import following, joined

__all__ = ["XlaEngine", "following", "joined"]
