"""The tables of docs/migration.md on Keras and PyTorch: every row trains both, as it was and as it is here.

With the settings that a row names, whygrad ends with the other library's parameters; with its own defaults
it does not.
"""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import whygrad as wg

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch")
pytest.importorskip("h5py")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")
nn, layers = torch.nn, keras.layers

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore::whygrad.EngineWarning",
)

PAGE = (Path(__file__).parent.parent / "docs" / "migration.md").read_text("utf-8")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype(np.float32).astype(np.float64)
NUMBERS = RNG.normal(size=(8, 3)).astype(np.float32).astype(np.float64)
CLASSES = RNG.integers(0, 3, 8)
STEPS = 3


def explained(model, **options):
    """The questions about a model."""
    found = wg.explain(model, **options)
    return getattr(found, "why", found)


def here(why, optimizer, y, X=X, **options):
    """The parameters after whole-batch steps from these, by whygrad."""
    given = {
        "epochs": STEPS,
        "batch_size": len(X),
        "shuffle": False,
        "engine": "reference",
    } | options
    return wg.train(why.net, X, y, theta=why.theta, optimizer=optimizer, **given).theta.flat


def same(found, expected, within=2e-5):
    assert np.abs(found - expected).max() <= within * np.abs(expected).max()


def another(found, expected):
    assert np.abs(found - expected).max() > 1e-3 * np.abs(expected).max()


# ── Keras ────────────────────────────────────────────────────────────────────────────────────────────


def of_keras(optimizer, loss="mse", y=NUMBERS, X=X, hidden="tanh", end=None, **dense):
    """A small model before and after three steps by Keras."""
    keras.utils.set_random_seed(1)
    first, last = layers.Dense(5, hidden, **dense), layers.Dense(3, end, **dense)
    model = keras.Sequential([keras.Input((4,)), first, last])
    model.compile(optimizer, loss=loss)
    before = explained(model)
    for _ in range(STEPS):
        model.train_on_batch(X, y)
    return before, explained(model).theta.flat


def test_rmsprop_of_keras_forgets_sooner_and_has_epsilon_within_the_root():
    before, after = of_keras(keras.optimizers.RMSprop())
    within = 1e-4  # √(s + ε) and √s + ε differ where s is near ε
    same(here(before, wg.RMSprop(0.001, beta=0.9), NUMBERS), after, within)
    another(here(before, wg.RMSprop(), NUMBERS), after)
    another(here(before, wg.RMSprop(0.001), NUMBERS), after)


def test_adam_of_keras_adds_a_larger_epsilon_before_the_correction():
    small = 1e-3 * X  # with gradients so small that ε counts
    before, after = of_keras(keras.optimizers.Adam(0.01), X=small)
    kerass = wg.Adam(0.01, epsilon=1e-7, epsilon_hat=True)
    same(here(before, kerass, NUMBERS, small), after)
    assert explained_optimizer(keras.optimizers.Adam(0.01)) == kerass
    tiny = 1e-5 * small
    before, after = of_keras(keras.optimizers.Adam(0.01), X=tiny)
    same(here(before, kerass, NUMBERS, tiny), after)
    another(here(before, wg.Adam(0.01), NUMBERS, tiny), after)


def explained_optimizer(optimizer):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    found = explained(model).optimizer
    return type(found)(**(vars(found) | {"learning_rate": round(found.learning_rate, 7)}))


def test_sgd_of_keras_takes_smaller_steps():
    before, after = of_keras(keras.optimizers.SGD())
    same(here(before, wg.SGD(0.01), NUMBERS), after)
    another(here(before, wg.SGD(), NUMBERS), after)


def test_mean_squared_error_of_keras_is_a_mean_over_the_outputs():
    before, after = of_keras(keras.optimizers.SGD(0.3))
    net = wg.Network(4, before.net.layers, "squared_error")
    own = type(before)(net, before.theta)
    same(here(own, wg.SGD(0.3 * 2 / 3), NUMBERS), after)
    another(here(own, wg.SGD(0.3), NUMBERS), after)


def test_binary_cross_entropy_of_keras_is_a_mean_over_the_outputs():
    y = (NUMBERS > 0) * 1.0
    before, after = of_keras(keras.optimizers.SGD(0.3), "binary_crossentropy", y, end="sigmoid")
    own = type(before)(wg.Network(4, before.net.layers, "binary_cross_entropy"), before.theta)
    same(here(own, wg.SGD(0.1), y), after)
    another(here(own, wg.SGD(0.3), y), after)


