"""A model on disk comes back bit for bit, and nothing that is not one gets in."""

import json
import os
import struct

import numpy as np
import pytest

import whygrad as wg
from whygrad.nn.functions import ACTIVATIONS
from whygrad.nn.network import INITIALISER_NAMES, Uniform

NET = wg.Network(
    (2, 2), [wg.Dense(3, "relu"), wg.Dense(2, "softmax", Uniform(-1, 1))], "cross_entropy"
)


@pytest.fixture
def fitted():
    X = np.random.default_rng(0).normal(size=(8, 4))
    Y = [0, 1] * 4
    return wg.train(
        NET, X, Y, epochs=3, batch_size=4, validation=(X, Y), engine="reference", dtype="float64"
    )


@pytest.fixture
def file(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    return path


def rewrite(path, tensors=None, **changes):
    """Change the description or the tensors of a saved model, as some other program might."""
    from safetensors import safe_open
    from safetensors.numpy import save

    with safe_open(path, framework="numpy") as opened:
        about = opened.metadata()
        kept = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    about = {name: value for name, value in (about | changes).items() if value is not None}
    path.write_bytes(save(kept if tensors is None else tensors, about))


def unreadable(path, reason):
    """Check that loading fails with one line that names the file and holds the reason."""
    with pytest.raises(wg.FileError) as error:
        wg.load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_bit_for_bit(dtype, tmp_path):
    theta = NET.init(seed=1, dtype=dtype)
    theta.flat[:3] = [np.finfo(dtype).tiny / 4, np.finfo(dtype).max, -0.0]
    wg.Fitted(NET, theta).save(tmp_path / "model")
    back = wg.load(tmp_path / "model").theta.flat
    assert back.dtype == dtype
    assert back.tobytes() == theta.flat.tobytes()


def test_network_history_and_predictions_come_back(fitted, file):
    back = wg.load(file)
    assert back.net == fitted.net
    assert back.history == fitted.history
    X = np.random.default_rng(1).normal(size=(5, 2, 2))
    np.testing.assert_array_equal(back.predict(X), fitted.predict(X))


def test_training_goes_on_from_a_loaded_model_as_from_the_one_saved(fitted, file):
    X, Y = np.random.default_rng(2).normal(size=(8, 4)), [0, 1] * 4
    on = [
        wg.train(NET, X, Y, theta=one.theta, epochs=2, batch_size=4, engine="reference").theta.flat
        for one in (fitted, wg.load(file))
    ]
    np.testing.assert_array_equal(*on)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_every_activation_is_saved_by_name(name, tmp_path):
    net = wg.Network(2, [wg.Dense(2, name), wg.Dense(1, "identity")])
    wg.Fitted(net, net.init()).save(tmp_path / "model")
    assert wg.load(tmp_path / "model").net == net


@pytest.mark.parametrize("sample_weight", INITIALISER_NAMES)
def test_every_initialiser_is_saved_by_name(sample_weight, tmp_path):
    net = wg.Network(2, [wg.Dense(1, "identity", sample_weight, Uniform(0, 1))])
    wg.Fitted(net, net.init()).save(tmp_path / "model")
    assert wg.load(tmp_path / "model").net == net


def test_other_programs_find_the_matrices_by_name(fitted, file):
    from safetensors.numpy import load_file

    tensors = load_file(file)
    assert sorted(tensors) == ["W1", "W2", "b1", "b2"]
    np.testing.assert_array_equal(tensors["W2"], fitted.theta.W[2])


# ── functions of the user's own ──────────────────────────────────────────────────────────────────

QUARTIC = wg.Cost("quartic", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3)
CUBE = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)


