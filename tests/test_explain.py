"""Networks from elsewhere: what PyTorch and scikit-learn compute is what is explained, to rounding."""

import numpy as np
import pytest

import whygrad as wg
from whygrad.why.bound import Why

torch = pytest.importorskip("torch")
nn = torch.nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5))
CLASSES = RNG.integers(0, 3, 12)
NUMBERS = RNG.normal(size=(12, 3))
SHARES = RNG.random((12, 3))
SIGNS = RNG.integers(0, 2, (12, 1)).astype(float)
COUNTS = RNG.poisson(2.0, (12, 3)).astype(float)


def network(*layers, outputs=3, end=()):
    """A Sequential in float64 with weights large enough to reach into every corner of a function."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(5, 4), *(layers or (nn.Tanh(),)), nn.Linear(4, outputs), *end
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.eval()


def of_torch(model, loss, x, y):
    """The gradients of PyTorch's loss, by autograd, in the order W, b, W, b, …"""
    target = torch.tensor(y)
    model.zero_grad()
    loss(model(torch.tensor(x)), target).backward()
    return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])


def of_whygrad(why, x, y):
    given = why.examples(x, y)
    trace = wg.forward(why.net, why.theta, given.X)
    trace = wg.backward(why.net, why.theta, trace, given.Y)
    return wg.gradients(why.net, why.theta, trace, given.sample_weight).flat


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