def test_l2_of_keras_has_no_half():
    given = {"kernel_regularizer": keras.regularizers.L2(0.1)}
    before, after = of_keras(keras.optimizers.SGD(0.3), **given)
    same(here(before, wg.SGD(0.3), NUMBERS, l2=0.2), after)
    another(here(before, wg.SGD(0.3), NUMBERS, l2=0.1), after)
    assert before.l2 == wg.Penalty(0.2)


def test_leaky_relu_of_keras_is_steeper():
    for given, slope in (("leaky_relu", 0.2), (layers.LeakyReLU(), 0.3)):
        before, after = of_keras(keras.optimizers.SGD(0.1), hidden=given)
        assert before.net.f[1].name == f"leaky_relu({slope})"
        same(here(before, wg.SGD(0.1), NUMBERS), after)
        dense = (wg.Dense(5, "leaky_relu"), before.net.layers[1])
        own = type(before)(wg.Network(4, dense, before.net.cost), before.theta)
        another(here(own, wg.SGD(0.1), NUMBERS), after)


def test_keras_trains_for_one_epoch_by_default():
    rows, y = RNG.normal(size=(100, 4)), RNG.normal(size=(100, 3))
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    before = explained(model)
    model.fit(rows, y, shuffle=False, verbose=0)
    options = {"shuffle": False, "optimizer": wg.SGD(0.1), "theta": before.theta}
    options["engine"] = "reference"
    fitted = wg.train(before.net, rows, y, epochs=1, **options)  # of batches of 32 rows, in both
    same(fitted.theta.flat, explained(model).theta.flat)
    assert len(wg.train(before.net, rows, y, **options).history.epochs) == 100


def test_patience_of_keras_is_counted_from_1_and_any_improvement_counts():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.compile(keras.optimizers.SGD(1e-30), loss="mse")  # nothing improves
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=3)
    trained = model.fit(X, NUMBERS, epochs=20, callbacks=[stop], shuffle=False, verbose=0)
    why = explained(model)
    given = {"theta": why.theta, "epochs": 20, "optimizer": wg.SGD(1e-30), "engine": "reference"}
    epochs = [
        len(wg.train(why.net, X, NUMBERS, stopping=stopping, **given).history.epochs)
        for stopping in (wg.Stopping(patience=2, tol=0), wg.Stopping(patience=3))
    ]
    assert len(trained.epoch) == 4 and epochs == [4, 5]
    assert stop.min_delta == 0 and wg.Stopping().tol == 1e-4


def test_weights_of_keras_start_by_glorot_whatever_the_activation():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((100,)), layers.Dense(300, "relu"), layers.Dense(1)])
    limit = np.sqrt(6 / 400)
    theirs = np.asarray(keras.ops.convert_to_numpy(model.layers[0].kernel))
    for init, inside in (("glorot_uniform", True), ("auto", False)):
        W = wg.Network(100, [wg.Dense(300, "relu", init=init), wg.Dense(1)]).init().W[1]
        assert (np.abs(W).max() <= limit) == inside
    assert 0.99 * limit < np.abs(theirs).max() <= limit


def test_keras_computes_in_float32():
    before, after = of_keras(keras.optimizers.SGD(0.1))
    found = here(before, wg.SGD(0.1), NUMBERS)
    assert np.array_equal(after.astype(np.float32), after) and found.dtype == np.float64
    single = here(before, wg.SGD(0.1), NUMBERS, dtype="float32")
    assert single.dtype == np.float32
    same(single, after, 1e-6)


# ── PyTorch ──────────────────────────────────────────────────────────────────────────────────────────


