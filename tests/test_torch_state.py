"""Networks to PyTorch and back: modules, state_dicts and safetensors files, with the same outputs."""

import numpy as np
import pytest

import whygrad as wg
from whygrad.interop.torch_state import model_of_state

torch = pytest.importorskip("torch")
nn = torch.nn
save_file = pytest.importorskip("safetensors.torch").save_file

X = np.random.default_rng(0).normal(size=(7, 4))


def explained(model, **options):
    """The questions about a model."""
    found = wg.explain(model, **options)
    return getattr(found, "why", found)


def fitted(hidden="tanh", output="identity", dtype=np.float64, dropout=0.0):
    cost = {"exp": "poisson", "softmax": "cross_entropy"}.get(output, "squared_error")
    net = wg.Network(4, [wg.Dense(5, hidden, dropout=dropout), wg.Dense(3, output)], cost)
    theta = net.init(seed=3, dtype=dtype, b=[None, np.linspace(-1, 1, 5), [0.1, 0.2, 0.3]])
    return wg.Fitted(net, theta)


HIDDEN = [name for name in wg.functions.ACTIVATIONS if name != "softmax"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_activation_goes_to_pytorch_and_back(hidden):
    own = fitted(hidden)
    module = wg.to_torch(own)
    expected = own.predict(20 * X)
    found = module(torch.tensor(20 * X)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    back = explained(module, cost="squared_error")
    np.testing.assert_array_equal(back.theta.flat, own.theta.flat)
    np.testing.assert_allclose(
        wg.forward(back.net, back.theta, X).a[-1], own.predict(X), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "exp", "identity"])
@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_the_last_activation_and_the_dtype_go_along(output, dtype, within):
    own = fitted("relu", output, dtype, dropout=0.25)
    module = wg.to_torch(own)
    rows = X.astype(dtype)
    found = module(torch.tensor(rows)).detach().numpy()
    assert found.dtype == dtype and isinstance(module[2], nn.Dropout) and module[2].p == 0.25
    np.testing.assert_allclose(found, own.predict(rows), rtol=0, atol=within)


@pytest.mark.parametrize(
    "layer",
    [
        nn.LeakyReLU(0.123456789),
        nn.ELU(1.7),
        nn.GELU("tanh"),
        nn.Softplus(),
        nn.Softplus(4.0, 3.0),
        nn.CELU(0.5),
        nn.Hardtanh(-0.4, 0.7),
        nn.ReLU6(),
        nn.Mish(),
        nn.Softsign(),
    ],
    ids=str,
)
def test_parameters_of_activations_come_through_a_round_trip(layer):
    module = nn.Sequential(nn.Linear(4, 5), layer, nn.Linear(5, 2)).double()
    back = wg.to_torch(explained(module, cost=nn.MSELoss()))
    assert repr(back[1]) == repr(layer)
    rows = torch.tensor(10 * X)
    torch.testing.assert_close(back(rows), module(rows), rtol=0, atol=1e-12)


def test_estimators_and_what_explain_gives_go_to_pytorch():
    clf = wg.MLPClassifier((5,), max_iter=2, random_state=0, tol=0, n_iter_no_change=5)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        clf.fit(X, [0, 1, 2, 0, 1, 2, 0])
    for given in (clf, clf.why_, wg.explain(clf)):
        found = wg.to_torch(given)(torch.tensor(X)).detach().numpy()
        np.testing.assert_allclose(found, clf.predict_proba(X), rtol=0, atol=1e-12)


def test_what_pytorch_has_not_is_refused():
    cube = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    with pytest.raises(wg.InputError, match="'cube' of layer 1 is code, of which whygrad knows no"):
        wg.to_torch(fitted(cube))
    by_name = wg.Activation("leaky_relu(0.2)", cube.value, cube.derivative)
    with pytest.raises(wg.InputError, match=r"'leaky_relu\(0.2\)' of layer 1 is code, of which"):
        wg.to_torch(fitted(by_name))
    with pytest.raises(wg.InputError, match="a dict is no trained network of whygrad"):
        wg.to_torch({})


def test_a_module_is_exported_by_way_of_explain(tmp_path):
    module = nn.Sequential(nn.Linear(4, 2)).double()
    with pytest.raises(wg.InputError, match=r"give what whygrad\.explain makes of it"):
        wg.export(module, tmp_path / "m.c")
    wg.export(wg.explain(module, cost=nn.MSELoss()), tmp_path / "m.c")
    assert (tmp_path / "m.c").exists()


def test_a_safetensors_file_has_the_names_of_the_module(tmp_path):
    own, path = fitted(dropout=0.5), tmp_path / "model.safetensors"
    wg.export(own, path)
    module = wg.to_torch(own)
    state = pytest.importorskip("safetensors.torch").load_file(path)
    assert list(module.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert set(state) == set(module.state_dict())
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    np.testing.assert_array_equal(model_of_state(path, own.net).why.theta.flat, own.theta.flat)
    with pytest.raises(wg.FileError, match="exists already"):
        wg.export(own, path)


class Named(nn.Module):
    """Layers whose names come in another order than the layers."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.way_in, self.between = nn.Linear(4, 6, dtype=dtype), nn.Linear(6, 5, dtype=dtype)
        self.away = nn.Linear(5, 3, bias=False, dtype=dtype)

    def forward(self, x):
        return self.away(torch.relu(self.between(torch.tanh(self.way_in(x)))))


DENSE = [wg.Dense(6, "tanh"), wg.Dense(5, "relu"), wg.Dense(3)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_parameters_and_a_description_are_the_module(dtype, tmp_path):
    module, path = Named(dtype), tmp_path / "named.safetensors"
    save_file(module.state_dict(), path)
    own = explained(module, cost=nn.CrossEntropyLoss())
    for state in (module.state_dict(), {"state_dict": module.state_dict(), "epoch": 3}, path):
        why = model_of_state(state, DENSE, nn.CrossEntropyLoss()).why
        np.testing.assert_array_equal(why.theta.flat, own.theta.flat)
        assert [f.name for f in why.net.f[1:]] == ["tanh", "relu", "softmax"]
    net = wg.Network(4, DENSE, "huber")
    assert model_of_state(path, net).why.net.C.name == "huber"


def test_ten_and_more_layers_come_in_the_order_of_their_numbers(tmp_path):
    module = nn.Sequential(*(nn.Linear(3, 3) for _ in range(12)))
    save_file(module.state_dict(), tmp_path / "deep.safetensors")
    why = model_of_state(tmp_path / "deep.safetensors", [wg.Dense(3)] * 12, "squared_error").why
    for l, layer in enumerate(module, start=1):
        np.testing.assert_array_equal(why.theta.W[l], layer.weight.detach().double().numpy())


@pytest.mark.parametrize(
    ("state", "description", "message"),
    [
        (
            Named().state_dict(),
            DENSE[:2],
            "there are 3 linear layers, way_in, between, away; the desc",
        ),
        (
            Named().state_dict(),
            [*DENSE[:1], wg.Dense(7), DENSE[2]],
            "between.weight has shape (5, 6), layer 2 needs (7, 6)",
        ),
        (
            Named().state_dict(),
            wg.Network(9, DENSE),
            "way_in.weight has shape (6, 4), layer 1 needs (6, 9)",
        ),
        (
            nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict(),
            DENSE[:1],
            "1.weight, (2,), is a normalisation: give the module itself, to read it",
        ),
        (
            nn.Conv1d(1, 1, 1).state_dict(),
            DENSE[:1],
            "weight, (1, 1, 1), is no part of a linear layer",
        ),
        ({}, DENSE[:1], "there is no linear layer, with NAME.weight and NAME.bias"),
        ([], DENSE[:1], "a list is no state_dict: give module.state_dict()"),
        (
            Named().state_dict(),
            None,
            "with a description of their layers, a Network or a list of Dens",
        ),
        (Named().state_dict(), DENSE, "the network ends in 'identity', which tells no loss: give"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(state, description, message):
    with pytest.raises(wg.InputError) as caught:
        model_of_state(state, description)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "model.pt",
            b"",
            "a pickle, which runs code when it is opened: open it where you trust it",
        ),
        ("model.pth", b"", "save_file.module.state_dict.., 'model.safetensors'"),
        ("model.pt2", b"", "give explain torch.export.load.path."),
        ("model.safetensors", b"", "no safetensors file, or damaged"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0not json", "no safetensors file, or damaged"),
        ("model.safetensors", None, "there is no such file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(wg.FileError, match=message) as caught:
        model_of_state(tmp_path / name, DENSE)
    assert "\n" not in str(caught.value)


# ── with the module ──────────────────────────────────────────────────────────────────────────────────


def normalised():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 5, bias=False), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("before", ["", "module.", "_orig_mod."])
def test_parameters_are_read_into_the_module_they_are_of(before, tmp_path):
    trained, fresh = normalised(), normalised()
    trained.train()(torch.tensor(X, dtype=torch.float32))  # which the normalisation keeps
    with torch.no_grad():
        trained[1].weight *= 2
    state = {before + name: tensor for name, tensor in trained.state_dict().items()}
    save_file(
        {k: v.bfloat16() for k, v in state.items() if v.is_floating_point()},
        tmp_path / "m.safetensors",
    )
    logits = trained.eval()(torch.tensor(X, dtype=torch.float32))
    expected = torch.softmax(logits, dim=1).detach().numpy()
    for given, within in (
        (state, 1e-6),
        ({"model": state}, 1e-6),
        (tmp_path / "m.safetensors", 0.05),
    ):
        found = wg.explain(given, description=fresh, cost=nn.CrossEntropyLoss())
        np.testing.assert_allclose(found.predict(X), expected, rtol=0, atol=within)
    assert found.source == "m.safetensors"
    assert not torch.equal(fresh[1].weight, trained[1].weight)


def test_parameters_of_another_module_are_refused_with_both_shapes():
    state = normalised().state_dict()
    for change, said in (
        ({"3.weight": torch.zeros(2, 5)}, r"3.weight is not the module's: in the module of shape \(3, 5"),
        ({"9.bias": torch.zeros(2)}, "9.bias is not the module's: in the module there is none, given of"),
    ):  # fmt: skip
        with pytest.raises(wg.InputError, match=said):
            wg.explain(state | change, description=normalised(), cost=nn.CrossEntropyLoss())
    del state["1.weight"]
    with pytest.raises(wg.InputError, match=r"1.weight .* of shape \(5, 4\), given there is none"):
        wg.explain(state, description=normalised(), cost=nn.CrossEntropyLoss())


def test_parameters_without_a_description_are_told_what_to_give(tmp_path):
    state = normalised().state_dict()
    with pytest.raises(
        wg.InputError, match="parameters alone tell no network: give with them the module"
    ):
        wg.explain(state)
    with pytest.raises(
        wg.InputError, match="entry 'epoch' is a int, no tensor: give module.state_dict()"
    ):
        wg.explain({"epoch": 3, "weights": state}, description=normalised())
    save_file(state, tmp_path / "m.safetensors")
    with pytest.raises(
        wg.InputError,
        match="which do not tell activations: say what layers they are of, description=module",
    ):
        wg.explain(tmp_path / "m.safetensors")