def test_functions_of_ones_own_are_asked_for_by_name(tmp_path):
    from whygrad.fitted import load

    net = wg.Network(2, [wg.Dense(2, CUBE, "zeros"), wg.Dense(1, "identity")], QUARTIC)
    path = tmp_path / "model"
    wg.Fitted(net, net.init()).save(path)
    unreadable(path, "it uses the activation 'cube', which is not whygrad's: give it in own=[…]")
    with pytest.raises(wg.FileError, match="it uses the cost 'quartic', which is not whygrad's"):
        load(path, own=[CUBE])
    assert load(path, own=[QUARTIC, CUBE]).net == net


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def test_saving_again_replaces_the_file(fitted, file):
    other = wg.Fitted(NET, NET.init(seed=9))
    other.save(file)
    assert wg.load(file).theta.flat.tobytes() == other.theta.flat.tobytes()


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    fitted, file, fails, monkeypatch
):
    before = file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(wg.FileError, match=r"cannot be written \(No space left on device\)"):
        wg.Fitted(NET, NET.init(seed=9)).save(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_that_is_missing_is_named(fitted, tmp_path):
    path = tmp_path / "nowhere" / "model"
    with pytest.raises(wg.FileError, match="cannot be written") as error:
        fitted.save(path)
    assert str(error.value) == f"{path}: cannot be written (No such file or directory)"


# ── damaged and foreign files ────────────────────────────────────────────────────────────────────


def test_a_file_that_is_not_there_is_named(tmp_path):
    unreadable(tmp_path / "none", "there is no such file")


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(file, length):
    file.write_bytes(file.read_bytes()[:length])
    unreadable(file, "not a whygrad model, or damaged")


def test_random_bytes_are_refused(tmp_path):
    path = tmp_path / "noise"
    for seed in range(20):
        path.write_bytes(np.random.default_rng(seed).bytes(300))
        unreadable(path, "not a whygrad model, or damaged")


def test_a_safetensors_file_of_another_kind_is_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    unreadable(path, "a safetensors file, but not a whygrad model")


def test_a_newer_schema_asks_for_an_upgrade(file):
    rewrite(file, schema="3")
    unreadable(file, "by a newer whygrad (schema 3, this one reads up to 2): upgrade whygrad")


@pytest.mark.parametrize("schema", [None, "", "one", "0", "-1"])
def test_a_schema_that_never_was_is_damage(file, schema):
    rewrite(file, schema=schema)
    unreadable(file, "damaged")


SHAPES = {"W1": (3, 4), "b1": (3,), "W2": (2, 3), "b2": (2,)}


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"W1": np.zeros((3, 4)), "b1": np.zeros(3), "W2": np.zeros((2, 3))},
        {"W1": np.zeros((4, 3)), "b1": np.zeros(3), "W2": np.zeros((2, 3)), "b2": np.zeros(2)},
        {"W1": np.zeros((3, 5)), "b1": np.zeros(3), "W2": np.zeros((2, 3)), "b2": np.zeros(2)},
        {name: np.zeros(shape, int) for name, shape in SHAPES.items()},
    ],
    ids=["none", "one missing", "transposed", "too wide", "whole numbers"],
)  # fmt: skip
def test_matrices_that_do_not_fit_the_network_are_refused(file, tensors):
    rewrite(file, tensors=tensors)
    unreadable(file, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"network": None},
        {"network": "{"},
        {"network": "[]"},
        {"network": "{}"},
        {"network": json.dumps({"inputs": 4, "layers": 3, "cost": "huber"})},
        {"network": json.dumps({"inputs": 4, "layers": [], "cost": "huber"})},
        {"network": json.dumps({"inputs": None, "layers": [{}], "cost": "huber"})},
        {"history": None},
        {"history": "null"},
        {"history": '{"epochs": [{"speed": 1}], "stopped": ""}'},
        {"history": '{"epochs": 3, "stopped": ""}'},
    ],
    ids=str,
)
def test_a_description_that_is_damaged_is_refused(file, changes):
    rewrite(file, **changes)
    unreadable(file, "")


def test_no_flipped_byte_of_the_description_gets_past_as_anything_else(file):
    """Whatever a single changed byte does to the header, the answer is a model or one clear line."""
    whole = file.read_bytes()
    (header,) = struct.unpack("<Q", whole[:8])
    rng = np.random.default_rng(0)
    for place in range(8 + header):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            wg.load(file)
        except wg.FileError as error:
            assert str(error).startswith(f"{file}: ")
            assert "\n" not in str(error)
