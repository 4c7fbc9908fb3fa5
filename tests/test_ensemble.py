"""Networks averaged: the same as one wide network, row by row, and read back bit for bit."""

import numpy as np
import pytest

import whygrad as wg

X = np.random.default_rng(0).normal(size=(40, 3))
NETS = {
    "classes": wg.Network(
        3, [wg.Dense(5, "relu"), wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], "cross_entropy"
    ),
    "two classes": wg.Network(
        3, [wg.Dense(5, "relu"), wg.Dense(1, "sigmoid")], "binary_cross_entropy"
    ),
    "numbers": wg.Network(3, [wg.Dense(5, "relu"), wg.Dense(1)], "squared_error"),
    "masks": wg.Network(
        3,
        [
            wg.Dense(2, "relu", mask=[[1, 0, 1], [0, 1, 1]]),
            wg.Dense(3, "tanh", mask=[[1, 0], [0, 1], [1, 1]]),
            wg.Dense(2, "softmax", mask=[[1, 0, 1], [0, 1, 1]]),
        ],
        "cross_entropy",
    ),
    "no hidden layer": wg.Network(3, [wg.Dense(2, "softmax")], "cross_entropy"),
}


def _ensemble(net, members=3, dtype=np.float64):
    return wg.Ensemble([wg.Fitted(net, net.init(seed, dtype)) for seed in range(members)])


@pytest.fixture(params=NETS)
def ensemble(request):
    return _ensemble(NETS[request.param])


def test_the_joined_network_gives_the_averaged_outputs(ensemble):
    joined = ensemble.joined()
    np.testing.assert_allclose(joined.predict(X), ensemble.predict(X), rtol=1e-12, atol=1e-14)
    hidden = ensemble.net.sizes[1:-1]
    assert joined.net.sizes[1:-1] == tuple(3 * units for units in hidden)


def test_the_output_is_that_of_the_mean_of_z_and_of_numbers_the_mean(ensemble):
    z = np.mean([wg.forward(one.net, one.theta, X).z[-1] for one in ensemble.members], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), ensemble.net.f[-1].value(z), rtol=1e-12)
    if ensemble.net.f[-1].name == "identity":
        mean = np.mean([one.predict(X) for one in ensemble.members], axis=0)
        np.testing.assert_allclose(ensemble.predict(X), mean, rtol=1e-12)


def test_a_row_has_the_same_bits_alone_and_among_others():
    ensemble = _ensemble(NETS["classes"], dtype=np.float32)
    rows = np.random.default_rng(1).normal(size=(700, 3)).astype(np.float32)
    whole = ensemble.predict(rows)
    for i in (0, 300, 699):
        assert (ensemble.predict(rows[i : i + 1])[0] == whole[i]).all()


def test_an_ensemble_comes_back_from_one_file_with_its_histories(tmp_path):
    net = NETS["numbers"]
    fits = wg.train_many(
        [{"seed": 0}, {"seed": 1}], net=net, X=X, Y=X[:, :1], epochs=2, engine="reference"
    )
    ensemble = wg.Ensemble(fits)
    ensemble.save(tmp_path / "both.safetensors")
    back = wg.Ensemble.load(tmp_path / "both.safetensors")
    assert back.net == net
    assert [one.history for one in back.members] == [one.history for one in fits]
    assert (back.predict(X) == ensemble.predict(X)).all()
    with pytest.raises(wg.FileError, match="an ensemble of 2 networks: read it with Ensemble.load"):
        wg.load(tmp_path / "both.safetensors")
    fits[0].save(tmp_path / "one.safetensors")
    assert len(wg.Ensemble.load(tmp_path / "one.safetensors").members) == 1


def test_why_speaks_of_the_average(ensemble):
    answer = ensemble.why.prediction(X[0], output=0, at="z")
    assert answer.value == pytest.approx(ensemble.z(X[:1])[0, 0])


def test_members_of_several_shapes_and_none_are_refused():
    with pytest.raises(wg.InputError, match="member 2 of the ensemble has other layers"):
        wg.Ensemble([_ensemble(NETS[name], 1).members[0] for name in ("classes", "numbers")])
    with pytest.raises(wg.InputError, match="at least one member"):
        wg.Ensemble([])
