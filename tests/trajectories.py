"""Trainings that can be run again, of every optimizer and option: what ledgers are tested on."""

from dataclasses import replace

import numpy as np

import whygrad as wg
from plans import OPTIMIZERS, OUTPUTS, REGULARISATION, SCHEDULES, examples, multipliers, network
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.why.training_history.trajectory import trajectory

N, SIZES = 23, (20, 9, 7, 3)


def make_trajectory(row, engine="auto", epochs=3, **changes):
    """Return the trajectory of a training given by a row of choices, as `test_engines_agree` has them."""
    options = dict(REGULARISATION[row["regularisation"]]) | changes
    cost, dtype = row["cost"], row["dtype"]
    if "label_smoothing" in options and cost not in ("cross_entropy", "binary_cross_entropy"):
        del options["label_smoothing"]
    for name in ("l1", "l2"):
        if isinstance(options.get(name), float):
            options[name] = wg.Penalty(options[name])
    weights, rates = row.get("weights", "all weights"), row.get("rates", "one rate")
    net = network(cost, options.pop("dropout", 0.0), SIZES[0], weights=weights)
    if row["schedule"] == "adaptive":
        options["stopping"] = wg.Stopping(tol=1e9, patience=1)
    X, Y = examples(row["kind"], cost, dtype, N, SIZES[0])
    data = as_data(net, X, Y, options.pop("sample_weight", None), dtype)
    begin = options.pop("begin", None)
    plan = Plan(
        net,
        OPTIMIZERS[row["optimizer"]],
        N,
        epochs=epochs,
        batch_size=5,
        seed=1,
        dtype=dtype,
        schedule=SCHEDULES[row["schedule"]],
        rate_multipliers=multipliers(net, rates),
        **options,
    )
    state = start(plan)
    if begin is not None:  # a fork carries its momentum over
        drawn = np.random.default_rng(0).normal(size=state.opt_state.shape) * begin
        opt_state = np.abs(drawn) if row["optimizer"] in ("adagrad", "rmsprop") else drawn.copy()
        if len(opt_state) == 2:
            squared = 0 if row["optimizer"] == "rmsprop with momentum" else 1
            opt_state[squared] = np.abs(opt_state[squared])
        state = replace(state, opt_state=opt_state.astype(dtype))
    return trajectory(plan, state, data, engine=engine)


ROW = {
    "optimizer": "sgd",
    "regularisation": "none",
    "schedule": "constant",
    "cost": "cross_entropy",
    "kind": "dense",
    "dtype": "float64",
}

__all__ = ["N", "OUTPUTS", "ROW", "SIZES", "make_trajectory"]
