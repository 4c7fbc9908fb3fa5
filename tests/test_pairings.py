"""Every output activation with every cost, far out on either side, against 60 digits, in both engines."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import whygrad as wg
from kernels import native_costs_and_error
from networks import PAIRINGS
from whygrad.nn.functions import ACTIVATIONS, CANONICAL_LINKS, COSTS, LEAK, SELU_ALPHA, SELU_SCALE
from whygrad.nn.pairings import TOGETHER, output_costs, output_error, together

DIGITS, ONE = 60, Decimal(1)


# ── the calculus in decimals, written down once more ─────────────────────────────────────────────────


def elementwise(name, z):
    """f(z) and f′(z)."""
    e = z.copy_abs().copy_negate().exp()  # e^−|z|
    s = ONE / (ONE + e) if z >= 0 else e / (ONE + e)
    match name:
        case "identity":
            return z, ONE
        case "sigmoid":
            return s, e / (ONE + e) ** 2
        case "tanh":
            t = (ONE - e * e) / (ONE + e * e)
            return t if z >= 0 else -t, 4 * e * e / (ONE + e * e) ** 2
        case "relu":
            return max(z, Decimal(0)), Decimal(z > 0)
        case "leaky_relu":
            return (z, ONE) if z > 0 else (Decimal(LEAK) * z, Decimal(LEAK))
        case "elu":
            return (z, ONE) if z > 0 else (e - 1, e)
        case "selu":
            scale, alpha = Decimal(SELU_SCALE), Decimal(SELU_ALPHA)
            return (scale * z, scale) if z > 0 else (scale * alpha * (e - 1), scale * alpha * e)
        case "silu":
            return z * s, s * (ONE + z * (e / (ONE + e) if z >= 0 else ONE / (ONE + e)))
        case "softplus":
            small = e - e * e / 2 + e**3 / 3
            return (small if e < Decimal("1e-20") else (ONE + e).ln()) + max(z, Decimal(0)), s
        case "exp":
            return z.exp(), z.exp()
        case "gelu":
            probability = Decimal(0.5 * math.erfc(-float(z) / math.sqrt(2)))
            density = (-z * z / 2).exp() / Decimal(2 * math.pi).sqrt()
            return z * probability, probability + z * density
    raise AssertionError(name)


def of_output(name, a, rest, y):
    """C and ∂C/∂a of one output; `rest` is 1 − a."""
    d = a - y
    match name:
        case "squared_error":
            return d * d / 2, d
        case "absolute_error":
            return abs(d), Decimal((d > 0) - (d < 0))
        case "huber":
            near = min(abs(d), ONE)
            return near * (abs(d) - near / 2), max(-ONE, min(ONE, d))
        case "poisson":
            return d + (y * y.ln() if y else 0) - (y * a.ln() if y else 0), 1 - y / a
        case "cross_entropy":
            return -y * a.ln() if y else Decimal(0), -y / a
        case "binary_cross_entropy":
            value = -(y * a.ln() if y else 0) - ((1 - y) * rest.ln() if y != 1 else 0)
            return value, (d / (a * rest)) if y != 1 else -1 / a
    raise AssertionError(name)


def exactly(f, cost, z, y):
    """C, δ and |∂C/∂a| of one row."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = DIGITS, -(10**6), 10**6
        z, y = [Decimal(float(v)) for v in z], [Decimal(float(v)) for v in y]
        if f == "softmax":
            e = [(v - max(z)).exp() for v in z]
            a = [v / sum(e) for v in e]
            rest = [(sum(e[:j]) + sum(e[j + 1 :])) / sum(e) for j in range(3)]  # no digit is lost
            both = [of_output(cost, *given) for given in zip(a, rest, y, strict=True)]
            g = [slope for _, slope in both]
            h = [p * slope for p, slope in zip(a, g, strict=True)]
            passed = [h[k] * rest[k] - a[k] * (sum(h[:k]) + sum(h[k + 1 :])) for k in range(3)]
        else:
            pairs = [elementwise(f, v) for v in z]
            rest = [
                elementwise(f, -v)[0] if f == "sigmoid" else 1 - a
                for v, (a, _) in zip(z, pairs, strict=True)
            ]
            both = [of_output(cost, a, r, t) for (a, _), r, t in zip(pairs, rest, y, strict=True)]
            passed = [slope * by for (_, slope), (_, by) in zip(both, pairs, strict=True)]
            g = [slope for _, slope in both]
        return (
            float(sum(v for v, _ in both)),
            np.array([float(v) for v in passed]),
            [float(abs(v)) for v in g],
        )


FAR = {
    "float32": [-1000.0, -104.0, -100.0, -90.0, -87.0, -30.0, -1.0, -1e-3, 0.0, 0.5, 3.0, 17.0, 60.0, 88.0],
    "float64": [-2000.0, -760.0, -750.0, -740.0, -708.0, -40.0, -1.0, -1e-3, 0.0, 0.5, 3.0, 37.0, 700.0],
}  # fmt: skip


def rows(f, cost, dtype):
    """z and y of rows that saturate, or nearly do, on either side."""
    found = []
    for far in FAR[dtype]:
        z = [far, -far / 2 if f == "softmax" else 1.0, 0.25]
        if cost == "cross_entropy":
            targets = [[1, 0, 0], [0.25, 0.5, 0.25]]
        elif cost == "binary_cross_entropy":
            targets = [[1, 0, 0.75], [0, 1, 1]]
        else:
            targets = [[3, 0.5, 1], [0, 2, 0]]
        found += [(z, y) for y in targets]
    return (np.array(part, dtype) for part in zip(*found, strict=True))


