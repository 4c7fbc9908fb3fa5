"""The members of an ensemble, trained side by side; each sets other rows aside to choose its epoch by.

Where a recipe has pilots these alone do so: the others learn from all rows, for as long as was best for
the pilots.

The initial parameters, the order and the validation rows of a member follow from the seed and its number
alone: with the same seed there come the same bits, whatever runs beside. Only a limit of time depends on
the clock.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from whygrad.cores import allowed_cores, at_most, beside_others, one_thread
from whygrad.engines import Probes, choose
from whygrad.fitted import Ensemble, Fitted, fitted_of
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.network import Dense, Network
from whygrad.pipeline.recipe import Recipe, batch_size_of, set_aside, shortened
from whygrad.plan.optimizers import AdamW
from whygrad.plan.plan import Plan, Stopping, start
from whygrad.plan.schedules import find_schedule
from whygrad.training.loop import INTERRUPTED, Training, run
from whygrad.training.side_by_side import Seat, side_by_side, warm_up

PACE = 20  # steps that are timed, where there is a limit of time
SPARE = 0.9  # of the time that is left is planned with
NEVER = 10**6  # epochs of patience: the best one is kept, and none stops


def network_of(recipe: Recipe, inputs: int, outputs: int, classes: bool) -> Network:
    """Return the network that every member is; a single output of classes is a sigmoid's."""
    hidden = [Dense(units, recipe.activation, dropout=recipe.dropout) for units in recipe.hidden]
    if not classes:
        return Network(inputs, (*hidden, Dense(outputs)), "squared_error")
    if outputs == 1:
        return Network(inputs, (*hidden, Dense(1, "sigmoid")), "binary_cross_entropy")
    return Network(inputs, (*hidden, Dense(outputs, "softmax")), "cross_entropy")


def train_members(
    recipe: Recipe,
    net: Network,
    data: Data,
    seed: int = 0,
    *,
    engine: str = "auto",
    cores: int | None = None,
    deadline: float | None = None,
) -> Ensemble:
    """Train the members of a recipe, as many at a time as there are cores.

    Parameters
    ----------
    recipe : Recipe
        How many members, and how each is trained.
    net : Network
        The network that each is.
    data : Data
        The examples, of float32.
    seed : int, default 0
        Decides validation rows, initial parameters and orders.
    engine : {"auto", "native", "reference"}
        What computes the steps.
    cores : int, optional
        How many cores to use; by default all that this process may.
    deadline : float, optional
        The time, by `time.perf_counter`, at which all end with their best epochs so far. What is compiled
        once on a machine is not counted. There may be fewer members then, and fewer epochs, so that the
        learning rate of each comes to its end.

    Returns
    -------
    Ensemble
        The members that had an epoch; at the end of the time, where none had, all that began.

    Raises
    ------
    KeyboardInterrupt
        Where Ctrl-C came before any epoch was over.
    """
    fits = train_each(recipe, net, data, seed, engine=engine, cores=cores, deadline=deadline)
    begun = [one for one in fits if one is not None]
    learned = [one for one in begun if one.history.epochs]
    if not learned and any(one.history.stopped == INTERRUPTED for one in begun):
        raise KeyboardInterrupt
    return Ensemble(learned or begun)


def train_each(
    recipe: Recipe,
    net: Network,
    data: Data,
    seed: int = 0,
    *,
    engine: str = "auto",
    cores: int | None = None,
    deadline: float | None = None,
) -> list[Fitted | None]:
    """Return the members as `train_members` trains them, in their order; None where there was no time."""
    n = len(data.Y)
    order = order_of(seed, n)
    first = _training(recipe, net, data, set_aside(order, recipe)[0], engine, seed_of(seed, 1))
    if deadline is not None:
        recipe, deadline = in_time(recipe, first, deadline, cores)
    aside = set_aside(order, recipe)

    def member(recipe: Recipe, k: int, seat: Seat) -> Fitted | None:
        seconds = None if deadline is None else max(0.0, deadline - time.perf_counter())
        if seconds == 0 and k > 0:
            return None
        # Made here, so that no more copies of the rows are in memory than there are cores.
        training = seat.take(_training(recipe, net, data, aside[k], engine, seed_of(seed, k + 1)))
        state, history = run(training, (), seconds)
        return fitted_of(training.plan, state, history)

    def trained(recipe: Recipe, which: range) -> list[Fitted | None]:
        return side_by_side([partial(member, recipe, k) for k in which], [first], cores)

    fits = trained(recipe, range(recipe.setting_aside))
    others = range(recipe.setting_aside, recipe.members)
    if others and (epochs := epochs_found(fits)) is not None:
        fits += trained(replace(recipe, epochs=epochs), others)
    return fits + [None] * (recipe.members - len(fits))


