"""The engine on JAX and XLA, for accelerators and for many processes.

    steps        `nn.backprop` as it stands, traced: a run of steps as one compiled loop
    engine       its side of Python: a plan and data become arrays of a device
    processes    several processes that share a batch: the first leads, the others follow
    failures     what one of them says where it fails
    script       a script or a module as one of them
    launcher     starting such processes on one machine, and watching them

JAX is an extra, imported when this engine is chosen. Doors beside this one: `launcher`. The folder imports
what its parent may, and the reference engine.
"""

from whygrad.engines.xla.engine import XlaEngine, accelerator
from whygrad.engines.xla.failures import tell_failure
from whygrad.engines.xla.processes import (
    ALONE,
    PARTED,
    START,
    Parted,
    Processes,
    begin,
    ending_at_once,
    ending_if_parted,
    following,
    joined,
    launched,
    waiting,
)

__all__ = [
    "ALONE",
    "PARTED",
    "Parted",
    "Processes",
    "START",
    "XlaEngine",
    "accelerator",
    "begin",
    "ending_at_once",
    "ending_if_parted",
    "following",
    "joined",
    "launched",
    "tell_failure",
    "waiting",
]
