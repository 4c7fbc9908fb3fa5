"""Inputs that must not be copied or made dense: SciPy's sparse arrays, and files mapped into memory."""

import numpy as np
import pytest
import scipy.sparse

import whygrad as wg
from comparisons import assert_close
from engines import each_engine, needs_native
from whygrad.engines import prediction
from whygrad.engines.prediction import BLOCK
from whygrad.nn import metrics
from whygrad.nn.arrays import as_data, as_inputs
from whygrad.nn.backprop import example_costs, forward
from whygrad.nn.metrics import measure

NET = wg.Network(30, [wg.Dense(5, "tanh"), wg.Dense(2, "softmax")], cost="cross_entropy")
FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr"]


def examples(n=40, inputs=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, inputs)) * (rng.random((n, inputs)) < 0.2)
    return X, rng.integers(0, 2, n)


def fit(X, Y, net=NET, engine="reference", **options):
    return wg.train(net, X, Y, engine=engine, epochs=3, batch_size=7, **options)


def gap(one, other):
    return np.abs(one.theta.flat - other.theta.flat).max()


# ── sparse ───────────────────────────────────────────────────────────────────────────────────────


@each_engine
@pytest.mark.parametrize("name", FORMATS)
def test_every_sparse_format_trains_as_the_dense_array_does(engine, name):
    X, Y = examples()
    dense = fit(X, Y, engine=engine)
    for make in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
        assert gap(fit(make(X).asformat(name), Y, engine=engine), dense) < 1e-14


@each_engine
def test_validation_examples_and_predictions_may_be_sparse(engine):
    X, Y = examples()
    other, labels = examples(2 * BLOCK + 3, seed=1)
    dense = fit(X, Y, engine=engine, validation=(other, labels))
    packed = scipy.sparse.csr_array(other)
    sparse = fit(scipy.sparse.csr_array(X), Y, engine=engine, validation=(packed, labels))
    assert sparse.history.validation_cost == pytest.approx(dense.history.validation_cost, rel=1e-12)
    assert sparse.history.validation_score == dense.history.validation_score
    np.testing.assert_allclose(sparse.predict(packed), dense.predict(other), rtol=1e-10)


def test_the_four_equations_take_sparse_inputs():
    X, Y = examples()
    theta, targets, sample_weight = NET.init(0), np.eye(2)[Y], np.linspace(0, 1, len(X))
    answers = []
    for inputs in (X, scipy.sparse.csr_array(X), scipy.sparse.csr_matrix(X)):
        trace = wg.backward(NET, theta, wg.forward(NET, theta, inputs), targets)
        g = wg.gradients(NET, theta, trace, sample_weight, l1=0.01, l2=0.1)
        assert all(type(dW) is np.ndarray for dW in g.dW[1:])
        answers.append((g.flat, trace.delta[1], example_costs(NET, trace, targets)))
    for dense, *others in zip(*answers, strict=True):
        for sparse in others:
            assert_close("sparse", sparse, dense)


