"""Prediction: a row has the same last bits alone and in any batch, through every door, in either way."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

import whygrad as wg
from whygrad.engines import prediction, row_products
from whygrad.engines.prediction import BLOCK, outputs, outputs_of_rows
from whygrad.engines.row_products import compiled
from whygrad.nn.functions import ACTIVATIONS

WAYS = ["compiled", "numpy"]
# Narrower than a vector and a tile, wider than a piece of W, deeper than a piece of a row.
SIZES = [
    (1, 1, 1),
    (3, 5, 2),
    (17, 33, 9, 3),
    (20, 100, 2),
    (130, 250, 7),
    (2100, 11, 10),
    (784, 100, 10),
]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Each way of computing: by compiled code, and by NumPy where there is none."""
    monkeypatch.setattr(prediction, "COMPILED", prediction.WeakKeyDictionary())
    if request.param == "numpy":
        monkeypatch.setattr(prediction, "compiled", lambda dtype: None)
    elif compiled("float64") is None:
        pytest.skip("this processor has no compiled products")
    return request.param


def network(sizes, hidden="relu", output="identity", dtype="float64"):
    layers = [wg.Dense(units, hidden) for units in sizes[1:-1]]
    net = wg.Network(sizes[0], [*layers, wg.Dense(sizes[-1], output)], _cost_of(output))
    theta = net.init(seed=len(sizes), dtype=dtype)
    for b in theta.b[1:]:
        b[:] = np.random.default_rng(0).normal(size=len(b))
    return net, theta


def _cost_of(output):
    return {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}.get(
        output, "squared_error"
    )


def rows(n, n_0, dtype="float64", seed=1):
    return np.random.default_rng(seed).normal(size=(n, n_0)).astype(dtype)