LOSSES = {
    "cross entropy": (nn.CrossEntropyLoss(), (), 3, CLASSES),
    "cross entropy of shares": (
        nn.CrossEntropyLoss(),
        (),
        3,
        SHARES / SHARES.sum(axis=1, keepdims=True),
    ),
    "weighted": (
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2]).double()),
        (),
        3,
        CLASSES,
    ),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), (), 3, CLASSES),
    "softmax twice": (nn.CrossEntropyLoss(), (nn.Softmax(dim=1),), 3, CLASSES),
    "log softmax": (nn.NLLLoss(), (nn.LogSoftmax(dim=-1),), 3, CLASSES),
    "log softmax twice": (nn.CrossEntropyLoss(), (nn.LogSoftmax(dim=-1),), 3, CLASSES),
    "weighted likelihood": (
        nn.NLLLoss(weight=torch.tensor([1.0, 5.0, 0.2]).double()),
        (nn.LogSoftmax(dim=-1), nn.Identity()),
        3,
        CLASSES,
    ),
    "logit": (nn.BCEWithLogitsLoss(), (), 1, SIGNS),
    "logits": (nn.BCEWithLogitsLoss(), (), 3, SHARES),
    "sigmoid twice": (nn.BCEWithLogitsLoss(), (nn.Sigmoid(),), 1, SIGNS),
    "positives count more": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), (), 1, SIGNS),
    "weighted outputs": (
        nn.BCEWithLogitsLoss(
            weight=torch.tensor([1.0, 2.0, 0.5]), pos_weight=torch.tensor([0.25, 1.0, 4.0])
        ),
        (nn.Tanh(),),
        3,
        SHARES,
    ),
    "probability": (nn.BCELoss(), (nn.Sigmoid(),), 1, SIGNS),
    "probabilities": (nn.BCELoss(), (nn.Sigmoid(),), 3, SHARES),
    "squared": (nn.MSELoss(), (), 3, NUMBERS),
    "squared, two outputs": (nn.MSELoss(), (), 2, NUMBERS[:, :2]),
    "absolute": (nn.L1Loss(), (nn.Tanh(),), 3, NUMBERS),
    "huber": (nn.HuberLoss(), (), 3, NUMBERS),
    "huber at 0.3": (nn.HuberLoss(delta=0.3), (), 3, NUMBERS),
    "smooth": (nn.SmoothL1Loss(beta=2.0), (), 3, NUMBERS),
    "smooth at 0": (nn.SmoothL1Loss(beta=0.0), (), 3, NUMBERS),
    "counts": (nn.PoissonNLLLoss(), (), 3, COUNTS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_pytorchs_loss(name):
    loss, end, outputs, y = LOSSES[name]
    model = network(outputs=outputs, end=end)
    why = wg.explain(model, cost=loss).why
    same(of_whygrad(why, X, y), of_torch(model, loss, X, y))
    same(of_whygrad(why, X[:1], y[:1]), of_torch(model, loss, X[:1], y[:1]))


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss", "huber_loss"])
def test_a_loss_may_be_given_as_a_function_or_a_class(name):
    from whygrad.interop.torch_loss import FUNCTIONS

    model = network()
    forms = (getattr(nn.functional, name), FUNCTIONS[name], FUNCTIONS[name]())
    one, *others = (wg.explain(model, cost=form).why.net for form in forms)
    assert [(net.f[-1].name, net.C.name) for net in others] == 2 * [(one.f[-1].name, one.C.name)]


def test_weights_of_single_rows_in_a_loss_are_refused_with_their_shape():
    loss = nn.BCEWithLogitsLoss(weight=torch.ones(12, 1))
    with pytest.raises(
        wg.InputError, match=r"has weight of shape \(12, 1\): one number, or one for"
    ):
        wg.explain(network(), cost=loss)


def test_logits_that_are_shifted_alike_are_others_than_those_read():
    model = network()
    model.register_forward_hook(lambda module, rows, outputs: outputs + 1.0)
    with pytest.raises(wg.InputError, match="it is another network than it seems"):
        wg.explain(model, cost=nn.CrossEntropyLoss())


def test_a_check_compares_with_the_module_on_the_rows_that_are_asked_about():
    for loss, end, y in (
        (nn.CrossEntropyLoss(), (), CLASSES),
        (nn.NLLLoss(), (nn.LogSoftmax(dim=1),), CLASSES),
        (nn.PoissonNLLLoss(), (), COUNTS),
    ):
        module = network(end=end)
        model = wg.explain(module, cost=loss)
        assert (
            "On 12 rows the outputs are those of PyTorch's Sequential"
            in model.check(X, y).notes[-1]
        )
        with torch.no_grad():
            module[0].bias += 1.0
        with pytest.raises(wg.InputError, match="it is another network than it seems"):
            model.check(X, y)


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(reduction="sum"), nn.CrossEntropyLoss(reduction="sum")]
)
def test_a_sum_over_the_examples_is_n_times_the_mean_and_is_said(loss):
    y = CLASSES if isinstance(loss, nn.CrossEntropyLoss) else NUMBERS
    model = network()
    why = wg.explain(model, cost=loss).why
    same(12 * of_whygrad(why, X, y), of_torch(model, loss, X, y))
    assert any("n examples is n times this one" in note for note in why.notes)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.LeakyReLU(),
        nn.LeakyReLU(0.2),
        nn.ELU(),
        nn.ELU(1.7),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SELU(),
        nn.SiLU(),
        nn.Softplus(),
        nn.Softplus(beta=4, threshold=3),
        nn.CELU(),
        nn.CELU(0.5),  # PyTorch rounds 1/α to float32 in the gradient
        nn.Hardtanh(-0.4, 0.7),
        nn.ReLU6(),
        nn.Mish(),
        nn.Softsign(),
        nn.Identity(),
    ],
    ids=str,
)
def test_every_activation_is_pytorchs(layer):
    model = network(layer)
    why = wg.explain(model, cost=nn.MSELoss()).why
    outputs = wg.forward(why.net, why.theta, X).a[-1]
    expected = model(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    same(of_whygrad(why, X, NUMBERS), of_torch(model, nn.MSELoss(), X, NUMBERS))


def test_dropout_flatten_and_nested_sequentials_are_read_in_order():
    inner = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 4, bias=False), nn.ReLU())
    model = nn.Sequential(
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(6, 4), nn.Tanh(), inner, nn.Linear(4, 2)
    ).double()
    why = wg.explain(model.eval(), cost=nn.CrossEntropyLoss(), image=(2, 3)).why
    images = RNG.normal(size=(7, 1, 2, 3))
    y = RNG.integers(0, 2, 7)
    assert [f.name for f in why.net.f[1:]] == ["tanh", "relu", "softmax"]
    found = wg.gradients(
        why.net,
        why.theta,
        wg.backward(
            why.net, why.theta, wg.forward(why.net, why.theta, images), why.examples(images, y).Y
        ),
    )
    nn.CrossEntropyLoss()(model(torch.tensor(images)), torch.tensor(y)).backward()
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    for l, layer in enumerate(linear, start=1):
        same(found.dW[l], layer.weight.grad.numpy())
    assert not why.theta.b[2].any()
    assert why.names.of(why.net, 0, 4) == "pixel 1,1"


def test_a_copy_is_explained_in_float64_and_tensors_are_taken_as_rows():
    model = nn.Sequential(nn.Linear(5, 3))
    why = wg.explain(model, cost="squared_error", inputs=list("abcde")).why
    assert why.theta.flat.dtype == np.float64
    why.theta.flat[:] = 0
    assert model[0].weight.abs().sum() > 0
    given = why.examples(torch.tensor(X).float().requires_grad_(), torch.tensor(NUMBERS))
    assert given.X.dtype == np.float64 and given.X.shape == (12, 5)


