"""Engines: what runs the steps of a training.

All engines compute the same pure function of plan, state and data (`whygrad.plan`). `reference` is
`whygrad.nn.backprop` as written, in NumPy, and the truth that others are held to; `native` is fast.
`probes` is what engines show of their steps, `pushes` sums of it, `curvature` the cost to second order.
`prediction` has the outputs for rows, by the products of `row_products`. Doors beside this one:
`reference`, `probe_data`, `prediction`, `pushes`. The folder imports `nn` and `plan`, never `training`.
"""

from collections.abc import Callable
from functools import cache
from typing import Protocol

from whygrad.address_space import TRAINING, blas, refuse_without
from whygrad.engines.curvature import BatchCurvature, Pulled, PullsBack, WalkBack
from whygrad.engines.probes import (
    BOUNDED,
    ONE_SIDED,
    STATISTICS,
    Block,
    ProbeResult,
    Probes,
    Statistics,
    WeightProbe,
    WeightProbeResult,
    whole,
)
from whygrad.errors import EngineWarning, InputError, nearest, warn
from whygrad.escaping import note
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.plan.plan import Plan, State

__all__ = [
    "BOUNDED",
    "BatchCurvature",
    "Block",
    "Engine",
    "ONE_SIDED",
    "ProbeResult",
    "Probes",
    "Pulled",
    "PullsBack",
    "STATISTICS",
    "Statistics",
    "WalkBack",
    "WeightProbe",
    "WeightProbeResult",
    "choose",
    "whole",
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
        self, plan: Plan, state: State, data: Data, until: int, probes: Probes
    ) -> tuple[State, ProbeResult]:
        """Run steps, and return the state after them and what the probes saw.

        Where a run of steps begins and ends never changes a bit.

        Parameters
        ----------
        plan : Plan
        state : State
            Where to begin. Its arrays may be reused for the result: a caller who needs them keeps a copy.
        data : Data
            The training examples, with targets smoothed as the plan says.
        until : int
            The step to run to, which lies in the state's epoch.
        probes : Probes
            What to show of the steps.

        Returns
        -------
        State
            The state at `until`, or before the first step whose cost is not finite.
        ProbeResult

        Raises
        ------
        InputError
            Where the network has no weights such as are to be probed.
        """

    def run_epochs(
        self, plan: Plan, state: State, data: Data, epochs: int
    ) -> tuple[State, list[float]]:
        """Run whole epochs, of plans whose rules act at the end of none of them, and see nothing between.

        Parameters
        ----------
        plan : Plan
        state : State
            At the beginning of an epoch. Its arrays may be reused for the result.
        data : Data
            The training examples, with targets smoothed as the plan says.
        epochs : int
            How many.

        Returns
        -------
        State
            The state after the last step, whose `batch_index` and `cost_sum` are those of an epoch that was
            broken off where a cost is not finite. The ends of epochs are left to the caller: `epoch` and
            what rules remember are as they were.
        list of float
            `cost_sum` of each epoch that is whole.
        """

    def cost_and_gradient(self, plan: Plan, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the cost over all the data, penalties included, and its gradient, ordered like theta."""

    def hessian_times(
        self, plan: Plan, state: State, data: Data, directions: Array
    ) -> BatchCurvature:
        """Multiply the Hessian of the cost of the batch that the next step takes with some directions.

        Parameters
        ----------
        plan : Plan
        state : State
            Before the step; its arrays are only read.
        data : Data
            The training examples, with targets smoothed as the plan says.
        directions : array of shape (K, P)
            By how much every parameter changes, in the order of `Parameters.flat`.

        Returns
        -------
        BatchCurvature
            All in the dtype of the plan.
        """


def choose(name: str, plan: Plan) -> Engine:
    """Return the engine of a name.

    Parameters
    ----------
    name : {"auto", "native", "reference", "xla"}
        "auto" is the fastest that supports the plan: "xla" where there is an accelerator and a step has
        work for it, else "native"; with an `EngineWarning` where it is the reference.
    plan : Plan
        What it is to run.

    Raises
    ------
    InputError
        Where there is no such engine, or it cannot run the plan.
    MemoryError
        Where a limit on the process leaves no engine the memory to begin.

    Examples
    --------
    >>> from whygrad import SGD, Dense, Network
    >>> plan = Plan(Network(2, [Dense(1, "identity")]), SGD(0.1), n=4, batch_size=2)
    >>> choose("reference", plan).name
    'reference'
    """
    from whygrad.engines.native import NativeEngine
    from whygrad.engines.reference import ReferenceEngine
    from whygrad.engines.xla import XlaEngine, accelerator, joined, launched

    refuse_without(blas() + TRAINING, "training")
    engines: dict[str, Callable[[], Engine]] = {
        "native": NativeEngine,
        "reference": ReferenceEngine,
        "xla": lambda: XlaEngine(joined()),
    }
    if name == "auto":
        if device := accelerator(plan):
            faster = XlaEngine(joined())
            if faster.supports(plan) is None:
                _tell_once(f"training on the {device}, with the engine 'xla'")
                return faster
        native = NativeEngine()
        reason = native.supports(plan)
        if launched():
            _tell_once("each process trains by itself: with engine='xla' they share the steps")
        if reason is None:
            return native
        warn(f"training with the reference engine: {reason}", EngineWarning)
        return ReferenceEngine()
    if name not in engines:
        raise InputError(f"unknown engine {name!r}: {nearest(name, ['auto', *engines])}")
    chosen = engines[name]()
    reason = chosen.supports(plan)
    if reason is not None:
        raise InputError(f"engine {name!r} cannot run this: {reason}")
    return chosen


@cache
def _tell_once(message: str) -> None:
    note(message)