def assert_alone_as_in_any_batch(predict, X):
    """Every row alone, and in batches that begin elsewhere and have other sizes."""
    whole = predict(X)
    for i in range(len(X)):
        np.testing.assert_array_equal(predict(X[i : i + 1])[0], whole[i])
    for start, stop in pairwise([0, 2, 5, 9, 16, 31, len(X)]):
        np.testing.assert_array_equal(predict(X[start:stop]), whole[start:stop])
    np.testing.assert_array_equal(predict(X[::-1].copy()), whole[::-1])
    many = np.concatenate([X] * (1 + 2 * BLOCK // len(X)))
    np.testing.assert_array_equal(predict(many)[-len(X) :], whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(way, sizes, dtype):
    net, theta = network(sizes, dtype=dtype)
    X = rows(37, sizes[0], dtype)
    assert_alone_as_in_any_batch(lambda X: outputs(net, theta, X), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_so_it_has_through_every_activation(way, name, dtype):
    hidden = name if name != "softmax" else "tanh"
    net, theta = network((9, 21, 13, 5), hidden, name if name == "softmax" else "identity", dtype)
    X = rows(37, 9, dtype)
    assert_alone_as_in_any_batch(lambda X: outputs(net, theta, X), X)
    last = wg.Network(9, [wg.Dense(21, "tanh"), wg.Dense(5, name)], _cost_of(name))
    theta = last.init(0, dtype=dtype)
    assert_alone_as_in_any_batch(lambda X: outputs(last, theta, X), X)


def test_a_bit_that_depends_on_the_batch_is_caught():
    net, theta = network((9, 21, 5))

    def planted(X):
        return outputs(net, theta, X) * (1 + np.finfo(float).eps * (len(X) > 1))

    with pytest.raises(AssertionError):
        assert_alone_as_in_any_batch(planted, rows(37, 9))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_outputs_are_those_of_the_equations(way, sizes, dtype):
    tolerance = {"float32": 2e-5, "float64": 1e-13}[dtype]
    outputs_of = ["relu", "identity", "sigmoid" if sizes[-1] == 1 else "softmax"]
    for hidden, output in zip(["identity", "tanh", "relu"], outputs_of, strict=True):
        net, theta = network(sizes, hidden, output, dtype)
        X = rows(11, sizes[0], dtype)
        found = outputs(net, theta, X)
        assert found.dtype == dtype
        truth = wg.forward(
            net, wg.Parameters(net.sizes, theta.flat.astype(float)), X.astype(float)
        ).a[-1]
        np.testing.assert_allclose(found, truth, rtol=tolerance, atol=tolerance * 10)


def test_a_processor_with_wide_vectors_and_one_without_agree(monkeypatch):
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if not features.get("avx512f"):
        pytest.skip("there are no wide vectors here")
    net, theta = network((100, 37, 5))
    X = rows(50, 100)
    wide = outputs(net, theta, X)
    narrow = compiled.__wrapped__
    monkeypatch.setattr(prediction, "COMPILED", prediction.WeakKeyDictionary())
    monkeypatch.setattr(features, "get", lambda name: name == "fma")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(prediction, "compiled", narrow)
    np.testing.assert_allclose(outputs(net, theta, X), wide, rtol=1e-12, atol=1e-14)
    assert_alone_as_in_any_batch(lambda X: outputs(net, theta, X), X)


def test_threads_change_no_bit(way, monkeypatch):
    net, theta = network((30, 40, 3), output="softmax")
    X = rows(7 * BLOCK + 5, 30)
    monkeypatch.setattr(prediction, "SHARED", 1)
    found = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(prediction, "own_cores", lambda cores=cores: cores)
        found.append(outputs(net, theta, X))
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()


def test_many_threads_may_ask_for_one_row_each(way):
    net, theta = network((30, 40, 3), output="softmax")
    X = rows(200, 30)
    whole = outputs(net, theta, X)
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda i: outputs(net, theta, X[i : i + 1]), range(200)))
    np.testing.assert_array_equal(np.concatenate(alone), whole)


@pytest.mark.parametrize("output", ["identity", "relu", "softmax"])
def test_what_one_row_gave_stays(way, output):
    net, theta = network((3, 4, 2), output=output)
    X = rows(2, 3)
    first = outputs(net, theta, X[:1])
    kept = first.copy()
    outputs(net, theta, X[1:])
    np.testing.assert_array_equal(first, kept)
    first[:] = 7
    np.testing.assert_array_equal(outputs(net, theta, X[:1]), kept)


def test_parameters_changed_in_place_are_seen(way):
    net, theta = network((3, 4, 2))
    X = rows(1, 3)
    before = outputs(net, theta, X)
    theta.flat[:] *= 2
    assert (outputs(net, theta, X) != before).all()
    other = pickle.loads(pickle.dumps(theta))
    np.testing.assert_array_equal(outputs(net, other, X), outputs(net, theta, X))
    linear = wg.Network(3, [wg.Dense(4, "identity"), wg.Dense(2, "identity")])
    assert (
        outputs(linear, theta, X) != outputs(net, theta, X)
    ).any()  # the same parameters, another network


def odd(X):
    swapped = X.astype(X.dtype.newbyteorder())
    memory = np.zeros(X.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(X.dtype).reshape(X.shape)
    unaligned[:] = X
    wide = np.zeros((len(X), 2 * X.shape[1]))
    wide[:, ::2] = X
    readonly = X.copy()
    readonly.flags.writeable = False
    return {
        "columns": np.asfortranarray(X),
        "swapped": swapped,
        "unaligned": unaligned,
        "strided": wide[:, ::2],
        "read-only": readonly,
        "list": X.tolist(),
        "object": X.astype(object).astype(float),
    }


@pytest.mark.parametrize("n", [1, 9, BLOCK + 3])
def test_however_the_rows_lie_in_memory(way, n):
    net, theta = network((5, 8, 3), output="softmax")
    X = rows(n, 5)
    truth = outputs(net, theta, X)
    for name, given in odd(X).items():
        np.testing.assert_array_equal(outputs(net, theta, given), truth, err_msg=name)
    lying = np.zeros(2 * len(theta.flat))
    lying[::2] = theta.flat
    apart = wg.Parameters(theta.sizes, lying[::2])
    np.testing.assert_array_equal(outputs(net, apart, X), truth)


def test_the_wider_of_two_kinds_of_numbers_is_computed_in(way):
    net, theta = network((5, 8, 3), dtype="float32")
    X = rows(9, 5)
    double = wg.Parameters(net.sizes, theta.flat.astype(float))
    np.testing.assert_array_equal(outputs(net, theta, X), outputs(net, double, X))
    whole = (10 * X).astype(int)
    np.testing.assert_array_equal(
        outputs(net, theta, whole), outputs(net, double, whole.astype(float))
    )
    small = whole.astype(np.int8)
    assert outputs(net, theta, small).dtype == np.float32


def test_sparse_rows_have_the_same_bits_alone_and_in_any_batch(way):
    sparse = pytest.importorskip("scipy.sparse")
    for dtype in ("float32", "float64"):
        net, theta = network((50, 20, 3), output="softmax", dtype=dtype)
        dense = rows(BLOCK + 9, 50, dtype) * (rows(BLOCK + 9, 50, seed=2) > 1)
        X = sparse.csr_array(dense)
        whole = outputs(net, theta, X)
        for i in (0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 8):
            np.testing.assert_array_equal(outputs(net, theta, X[i : i + 1])[0], whole[i])
        np.testing.assert_allclose(whole, outputs(net, theta, dense), rtol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("hidden", ["relu", "identity", "tanh"])
def test_one_row_that_is_not_finite_is_refused(way, value, hidden):
    net, theta = network((5, 8, 3), hidden)
    for n in (1, 2):
        X = rows(n, 5)
        X[n - 1, 3] = value
        with pytest.raises(
            wg.InputError, match=rf"X\[{n - 1}, 3\] is (NaN|infinity) \(the only such value"
        ):
            outputs(net, theta, X)
        with pytest.raises(wg.InputError, match=rf"X\[{n - 1}, 3\] is (NaN|infinity)"):
            wg.Fitted(net, theta).predict(X)
    outputs_of_rows(net, theta, X)  # who looks at what comes out, as commands do, is given it


def test_activations_of_your_own_are_given_memory_of_their_own(way):
    kept = []
    own = wg.functions.Activation("own", lambda z: kept.append(z) or z, np.ones_like)
    net = wg.Network(3, [wg.Dense(4, own), wg.Dense(2, "identity")])
    theta, X = net.init(0), rows(2, 3)
    first = outputs(net, theta, X[:1])
    before = kept[0].copy()
    outputs(net, theta, X[1:])
    np.testing.assert_array_equal(kept[0], before)
    np.testing.assert_array_equal(first, outputs(net, theta, X)[:1])


def test_commands_that_predict_tables_have_the_same_bits(way):
    net, theta = network((20, 30, 3), output="softmax")
    X = rows(BLOCK + 3, 20)
    np.testing.assert_array_equal(outputs_of_rows(net, theta, X), outputs(net, theta, X))
    np.testing.assert_array_equal(outputs_of_rows(net, theta, X[5:6]), outputs(net, theta, X)[5:6])


# ── through every door ───────────────────────────────────────────────────────────────────────────


def fitted_estimators():
    X = rows(60, 4)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    yield wg.MLPClassifier((8,), max_iter=300, random_state=0), X, y
    yield wg.MLPClassifier((8,), max_iter=300, random_state=0), X, y > 0
    yield wg.MLPClassifier((8,), max_iter=300, random_state=0), X, np.array(["a", "bc", "d"])[y]
    yield (
        wg.MLPClassifier((8,), max_iter=300, random_state=0),
        X,
        np.stack([y > 0, y > 1], axis=1).astype(int),
    )
    yield wg.MLPClassifier((8,), max_iter=300, random_state=0), X, np.zeros(60)
    yield wg.MLPRegressor(hidden_layer_sizes=(8,), max_iter=300, random_state=0), X, y.astype(float)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_predict_what_their_networks_do():
    for estimator, X, y in fitted_estimators():
        estimator.fit(X, y)
        a = outputs(estimator.net_, estimator.theta_, X)
        found = estimator.predict(X)
        if isinstance(estimator, wg.MLPRegressor):
            np.testing.assert_array_equal(found, a[:, 0])
        else:
            binarizer = estimator._label_binarizer
            truth = binarizer.inverse_transform(a.ravel() if a.shape[1] == 1 else a)
            assert found.dtype == truth.dtype
            np.testing.assert_array_equal(found, truth)
            assert_alone_as_in_any_batch(estimator.predict_proba, X)
        assert_alone_as_in_any_batch(estimator.predict, X)


def test_a_frame_has_the_bits_of_its_numbers():
    pandas = pytest.importorskip("pandas")
    X = rows(30, 4)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    clf = wg.MLPClassifier((8,), max_iter=3, solver="lbfgs", random_state=0)
    with pytest.warns(UserWarning):
        clf.fit(frame, X[:, 0] > 0)
    truth = outputs(clf.net_, clf.theta_, X)
    np.testing.assert_array_equal(clf.predict_proba(frame)[:, 1:], truth)
    np.testing.assert_array_equal(clf.predict_proba(frame[7:8])[:, 1:], truth[7:8])
    np.testing.assert_array_equal(wg.Fitted(clf.net_, clf.theta_).predict(frame), truth)


def test_predicting_alone_imports_no_numba():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np, whygrad as wg\n"
        "net = wg.Network(3, [wg.Dense(4, 'relu'), wg.Dense(2, 'softmax')], 'cross_entropy')\n"
        "wg.Fitted(net, net.init(0)).predict(np.ones((1, 3)))\n"
        "print([name for name in ('numba', 'scipy', 'sklearn') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_where_a_limit_leaves_no_room_for_llvm_numpy_predicts(monkeypatch):
    monkeypatch.setattr(row_products, "spare", lambda: 100.0)
    assert compiled.__wrapped__("float64") is None
