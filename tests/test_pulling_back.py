"""A training walked backwards in compiled code has the derivatives that differences of trainings have."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import whygrad as wg
from engines import needs_native
from networks import draw_targets
from whygrad.engines import Probes, PullsBack, choose
from whygrad.engines.native import engine as native
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start

pytestmark = needs_native

N, B, STEPS, INPUTS = 23, 5, 5, 70
ONE = np.ones(STEPS)
# Each rule with its form: a denominator and none, m divided late, early and not at all, decay of its own.
RULES = {
    "sgd": (wg.SGD(0.3), lambda c: dict(r=-c[0])),
    "momentum": (wg.SGD(0.2, momentum=0.8), lambda c: dict(p=-c[0], q=ONE, mu=0.8, m=0)),
    "nesterov": (
        wg.SGD(0.2, momentum=0.8, nesterov=True),
        lambda c: dict(p=-c[0], q=0.8 * ONE, r=-c[0], mu=0.8, m=0),
    ),
    "adagrad": (
        wg.Adagrad(0.1, epsilon=1e-2),
        lambda c: dict(r=-c[0], epsilon=1e-2 * ONE, beta=1.0, gamma=1.0, v=0),
    ),
    "rmsprop with momentum": (
        wg.RMSprop(0.02, beta=0.9, momentum=0.5, epsilon=1e-2),
        lambda c: dict(
            p=ONE, q=-c[0], epsilon=1e-2 * ONE, mu=0.5, beta=0.9, gamma=0.1, m=1, v=0, early=True
        ),
    ),
    "adamw": (
        wg.AdamW(0.05, decay=0.5, epsilon=1e-2),
        lambda c: dict(
            p=0.1 * ONE, q=-c[0], keep=c[2], epsilon=c[1], mu=0.9, beta=0.999, gamma=0.001, m=0, v=1
        ),
    ),
    "nadam": (
        wg.Nadam(0.05, epsilon=1e-2),
        lambda c: dict(
            p=0.1 * ONE, q=-c[0], r=-c[1], epsilon=c[2], mu=0.9, beta=0.999, gamma=0.001, m=0, v=1
        ),
    ),
}  # fmt: skip
OPTIONS = {
    "sgd": {"clip": wg.Clip(norm=0.3), "l1": wg.Penalty(0.003)},
    "momentum": {"l2": wg.Penalty(0.3, per="example"), "clip": wg.Clip(norm=0.3, value=0.05)},
    "nesterov": {"l2": wg.Penalty(0.01, per="step"), "rate_multipliers": {"W1": 0.5, "b": 2.0}},
    "adagrad": {"clip": wg.Clip(value=0.05)},
    "rmsprop with momentum": {"rate_multipliers": {"W2": 0.0}},
    "adamw": {"l2": wg.Penalty(0.1), "rate_multipliers": {"W1": 0.5}},
    "nadam": {"l1": wg.Penalty(0.003), "l2": wg.Penalty(0.2, per="data")},
}
H = 1e-5


def pull_back(engine, plan, state, data, until, form, lam, lam_state, measured=True):
    """Walk back over the steps to `until`; return what they said, with ∂f before them."""
    walk = engine.walk_back(plan, data, form, lam, lam_state, measured)
    found = walk.over(state, plan.coefficients(state, until), form)
    return SimpleNamespace(lam=walk.lam, lam_state=walk.lam_state, **vars(found))


def form_of(name, plan, state):
    made = RULES[name][1](plan.coefficients(state, state.step + STEPS).T)
    nothing = dict.fromkeys(("p", "q", "r", "epsilon"), 0 * ONE) | {"keep": ONE}
    constants = {"mu": 0.0, "beta": 0.0, "gamma": 0.0, "m": None, "v": None, "early": False}
    return SimpleNamespace(**nothing | constants | made)


@pytest.fixture(scope="module", params=RULES)
def case(request):
    """A training of a few steps from a state that is under way, what is asked about it, and the answer."""
    name = request.param
    rng = np.random.default_rng(1)
    zeros = name in ("momentum", "adamw")
    mask = rng.random((6, 9)) < 0.7 if name in ("nesterov", "nadam") else None
    layers = [
        wg.Dense(9, "gelu", dropout=0.2 * zeros),
        wg.Dense(6, "tanh", mask=mask),
        wg.Dense(3, "softmax"),
    ]
    net = wg.Network(INPUTS, layers, "cross_entropy")
    X = rng.normal(size=(N, INPUTS)) * (rng.random((N, INPUTS)) < (0.2 if zeros else 1.0))
    s = rng.uniform(0.5, 1.5, N)
    data = as_data(net, X, draw_targets(rng, net.C.targets, N, 3), s)
    plan = Plan(net, RULES[name][0], n=N, epochs=2, batch_size=B, seed=1, **OPTIONS[name])
    engine = choose("native", plan)
    assert isinstance(engine, PullsBack)
    state, _ = engine.run(plan, start(plan), data, STEPS, Probes())
    state = replace(state, epoch=1, batch_index=0, seen=N)
    a, b = rng.normal(size=(2, 2, len(state.theta)))  # two numbers f = a · θ + b · state
    b = np.repeat(b[None], len(state.opt_state), 0)
    return SimpleNamespace(
        name=name, plan=plan, engine=engine, data=data, state=state, a=a, b=b, s=s
    )


@pytest.fixture(scope="module")
def pulled(case):
    form = form_of(case.name, case.plan, case.state)
    until = case.state.step + STEPS
    return pull_back(case.engine, case.plan, case.state, case.data, until, form, case.a, case.b)


def numbers(case, **changes):
    """f of the end of the steps, with another plan, data or start."""
    plan, data, state = (changes.get(key, getattr(case, key)) for key in ("plan", "data", "state"))
    end, _ = case.engine.run(plan, state.copy(), data, state.step + STEPS, Probes())
    return case.a @ end.theta + np.einsum("rkp,rp->k", case.b, end.opt_state)


def differenced(case, changed, h=H):
    """∂f by what `changed` makes of a small number, of fourth order."""
    near, far = (
        (numbers(case, **changed(size)) - numbers(case, **changed(-size))) / (2 * size)
        for size in (h, 2 * h)
    )
    return (4 * near - far) / 3


def assert_close(found, expected):
    assert (abs(found - expected) <= 1e-6 * (abs(expected).max() + 1e-3)).all(), (found, expected)


def test_what_an_example_counts_acts_as_when_it_is_trained_again(case, pulled):
    order = case.plan.order(1)
    for place in (2, 11, N - 1):
        who, t = order[place], place // B
        S = case.s[order[t * B : (t + 1) * B]].sum()
        found = case.s[who] * pulled.slopes[t, :, place % B] / S

        def counted(h, who=who):
            m = np.ones(N)
            m[who] += h
            return {"data": replace(case.data, multipliers=m)}

        assert_close(found, differenced(case, counted))


def test_the_start_acts_as_when_it_is_moved(case, pulled):
    rng = np.random.default_rng(2)
    v = rng.normal(size=case.state.theta.shape)
    v[case.plan.net.masked] = 0
    v /= np.linalg.norm(v)  # no weight crosses 0, where an L1 penalty has a kink
    m = case.state.opt_state * rng.normal(size=case.state.opt_state.shape)  # v stays positive
    by_theta = differenced(
        case, lambda h: {"state": replace(case.state, theta=case.state.theta + h * v)}
    )
    assert_close(pulled.lam @ v, by_theta)
    if len(m):
        by_state = differenced(
            case, lambda h: {"state": replace(case.state, opt_state=case.state.opt_state + h * m)}
        )
        assert_close(np.einsum("rkp,rp->k", pulled.lam_state, m), by_state)


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
def test_nothing_is_lost_where_no_sums_are_asked_for(case, steps):
    about = vars(form_of(case.name, case.plan, case.state)).items()
    form = SimpleNamespace(**{name: a[:steps] if np.ndim(a) else a for name, a in about})
    given = (
        case.engine,
        case.plan,
        case.state,
        case.data,
        case.state.step + steps,
        form,
        case.a,
        case.b,
    )
    lean, full = (pull_back(*given, measured=measured) for measured in (False, True))
    for name in ("slopes", "lam", "lam_state"):
        whole = getattr(full, name)
        np.testing.assert_allclose(
            getattr(lean, name), whole, rtol=0, atol=1e-11 * np.abs(whole).max(initial=0)
        )


def test_rates_and_penalties_act_as_when_they_are_changed(case, pulled):
    rule = case.plan.optimizer

    def scaled(h):
        return {
            "plan": replace(
                case.plan, optimizer=replace(rule, learning_rate=rule.learning_rate * (1 + h))
            )
        }

    assert_close(pulled.by_rate.sum(axis=0), differenced(case, scaled))
    for name, sums in (("l1", pulled.by_sign), ("l2", pulled.by_weight)):
        if getattr(case.plan, name).per == "batch":

            def penalised(h, name=name):
                strength = getattr(case.plan, name).strength + 1e-3
                return {"plan": replace(case.plan, **{name: wg.Penalty(strength + h)})}

            shifted = replace(
                case.plan, **{name: wg.Penalty(getattr(case.plan, name).strength + 1e-3)}
            )
            form = form_of(case.name, shifted, case.state)
            until = case.state.step + STEPS
            again = pull_back(
                case.engine, shifted, case.state, case.data, until, form, case.a, case.b
            )
            sums = again.by_sign if name == "l1" else again.by_weight
            assert_close(sums.sum(axis=0), differenced(case, penalised, 1e-6))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("clip", "measured"), [(wg.Clip(norm=0.3), True), (wg.Clip(), False)])
def test_threads_share_the_way_back_without_changing_a_bit(clip, measured, dtype, monkeypatch):
    rng = np.random.default_rng(4)
    n, b = 410, 200
    net = wg.Network(
        70, [wg.Dense(96, "gelu"), wg.Dense(200, "tanh"), wg.Dense(3, "softmax")], "cross_entropy"
    )
    X, Y = rng.normal(size=(n, 70)), draw_targets(rng, net.C.targets, n, 3)
    data = as_data(net, X, Y, dtype=dtype)
    plan = Plan(net, wg.Adam(0.01), n=n, batch_size=b, clip=clip, dtype=dtype)
    state, m = start(plan), 3
    c, one = plan.coefficients(state, m).T, np.ones(m)
    form = SimpleNamespace(
        p=0.1 * one, q=-c[0], r=0 * one, keep=one, epsilon=c[1], mu=0.9, beta=0.999, gamma=0.001, m=0, v=1,
        early=False,
    )  # fmt: skip
    lam = rng.normal(size=(2, len(state.theta)))
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(native, "own_cores", lambda threads=threads: threads)
        engine = choose("native", plan)
        given = engine, plan, state, data, m, form, lam, np.zeros((2, *lam.shape))
        found.append(pull_back(*given, measured=measured))
    one, other = found
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(other, name), name)
    assert one.slopes[:, :, :b][:2].all() and not one.slopes[2, :, n - 2 * b :].any()
