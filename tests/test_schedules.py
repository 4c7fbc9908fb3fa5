"""Schedules: each against its formula in plain numbers, and against PyTorch's where it has one."""

import math
from importlib.util import find_spec

import numpy as np
import pytest

import whygrad as wg
from whygrad.plan.schedules import SCHEDULES, Clock

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: make peers"
)

EPOCHS, STEPS = 7, 4  # steps in an epoch
TOTAL = EPOCHS * STEPS


def factors(schedule, epochs=EPOCHS, steps=STEPS):
    """The factors on η for all steps of a training on 10 examples."""
    parts = [
        schedule.factors(np.arange(steps), Clock(epoch, epochs, 10 * epoch, steps))
        for epoch in range(epochs)
    ]
    return np.concatenate(parts)


def in_torch(make, every=1, total=TOTAL):
    """The factors on a rate of 1 that a scheduler of PyTorch gives, stepped after every so many steps."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0 and step + 1 < total:
            scheduler.step()
    return rates


# After the first, no epoch improves by so much.
NO_GOOD = wg.Stopping(tol=1e9, patience=1)


def rates_of(schedule, **options):
    """η at the end of every epoch of a small training."""
    X, Y = np.linspace(-1, 1, 8)[:, None], np.zeros(8)
    net = wg.Network(1, [wg.Dense(1, "identity")])
    settings = {"optimizer": wg.SGD(0.1), "epochs": 6, "batch_size": 4, "engine": "reference"}
    fitted = wg.train(net, X, Y, schedule=schedule, **settings | options)
    return [epoch.learning_rate for epoch in fitted.history.epochs]


# ── formulas ─────────────────────────────────────────────────────────────────────────────────────


def cosine(p, warm_up, last):
    if p < warm_up:
        return (p + 1 / TOTAL) / warm_up
    return last + (1 - last) * (1 + math.cos(math.pi * (p - warm_up) / (1 - warm_up))) / 2


def one_cycle(t, rise, start, end):
    peak = rise * TOTAL - 1
    if t <= peak:
        return 1 / start + (1 - 1 / start) * (1 - math.cos(math.pi * t / peak)) / 2
    fall = (t - peak) / (TOTAL - 1 - peak)
    return 1 / end + (1 - 1 / end) * (1 + math.cos(math.pi * fall)) / 2


FORMULAS = [
    (wg.Constant(), lambda t: 1.0),
    (wg.InverseScaling(0.3), lambda t: (10 * (t // STEPS) + 1) ** -0.3),
    (wg.Step(every=3, factor=0.2), lambda t: 0.2 ** (t // STEPS // 3)),
    (wg.Cosine(), lambda t: cosine(t / TOTAL, 0, 0)),
    (wg.Cosine(warm_up=0.25, last=0.1), lambda t: cosine(t / TOTAL, 0.25, 0.1)),
    (wg.OneCycle(), lambda t: one_cycle(t, 0.3, 25, 25e4)),
    (wg.OneCycle(0.5, 10, 1000), lambda t: one_cycle(t, 0.5, 10, 1000)),
    (wg.Adaptive(), lambda t: 1.0),
    (wg.OnPlateau(), lambda t: 1.0),
]
each_schedule = pytest.mark.parametrize("schedule", [schedule for schedule, _ in FORMULAS], ids=str)


def test_every_schedule_is_tested_here():
    assert {type(schedule) for schedule, _ in FORMULAS} == set(SCHEDULES.values())


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=[str(s) for s, _ in FORMULAS])
def test_a_schedule_follows_its_formula(schedule, formula):
    expected = [formula(t) for t in range(TOTAL)]
    np.testing.assert_allclose(factors(schedule), expected, rtol=1e-12, atol=1e-15)


@each_schedule
def test_factors_are_given_for_each_batch_asked_for(schedule):
    clock = Clock(2, 5, 16, 9)
    whole = schedule.factors(np.arange(9), clock)
    assert whole.shape == (9,)
    for first in range(9):
        np.testing.assert_array_equal(schedule.factors(np.arange(first, 9), clock), whole[first:])


@each_schedule
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1), (1, 1000)])
def test_factors_lie_between_0_and_1_however_short_the_training(schedule, epochs, steps):
    given = factors(schedule, epochs, steps)
    assert (given >= 0).all()
    assert (given <= 1).all()


# ── PyTorch's ────────────────────────────────────────────────────────────────────────────────────


@needs_torch
@pytest.mark.parametrize(("rise", "start", "end"), [(0.3, 25.0, 25e4), (0.5, 10.0, 1000.0)])
def test_one_cycle_is_pytorchs(rise, start, end):
    def make(schedulers, optimizer):
        return schedulers.OneCycleLR(
            optimizer, 1.0, TOTAL, pct_start=rise, div_factor=start,
            final_div_factor=end / start, cycle_momentum=False,
        )  # fmt: skip

    np.testing.assert_allclose(
        factors(wg.OneCycle(rise, start, end)), in_torch(make), rtol=1e-9, atol=1e-12
    )


@needs_torch
@pytest.mark.parametrize("last", [0.0, 0.1])
def test_a_cosine_without_warm_up_is_pytorchs(last):
    theirs = in_torch(lambda s, optimizer: s.CosineAnnealingLR(optimizer, TOTAL, last))
    np.testing.assert_allclose(factors(wg.Cosine(last=last)), theirs, rtol=1e-9, atol=1e-12)


@needs_torch
def test_steps_are_pytorchs():
    theirs = in_torch(lambda s, optimizer: s.StepLR(optimizer, 3, 0.2), every=STEPS)
    np.testing.assert_allclose(factors(wg.Step(3, 0.2)), theirs, rtol=1e-12)


@needs_torch
@pytest.mark.parametrize(("patience", "floor"), [(0, 0.0), (2, 0.0), (1, 0.02)])
def test_on_plateau_lowers_the_rate_after_the_epochs_that_pytorch_does(patience, floor):
    import torch

    X, Y = np.random.default_rng(0).normal(size=(40, 2)), np.random.default_rng(1).normal(size=40)
    fitted = wg.train(
        wg.Network(2, [wg.Dense(6, "tanh"), wg.Dense(1, "identity")]),
        X,
        Y,
        optimizer=wg.SGD(0.5, momentum=0.5),
        schedule=wg.OnPlateau(0.5, patience, tol=1e-3, floor=floor),
        epochs=40,
        batch_size=8,
        engine="reference",
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=1e-3, threshold_mode="abs",
        min_lr=floor, eps=0,
    )  # fmt: skip
    rates = []
    for cost in fitted.history.cost:
        rates.append(optimizer.param_groups[0]["lr"])
        theirs.step(cost)
    ours = [epoch.learning_rate for epoch in fitted.history.epochs]
    assert len(set(ours)) > 3
    assert ours == pytest.approx(rates, rel=1e-12)


# ── rates that wait for an epoch without improvement ─────────────────────────────────────────────


def test_a_constant_rate_is_constant():
    assert rates_of(wg.Constant()) == [0.1] * 6


def test_inverse_scaling_counts_the_examples_seen():
    expected = [0.1 / (8 * epoch + 1) ** 0.5 for epoch in range(6)]
    assert rates_of(wg.InverseScaling(0.5)) == pytest.approx(expected, rel=1e-15)


def test_an_adaptive_rate_is_divided_each_time_patience_ends():
    rates = rates_of(wg.Adaptive(divisor=5), stopping=NO_GOOD)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.02, 0.02, 0.004])


def test_an_adaptive_rate_stops_the_training_below_its_floor():
    rates = rates_of(wg.Adaptive(divisor=5, floor=0.05), stopping=NO_GOOD)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.02, 0.02])


def test_on_plateau_divides_down_to_its_floor_and_goes_on():
    schedule = wg.OnPlateau(factor=0.1, patience=1, tol=1e9, floor=0.002)
    # The first epoch improves on nothing at all; then every second one is a disappointment too many.
    assert rates_of(schedule) == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.002])


def test_on_plateau_may_wait_for_validation_examples():
    validation = np.linspace(-1, 1, 4)[:, None], np.zeros(4)
    schedule = wg.OnPlateau(factor=0.1, patience=0, tol=1e9, on="validation_score")
    assert rates_of(schedule, validation=validation)[-1] == pytest.approx(1e-5)
    with pytest.raises(
        wg.InputError, match="a schedule on 'validation_score' needs validation data"
    ):
        rates_of(schedule)


@pytest.mark.parametrize(
    ("schedule", "options", "message"),
    [
        (wg.Step, {"every": 0}, "every is 0: it must be at least 1 epoch"),
        (wg.Step, {"factor": 1.0}, "factor is 1.0: it must be at least 0 and below 1"),
        (wg.Cosine, {"warm_up": -0.1}, "warm_up is -0.1: it must be at least 0 and below 1"),
        (wg.Cosine, {"last": 1}, "last is 1: it must be at least 0 and below 1"),
        (wg.OneCycle, {"rise": 1.5}, "rise is 1.5: it must be at least 0 and below 1"),
        (wg.OneCycle, {"start": 0.5}, "OneCycle divides η by 0.5 and 250000.0: both at least 1"),
        (wg.Adaptive, {"divisor": 1}, "divisor is 1: it must be above 1"),
        (wg.OnPlateau, {"factor": 2}, "factor is 2: it must be at least 0 and below 1"),
        (wg.OnPlateau, {"patience": -1}, "patience is -1: it must be at least 0"),
    ],
)
def test_numbers_that_a_schedule_cannot_use_are_refused(schedule, options, message):
    with pytest.raises(wg.InputError) as error:
        schedule(**options)
    assert str(error.value) == message
