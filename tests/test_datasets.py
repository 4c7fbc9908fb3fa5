"""Every data set loads by its name, with names for all that is in it, and the same seed draws the same."""

import gzip
import os
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg
from whygrad.pipeline import datasets
from whygrad.pipeline.datasets import NAMES, load, read_idx

HERE = [name for name in NAMES if name != "mnist"]
# Examples, inputs, classes.
SIZES = {
    "digits": (1797, 64, 10),
    "iris": (150, 4, 3),
    "wine": (178, 13, 3),
    "breast_cancer": (569, 30, 2),
    "diabetes": (442, 10, 0),
} | dict.fromkeys(("xor", "spirals", "moons", "circles"), (400, 2, 2))


def idx(array, code):
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()
    )


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without data, whose cache is an empty folder."""
    monkeypatch.delenv("WHYGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


# ── by name ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", HERE)
def test_a_data_set_is_complete(name):
    data = load(name)
    n, inputs, classes = SIZES[name]
    assert data.name == name
    assert data.X.shape == (n, inputs)
    assert data.y.shape == (n,)
    assert np.isfinite(data.X).all()
    assert len(set(data.features)) == inputs
    assert data.target not in data.features
    assert len(data.classes) == classes
    assert data.task == ("classification" if classes else "regression")
    if classes:
        np.testing.assert_array_equal(np.unique(data.y), np.arange(classes))
    assert data.X_test is None
    assert data.y_test is None


def test_images_have_a_shape_and_pixels_from_0_to_1():
    data = load("digits")
    assert data.shape == (8, 8)
    assert data.features[0], data.features[63] == ("row 0, column 0", "row 7, column 7")
    assert (data.X.min(), data.X.max()) == (0, 1)


@pytest.mark.parametrize("name", ["xor", "spirals", "moons", "circles"])
def test_a_drawn_data_set_is_a_function_of_its_seed(name):
    np.testing.assert_array_equal(load(name, 3).X, load(name, 3).X)
    assert not np.array_equal(load(name, 3).X, load(name, 4).X)
    np.testing.assert_array_equal(np.bincount(load(name, 3).y), [200, 200])


@pytest.mark.parametrize("name", ["xor", "spirals", "moons", "circles"])
def test_a_drawn_data_set_can_be_learned_but_not_by_a_line(name):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    train, test = load(name, 0), load(name, 1)
    line = LogisticRegression().fit(train.X, train.y).score(test.X, test.y)
    curve = KNeighborsClassifier(5).fit(train.X, train.y).score(test.X, test.y)
    assert curve > 0.95
    assert line < 0.9


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(wg.InputError, match="a seed is a whole number of at least 0"):
        load("moons", seed)


def test_an_unknown_name_is_refused_and_the_nearest_given():
    with pytest.raises(wg.InputError) as error:
        load("irsi")
    assert str(error.value) == (
        "unknown data set 'irsi': did you mean 'iris'? Known: digits, iris, wine, breast_cancer, "
        "diabetes, mnist, xor, spirals, moons, circles"
    )


# ── IDX files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_of_any_type_is_read(tmp_path, code, dtype, packed):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = idx(array, code)
    (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"hello world", "not an IDX file"),
        (b"\0\0\x08\x03\0\0", "damaged, its header is cut short"),
        (idx(np.zeros(5, ">u1"), 8)[:-1], "damaged, 12 bytes where its header promises 13"),
        (gzip.compress(b"hello", mtime=0)[:-3], "cannot be read (Compressed file ended"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(wg.FileError) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_missing_idx_file_is_refused(tmp_path):
    with pytest.raises(wg.FileError, match="cannot be read"):
        read_idx(tmp_path / "file")


# ── MNIST ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.data
def test_mnist_is_read_from_the_data_folder():
    data = load("mnist")
    assert (data.X.shape, data.X_test.shape) == ((60000, 784), (10000, 784))
    assert data.X.dtype == np.float32
    assert (data.X.min(), data.X.max()) == (0, 1)
    assert data.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.y_test).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert data.shape == (28, 28)


def test_mnist_is_refused_in_one_line_where_there_is_neither_file_nor_network(nowhere, monkeypatch):
    def no_network(*args, **options):
        raise OSError("<urlopen error [Errno -2] Name or service not known>\nmore")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", no_network)
    with pytest.raises(wg.FileError) as error:
        load("mnist")
    assert str(error.value) == (
        f"MNIST is not in {nowhere}/cache/whygrad/mnist, and fetching it from OpenML failed (<urlopen "
        "error [Errno -2] Name or service not known>): put its four IDX files there"
    )


def test_mnist_that_is_not_to_be_fetched_is_refused_at_once(nowhere, monkeypatch):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", None)
    folder = f"{nowhere}/cache/whygrad/mnist"
    with pytest.raises(wg.FileError) as error:
        load("mnist", fetch=False)
    assert str(error.value) == f"MNIST is not in {folder}: put its four IDX files there"


@pytest.mark.parametrize("name", ("influence", "mnist", "tuning"))
def test_a_benchmark_without_its_data_ends_in_a_line_that_says_so(nowhere, name):
    path = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    environment = os.environ | {"PYTHONPATH": str(Path(wg.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, path], cwd=nowhere, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        f"MNIST is not in {nowhere}/cache/whygrad/mnist: put its four IDX files there; WHYGRAD_DATA names "
        "the folder that mnist is in"
    )


def test_mnist_is_fetched_once_and_then_read_from_the_cache(nowhere, monkeypatch):
    calls = []
    pixels = np.zeros((70000, 784))
    pixels[:, 0] = np.arange(70000) % 256
    labels = (np.arange(70000) % 10).astype(str).astype(object)

    def openml(name, **options):
        calls.append(name)
        return types.SimpleNamespace(data=pixels, target=labels)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", openml)
    first, again = load("mnist"), load("mnist")
    assert calls == ["mnist_784"]
    assert sorted(os.listdir(datasets.cache_folder() / "mnist")) == sorted(
        f"{name}.gz" for name in datasets.MNIST_FILES
    )
    for data in (first, again):
        assert (data.X.shape, data.X_test.shape) == ((60000, 784), (10000, 784))
        assert data.X_test[1, 0] == np.float32(60001 % 256) / np.float32(255)
        assert data.y_test.tolist() == (np.arange(60000, 70000) % 10).tolist()


def test_damaged_files_in_the_cache_are_refused(nowhere):
    folder = datasets.cache_folder() / "mnist"
    folder.mkdir(parents=True)
    for name in datasets.MNIST_FILES:
        (folder / name).write_bytes(b"damaged")
    with pytest.raises(wg.FileError, match="not an IDX file"):
        load("mnist")
