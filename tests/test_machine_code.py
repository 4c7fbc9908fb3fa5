"""Compiled functions are called with bare words of memory, by processes that import no compiler."""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

from engines import needs_native

pytestmark = needs_native

kernel_of = pytest.importorskip("whygrad.engines.machine_code.kernel")


class Inner(NamedTuple):
    matrix: np.ndarray
    factor: float


class Outer(NamedTuple):
    vector: np.ndarray
    inner: Inner
    flag: bool


@pytest.fixture(scope="module")
def total():
    from whygrad.engines.native.compiling import cached_kernel

    def total(outer, whole, word):
        x, (matrix, factor), flag = outer
        found = 0.0
        for i in range(matrix.shape[0]):
            for j in range(matrix.shape[1]):
                found += x[i] * matrix[i, j]
        x[0] = -1
        return found * factor + whole + np.float64(word) + (1000 if flag else 0)

    return cached_kernel(total)


@pytest.fixture
def arguments():
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    return Outer(np.array([3.0, 5.0]), Inner(matrix, 0.5), True), -7, np.uint64(2**63)


def expected(outer, whole, word):
    sums = outer.vector @ outer.inner.matrix.sum(axis=1)
    return sums * outer.inner.factor + whole + float(word) + 1000 * outer.flag


def test_numbers_and_arrays_within_tuples_arrive_and_are_written_in_place(total, arguments):
    right = expected(*arguments)
    assert total(*arguments) == right
    assert arguments[0].vector[0] == -1


class Large(NamedTuple):
    first: np.ndarray
    second: np.ndarray
    inner: Inner


def with_large_tuples(part):
    """A function that hands its parameter, a tuple that it makes, and tuples within them to its parts."""

    @part
    def digits(large, place):
        large.first[0] += 1
        return place * (large.first[0] + 100 * large.second[0] + 1e4 * large.inner.factor)

    @part
    def of_both(large, other, place):
        return digits(large, place) + digits(other, 1e5 * place)

    @part
    def of_inner(inner, times):
        return times * (inner.factor + inner.matrix[0, 0])

    def found(large, times):
        total = 0.0
        for i in range(times):
            swapped = Large(large.second, large.first, Inner(large.inner.matrix, float(i)))
            total += of_both(swapped, large, i + 1)
            if i == 1:
                large = swapped
        inner = Inner(large.inner.matrix, 7.0) if total > 0 else large.inner
        return total + of_inner(inner, 1e11) + of_inner(large.inner, 1e12)

    return found


def test_a_large_tuple_is_handed_over_as_it_is_at_each_call():
    from whygrad.engines.native.compiling import cached_kernel, kernel

    def given():
        inner = Inner(np.ones((1, 1)), 2.0)
        return Large(np.array([3.0]), np.array([5.0]), inner), 3

    expected = with_large_tuples(lambda function: function)(*given())
    assert cached_kernel(with_large_tuples(kernel))(*given()) == expected


def test_a_call_made_again_sees_what_has_changed(total, arguments):
    outer, whole, word = arguments
    call = kernel_of.Call(total)
    call.give((outer, whole, word))
    call()
    for changed in (
        (outer, 12, word),
        (outer._replace(flag=False), 12, word),
        (outer._replace(inner=Inner(np.ones((2, 4), np.float32), 2.0)), 12, np.uint64(1)),
        (outer._replace(inner=Inner(np.ones((2, 4)), 2.0)), 12, np.uint64(1)),  # of another kind
    ):
        call.give(changed)
        right = expected(*changed)
        assert call() == right


@pytest.mark.parametrize(
    "bad", [np.arange(6.0)[::2], np.arange(3, dtype=">f8"), "a word", None, [1.0], 1j], ids=repr
)
def test_what_compiled_code_would_misread_is_refused(bad):
    with pytest.raises(TypeError, match="a kernel takes"):
        kernel_of.flatten(bad)


WARM = """
import sys, numpy as np, whygrad as wg
X = np.eye(6, 70, dtype=np.{dtype})
net = wg.Network(70, [wg.Dense(3, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
for optimizer in ("adam", "lbfgs"):
    wg.train(net, X, np.arange(6) % 2, epochs=3, batch_size=6, optimizer=optimizer, engine="native")
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"numba", "sklearn"}}))
"""


def test_a_process_whose_code_is_on_disk_imports_no_compiler():
    for dtype in ("float32", "float64"):
        answers = []
        for _ in range(2):
            command = [sys.executable, "-c", WARM.format(dtype=dtype)]
            run = subprocess.run(
                command, env=os.environ, capture_output=True, text=True, check=True
            )
            answers.append(run.stdout.strip())
        assert answers[1] == "[]"


STATISTICS = """
import sys
from whygrad import MLPClassifier
assert "scipy.stats" not in sys.modules
import scipy.stats
assert scipy.stats.norm.cdf(0) == 0.5 and scipy.stats is sys.modules["scipy.stats"]
from sklearn.utils.fixes import _mode
assert _mode([1, 2, 2]).mode == 2
from sklearn.preprocessing import PowerTransformer
PowerTransformer().fit([[1.0], [2.0], [4.0]])
print("well")
"""


def test_estimators_leave_scipys_statistics_to_who_asks_for_them():
    run = subprocess.run([sys.executable, "-c", STATISTICS], capture_output=True, text=True)
    assert run.stdout == "well\n", run.stderr


def test_what_stands_in_for_statistics_gives_what_it_is_asked_for(monkeypatch):
    from whygrad.estimators import starting

    before = dict(sys.modules)
    for name in list(sys.modules):
        if name == starting.NAME or name == "sklearn.utils.fixes":
            monkeypatch.delitem(sys.modules, name)
    try:
        with starting.without_statistics():
            stands_in = sys.modules[starting.NAME]
            assert type(stands_in) is starting._Later
            assert stands_in.norm.cdf(0) == 0.5
            assert type(sys.modules[starting.NAME]) is not starting._Later
    finally:
        sys.modules.update(before)


@pytest.mark.parametrize(
    "y", [[0, 1, 1, 0], [3, 1, 2, 1], ["b", "a", "b"], ["x", "z", "y"], [5, 5], [1.0, 2.0], [True, False]],
    ids=str,
)  # fmt: skip
def test_labels_are_scikit_learns(y):
    from sklearn.preprocessing import LabelBinarizer

    from whygrad.estimators.labels import Labels, labels_of

    y = np.array(y)
    ours, theirs = labels_of(y), LabelBinarizer().fit(y)
    assert type(ours) is Labels and ours.y_type_ == theirs.y_type_
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    Y = theirs.transform(y)
    np.testing.assert_array_equal(ours.transform(y), Y.astype(bool))
    draws = np.random.default_rng(0).random(Y.shape)
    a = draws.ravel() if Y.shape[1] == 1 else draws
    ours_back, theirs_back = ours.inverse_transform(a), theirs.inverse_transform(a)
    np.testing.assert_array_equal(ours_back, theirs_back)
    assert ours_back.dtype == theirs_back.dtype