def test_duplicates_count_together_and_what_is_given_is_left_as_it_was():
    X, Y = examples()
    whole = scipy.sparse.csr_array(X)
    half = whole / 2
    data = np.stack([half.data, half.data], axis=1).ravel()
    indices = np.stack([half.indices, half.indices], axis=1).ravel()[::-1].copy()
    twice = scipy.sparse.csr_array((data[::-1].copy(), indices, whole.indptr * 2), whole.shape)
    # Rows are given from last to first, since the numbers were turned around as a whole.
    twice.indptr = twice.nnz - twice.indptr[::-1]
    before = twice.data.copy(), twice.indices.copy(), twice.indptr.copy()
    assert gap(fit(twice, Y), fit(X[::-1], Y)) < 1e-14
    for array, copy in zip((twice.data, twice.indices, twice.indptr), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_rows_that_fit_are_handed_through():
    X = scipy.sparse.csr_array(examples()[0])
    data = as_data(NET, X, examples()[1])
    assert np.shares_memory(data.X.data, X.data)
    narrow = as_data(NET, X, examples()[1], dtype="float32").X
    assert narrow.dtype == np.float32
    assert narrow.format == "csr"


@each_engine
@pytest.mark.parametrize("kind", ["int8", "uint16", "int64", "bool", "float32"])
def test_sparse_numbers_may_be_of_any_kind(engine, kind):
    X, Y = examples()
    X = (3 * X).astype(kind)
    assert gap(fit(scipy.sparse.csr_array(X), Y, engine=engine, dtype="float64"),
               fit(X, Y, engine=engine, dtype="float64")) < 1e-14  # fmt: skip


@each_engine
def test_rows_without_any_number_are_examples_too(engine):
    X, Y = examples()
    X[::3] = 0
    assert gap(fit(scipy.sparse.csr_array(X), Y, engine=engine), fit(X, Y, engine=engine)) < 1e-14
    nothing = scipy.sparse.csr_array(X.shape)
    assert gap(fit(nothing, Y, engine=engine), fit(0 * X, Y, engine=engine)) < 1e-14


@needs_native
@pytest.mark.parametrize("optimizer", [wg.SGD(0.5), wg.Adam(0.01, epsilon=1e-3)], ids=str)
def test_more_columns_than_16_bits_can_count_are_no_obstacle(optimizer):
    """As an array these examples would take 80 GB."""
    inputs, n = 100_000, 100_000
    rng = np.random.default_rng(0)
    columns = rng.integers(inputs, size=4 * n)
    columns[-2:] = inputs - 1, 2**16
    X = scipy.sparse.csr_array(
        (rng.normal(size=4 * n), (np.arange(4 * n) // 4, columns)), shape=(n, inputs)
    )
    net = wg.Network(inputs, [wg.Dense(3, "tanh"), wg.Dense(1, "identity")])
    options = {"optimizer": optimizer, "epochs": 1, "batch_size": 20_000, "l2": 0.01}
    ours, truth = (wg.train(net, X, X[:, [inputs - 1]].toarray(), engine=engine, **options)
                   for engine in ("native", "reference"))  # fmt: skip
    assert gap(ours, truth) < 1e-12


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sparse_number_that_is_not_finite_is_named_by_its_place(value):
    X, Y = examples()
    X[4] = 0
    X[4, [7, 11]] = value
    what = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(wg.InputError, match=rf"X\[4, 7\] is {what} \(2 such values in all\)"):
        fit(scipy.sparse.csr_array(X), Y)


def test_sparse_inputs_that_do_not_fit_are_refused():
    X, Y = examples()
    with pytest.raises(wg.InputError, match=r"X has shape \(40, 29\), but the network takes 30"):
        fit(scipy.sparse.csr_array(X[:, 1:]), Y)
    with pytest.raises(wg.InputError, match=r"X has shape \(30,\)"):
        fit(scipy.sparse.coo_array(X[0]), Y)
    with pytest.raises(wg.InputError, match="X has dtype complex128: expected numbers"):
        fit(scipy.sparse.csr_array(X + 1j), Y)
    with pytest.raises(wg.InputError, match="X is empty: at least one example is needed"):
        fit(scipy.sparse.csr_array(X[:0]), Y[:0])


# ── files mapped into memory ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def mapped(tmp_path):
    def write(array, mode="r"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode=mode)

    return write


@each_engine
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mapped_files_train_to_the_same_bits(engine, dtype, mode, mapped):
    X, Y = examples()
    X, Y, s = X.astype(dtype), np.eye(2, dtype=dtype)[Y], np.linspace(0, 1, 40).astype(dtype)
    ours = fit(mapped(X, mode), mapped(Y, mode), engine=engine, sample_weight=mapped(s, mode))
    np.testing.assert_array_equal(
        ours.theta.flat, fit(X, Y, engine=engine, sample_weight=s).theta.flat
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mapped_file_that_fits_is_not_copied(dtype, mapped):
    X, Y = examples()
    X, Y = mapped(X.astype(dtype)), mapped(np.eye(2, dtype=dtype)[Y])
    data = as_data(NET, X, Y, dtype=dtype)
    assert np.shares_memory(data.X, X)
    assert np.shares_memory(data.Y, Y)
    images = X.reshape(40, 5, 6)
    assert np.shares_memory(as_inputs(wg.Network((5, 6), NET.layers, NET.cost), images), X)


@each_engine
def test_rows_of_a_sparse_array_may_be_mapped(engine, mapped):
    X, Y = examples()
    packed = scipy.sparse.csr_array(X)
    parts = [mapped(part) for part in (packed.data, packed.indices, packed.indptr)]
    ours = fit(scipy.sparse.csr_array(tuple(parts), shape=X.shape), Y, engine=engine)
    np.testing.assert_array_equal(ours.theta.flat, fit(packed, Y, engine=engine).theta.flat)


def test_looking_for_the_number_that_is_not_finite_takes_little_memory(mapped):
    import tracemalloc

    X = np.zeros((300_000, 30), np.float32)
    X[290_000, 3], X[290_001, 2] = np.inf, np.nan
    X = mapped(X)
    tracemalloc.start()
    try:
        with pytest.raises(wg.InputError, match=r"X\[290000, 3\] is infinity \(2 such values"):
            as_inputs(NET, X)
        assert tracemalloc.get_traced_memory()[1] < 3e6  # the whole of it is 36 MB
    finally:
        tracemalloc.stop()


def test_large_numbers_whose_sum_overflows_are_finite():
    X = np.full((4, 30), 3e38, np.float32)
    assert as_inputs(NET, X) is X


@needs_native
def test_what_is_kept_beside_the_data_is_small():
    """MNIST's 60,000 images and their compressed rows: no more than 64 MB beside the data."""
    from whygrad.engines.native.sparse import compress

    X = np.zeros((600, 784), np.float32)
    X[:, ::5] = 1.0  # 20% of the numbers, as in MNIST
    assert 100 * sum(part.nbytes for part in compress(X)) < 64e6


def test_measuring_goes_by_blocks_of_rows():
    X, Y = examples(metrics.BLOCK + 5)
    theta, targets = NET.init(0), np.eye(2)[Y]
    dense = measure(NET, theta, as_data(NET, X, targets))
    assert measure(NET, theta, as_data(NET, scipy.sparse.csr_array(X), targets)) == pytest.approx(
        dense, rel=1e-12
    )


def test_outputs_of_many_rows_are_those_of_their_blocks_however_many_threads(monkeypatch):
    X, _ = examples(5 * BLOCK + 3)
    theta = NET.init(0)
    monkeypatch.setattr(prediction, "SHARED", 1)  # small as the network is
    found = []
    for cores in (1, 2, 3):
        monkeypatch.setattr(prediction, "own_cores", lambda cores=cores: cores)
        found.append(prediction.outputs(NET, theta, X))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], forward(NET, theta, X).a[-1], rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_found_in_any_block(value):
    X, _ = examples(5 * BLOCK)
    X[3 * BLOCK + 7, 1] = value
    with pytest.raises(
        wg.InputError, match=rf"X\[{3 * BLOCK + 7}, 1\] is (NaN|infinity) \(the only such"
    ):
        prediction.outputs(NET, NET.init(0), X)


def test_outputs_of_finite_numbers_that_overflow_are_not_refused():
    X, _ = examples(3)
    theta = NET.init(0)
    theta.W[1][...] = 1e300
    with np.errstate(all="ignore"):
        assert prediction.outputs(NET, theta, X * 1e300).shape == (3, 2)