def epochs_found(pilots: Sequence[Fitted | None]) -> int | None:
    """Return the mean of the pilots' best epochs, counted from 1; None where any was broken off."""
    best = []
    for one in pilots:
        if one is None or not one.history.epochs or one.history.stopped == INTERRUPTED:
            return None
        costs = np.array(one.history.validation_cost, float)
        best.append(1 + int(np.nanargmin(costs)) if np.isfinite(costs).any() else 1)
    return round(statistics.mean(best))


def order_of(seed: int, rows: int) -> Array:
    """Return the order in which rows are set aside, (rows,)."""
    return np.random.default_rng([seed, 7]).permutation(rows)


def seed_of(seed: int, member: int) -> int:
    """Return the seed of a member, counted from 1."""
    return seed * 100 + member - 1


def plan_of(recipe: Recipe, net: Network, n: int, rows: int, seed: int, dtype: str) -> Plan:
    """Return the plan of one member.

    Parameters
    ----------
    recipe : Recipe
        How it is trained.
    net : Network
        The network.
    n, rows : int
        Its training rows, and with those that it sets aside all of them.
    seed : int
        Decides its initial parameters and its order, see `seed_of`.
    dtype : {"float32", "float64"}
        Of its parameters.

    Returns
    -------
    Plan
        Where rows are set aside, the parameters of the best epoch are kept.
    """
    return Plan(
        net,
        AdamW(recipe.learning_rate, decay=recipe.decay),
        n,
        epochs=recipe.epochs,
        batch_size=min(batch_size_of(recipe, rows), n),
        seed=seed,
        schedule=find_schedule(recipe.schedule),
        stopping=Stopping("validation_cost", 0.0, NEVER, True) if n < rows else None,
        dtype=dtype,
        label_smoothing=recipe.label_smoothing,
    )


def _training(
    recipe: Recipe, net: Network, data: Data, out: Array, engine: str, seed: int
) -> Training:
    """Return the training of one member, on all rows but those that it sets aside."""
    inside = np.ones(len(data.Y), bool)
    inside[out] = False
    training, validation = _rows(data, inside), _rows(data, out) if len(out) else None
    plan = plan_of(recipe, net, len(training.Y), len(data.Y), seed, data.X.dtype.name)
    return Training(plan, start(plan), training, validation, choose(engine, plan))


def _rows(data: Data, rows: Array) -> Data:
    """Return some of the examples; where all of them weigh nothing, without weights."""
    s = None if data.sample_weight is None else data.sample_weight[rows]
    return Data(data.X[rows], data.Y[rows], s if s is not None and s.sum() > 0 else None)


def in_time(
    recipe: Recipe, first: Training, deadline: float, cores: int | None = None
) -> tuple[Recipe, float]:
    """Return a recipe that ends in time, by the pace of its first training, and the deadline.

    What is compiled once on a machine is not counted.
    """
    began = time.perf_counter()
    warm_up(first)
    deadline += time.perf_counter() - began
    epoch = _seconds_per_step(first) * first.plan.steps_per_epoch
    left = SPARE * (deadline - time.perf_counter())
    most = min(cores or allowed_cores(), allowed_cores())
    return shortened(recipe, epoch, left, most), deadline


def _seconds_per_step(training: Training) -> float:
    """Return the time of a step, of a training that has one core and is compiled."""
    plan, engine, state = training.plan, training.engine, training.state.copy()
    steps = min(PACE, plan.steps_per_epoch)
    with at_most(1), one_thread(), beside_others():
        began = time.perf_counter()
        engine.run(plan, state, training.data, state.step + steps, Probes())
        return (time.perf_counter() - began) / steps