def test_a_factor_of_the_loss_is_said():
    why = wg.explain(network(), cost=nn.MSELoss()).why
    assert why.notes == (
        "MSELoss is 2/3 of the cost squared_error, which is the sum over the outputs",
    )
    assert wg.explain(network(outputs=2), cost=nn.MSELoss()).why.notes == ()
    assert wg.explain(network(), cost=nn.CrossEntropyLoss()).why.notes == ()


def test_without_a_loss_softmax_and_sigmoid_have_one_and_it_is_said():
    why = wg.explain(network(end=(nn.Softmax(dim=1),))).why
    assert why.net.C.name == "cross_entropy"
    assert why.notes == (
        "no loss was given: cross_entropy is assumed, since the last layer is softmax",
    )
    assert wg.explain(network(end=(nn.Sigmoid(),))).why.net.C.name == "binary_cross_entropy"


def linear(n_in=5, n_out=3):
    return nn.Linear(n_in, n_out)


@pytest.mark.parametrize(
    ("layers", "loss", "message"),
    [
        (
            [linear(), nn.LayerNorm(3), linear(3)],
            None,
            "layer 1 (LayerNorm) is not supported: known are Linear, ReLU, Sigmoid, Tanh, SELU, SiLU, "
            "Softmax, LogSoftmax, LeakyReLU, ELU, PReLU, CELU, Hardtanh, ReLU6, Mish, Softsign, GELU, "
            "Softplus, BatchNorm1d, Dropout, Flatten, Identity",
        ),
        (
            [linear(), nn.Sequential(nn.ReLU(), nn.Conv1d(1, 1, 1))],
            None,
            "layer 1.1 (Conv1d) is not supported: known are",
        ),
        ([linear(), nn.ReLU(), nn.Tanh()], None, "layer 2 (Tanh) follows another activation"),
        ([nn.ReLU(), linear()], None, "layer 0 (ReLU) follows no linear layer: put one before it"),
        (
            [linear(), linear(4)],
            None,
            "layer 1 (Linear) takes 4 numbers, the layer before it gives 3",
        ),
        (
            [nn.Flatten(0), linear()],
            None,
            "layer 0 (Flatten) flattens dimensions 0 to -1: only all",
        ),
        (
            [linear(), nn.Softmax(dim=0)],
            None,
            "layer 1 (Softmax) has dim=0: over the outputs of an",
        ),
        ([nn.Flatten()], None, "there is no linear layer: there are no weights"),
        ([], None, "there is no linear layer: there are no weights"),
        (
            [linear(), nn.Softmax(1), linear(3)],
            nn.MSELoss(),
            "'softmax' in layer 1: it serves as output",
        ),
        (
            [linear()],
            None,
            "the network ends in 'identity', which tells no loss: give the one that",
        ),
        (
            [linear()],
            nn.KLDivLoss(),
            "KLDivLoss is not supported: known are CrossEntropyLoss, NLLLoss",
        ),
        (
            [linear()],
            nn.MSELoss(reduction="none"),
            "MSELoss has reduction='none': give it with 'mean'",
        ),
        ([linear()], nn.BCELoss(), "needs outputs with 0 < a < 1, which 'identity' does not"),
        ([linear(), nn.Softmax(1)], nn.NLLLoss(), "LogSoftmax and NLLLoss belong together"),
        ([linear(), nn.LogSoftmax(1)], nn.MSELoss(), "LogSoftmax and NLLLoss belong together"),
        ([linear()], "cross_entrpy", "unknown cost 'cross_entrpy': did you mean 'cross_entropy'?"),
    ],
)
def test_what_is_not_supported_is_named_with_its_position(layers, loss, message):
    with pytest.raises(wg.InputError) as caught:
        wg.explain(nn.Sequential(*layers), cost=loss)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_network_is_refused():
    with pytest.raises(wg.InputError, match="layer 0 .Conv1d. is not supported: known are Linear"):
        wg.explain(nn.Conv1d(1, 1, 1))
    with pytest.raises(wg.InputError, match="a dict cannot be explained: give an MLPClassifier"):
        wg.explain({})
    with pytest.raises(wg.InputError, match="cost is for networks of PyTorch, Keras and ONNX"):
        wg.explain(wg.MLPClassifier(), cost="squared_error")


def test_what_is_whygrads_own_gives_its_own():
    net = wg.Network(2, [wg.Dense(1, "sigmoid")], cost="binary_cross_entropy")
    fitted = wg.train(net, [[0, 0], [1, 1]], [0, 1], epochs=1, engine="reference")
    why = wg.explain(fitted, inputs=["left", "right"], outputs=["both"]).why
    assert isinstance(why, Why) and why.theta is fitted.theta
    assert why.names.inputs == ("left", "right") and why.names.outputs == ("both",)
    assert wg.explain(why).why.net is net