def reference(f, cost, z, y):
    with np.errstate(all="ignore"):
        a = ACTIVATIONS[f].value(z)
        given = (ACTIVATIONS[f], COSTS[cost], z, a, y)
        return output_costs(*given), output_error(*given)


def native(f, cost, z, y):
    with np.errstate(all="ignore"):
        return native_costs_and_error(f, cost, z, ACTIVATIONS[f].value(z), y)


POLES = sorted([*TOGETHER, *CANONICAL_LINKS])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("f", "cost"), PAIRINGS)
def test_costs_and_errors_are_right_wherever_an_output_saturates(f, cost, dtype):
    z, y = rows(f, cost, dtype)
    found = [engine(f, cost, z, y) for engine in (reference, native)]
    eps, highest = np.finfo(dtype).eps, np.finfo(dtype).max
    checked = 0
    for i in range(len(z)):
        right, errors, slopes = exactly(f, cost, z[i], y[i])
        if not right < float(highest) / 4:
            continue  # more than the type holds, as exp of 700 squared
        checked += 1
        largest = max(1.0, float(np.abs(y[i]).max()), float(np.abs(errors).max()))
        if (f, cost) in POLES or f == "softmax":
            allowed = np.full(3, 16 * eps * largest)
        else:  # f′ may be off by ε, which ∂C/∂a, without a pole, makes no larger than itself
            given = np.minimum(slopes, largest) + np.abs(y[i])
            allowed = 32 * eps * (np.abs(errors) + given * (1 + abs(z[i])))
        size = abs(right) + np.abs(z[i]).max() * np.abs(y[i]).max() + np.abs(y[i]).max() + 1
        for C, delta in found:
            assert (np.abs(delta[i] - errors) <= allowed).all(), (z[i], y[i], delta[i], errors)
            assert abs(C[i] - right) <= 32 * eps * size, (z[i], y[i], C[i], right)
    assert checked > 15


@pytest.mark.parametrize("engine", [reference, native])
@pytest.mark.parametrize(("dtype", "z"), [("float32", -100.0), ("float64", -750.0)])
@pytest.mark.parametrize("f", ["exp", "softplus", "sigmoid"])
def test_below_underflow_a_count_pushes_with_all_its_weight(f, dtype, z, engine):
    y = np.array([[4.0]], dtype)
    C, delta = engine(f, "poisson", np.array([[z]], dtype), y)
    assert delta[0, 0] == -4
    np.testing.assert_allclose(C[0], 4 * math.log(4) - 4 - 4 * z, rtol=1e-6)


@pytest.mark.parametrize("engine", [reference, native])
def test_labels_of_a_softmax_keep_their_errors_at_logits_of_ninety(engine):
    z, y = np.array([[90.0, 0.0, 1.0]], np.float32), np.array([[0.0, 1.0, 0.0]], np.float32)
    C, delta = engine("softmax", "binary_cross_entropy", z, y)
    right, errors, _ = exactly("softmax", "binary_cross_entropy", z[0], y[0])
    np.testing.assert_allclose(delta[0], errors, rtol=1e-6)
    np.testing.assert_allclose(C[0], right, rtol=1e-6)


def test_where_a_cost_has_a_pole_every_pairing_is_taken_together():
    poles = {"poisson", "cross_entropy", "binary_cross_entropy"}
    for f, cost in PAIRINGS:
        has = together(ACTIVATIONS[f], COSTS[cost]) is not None
        assert has == (cost in poles or (f, cost) == ("identity", "squared_error"))


def test_a_softmax_of_one_output_has_nothing_to_learn():
    z, y = np.array([[3.0]]), np.array([[1.0]])
    for engine in (reference, native):
        C, delta = engine("softmax", "binary_cross_entropy", z, y)
        assert delta[0, 0] == 0 and abs(C[0]) < 1e-15


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_training_climbs_out_of_underflow(engine, dtype):
    net = wg.Network(1, [wg.Dense(1, "softplus")], "poisson")
    theta = net.init(W=[None, [[0.0]]], b=[None, [-800.0]])
    X, Y = np.zeros((4, 1), dtype), np.full((4, 1), 2.0, dtype)
    options = {"optimizer": wg.SGD(5.0), "epochs": 100, "batch_size": 4, "engine": engine}
    fitted = wg.train(net, X, Y, theta=theta, dtype=dtype, **options)
    assert fitted.predict(X)[0, 0] > 1  # with a slope of 0 it would stand where it was


@pytest.mark.parametrize(
    ("f", "cost", "b", "y"),
    [
        ("softplus", "poisson", [-800.0, -800.0], [2.0, 3.0]),
        ("sigmoid", "poisson", [-800.0, -800.0], [2.0, 3.0]),
        ("softmax", "poisson", [800.0, -800.0], [2.0, 3.0]),
        ("softmax", "binary_cross_entropy", [800.0, -800.0], [0.0, 1.0]),
    ],
)
def test_an_error_that_no_product_of_two_gives_is_told_as_one(f, cost, b, y):
    net = wg.Network(1, [wg.Dense(2, f)], cost)
    theta = net.init(W=[None, np.zeros((2, 1))], b=[None, b])
    found = wg.why.weight(net, theta, [[1.0]], [y], layer=1, to=1, from_=0)
    assert found.value == pytest.approx(-2 if cost == "binary_cross_entropy" else -3)
    assert [term.value for term in found.terms] == [found.value]
    assert found.residuals == {"rounding": 0.0}
    blamed = wg.why.blame(net, theta, [[1.0]], [y], layer=1, unit=1)
    assert blamed.value == found.value and list(blamed.residuals) == ["rounding"]
    assert wg.why.check(net, theta, [[1.0]], [y])["passed"]