def of_torch(loss, y, rule=None, X=X, end=(), schedule=None, **options):
    """A small module in float64 before and after three steps by PyTorch."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), *end).double()
    before = explained(module, cost=loss)
    optimizer = (rule or torch.optim.SGD)(module.parameters(), **options)
    scheduler = schedule(optimizer) if schedule else None
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(module(torch.tensor(X)), torch.tensor(y)).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
    return before, explained(module, cost=loss).theta.flat


def test_mse_loss_is_a_mean_over_the_outputs():
    before, after = of_torch(nn.MSELoss(), NUMBERS, lr=0.3)
    own = type(before)(wg.Network(4, before.net.layers, "squared_error"), before.theta)
    same(here(own, wg.SGD(0.3 * 2 / 3), NUMBERS), after, 1e-12)
    another(here(own, wg.SGD(0.3), NUMBERS), after)


def test_bce_loss_is_a_mean_over_the_outputs():
    y = (NUMBERS > 0) * 1.0
    for loss, end in ((nn.BCEWithLogitsLoss(), ()), (nn.BCELoss(), (nn.Sigmoid(),))):
        before, after = of_torch(loss, y, end=end, lr=0.3)
        dense = (before.net.layers[0], wg.Dense(3, "sigmoid"))
        own = type(before)(wg.Network(4, dense, "binary_cross_entropy"), before.theta)
        same(here(own, wg.SGD(0.1), y), after, 1e-12)
        another(here(own, wg.SGD(0.3), y), after)


def test_cross_entropy_loss_applies_the_softmax_that_is_a_layer_here():
    before, after = of_torch(nn.CrossEntropyLoss(), CLASSES, lr=0.3)
    assert before.net.f[-1].name == "softmax"
    same(here(before, wg.SGD(0.3), CLASSES), after, 1e-12)
    _, twice = of_torch(nn.CrossEntropyLoss(), CLASSES, end=(nn.Softmax(dim=1),), lr=0.3)
    another(twice, after)


def test_weight_decay_of_pytorch_is_for_biases_as_well():
    before, after = of_torch(nn.MSELoss(), NUMBERS, lr=0.3, weight_decay=0.2)
    ours = here(before, wg.SGD(0.3), NUMBERS, l2=0.2)
    another(ours, after)
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    weights = [p for p in module.parameters() if p.ndim == 2]
    biases = [p for p in module.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 0.2}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=0.3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.MSELoss()(module(torch.tensor(X)), torch.tensor(NUMBERS)).backward()
        optimizer.step()
    same(ours, explained(module, cost=nn.MSELoss()).theta.flat, 1e-12)


def test_sgd_of_pytorch_takes_smaller_steps():
    before, after = of_torch(nn.MSELoss(), 100 * NUMBERS)
    same(here(before, wg.SGD(0.001), 100 * NUMBERS), after, 1e-12)
    another(here(before, wg.SGD(), 100 * NUMBERS), after)


def test_momentum_of_pytorch_is_scaled_by_the_learning_rate_of_the_day():
    def halving(optimizer):
        return torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    for momentum in (0.0, 0.9):
        given = {"lr": 0.3, "momentum": momentum, "schedule": halving}
        before, after = of_torch(nn.MSELoss(), NUMBERS, **given)
        found = here(before, wg.SGD(0.3, momentum=momentum), NUMBERS, schedule=wg.Step(1, 0.5))
        another(found, after) if momentum else same(found, after, 1e-12)
        before, after = of_torch(nn.MSELoss(), NUMBERS, lr=0.3, momentum=momentum)
        same(here(before, wg.SGD(0.3, momentum=momentum), NUMBERS), after, 1e-12)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (torch.optim.Adam, wg.Adam()),
        (torch.optim.AdamW, wg.AdamW()),
        (torch.optim.NAdam, wg.Nadam()),
        (torch.optim.RMSprop, wg.RMSprop()),
        (torch.optim.Adagrad, wg.Adagrad()),
    ],
)
def test_adaptive_optimizers_of_pytorch_have_the_same_defaults(theirs, ours):
    before, after = of_torch(nn.MSELoss(), NUMBERS, rule=theirs)
    same(here(before, ours, NUMBERS), after, 1e-6)


def test_weights_and_biases_of_pytorch_start_uniform_by_the_inputs():
    torch.manual_seed(1)
    theirs, k = nn.Linear(100, 300), 0.1
    ours = wg.Dense(300, "relu", init=wg.Uniform(-k, k), bias_init=wg.Uniform(-k, k))
    theta = wg.Network(100, [ours, wg.Dense(1)]).init()
    drawn = [theirs.weight.detach().numpy(), theirs.bias.detach().numpy(), theta.W[1], theta.b[1]]
    assert all(0.95 * k < np.abs(each).max() <= k * (1 + 1e-6) for each in drawn)
    by_default = wg.Network(100, [wg.Dense(300, "relu"), wg.Dense(1)]).init()
    assert np.abs(by_default.W[1]).max() > k and not by_default.b[1].any()


def test_pytorch_computes_in_float32():
    loss = nn.MSELoss()
    module = nn.Sequential(nn.Linear(4, 3))
    assert module[0].weight.dtype == torch.float32
    before = explained(module, cost=loss)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    loss(module(torch.tensor(X).float()), torch.tensor(NUMBERS).float()).backward()
    optimizer.step()
    after = explained(module, cost=loss).theta.flat
    single = here(before, wg.SGD(0.1), NUMBERS, epochs=1, dtype="float32")
    assert single.dtype == np.float32
    same(single, after, 1e-6)
    assert here(before, wg.SGD(0.1), NUMBERS, epochs=1).dtype == np.float64


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["Keras", "PyTorch"])
def test_every_row_of_the_tables_names_its_test(library):
    text = PAGE.split(f"## Coming from {library}\n")[1].split("\n## ")[0]
    rows = [row for row in text.splitlines() if row.startswith("| ") and "|---" not in row][1:]
    assert len(rows) >= 8
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[-2])
        assert named and all(name in globals() for name in named), row