def test_pytorch_is_imported_only_where_a_model_of_its_own_is_handed_over():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np, whygrad as wg\n"
        "from sklearn.neural_network import MLPRegressor\n"
        "X = np.eye(4)\n"
        "mlp = MLPRegressor(hidden_layer_sizes=2, max_iter=1, solver='lbfgs').fit(X, X[0])\n"
        "wg.explain(mlp).why.examples(X, X[0])\n"
        "print('torch' in sys.modules)"
    )
    run = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "False\n"


# ── what explain gives ───────────────────────────────────────────────────────────────────────────────


def test_a_model_predicts_and_says_what_it_is():
    model = wg.explain(network(end=(nn.Softmax(dim=1),)))
    assert repr(model) == "<Model 5-4-3 (tanh, softmax), cross_entropy, from PyTorch's Sequential>"
    np.testing.assert_allclose(model.predict(X).sum(axis=1), 1)
    assert model.notes[:-1] == model.why.notes != ()
    assert model.notes[-1].startswith("On 8 rows the outputs are those of PyTorch's Sequential to ")
    assert wg.explain(model, outputs=["a", "b", "c"]).why.names.outputs == ("a", "b", "c")


def test_training_goes_on_from_a_model():
    model = wg.explain(network(end=(nn.Softmax(dim=1),)))
    fitted = model.to_whygrad()
    given = model.why.examples(X, CLASSES)
    options = {"optimizer": wg.SGD(0.1), "epochs": 1, "batch_size": 12, "engine": "reference"}
    after = wg.train(fitted.net, given.X, given.Y, theta=fitted.theta, **options).theta.flat
    np.testing.assert_allclose(
        after, fitted.theta.flat - 0.1 * of_whygrad(model.why, X, CLASSES), rtol=1e-12
    )
    fitted.theta.flat[:] = 0
    assert model.why.theta.flat.any()


def test_an_original_with_other_outputs_is_refused_with_both_numbers():
    from dataclasses import replace

    from whygrad.interop.door import Original

    model = wg.explain(network(), cost=nn.MSELoss())
    right = Original("PyTorch", model.predict)
    off = np.zeros((12, 3))
    off[4, 1] = 1e-8
    wrong = replace(right, outputs=lambda X: model.predict(X) + off)
    assert replace(model, original=right).check(X, NUMBERS).notes[-1] == (
        "On 12 rows the outputs are those of PyTorch to 0."
    )
    with pytest.raises(wg.InputError) as caught:
        replace(model, original=wrong).check(X, NUMBERS)
    ours = float(model.predict(X)[4, 1])
    assert str(caught.value) == (
        f"output 1 of row 4 is {ours!r} as it was read, {ours + 1e-8!r} in PyTorch: it is another network "
        "than it seems"
    )
    with pytest.raises(wg.InputError, match=r"PyTorch gives outputs of shape \(12, 2\), what was"):
        cut = replace(right, outputs=lambda X: model.predict(X)[:, 1:])
        replace(model, original=cut).check(X, NUMBERS)


def test_files_are_told_by_their_endings(tmp_path):
    net = wg.Network(2, [wg.Dense(1)])
    wg.Fitted(net, net.init()).save(tmp_path / "model.safetensors")
    model = wg.explain(str(tmp_path / "model.safetensors"))
    assert model.source == "model.safetensors" and model.why.net.sizes == (2, 1)
    wg.train(net, [[0, 0], [1, 1]], [0, 1], epochs=1, engine="reference", record=tmp_path / "a.run")
    model = wg.explain(tmp_path / "a.run")
    assert model.source == "the run a.run" and model.why.ledger(1, 0, 0).kind == "ledger"
    for name in ("model.pkl", "model.pt"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(wg.FileError, match="runs code when it is opened"):
            wg.explain(tmp_path / name)
    (tmp_path / "model.txt").write_bytes(b"")
    with pytest.raises(wg.FileError, match=r"no file of a network: known are \.onnx, \.keras"):
        wg.explain(tmp_path / "model.txt")
    with pytest.raises(wg.FileError, match="model.onnx: there is no such file or run"):
        wg.explain(tmp_path / "model.onnx")
    with pytest.raises(
        wg.InputError, match="model.safetensors: a network of whygrad, which has its own"
    ):
        wg.explain(tmp_path / "model.safetensors", cost="squared_error")


def test_a_library_that_is_missing_is_named_with_what_installs_it(tmp_path, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith("whygrad.interop.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(wg.InputError) as caught:
        wg.explain(tmp_path / "model.onnx")
    assert str(caught.value) == (
        'networks of onnx need onnx, which is not installed: pip install "whygrad[onnx]"'
    )
