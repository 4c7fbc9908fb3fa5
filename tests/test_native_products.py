"""The native engine's own ways of multiplying: in registers, by BLAS, and past the zeros of the input."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import whygrad as wg
from engines import needs_bfloat16, needs_native
from kernels import from_python
from whygrad.engines import Probes, choose
from whygrad.nn.arrays import as_data
from whygrad.nn.products import operand
from whygrad.plan.plan import Plan, start
from whygrad.training.loop import Training, run

pytestmark = needs_native

# Around the sizes at which a product goes from BLAS into registers and back, with odd remainders; layers of
# few units; some whose operands are copied side by side; and more examples than are laid out at a time.
SHAPES = [
    (33, 1, 40),
    (19, 3, 130),
    (200, 10, 100),
    (17, 50, 7),
    (21, 1030, 2047),
    (19, 1030, 2048),
    (515, 514, 516),
    (1, 1, 1),
    (7, 5, 3),
    (10, 30, 784),
    (33, 67, 785),
    (35, 66, 519),
    (130, 131, 257),
    (5, 3, 99999),
    (64, 300, 1100),
    (530, 130, 70),
    (530, 1250, 1270),
]


def numbers(*shape, dtype):
    return np.random.default_rng(list(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize(
    "kind", ["float32", "float64", pytest.param("bfloat16", marks=needs_bfloat16)]
)
@pytest.mark.parametrize(("rows", "units", "size"), SHAPES)
def test_every_product_is_that_of_numpy(rows, units, size, kind):
    from whygrad.engines.native import passes
    from whygrad.engines.native.products.dense import ACROSS, COLUMNS, DOTS, FEW
    from whygrad.engines.native.products.packed import room
    from whygrad.engines.native.products.pairs import PAIRS

    products = "bfloat16" if kind == "bfloat16" else None
    dtype = "float32" if products else kind
    a, W, delta = (numbers(*s, dtype=dtype) for s in ((rows, size), (units, size), (rows, units)))
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    rounded_a, rounded_W, rounded_delta = (operand(products, each) for each in (a, W, delta))

    def close(ours, theirs, terms):
        return np.abs(ours - theirs).max() <= tolerance * np.sqrt(terms) * 3

    most, of = (PAIRS, np.int32) if products else (room(rows, size, a.itemsize), dtype)
    panel = np.full(most + 4096, np.nan if of == dtype else 0x5A5A5A5A, of)
    behind = panel[most:].tobytes()
    b = np.arange(units, dtype=dtype)
    W_and_b, few = np.append(W.ravel(), b), rows < 16
    for way in (FEW,) if products else (FEW, COLUMNS, DOTS, ACROSS):
        z = np.full((rows, units), np.nan, dtype)  # whatever stood there is overwritten
        from_python(passes.into_units)(
            way, a.ravel(), 0, W_and_b, 0, W.size, z.ravel(), 0, units, rows, units, size, panel
        )  # fmt: skip
        assert close(z, rounded_a @ rounded_W.T + b, size)

    error = np.full((rows, size), np.nan, dtype)
    from_python(passes.into_inputs)(
        few, rows, delta.ravel(), 0, W.ravel(), 0, error.ravel(), 0, rows, units, size, size, panel
    )
    assert close(error, rounded_delta @ rounded_W, units)

    moved, low = W.copy(), 0
    for high in (units // 2, units):  # what the first block has laid out the second one reads
        from_python(passes.into_weights)(
            few, -0.5, delta.ravel(), low, units, a.ravel(), 0, 0.75, moved.ravel(), low * size, rows,
            high - low, size, low > 0, panel,
        )  # fmt: skip
        low = high
    assert close(moved, 0.75 * W - 0.5 * rounded_delta.T @ rounded_a, rows)
    assert panel[most:].tobytes() == behind  # nothing is written past its end


def test_inputs_whose_zeros_are_skipped_take_no_room_in_a_panel():
    from scipy.sparse import csr_array

    from whygrad.engines.native.layout import Layout

    X = csr_array(([1.0], ([0], [0])), shape=(1000, 100_000))
    panels = []
    for inputs in (64, X.shape[1]):
        net = wg.Network(inputs, [wg.Dense(100, "relu"), wg.Dense(1)])
        data = as_data(net, X[:, :inputs], np.ones((1000, 1)), None, "float32")
        panels.append(Layout(net, 512, "float32", data, False, False).workspace.panel)
    assert panels[0].shape[1] == panels[1].shape[1]


def test_how_a_layer_goes_forward_follows_from_its_shape_and_the_batch():
    from whygrad.engines.native.products.dense import ACROSS, COLUMNS, DOTS, FEW
    from whygrad.engines.native.products.dense import find_way_forward as way

    assert way(784, 512, 128, True, 3) == way(784, 128, 32, True, 16) == ACROSS
    assert way(784, 128, 128, True, 3) == way(100, 1024, 512, True, 256) == COLUMNS
    assert way(784, 512, 10, True, 10) == way(784, 64, 32, True, 16) == DOTS
    assert way(784, 30, 10, False, 10) == way(100, 30, 128, False, 3) == FEW


def test_operands_are_laid_side_by_side_where_a_layer_is_large():
    from whygrad.engines.native.products.dense import find_copies as copies

    assert copies(128, 2048, 2048, 4) and copies(128, 1024, 1024, 8)
    assert not copies(32, 64, 64, 8) and not copies(200, 64, 100, 4)
    assert not copies(480, 10, 784, 8)  # few units give back less than copying takes


def test_threads_divide_a_layer_by_units_where_it_has_more_of_these_than_the_batch_has_examples():
    from whygrad.engines.native.layout import layers

    net = wg.Network(30, [wg.Dense(256, "relu"), wg.Dense(512, "relu"), wg.Dense(255), wg.Dense(2)])
    by_units = {rows: layers(net, rows, 0, 0).wide.tolist() for rows in (255, 256, 512)}
    assert by_units[255] == [False, True, True, False, False]
    assert by_units[256] == [False, False, True, False, False]
    assert not any(by_units[512])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_registers_a_row_has_the_same_bits_wherever_it_lies_in_a_batch(dtype):
    from whygrad.engines.native.products.microkernels import combine, dots

    rows, units, size = 11, 7, 83
    a, W = numbers(rows, size, dtype=dtype), numbers(units, size, dtype=dtype)
    delta = numbers(rows, units, dtype=dtype)
    z, error = np.zeros((rows, units), dtype), np.zeros((rows, size), dtype)
    from_python(dots)(a.ravel(), 0, W.ravel(), 0, rows, units, size, z.ravel(), 0, units)
    from_python(combine)(
        1.0,
        delta.ravel(),
        0,
        units,
        1,
        W.ravel(),
        0,
        rows,
        units,
        size,
        size,
        0.0,
        error.ravel(),
        0,
    )
    for i in range(rows):
        alone, back = np.zeros(units, dtype), np.zeros(size, dtype)
        from_python(dots)(a[i].copy(), 0, W.ravel(), 0, 1, units, size, alone, 0, units)
        from_python(combine)(
            1.0, delta[i].copy(), 0, units, 1, W.ravel(), 0, 1, units, size, size, 0.0, back, 0
        )
        assert np.array_equal(z[i], alone)
        assert np.array_equal(error[i], back)


def with_zeros(n, inputs, share, dtype):
    draws = np.random.default_rng(3)
    X = draws.normal(size=(n, inputs)) * (draws.random((n, inputs)) < share)
    return X.astype(dtype)


# With Adam's usual ε a gradient that is 0 but for rounding moves a weight a full step to either side.
ADAM = wg.Adam(0.01, epsilon=1e-4)
OPTIMIZERS = [wg.SGD(0.1), wg.SGD(0.1, 0.9), wg.SGD(0.1, 0.9, nesterov=True), ADAM]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [5, 16, 70, 128])
def test_skipping_zeros_gives_what_the_reference_gives(optimizer, dtype, hidden):
    from whygrad.engines.native.layout import skips_zeros

    n = 41
    X = with_zeros(n, 101, 0.2, dtype)
    assert skips_zeros(X)
    draws = np.random.default_rng(4)
    options = {
        "optimizer": optimizer,
        "epochs": 3,
        "batch_size": 7,
        "sample_weight": draws.random(n),
        "l1": 0.001,
        "l2": wg.Penalty(0.01, per="example"),
    }
    net = wg.Network(101, [wg.Dense(hidden, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    y = draws.integers(0, 3, n)
    ours = wg.train(net, X, y, engine="native", **options)
    theirs = wg.train(net, X, y, engine="reference", **options)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= tolerance
    assert np.allclose(ours.history.cost, theirs.history.cost, rtol=tolerance, atol=0)


def test_skipping_zeros_the_plain_step_and_its_decay_are_those_of_the_reference():
    X = with_zeros(30, 80, 0.1, "float64")
    net = wg.Network(80, [wg.Dense(9, "relu"), wg.Dense(2, "identity")])
    Y = np.random.default_rng(5).normal(size=(30, 2))
    options = {"optimizer": wg.SGD(0.05), "epochs": 4, "batch_size": 4, "l2": 0.1}
    ours = wg.train(net, X, Y, engine="native", **options)
    theirs = wg.train(net, X, Y, engine="reference", **options)
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= 1e-12


def test_the_gradient_over_all_data_is_that_of_the_reference_with_and_without_zeros():
    for share in (0.2, 1.0):
        X = with_zeros(2100, 90, share, "float64")
        net = wg.Network(90, [wg.Dense(6, "gelu"), wg.Dense(3, "sigmoid")], "binary_cross_entropy")
        Y = np.random.default_rng(6).integers(0, 2, (2100, 3)).astype(float)
        data = as_data(net, X, Y)
        plan = Plan(net, wg.SGD(0.1), n=len(X), l1=wg.Penalty(0.01), l2=wg.Penalty(0.1, "example"))
        theta = net.init(seed=1).flat
        cost, gradient = choose("native", plan).cost_and_gradient(plan, theta, data)
        true_cost, true_gradient = choose("reference", plan).cost_and_gradient(plan, theta, data)
        assert abs(cost - true_cost) <= 1e-12 * abs(true_cost)
        assert np.abs(gradient - true_gradient).max() <= 1e-12 * np.abs(true_gradient).max()


def test_dense_data_and_short_rows_are_not_compressed():
    from whygrad.engines.native.layout import skips_zeros

    assert skips_zeros(with_zeros(50, 100, 0.2, "float32"))
    assert not skips_zeros(with_zeros(50, 100, 0.5, "float32"))
    assert not skips_zeros(with_zeros(50, 20, 0.1, "float32"))
    assert not skips_zeros(with_zeros(50, 100, 0.2, "float32"), 300, rounds=True)
    assert skips_zeros(with_zeros(50, 100, 0.1, "float32"), 300, rounds=True)


def wide_with_zeros(dtype="float64", n=700, inputs=420, hidden=320, share=0.2):
    """Data and a network whose batches are turned: most of its units in whole panels."""
    X = with_zeros(n, inputs, share, dtype)
    net = wg.Network(inputs, [wg.Dense(hidden, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    return net, X, np.random.default_rng(7).integers(0, 3, n)


# Of 300 examples two pieces are turned, of 52 one; and the last batch has fewer.
@pytest.mark.parametrize("batch_size", [300, 52])
@pytest.mark.parametrize("optimizer", OPTIMIZERS[::3], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_by_inputs_give_what_the_reference_gives(dtype, optimizer, batch_size):
    from whygrad.engines.native.layout import Layout

    net, X, y = wide_with_zeros(dtype)
    layout = Layout(net, batch_size, dtype, as_data(net, X, y, None, dtype), False, False)
    assert len(layout.workspace.turned.ends) == -(-batch_size // 256) * X.shape[1]
    options = {"optimizer": optimizer, "epochs": 2, "batch_size": batch_size, "l2": 0.01}
    ours = wg.train(net, X, y, engine="native", **options)
    theirs = wg.train(net, X, y, engine="reference", **options)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= tolerance


@pytest.mark.parametrize("optimizer", OPTIMIZERS[::3], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_panels_that_move_in_pieces_give_what_the_reference_gives(dtype, optimizer):
    net, X, y = wide_with_zeros(dtype, n=101, inputs=2100, hidden=40)
    X[7] = X[:, 5:900] = 0  # an example of only zeros, and pieces without any number
    options = {"optimizer": optimizer, "epochs": 2, "batch_size": 50, "l2": 0.01}
    ours = wg.train(net, X, y, engine="native", **options)
    theirs = wg.train(net, X, y, engine="reference", **options)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= tolerance


def test_batches_are_turned_where_inputs_have_several_numbers_and_units_several_panels():
    from whygrad.engines.native.layout import Layout
    from whygrad.engines.native.sparse import panel

    def turned(batch_size, **options):
        net, X, y = wide_with_zeros(**options)
        data = as_data(net, X, y, None, X.dtype.name)
        return len(Layout(net, batch_size, X.dtype.name, data, False, False).workspace.turned.ends)

    three, of_float32 = 3 * panel("float64"), 3 * panel("float32")
    assert turned(100) and turned(100, hidden=three)
    assert not turned(10)  # of 10 examples 2 have a number
    assert not turned(100, share=0.02)
    assert not turned(100, hidden=three - 1)
    assert not turned(100, hidden=of_float32 - 1, dtype="float32")
    assert turned(50) and not turned(50, hidden=three)  # so few numbers pay for more panels alone
    assert turned(600) and not turned(600, share=0.015)  # of 200 examples 3 have a number


def test_machine_code_on_disk_belongs_to_one_state_of_all_the_sources(tmp_path):
    from whygrad.engines.machine_code.cache import source_stamp

    (tmp_path / "kernels.py").write_text("a = 1")
    before = source_stamp(tmp_path)
    assert source_stamp(tmp_path) == before
    (tmp_path / "kernels.py").write_text("a = 2")
    assert source_stamp(tmp_path) != before
    before = source_stamp(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "kernels.py").write_text("a = 3")
    assert source_stamp(tmp_path) != before


def test_training_leaves_the_handling_of_denormal_numbers_as_it_was():
    X, y = with_zeros(20, 4, 0.5, "float32"), np.arange(20) % 2
    tiny = np.array([np.finfo(np.float32).tiny / 8], np.float32)
    assert tiny[0] > 0
    net = wg.Network(4, [wg.Dense(3, "relu"), wg.Dense(2, "softmax")], "cross_entropy")
    wg.train(net, X, y, engine="native", epochs=1)
    assert (tiny * np.float32(0.5) > 0).all()


def test_averages_of_a_dead_unit_reach_zero_rather_than_denormal_numbers():
    X, y = np.ones((8, 3), np.float32), np.arange(8) % 2
    net = wg.Network(3, [wg.Dense(2, "relu"), wg.Dense(2, "softmax")], "cross_entropy")
    plan = Plan(net, wg.Adam(1e-4), n=8, epochs=1200, batch_size=8, dtype="float32")
    state = start(plan, net.init(W=[None, -np.ones((2, 3))]))  # both hidden units are silent
    state.opt_state[0][:6] = 1e-3  # what an earlier, livelier time left behind
    state, _ = run(
        Training(plan, state, as_data(net, X, y, None, "float32"), None, choose("native", plan))
    )
    assert (state.opt_state[0][:6] == 0).all()


def wide(n=300):
    """A network and data of which several threads share a step."""
    draws = np.random.default_rng(8)
    net = wg.Network(
        200, [wg.Dense(300, "tanh"), wg.Dense(257, "relu"), wg.Dense(5, "softmax")], "cross_entropy"
    )
    return net, draws.normal(size=(n, 200)), draws.integers(0, 5, n)


def laid_out(n=300):
    """As `wide`, of layers so large that their operands are laid side by side, in each of the ways."""
    draws = np.random.default_rng(8)
    net = wg.Network(
        785,
        [wg.Dense(2048, "tanh"), wg.Dense(1030, "relu"), wg.Dense(5, "softmax")],
        "cross_entropy",
    )
    return net, draws.normal(size=(n, 785)), draws.integers(0, 5, n)


def with_few_numbers(n=300):
    """As `wide`, of inputs whose zeros are skipped, in batches that are turned."""
    return wide_with_zeros(n=n, inputs=500, hidden=520)


def many_classes(n=300):
    """As `with_few_numbers`, without a hidden layer: threads divide the batch by examples."""
    net = wg.Network(800, [wg.Dense(200, "softmax")], "cross_entropy")
    return net, with_zeros(n, 800, 0.2, "float64"), np.random.default_rng(8).integers(0, 200, n)


def medium(n=300):
    """As `wide`, of fewer parameters than a batch has numbers."""
    draws = np.random.default_rng(8)
    net = wg.Network(64, [wg.Dense(100, "relu"), wg.Dense(10, "softmax")], "cross_entropy")
    return net, draws.normal(size=(n, 64)), draws.integers(0, 10, n)


def small(n=300):
    """A network whose batches lie by units, of more inputs than a vector has lanes."""
    draws = np.random.default_rng(8)
    net = wg.Network(33, [wg.Dense(20, "tanh"), wg.Dense(3, "softmax")], "cross_entropy")
    return net, draws.normal(size=(n, 33)), draws.integers(0, 3, n)


def test_blocks_of_a_batch_with_more_numbers_than_parameters_add_up_gradients_of_their_own():
    from whygrad.engines.native.layout import Layout, blocks, runs_by_units

    for example, several, by_units in (
        (wide, False, False),
        (medium, True, False),
        (small, True, True),
    ):
        net, X, y = example()
        layout = Layout(net, 128, "float64", as_data(net, X, y, None, "float64"), True, False)
        assert (len(layout.by_units.gradients) > 0) == several
        assert runs_by_units(net, 128, False) == by_units
    assert blocks(medium()[0], 128) > 1


@pytest.mark.parametrize("optimizer", [wg.SGD(0.1), wg.Adam(0.01)], ids=str)
@pytest.mark.parametrize("example", [medium, small])
def test_a_step_of_blocks_with_gradients_of_their_own_is_that_of_the_reference(example, optimizer):
    net, X, y = example()
    options = {"optimizer": optimizer, "epochs": 2, "batch_size": 128, "l2": 0.01}
    ours = wg.train(net, X, y, engine="native", **options)
    theirs = wg.train(net, X, y, engine="reference", **options)
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= 1e-12
    assert np.allclose(ours.history.cost, theirs.history.cost, rtol=1e-12, atol=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("example", [wide, laid_out, with_few_numbers, many_classes])
def test_a_step_shared_by_threads_is_that_of_the_reference(example, optimizer):
    from whygrad.engines.native.layout import blocks

    net, X, y = example()
    assert blocks(net, 128) > 1
    options = {"optimizer": optimizer, "epochs": 2, "batch_size": 128, "l2": 0.01}
    ours = wg.train(net, X, y, engine="native", **options)
    theirs = wg.train(net, X, y, engine="reference", **options)
    assert np.abs(ours.theta.flat - theirs.theta.flat).max() <= 1e-12
    assert np.allclose(ours.history.cost, theirs.history.cost, rtol=1e-12, atol=0)


@pytest.mark.parametrize("example", [wide, laid_out, with_few_numbers, many_classes, medium])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_changes_no_bit(dtype, example, monkeypatch):
    from whygrad.engines.native import engine

    net, X, y = example()
    found = []
    for cores in (1, 2, 3):
        monkeypatch.setattr(engine, "own_cores", lambda cores=cores: cores)
        found.append(wg.train(net, X, y, epochs=2, batch_size=200, dtype=dtype, engine="native"))
    assert all(np.array_equal(found[0].theta.flat, other.theta.flat) for other in found[1:])


def test_where_a_state_lies_in_memory_changes_no_bit():
    net, X, y = small()
    plan = Plan(net, wg.Adam(0.01), n=300, batch_size=100, dtype="float32")
    data, engine = as_data(net, X, y, None, "float32"), choose("native", plan)
    once, _ = engine.run(plan, start(plan), data, 3, Probes())
    packed = start(plan)
    for until in (1, 2, 3):
        packed, _ = engine.run(plan, packed.copy(), data, until, Probes())
    np.testing.assert_array_equal(packed.theta, once.theta)
    np.testing.assert_array_equal(packed.opt_state, once.opt_state)
    assert all(row.ctypes.data % 64 == 0 for row in once.opt_state)
    assert start(plan).copy().opt_state[1].ctypes.data % 64 != 0


def test_trainings_side_by_side_give_the_bits_of_trainings_alone():
    net, X, y = wide()

    def fit(seed):
        return wg.train(net, X, y, epochs=3, batch_size=128, seed=seed, engine="native").theta.flat

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(4)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_data_that_changed_since_the_last_training_are_read_anew(share):
    draws = np.random.default_rng(0)
    net = wg.Network(70, [wg.Dense(6, "tanh"), wg.Dense(1, "identity")])
    X = draws.normal(size=(40, 70)) * (draws.random((40, 70)) < share)
    options = {"epochs": 2, "engine": "native"}
    wg.train(net, X, X[:, 0], **options)
    X[...] = X[::-1].copy()
    again, fresh = (wg.train(net, each, each[:, 0], **options) for each in (X, X.copy()))
    assert np.array_equal(again.theta.flat, fresh.theta.flat)


def test_an_engine_takes_more_threads_for_a_later_training_with_more_blocks(monkeypatch):
    from whygrad.engines.native import engine

    monkeypatch.setattr(engine, "own_cores", lambda: 4)
    net, X, y = wide(400)
    one = engine.NativeEngine()
    for size in (100, 400):
        plan = Plan(net, wg.SGD(0.1), n=400, epochs=1, batch_size=size)
        state, _ = run(Training(plan, start(plan), as_data(net, X, y), None, one))
        fresh, _ = run(Training(plan, start(plan), as_data(net, X, y), None, engine.NativeEngine()))
        assert np.array_equal(state.theta, fresh.theta)


def test_an_error_while_threads_share_a_step_is_raised_rather_than_waited_on(monkeypatch):
    from whygrad.engines.native import engine

    class Pool:
        """Starts the first part, and cannot start another."""

        def __init__(self):
            self.real, self.calls = ThreadPoolExecutor(1), 0

        def submit(self, *args):
            self.calls += 1
            if self.calls > 1:
                raise RuntimeError("can't start new thread")
            return self.real.submit(*args)

    monkeypatch.setattr(engine, "own_cores", lambda: 4)
    net, X, y = wide(400)
    plan = Plan(net, wg.SGD(0.1), n=400, epochs=1, batch_size=400)
    pool = Pool()
    broken = engine.NativeEngine(pool)
    with pytest.raises(RuntimeError, match="can't start"):
        run(Training(plan, start(plan), as_data(net, X, y), None, broken))
    pool.real.shutdown(wait=True)  # the part that was started has left as well


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names a processor")
def test_products_are_those_of_numpy_with_vectors_of_256_bits_as_well():
    program = f"""
import sys
from llvmlite import binding
binding.get_host_cpu_features = dict
import pytest
from whygrad.engines.native.vectors import VECTOR_BYTES
assert VECTOR_BYTES == 32
chosen = ["-k", "every_product or same_bits"]
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", {__file__!r}, *chosen]))
"""
    features = "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.1,+sse4.2"
    environment = os.environ | {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": features}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
