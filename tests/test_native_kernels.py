"""The kernels of the native engine, held to `whygrad.nn.functions` and to NumPy."""

import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from kernels import from_python, native_costs_and_error
from whygrad.engines.machine_code.exporting import OPTIONS
from whygrad.engines.native import blas, costs, elementwise, memory, self_test
from whygrad.engines.native.layout import aligned_zeros
from whygrad.engines.native.vector_math import exp, expm1_negative, log, log1p_unit
from whygrad.nn.functions import ACTIVATIONS, CANONICAL_LINKS, COSTS, check_pairing
from whygrad.nn.pairings import together

DTYPES = [np.float32, np.float64]
ELEMENTWISE = [name for name in elementwise.ACTIVATION_CODES if name != "softmax"]
SPECIAL = [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, np.inf, -np.inf, np.nan]

pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid|divide)")


def inputs(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, s, 333) for s in (1e-3, 0.3, 3, 8)]).astype(dtype)


def activated(name, z, units=None):
    a = z.copy()
    units = units or a.size
    from_python(elementwise.activate)(elementwise.ACTIVATION_CODES[name], a, a.size // units, units)
    return a


def sloped(name, z, a, delta, units=None):
    delta = delta.copy()
    units = units or a.size
    code = elementwise.ACTIVATION_CODES[name]
    # Where the slope is a function of a alone, whatever else is passed must not be read.
    z = z if code in elementwise.SLOPE_NEEDS_Z else np.full_like(z, np.nan)
    from_python(elementwise.times_slope)(code, z, a, delta, a.size // units, units)
    return delta


def same_bits(one, other):
    bits = np.uint32 if one.dtype == np.float32 else np.uint64
    nan = np.isnan(one)
    return np.array_equal(nan, np.isnan(other)) and np.array_equal(
        one.view(bits)[~nan], other.view(bits)[~nan]
    )


@njit(**OPTIONS)
def every_exp(x, result):
    for i in range(x.size):
        result[i] = exp(x[i])


@njit(**OPTIONS)
def every_expm1(x, result):
    for i in range(x.size):
        result[i] = expm1_negative(x[i])


@njit(**OPTIONS)
def every_log(x, result):
    for i in range(x.size):
        result[i] = log(x[i])


@njit(**OPTIONS)
def every_log1p(x, result):
    for i in range(x.size):
        result[i] = log1p_unit(x[i])


# ── activations ──────────────────────────────────────────────────────────────────────────────────────


def test_the_codes_name_the_same_functions_as_the_reference():
    assert set(elementwise.ACTIVATION_CODES) == set(ACTIVATIONS)
    assert set(costs.COST_CODES) == set(COSTS)
    assert len(set(elementwise.ACTIVATION_CODES.values())) == len(ACTIVATIONS)
    assert len(set(costs.COST_CODES.values())) == len(COSTS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("function", "truth", "low", "high"),
    [
        (every_exp, np.exp, None, None),
        (every_expm1, np.expm1, -50, 0),
        (every_expm1, np.expm1, -1e-5, 0),
        (every_log, np.log, 0.5, 2),
        (every_log, np.log, 1 - 1e-5, 1 + 1e-5),
        (every_log, np.log, 1e-37, 1e-36),
        (every_log, np.log, 1, 1e38),
        (every_log1p, np.log1p, 0, 1),
        (every_log1p, np.log1p, 0, 1e-5),
    ],
)
def test_the_building_blocks_are_off_by_two_units_in_the_last_place_at_most(
    dtype, function, truth, low, high
):
    limits = np.finfo(dtype)
    if low is None:
        low, high = np.log(limits.tiny) + 1e-3, np.log(limits.max) - 1e-3
    x = np.linspace(low, high, 100_003).astype(dtype)
    result = np.empty_like(x)
    function(x, result)
    wide = truth(x.astype(np.longdouble))
    error = np.abs(result - wide) / np.maximum(np.abs(wide), limits.tiny)
    assert error.max() <= 2 * limits.eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_overflows_to_infinity_and_underflows_to_zero_where_it_should(dtype):
    top, bottom = np.log(np.finfo(dtype).max), np.log(np.finfo(dtype).tiny)
    x = np.array([top * 1.00001, bottom * 1.00001, 1e30, -1e30, np.inf, -np.inf, np.nan], dtype)
    result = np.empty_like(x)
    every_exp(x, result)
    np.testing.assert_array_equal(result, [np.inf, 0, np.inf, 0, np.inf, 0, np.nan])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activations_agree_with_the_reference(name, dtype):
    z = inputs(dtype)
    truth = ACTIVATIONS[name].value(z.astype(np.float64))
    limits = np.finfo(dtype)
    # The tail of the normal distribution feels the rounding of z² / 2.
    tolerance = (
        np.abs(truth) * (limits.eps * 4 + (name == "gelu") * limits.eps * z**2) + limits.tiny
    )
    assert np.all(np.abs(activated(name, z) - truth) <= tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_slopes_agree_with_the_reference(name, dtype):
    z = inputs(dtype)
    delta = np.random.default_rng(1).normal(size=z.size).astype(dtype)
    slope = ACTIVATIONS[name].derivative(z.astype(np.float64))
    error = np.abs(sloped(name, z, activated(name, z), delta) - delta * slope)
    assert np.all(error <= 8 * np.finfo(dtype).eps * np.abs(delta) * np.maximum(1, np.abs(slope)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_special_values_give_what_the_reference_gives(name, dtype):
    z = np.array(SPECIAL, dtype)
    np.testing.assert_allclose(
        activated(name, z), ACTIVATIONS[name].value(z), rtol=4 * np.finfo(dtype).eps, atol=0
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_nan_error_stays_nan_below(name, dtype):
    z, delta = np.ones(37, dtype), np.full(37, np.nan, dtype)
    assert np.isnan(sloped(name, z, activated(name, z), delta)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_bits_do_not_depend_on_the_place_in_the_array(name, dtype):
    z = np.concatenate([inputs(dtype), np.array(SPECIAL, dtype)])
    delta = inputs(dtype, seed=1)
    delta = np.resize(delta, z.size)
    a = activated(name, z)
    below = sloped(name, z, a, delta)
    for size in (1, 3, 8, 17, 33, 67):
        for start in [*range(35), z.size - size]:
            part = slice(start, start + size)
            assert same_bits(activated(name, z[part]), a[part])
            assert same_bits(sloped(name, z[part], a[part], delta[part]), below[part])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [1, 2, 10, 33])
def test_softmax_and_its_jacobian_agree_with_the_reference(units, dtype):
    z = np.random.default_rng(0).normal(0, 5, (40, units)).astype(dtype)
    z[0] += 1000
    z[1, 0] = -1e30
    delta = np.random.default_rng(1).normal(size=z.shape).astype(dtype)
    a = activated("softmax", z.ravel(), units)
    below = sloped("softmax", z.ravel(), a, delta.ravel(), units)
    softmax, wide = ACTIVATIONS["softmax"], z.astype(np.float64)
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        a, softmax.value(wide).ravel(), rtol=tolerance, atol=np.finfo(dtype).tiny
    )
    np.testing.assert_allclose(
        below, softmax.vjp(wide, delta.astype(np.float64)).ravel(), atol=tolerance
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [1, 2, 10])
def test_softmax_by_units_agrees_with_the_reference(units, dtype):
    z = np.random.default_rng(0).normal(0, 5, (40, units)).astype(dtype)
    z[0] += 1000
    z[1, 0] = -1e30
    z[2, -1], z[3, 0], z[4, -1] = np.nan, np.inf, -np.inf
    by_units, log_sum = z.T.ravel().copy(), np.empty(40)
    largest, total = np.empty(40, dtype), np.empty(40, dtype)
    from_python(elementwise.softmax_by_units)(by_units, 40, units, largest, total, log_sum)
    wide, tolerance = z.astype(np.float64), 20 * np.finfo(dtype).eps
    truth = ACTIVATIONS["softmax"].value(wide)
    np.testing.assert_allclose(
        by_units.reshape(units, 40).T, truth, rtol=tolerance, atol=np.finfo(dtype).tiny
    )
    shifted = wide - wide.max(axis=1, keepdims=True)
    exact = wide.max(axis=1) + np.log(np.exp(shifted).sum(axis=1))
    np.testing.assert_allclose(log_sum, exact, rtol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_softmax_of_a_row_with_a_bad_number_is_nan_and_other_rows_are_not(bad):
    for place in range(5):
        z = np.arange(15.0)
        z[5 + place] = bad
        bad_rows = np.isnan(activated("softmax", z, 5)).reshape(3, 5)
        np.testing.assert_array_equal(bad_rows, [[False] * 5, [True] * 5, [False] * 5])


def test_a_row_of_softmax_has_the_same_bits_in_every_batch():
    z = np.random.default_rng(0).normal(size=30 * 7).astype(np.float32)
    whole = activated("softmax", z, 7)
    for row in range(30):
        part = slice(row * 7, row * 7 + 7)
        assert same_bits(activated("softmax", z[part], 7), whole[part])


# ── costs ────────────────────────────────────────────────────────────────────────────────────────────


def pairings():
    for f in ACTIVATIONS.values():
        for cost in COSTS.values():
            try:
                check_pairing(f, cost)
            except ValueError:
                continue
            yield f.name, cost.name


def outputs_and_targets(activation, cost, dtype, rows=23, units=4):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (rows, units)).astype(dtype)
    y = {
        "real": rng.normal(size=(rows, units)),
        "nonnegative": rng.poisson(2.0, (rows, units)),
        "unit": rng.uniform(size=(rows, units)),
        "distribution": np.eye(units)[rng.integers(units, size=rows)],
    }[COSTS[cost].targets].astype(dtype)
    a = activated(activation, z.ravel(), units).reshape(rows, units)
    return z, a, y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "cost"), list(pairings()))
def test_costs_and_errors_of_every_pairing_agree_with_the_reference(activation, cost, dtype):
    z, a, y = outputs_and_targets(activation, cost, dtype)
    per_row, delta = native_costs_and_error(activation, cost, z, a, y)
    f, C = ACTIVATIONS[activation], COSTS[cost]
    wide_z, wide_a, wide_y = (array.astype(np.float64) for array in (z, a, y))
    pair = together(f, C)
    if pair:
        value, error = pair.value(wide_z, wide_y), pair.error(wide_z, wide_a, wide_y)
    else:
        value = C.value(wide_a, wide_y)
        # In the dtype itself, since how much 1 - a or y / a loses is a property of the dtype.
        error = f.vjp(z, C.derivative(a, y))
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(per_row, value, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(delta, error, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("activation", "cost"),
    [("softmax", "binary_cross_entropy"), ("sigmoid", "poisson"), ("exp", "poisson")],
)
def test_a_saturated_output_that_is_wrong_costs_much_but_not_infinitely(activation, cost, dtype):
    z = np.array(
        [[-2000.0, 0.0], [2000.0, 0.0]] if activation != "exp" else [[-2000.0, 0.0]], dtype
    )
    y = np.tile(np.array([1.0, 0.0], dtype), (len(z), 1))
    a = activated(activation, z.ravel(), 2).reshape(z.shape)
    per_row, delta = native_costs_and_error(activation, cost, z, a, y)
    assert np.isfinite(per_row).all() and np.isfinite(delta).all()
    assert per_row[0] > 50
    exact = together(ACTIVATIONS[activation], COSTS[cost]).value(z.astype(np.float64), y)
    np.testing.assert_allclose(per_row, exact, rtol=1e-6)
    assert exact[0] >= 1999


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("activation", "cost"), [*CANONICAL_LINKS, ("tanh", "huber"), ("exp", "poisson")]
)
def test_a_bad_number_shows_in_the_cost_of_its_row_and_in_its_error(activation, cost, dtype):
    z, _, y = outputs_and_targets(activation, cost, dtype)
    z[3, 1] = np.nan
    a = activated(activation, z.ravel(), z.shape[1]).reshape(z.shape)
    per_row, delta = native_costs_and_error(activation, cost, z, a, y)
    assert np.flatnonzero(np.isnan(per_row)).tolist() == [3]
    assert np.isnan(delta[3, 1])


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_any_length_are_copied_and_nothing_beside_them(dtype):
    source = np.arange(1, 200, dtype=dtype)
    for size in (*range(40), 64, 131):
        target = np.zeros(150, dtype)
        from_python(memory.copy)(source, 7, target, 5, size)
        np.testing.assert_array_equal(target[5 : 5 + size], source[7 : 7 + size])
        assert not target[:5].any() and not target[5 + size :].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_copied_past_the_cache_and_nothing_beside_them(dtype):
    source = np.arange(1, 200, dtype=dtype)
    for size in (*range(40), 64, 131):
        target = aligned_zeros(200, dtype)
        from_python(memory.stream)(source, 7, target, 64, size)
        np.testing.assert_array_equal(target[64 : 64 + size], source[7 : 7 + size])
        assert not target[:64].any() and not target[64 + size :].any()


# ── products ─────────────────────────────────────────────────────────────────────────────────────────

SHAPES = [(1, 1, 1), (1, 5, 7), (5, 1, 7), (5, 7, 1), (10, 30, 784), (64, 33, 65)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_products_can_be_used(dtype):
    assert self_test.unavailable(dtype) is None


def three_products(rows, units, fan_in, dtype):
    rng = np.random.default_rng(0)
    shapes = ((rows, fan_in), (units, fan_in), (rows, units))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_three_products_agree_with_numpy(shape, dtype):
    a, W, delta = three_products(*shape, dtype)
    z, error, dW = np.ones_like(delta), np.ones_like(a), np.ones_like(W)
    from_python(blas.product_into_units)(a, W, 1.0, z)
    from_python(blas.product_into_inputs)(delta, W, 0.0, error, error.shape[1])
    from_python(blas.product_into_weights)(-0.5, delta, a, 2.0, dW)
    tolerance = {"rtol": 0, "atol": 1000 * np.finfo(dtype).eps}
    np.testing.assert_allclose(z, a @ W.T + 1, **tolerance)
    np.testing.assert_allclose(error, delta @ W, **tolerance)
    np.testing.assert_allclose(dW, -0.5 * delta.T @ a + 2, **tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_beta_zero_overwrites_whatever_was_there(shape, dtype):
    a, W, delta = three_products(*shape, dtype)
    z, error, dW = (np.full_like(x, np.nan) for x in (delta, a, W))
    from_python(blas.product_into_units)(a, W, 0.0, z)
    from_python(blas.product_into_inputs)(delta, W, 0.0, error, error.shape[1])
    from_python(blas.product_into_weights)(1.0, delta, a, 0.0, dW)
    assert all(np.isfinite(x).all() for x in (z, error, dW))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_bad_number_is_not_lost_against_zeros(shape, bad):
    a, W, delta = (np.zeros_like(x) for x in three_products(*shape, np.float32))
    a[0, 0] = bad
    z, dW = np.zeros_like(delta), np.zeros_like(W)
    from_python(blas.product_into_units)(a, W, 0.0, z)
    from_python(blas.product_into_weights)(1.0, delta, a, 1.0, dW)
    assert np.isnan(z[0]).all() and np.isnan(dW[:, 0]).all()


@njit(**OPTIONS)
def product_within_one_array(flat, times):
    for _ in range(times):
        a, W = blas.matrix(flat, 1, 2, 3), blas.matrix(flat, 7, 1, 3)
        blas.product_into_units(a, W, 0.0, blas.matrix(flat, 10, 2, 1))
    return blas.vector(flat, 10, 2).sum()


def test_matrices_are_views_of_the_flat_array():
    flat = np.arange(13.0)
    total = product_within_one_array(flat, 1)
    np.testing.assert_array_equal(flat[10:], [1 * 7 + 2 * 8 + 3 * 9, 4 * 7 + 5 * 8 + 6 * 9, 12])
    assert total == flat[10] + flat[11]


def test_a_million_products_in_one_loop_do_not_fill_the_stack():
    product_within_one_array(np.zeros(12), 1_000_000)


# ── the cache ────────────────────────────────────────────────────────────────────────────────────────

CACHED = """
import numpy as np
from whygrad.engines.native import self_test, sparse
assert self_test.unavailable(np.float32) is None
assert sparse.count(np.eye(2, dtype=np.float32)) == 2
for function in (self_test.few_of_all, sparse.count_rows):
    print(function.hits, function.misses)
"""


def test_a_second_process_compiles_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def hits_and_misses():
        run = subprocess.run([sys.executable, "-c", CACHED], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()

    assert hits_and_misses() == ["0", "1", "0", "1"]
    assert hits_and_misses() == ["1", "0", "1", "0"]
