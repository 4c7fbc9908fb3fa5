"""PyTorch modules of any making: what they compute and their gradients are what is explained."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional


def explained(model, **options):
    """The questions about a model."""
    found = wg.explain(model, **options)
    return getattr(found, "why", found)


X = np.random.default_rng(0).normal(size=(9, 6))
Y = np.random.default_rng(1).integers(0, 3, 9)


class Functional(nn.Module):
    """Functions in place of layers, a view, dropout by function, and a layer that is not used."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3)
        self.unused = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        x = F.leaky_relu(self.fc1(x), 0.2)
        x = F.dropout(x, 0.3, training=self.training)
        x = torch.tanh(self.fc2(x)).reshape(x.shape[0], 4)
        return self.out(x)


class Nested(nn.Module):
    """Blocks in a list, each with its normalisation, before or after the activation."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(6, 5, first=True), Block(5, 4, first=False)])
        self.head = nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 3))

    def forward(self, x, mask=None):
        if mask is not None:
            x = x * mask
        for block in self.blocks:
            x = block(x)
        return F.log_softmax(self.head(x), dim=1)


class Block(nn.Module):
    def __init__(self, n_in, n_out, first):
        super().__init__()
        self.linear, self.norm, self.first = nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), first

    def forward(self, x):
        x = self.linear(x)
        return F.gelu(self.norm(x)) if self.first else self.norm(F.elu(x))


class Raw(nn.Module):
    """Parameters of its own, standardised inputs, and arithmetic."""

    def __init__(self):
        super().__init__()
        self.W, self.b = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(4))
        self.V = nn.Parameter(torch.randn(3, 4))
        self.register_buffer("mean", torch.randn(6))
        self.register_buffer("std", torch.rand(6) + 0.5)

    def forward(self, x):
        x = (x - self.mean) / torch.sqrt(self.std)
        x = (1 - x @ self.W + self.b).clamp(min=0)
        return F.linear(2 * x, self.V)


def made(kind, dtype=torch.float64):
    """A module of this kind whose normalisations have seen some data."""
    torch.manual_seed(2)
    model = kind().to(dtype)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.2, 3)
            if part.affine:
                nn.init.normal_(part.weight)
                nn.init.normal_(part.bias)
    return model.eval()


def loss_of(kind):
    return nn.NLLLoss() if kind is Nested else nn.CrossEntropyLoss()


def gradient_at_the_inputs(why):
    given = why.examples(X, Y)
    trace = wg.backward(why.net, why.theta, wg.forward(why.net, why.theta, given.X), given.Y)
    return trace, (trace.delta[1] @ why.theta.W[1]) / len(X)


KINDS = [Functional, Nested, Raw]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_outputs_and_gradients_are_the_modules_own(kind, dtype, within):
    model = made(kind, dtype)
    why = explained(model, cost=loss_of(kind))
    rows = torch.tensor(X, dtype=dtype, requires_grad=True)
    outputs = model(rows)
    loss_of(kind)(outputs, torch.tensor(Y)).backward()
    trace, dX = gradient_at_the_inputs(why)
    expected = torch.softmax(outputs, dim=1).detach().numpy()
    np.testing.assert_allclose(trace.a[-1], expected, rtol=0, atol=within)
    scale = np.abs(dX).max()
    np.testing.assert_allclose(dX, rows.grad.numpy(), rtol=0, atol=within * 10 * scale)


def test_gradients_of_the_weights_are_autograds():
    model = made(Functional)
    why = explained(model, cost=nn.CrossEntropyLoss())
    nn.CrossEntropyLoss()(model(torch.tensor(X)), torch.tensor(Y)).backward()
    trace, _ = gradient_at_the_inputs(why)
    found = wg.gradients(why.net, why.theta, trace)
    for l, layer in enumerate([model.fc1, model.fc2, model.out], start=1):
        np.testing.assert_allclose(found.dW[l], layer.weight.grad.numpy(), rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.db[l], layer.bias.grad.numpy(), rtol=0, atol=1e-14)


def test_a_folded_normalisation_is_named_in_every_answer():
    why = explained(made(Nested), cost=nn.NLLLoss())
    assert why.notes == (
        "layer blocks.0.norm (BatchNorm1d) is folded into layer 1, before it",
        "layer head.0 (BatchNorm1d) is folded into layer 3, which follows it",
        "layer blocks.1.norm (BatchNorm1d) is folded into layer 3, which follows it",
    )
    assert [layer.units for layer in why.net.layers] == [5, 4, 3]
    for answer in (
        why.weight(X, Y, layer=1, to=0, from_=1),
        why.prediction(X[:1]),
        why.neuron(X, Y, layer=2, unit=0),
        why.check(X, Y),
    ):
        assert set(why.notes) <= set(answer.notes)


def test_a_normalisation_that_no_layer_follows_becomes_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.BatchNorm1d(3), nn.Softmax(dim=1)).double()
    model[2].running_var.uniform_(0.2, 3)
    why = explained(model)
    assert "layer 2 (BatchNorm1d) is layer 2, with a diagonal W" in why.notes
    expected = model.eval()(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(wg.forward(why.net, why.theta, X).a[-1], expected, atol=1e-14)


def test_dropout_is_kept_for_training_on_and_is_off_in_answers():
    model = nn.Sequential(
        nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.3), nn.Linear(4, 3), nn.Dropout()
    )
    why = explained(model, cost=nn.CrossEntropyLoss())
    assert [layer.dropout for layer in why.net.layers] == [pytest.approx(0.3), 0]
    assert why.notes == ("layer 4 (Dropout) is left out: it is off when the network predicts",)


def test_a_module_is_left_in_the_mode_it_was_in():
    model = made(Nested).train()
    model.blocks[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explained(model, cost=nn.NLLLoss())
    assert model.training and model.head[0].training and not model.blocks[0].norm.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_shared_weights_are_noted():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(torch.relu(self.a(x)))

    notes = explained(Tied(), cost=nn.MSELoss()).notes
    assert any("layer b (Linear)" in note and "the weights of layer a" in note for note in notes)


def test_images_go_in_where_the_module_takes_nothing_else():
    class Images(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 3)

        def forward(self, x):
            n, channels, height, width = x.shape
            return self.fc(x.reshape(n, channels * height * width))

    why = explained(Images(), cost=nn.CrossEntropyLoss(), image=(4, 4))
    assert why.net.sizes == (16, 3)


def test_a_single_output_may_come_as_a_vector():
    class Single(nn.Module):
        def __init__(self, part):
            super().__init__()
            self.fc, self.part = nn.Linear(6, 1), part

        def forward(self, x):
            return torch.sigmoid(self.part(self.fc(x.float().view(-1, 6))))

    for part in (lambda x: x[:, 0], lambda x: x.squeeze(), lambda x: x[..., -1], torch.flatten):
        assert explained(Single(part)).net.sizes == (6, 1)
    with pytest.raises(wg.InputError, match=r"getitem \(.*\) takes a part of the rows: only"):
        explained(Single(lambda x: x[:, :1]))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.b(x + torch.relu(self.a(x)))  # the sum


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.a(x), self.b(x)  # two heads


class TwoInputs(Functional):
    def forward(self, x, other):
        return self.fc1(x) * other


class Dictionary(Functional):
    def forward(self, x):
        return {"outputs": self.fc1(x)}


class Deciding(Functional):
    def forward(self, x):
        if x.sum() > 0:  # the decision
            x = -x
        return self.fc1(x)


class Batchwise(Functional):
    def forward(self, x):
        return self.fc1(x).softmax(dim=0)


class Forgetful(Functional):
    def forward(self, x):
        return self.out(self.fc2(F.dropout(self.fc1(x))))  # no mode given


class Sorted(Functional):
    def forward(self, x):
        return torch.sort(self.fc1(x)).values  # no such thing


def line_of(comment):
    rows = Path(__file__).read_text("utf-8").splitlines()
    return next(i for i, row in enumerate(rows, 1) if row.endswith(f"# {comment}"))


@pytest.mark.parametrize(
    ("kind", "comment", "message"),
    [
        (Residual, "the sum", "add ({}) joins two branches: the graph is no chain"),
        (
            TwoHeads,
            "two heads",
            "layer b (Linear) ({}) goes back to what layer a (Linear) has taken al",
        ),
        (
            Deciding,
            "the decision",
            "Deciding cannot be traced ({}): TraceError: symbolically traced",
        ),
        (Batchwise, None, "softmax has dim=0: over the outputs of an example it is 1"),
        (
            Forgetful,
            "no mode given",
            "dropout ({}) drops units even when it predicts: give it train",
        ),
        (Sorted, "no such thing", "sort ({}) is not supported: known are Linear"),
        (lambda: nn.LazyLinear(3), None, "parameter weight has no values yet: load them, or run"),
        (lambda: nn.Linear(3, 3, device="meta"), None, "parameter weight has no values yet"),
        (lambda: nn.Transformer(8, 2, 1, 1, 8), None, "layer 0 (Transformer) "),
    ],
)
def test_what_is_no_chain_is_refused_with_the_operation_and_its_line(kind, comment, message):
    where = f"test_torch_modules.py, line {line_of(comment)}" if comment else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind()
    with pytest.raises(wg.InputError) as caught:
        explained(model, cost=nn.CrossEntropyLoss())
    assert message.format(where) in str(caught.value)
    assert "\n" not in str(caught.value)


class Careful(nn.Module):
    """Decides by the shape of its rows, as many do."""

    def __init__(self):
        super().__init__()
        self.first, self.slope, self.last = nn.Linear(6, 4), nn.PReLU(init=0.3), nn.Linear(4, 3)

    def forward(self, x):
        assert x.shape[-1] == 6
        if x.dim() == 1:
            x = x.unsqueeze(0)
        return self.last(self.slope(self.first(x)))


def test_a_module_that_decides_by_the_shape_of_its_rows_is_read():
    model = made(Careful)
    found = wg.explain(model, cost=nn.CrossEntropyLoss())
    assert [f.name for f in found.why.net.f[1:]] == ["leaky_relu(0.3)", "softmax"]
    expected = torch.softmax(model(torch.tensor(X)), dim=1).detach().numpy()
    np.testing.assert_allclose(found.predict(X), expected, rtol=0, atol=1e-12)


def test_a_slope_for_each_unit_is_refused():
    with pytest.raises(wg.InputError, match="a PReLU is supported with one slope for all units"):
        explained(nn.Sequential(nn.Linear(6, 4), nn.PReLU(4), nn.Linear(4, 3)), cost=nn.MSELoss())


def test_a_normalisation_by_the_batch_is_refused():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.raises(wg.InputError, match="layer 1 .BatchNorm1d. keeps no running mean: what it"):
        explained(model, cost=nn.MSELoss())


def test_other_outputs_than_the_layers_give_are_refused_with_both_numbers():
    model = nn.Sequential(nn.Linear(6, 3)).double()
    model[0].register_forward_hook(lambda layer, inputs, outputs: outputs + 1)
    with pytest.raises(wg.InputError) as caught:
        explained(model, cost=nn.MSELoss())
    ours, theirs = map(float, re.findall(r"(?:is|read,) (-?[\d.]+)", str(caught.value)))
    assert theirs == pytest.approx(ours + 1, abs=1e-4)


def test_outputs_of_another_shape_are_refused_with_the_layers_name():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(x.view(-1, 3)).flatten()

    with pytest.raises(
        wg.InputError, match=r"Rows gives outputs of shape .* being layer fc \(Linear\)"
    ):
        explained(Rows(), cost=nn.MSELoss())


@pytest.mark.parametrize("kind", [Functional, Nested])
def test_an_exported_program_is_read_like_the_module_it_was_made_of(kind):
    model = made(kind)
    exported = torch.export.export(model, (torch.tensor(X[:2]),))
    why, own = (explained(each, cost=loss_of(kind)) for each in (exported, model))
    np.testing.assert_allclose(why.theta.flat, own.theta.flat, rtol=1e-15, atol=0)
    assert len(why.notes) == len(own.notes)
