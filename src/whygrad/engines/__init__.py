"""Engines: who executes the steps of a training.

All engines compute the same pure function (`whygrad.plan`); `reference` is the truth, `native` is fast.
"""

from typing import Protocol

from whygrad.address_space import TRAINING, blas, refuse_without
from whygrad.engines.probes import (
    STATISTICS,
    Block,
    ProbeResult,
    Probes,
    Statistics,
    WeightProbe,
    WeightProbeResult,
)
from whygrad.errors import EngineWarning, InputError, nearest, warn
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan, State

__all__ = [
    "STATISTICS",
    "Block",
    "Engine",
    "Statistics",
    "WeightProbe",
    "WeightProbeResult",
    "Probes",
    "ProbeResult",
    "choose",
]


class Engine(Protocol):
    """The contract that every engine keeps."""

    @property
    def name(self) -> str:
        """The name by which `engine=` chooses it."""

    @property
    def compiling(self) -> bool:
        """Whether it compiles at this moment: there is no step yet that Ctrl-C could wait for."""

    def supports(self, plan: Plan) -> str | None:
        """Return None, or the reason why this plan cannot be run here."""

    def run(
        self, plan: Plan, state: State, data: Data, until: int, watch: Probes
    ) -> tuple[State, ProbeResult]:
        """Return the state at step `until`, which lies in the state's epoch, and what was watched.

        The arrays of `state` may be reused for the result: a caller who needs them keeps a copy. Where
        chunks begin and end never changes a bit.
        """

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost over all the data, penalties included, and its gradient, a vector like theta."""


def choose(name: str, plan: Plan) -> Engine:
    """Return the engine of that name; "auto" takes the fastest that supports the plan, and says if not.

    Raises `MemoryError` where a limit on the process leaves no engine the memory to begin.
    """
    from whygrad.engines.native import NativeEngine
    from whygrad.engines.reference import ReferenceEngine

    refuse_without(blas() + TRAINING, "training")
    engines: dict[str, Engine] = {"native": NativeEngine(), "reference": ReferenceEngine()}
    if name == "auto":
        reason = engines["native"].supports(plan)
        if reason is None:
            return engines["native"]
        warn(f"training with the reference engine: {reason}", EngineWarning)
        return engines["reference"]
    if name not in engines:
        raise InputError(f"unknown engine {name!r}: {nearest(name, ['auto', *engines])}")
    reason = engines[name].supports(plan)
    if reason is not None:
        raise InputError(f"engine {name!r} cannot run this: {reason}")
    return engines[name]
