"""Keras models, in memory and from files: what they compute and its gradients are what is explained."""

import io
import json
import os
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest

import whygrad as wg
from exported import ran
from whygrad.interop.keras import model_of_keras

os.environ.setdefault("KERAS_BACKEND", "torch")
h5py = pytest.importorskip("h5py")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")
layers = keras.layers

pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="gradients are taken by PyTorch"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    """Keras computes in float32 on PyTorch and JAX, even where it is asked for float64: not here."""
    from keras.src.backend.common import dtypes

    before = dtypes.BIT64_TO_BIT32_DTYPE["float64"]
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    yield
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = before


def explained(model, **options):
    """The questions about a model."""
    found = wg.explain(model, **options)
    return getattr(found, "why", found)


X = np.random.default_rng(0).normal(size=(8, 6))
Y = np.random.default_rng(1).integers(0, 3, 8)
NUMBERS = np.random.default_rng(2).normal(size=(8, 3))


def sequential(dtype):
    return keras.Sequential(
        [
            keras.Input((6,), dtype=dtype),
            layers.Rescaling(0.5, offset=0.1),
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.LeakyReLU(negative_slope=0.1),
            layers.Dense(3, activation="softmax"),
        ],
        name="in_a_row",
    )


def functional(dtype):
    given = keras.Input((2, 3), name="image", dtype=dtype)
    x = layers.Normalization(mean=[0.125, -0.25, 0.5], variance=[1.0, 2.25, 0.25])(given)
    x = layers.Flatten()(x)
    x = layers.Dense(5, activation="gelu", name="first")(x)
    inner = keras.Sequential(
        [layers.Dense(4, activation="elu"), layers.BatchNormalization(scale=False)], name="inner"
    )
    x = layers.Activation("tanh")(layers.Dense(5, use_bias=False)(inner(x)))
    return keras.Model(given, layers.Dense(3, name="last")(x), name="function")


MODELS = {
    "Sequential": (sequential, keras.losses.SparseCategoricalCrossentropy(dtype="float64")),
    "functional": (
        functional,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64"),
    ),
}


def made(kind, dtype="float64", **compiled):
    """A model in this dtype whose weights and averages are drawn."""
    make, loss = MODELS[kind]
    keras.utils.clear_session()  # names are numbered anew
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = make(dtype)
    finally:
        keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(3)
    model.set_weights(
        [
            rng.uniform(0.2, 1.5, w.shape) * rng.choice([-1, 1], w.shape)
            if "variance" not in v.path
            else rng.uniform(0.3, 2, w.shape)
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    model.compile(**({"loss": loss, "optimizer": keras.optimizers.Adam(0.01)} | compiled))
    return model


def rows_of(model):
    return X.reshape(8, *model.input_shape[1:])


def same_as(model, why, within, y=Y, loss=None):
    """Compare the outputs, and the gradient of the loss at the inputs, which passes through everything."""
    import torch

    rows = torch.tensor(rows_of(model), dtype=getattr(torch, model.dtype), requires_grad=True)
    outputs = model(rows, training=False)
    cost = model.loss if loss is None else loss
    cost(torch.tensor(y), outputs).backward()
    given = why.examples(X, y)
    trace = wg.backward(why.net, why.theta, wg.forward(why.net, why.theta, given.X), given.Y)
    expected = outputs.detach().numpy()
    found = trace.z[-1] if model.name == "function" and y is Y else trace.a[-1]
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=within * max(1, np.abs(expected).max())
    )
    dX = (trace.delta[1] @ why.theta.W[1]) / 8
    gradient = rows.grad.numpy().reshape(8, 6)
    np.testing.assert_allclose(dX, gradient, rtol=0, atol=10 * within * np.abs(gradient).max())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    for kind in MODELS:
        model = made(kind)
        model.save(folder / f"{kind}.keras")
        model.save(folder / f"{kind}.h5")
    return folder


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("dtype", "within"), [("float64", 1e-12), ("float32", 1e-6)])
def test_a_model_in_memory_has_its_outputs_and_gradients(kind, dtype, within):
    model = made(kind, dtype)
    same_as(model, explained(model), within)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_has_the_outputs_and_gradients_of_its_model(saved, kind, ending):
    model = made(kind)
    why, own = explained(saved / (kind + ending)), explained(model)
    same_as(model, why, 1e-12)
    assert why.notes == own.notes and why.optimizer == own.optimizer
    np.testing.assert_array_equal(why.theta.flat, own.theta.flat)


@pytest.mark.parametrize(
    ("root", "sep"), [("layers", "\\"), ("_layer_checkpoint_dependencies", "/")]
)
@pytest.mark.parametrize("kind", MODELS)
def test_files_of_keras_2_are_read_too(saved, kind, root, sep, tmp_path):
    """Keras 2 had another name for the place of the layers, and on Windows other separators."""
    with zipfile.ZipFile(saved / f"{kind}.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    older = io.BytesIO()
    with h5py.File(content, "r") as source, h5py.File(older, "w") as target:
        arrays = {}
        source.visititems(lambda name, each: arrays.update({name: each}))
        for name, each in arrays.items():
            if "/vars" in name and isinstance(each, h5py.Dataset):
                layer, _, number = name.rpartition("/vars/")
                layer = layer.replace("layers/", f"{root}/").replace("/", sep)
                target[f"{layer}/vars/{number}"] = each[()]
            elif "vars" not in name and "layers/" in name:
                target.require_group(name.replace("layers/", f"{root}/").replace("/", sep))
    members = {"model.weights.h5": older.getvalue()}
    path = rewritten(saved / f"{kind}.keras", tmp_path / "older.keras", **members)
    own = explained(saved / f"{kind}.keras")
    np.testing.assert_array_equal(explained(path).theta.flat, own.theta.flat)


def test_a_file_is_read_without_keras(saved):
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "import whygrad as wg\n"
        f"for name in {[f'{kind}{end}' for kind in MODELS for end in ('.keras', '.h5')]}:\n"
        f"    found = wg.explain({str(saved)!r} + '/' + name)\n"
        "    print(getattr(found, 'why', found).net.sizes)\n"
        "print(any(name in sys.modules for name in ('tensorflow', 'torch', 'jax')))"
    )
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert out == ["(6, 5, 4, 3)"] * 2 + ["(6, 5, 4, 5, 3)"] * 2 + ["False"]


def test_what_is_folded_is_named():
    assert explained(made("functional")).notes == (
        "layer normalization (Normalization) is folded into layer 1, which follows it",
        "layer batch_normalization (BatchNormalization) is folded into layer 3, which follows it",
    )
    why = explained(made("Sequential"))
    assert why.notes == (
        "layer rescaling (Rescaling) is folded into layer 1, which follows it",
        "layer batch_normalization (BatchNormalization) is folded into layer 2, before it",
    )
    assert [layer.dropout for layer in why.net.layers] == [pytest.approx(0.2), 0, 0]
    assert set(why.notes) <= set(why.weight(X, Y, layer=1, to=0, from_=1).notes)


def plain(*added, units=3, **compiled):
    keras.utils.set_random_seed(0)
    stack = [keras.Input((6,)), layers.Dense(4, "tanh"), layers.Dense(units), *added]
    model = keras.Sequential(stack)
    model.compile(**compiled) if compiled else None
    return model


@pytest.mark.parametrize(
    ("loss", "added", "y"),
    [
        (keras.losses.MeanSquaredError(), (), NUMBERS),
        (keras.losses.MeanAbsoluteError(), (), NUMBERS),
        (keras.losses.Huber(delta=0.4), (), NUMBERS),
        (keras.losses.Poisson(), ("exponential",), np.abs(NUMBERS).round()),
        (keras.losses.BinaryCrossentropy(), ("sigmoid",), (NUMBERS > 0) * 1.0),
        (keras.losses.BinaryCrossentropy(from_logits=True), (), (NUMBERS > 0) * 1.0),
        (
            keras.losses.BinaryCrossentropy(label_smoothing=0.1),
            ("sigmoid",),
            (NUMBERS > 0) * 1.0,
        ),
        (
            keras.losses.CategoricalCrossentropy(label_smoothing=0.3),
            ("softmax",),
            np.eye(3)[Y],
        ),
        (keras.losses.SparseCategoricalCrossentropy(), ("softmax",), Y),
    ],
    ids=lambda given: getattr(given, "name", None),
)
def test_the_compiled_loss_is_taken_along(loss, added, y):
    model = plain(*(layers.Activation(name) for name in added), loss=loss)
    why = explained(model)
    import torch

    outputs = model(torch.tensor(X, dtype=torch.float32))
    loss(torch.tensor(y), outputs).backward()
    given = why.examples(X, y)
    trace = wg.backward(why.net, why.theta, wg.forward(why.net, why.theta, given.X), given.Y)
    found = wg.gradients(why.net, why.theta, trace)
    for l, layer in enumerate(model.layers[:2], start=1):
        expected = layer.kernel.value.grad.numpy().T
        np.testing.assert_allclose(
            found.dW[l], expected, rtol=0, atol=2e-6 * np.abs(expected).max()
        )


def test_optimizer_penalty_and_weight_of_the_loss_are_taken_along():
    stack = [layers.Dense(4, "relu", kernel_regularizer=keras.regularizers.L2(0.03)) for _ in "12"]
    model = keras.Sequential([keras.Input((6,)), *stack])
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), loss="mse", loss_weights=[3.0])
    why = explained(model)
    assert why.optimizer == wg.SGD(0.5, momentum=0.9)
    assert why.l2 == wg.Penalty(0.06)
    assert why.net.C.name == "3/2 squared_error"


def test_the_turn_of_a_huber_loss_which_no_file_keeps_is_said_to_be_assumed(tmp_path):
    model = plain(loss=keras.losses.Huber(delta=0.4))
    model.save(tmp_path / "huber.keras")
    assert explained(model).net.C.name == "1/3 huber(0.4)"
    why = explained(tmp_path / "huber.keras")
    assert why.net.C.name == "1/3 huber"
    assert "Keras writes no delta of Huber's loss into a file: 1 is assumed" in why.notes


def test_a_model_that_was_not_compiled_asks_for_its_cost():
    with pytest.raises(wg.InputError, match="tells no loss: give the one that it was trained with"):
        explained(plain())
    assert explained(plain(), cost="cross_entropy").net.f[-1].name == "softmax"


def two_inputs():
    a, b = keras.Input((6,)), keras.Input((6,))
    return keras.Model([a, b], layers.Dense(1)(layers.Add()([a, b])))


def residual():
    given = keras.Input((6,), name="rows")
    return keras.Model(given, layers.Add(name="sum")([given, layers.Dense(6, name="up")(given)]))


def twice():
    given, layer = keras.Input((6,)), layers.Dense(6, name="again")
    return keras.Model(given, layer(layer(given)))


def subclassed():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    return Own()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: plain(layers.Lambda(lambda x: x * 2, name="double")),
            "layer double (Lambda) is code of its own, which is never run: use a layer in its place",
        ),
        (
            lambda: plain(layers.LayerNormalization(name="ln")),
            "layer ln (LayerNormalization) is not",
        ),
        (
            lambda: plain(layers.Activation("hard_silu")),
            "has the activation 'hard_silu', which is not supported",
        ),
        (lambda: plain(layers.ReLU(threshold=0.5)), "has a threshold, or both a max_value and a"),
        (two_inputs, "it has 2 inputs: only a chain of layers, with one of each, is supported"),
        (residual, "layer sum (Add) joins rows and up: the model is no chain"),
        (twice, "layer again (Dense) is used 2 times: the model is no chain"),
        (subclassed, "a Own is no chain of layers: give a keras.Sequential or a functional"),
        (lambda: keras.Sequential([layers.Dense(1)]), "has no weights yet: build it, or call it"),
        (
            lambda: keras.Sequential([keras.Input((2, 6)), layers.Dense(3, name="on_last")]),
            "layer on_last (Dense) works along the last of 2 dimensions: put a Flatten before it",
        ),
        (
            lambda: plain(loss=keras.losses.KLDivergence()),
            "it was compiled with the loss 'KLDivergence', which is not supported: known are categ",
        ),
    ],
)
def test_what_is_not_supported_is_named(make, message):
    with pytest.raises(wg.InputError) as caught:
        explained(make())
    assert message in str(caught.value) and "\n" not in str(caught.value)


def small(*between, **compiled):
    """A model of two Dense layers with others between them."""
    model = keras.Sequential([keras.Input((6,)), *between, layers.Dense(3, activation="softmax")])
    model.compile(**{"loss": "sparse_categorical_crossentropy"} | compiled)
    return model


def test_a_normalisation_by_one_number_for_all_columns_is_folded():
    layer = layers.Normalization(axis=None)
    layer.adapt(X)
    model = small(layer)
    found = wg.explain(model)
    np.testing.assert_allclose(found.predict(X), model.predict(X, verbose=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        *map(layers.Activation, ("relu6", "hard_tanh", "celu", "mish", "softsign")),
        layers.ReLU(max_value=0.75),
    ],
    ids=str,
)
def test_activations_that_whygrad_has_not_are_read_as_well(layer):
    model = small(layers.Dense(4), layer)
    found = wg.explain(model)
    np.testing.assert_allclose(found.predict(X), model.predict(X, verbose=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", [layers.Dense, layers.Activation])
def test_an_activation_that_is_code_of_its_own_is_refused(layer):
    given = {"activation": lambda x: 2 * x} | ({"units": 4} if layer is layers.Dense else {})
    with pytest.raises(
        wg.InputError, match=r"of its own, which is never run: use a layer in its place"
    ):
        wg.explain(small(layer(**given)))


def test_a_cost_may_be_a_loss_of_keras_by_object_function_or_name():
    model = small(layers.Dense(4, activation="tanh"), loss=None)
    for cost, name in (
        (keras.losses.SparseCategoricalCrossentropy(), "cross_entropy"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "cross_entropy of logits"),
        ("categorical_crossentropy", "cross_entropy"),
        (keras.losses.Huber(delta=2.0), "1/3 huber(2)"),
        (keras.losses.mean_squared_error, "2/3 squared_error"),
        ("squared_error", "squared_error"),
    ):
        assert wg.explain(model, cost=cost).why.net.C.name == name


def test_an_estimator_around_a_model_leads_to_it():
    wrapper = keras.wrappers.SKLearnRegressor(small)
    with pytest.raises(wg.InputError, match="a SKLearnRegressor wraps a model: explain its model_"):
        wg.explain(wrapper)


def test_other_outputs_than_the_layers_give_are_refused_with_both_numbers(monkeypatch):
    model = made("Sequential")
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda self, *a, **k: call(self, *a, **k) * 0.5)
    with pytest.raises(
        wg.InputError, match=r"of row \d is [\d.e-]+ as it was read, [\d.e-]+ in 'in_a_row'"
    ):
        explained(model)


# ── files of strangers ───────────────────────────────────────────────────────────────────────────────


def rewritten(path, to, **members):
    """Copy a zip with some members replaced."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, members.get(name, source.read(name)))
    return to


def test_a_lambda_in_a_file_is_refused_and_never_run(saved, tmp_path):
    with zipfile.ZipFile(saved / "Sequential.keras") as archive:
        about = json.loads(archive.read("config.json"))
    about["config"]["layers"][2]["class_name"] = "Lambda"
    path = rewritten(
        saved / "Sequential.keras", tmp_path / "code.keras", **{"config.json": json.dumps(about)}
    )
    with pytest.raises(wg.InputError, match=r"code.keras: layer .* \(Lambda\) is code of its own"):
        explained(path)


def test_a_model_of_a_class_of_its_own_is_refused_and_never_run(saved, tmp_path):
    with zipfile.ZipFile(saved / "Sequential.keras") as archive:
        about = json.loads(archive.read("config.json"))
    about |= {"class_name": "Own", "registered_name": "their>Own", "module": "os"}
    path = rewritten(
        saved / "Sequential.keras", tmp_path / "own.keras", **{"config.json": json.dumps(about)}
    )
    with pytest.raises(
        wg.InputError, match="own.keras: a Own is no chain of layers, but code of its"
    ):
        explained(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(saved, tmp_path):
    bomb = {"model.weights.h5": bytes(2**26)}
    path = rewritten(saved / "Sequential.keras", tmp_path / "bomb.keras", **bomb)
    with pytest.raises(
        wg.FileError, match=r"bomb.keras: model.weights.h5 would unpack to 67,108,864"
    ):
        explained(path)


def test_a_bomb_within_hdf5_is_refused_before_it_is_unpacked(saved, tmp_path):
    path = tmp_path / "bomb.h5"
    path.write_bytes((saved / "Sequential.h5").read_bytes())
    with h5py.File(path, "a") as h5:
        group = next(iter(h5["model_weights"]["dense"].values()))
        while "kernel" not in group:
            group = next(iter(group.values()))
        del group["kernel"]
        group.create_dataset("kernel", (50_000, 5_000), "f8", compression="gzip")
    with pytest.raises(wg.FileError, match="kernel would unpack to 2,000,000,000 bytes"):
        explained(path)


def test_what_lies_in_another_file_is_not_read(saved, tmp_path):
    path = tmp_path / "link.h5"
    path.write_bytes((saved / "Sequential.h5").read_bytes())
    with h5py.File(path, "a") as h5:
        del h5["model_weights/dense"]
        h5["model_weights/dense"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(
        wg.FileError, match="model_weights/dense lies in another file: it is not read"
    ):
        explained(path)


def test_a_description_that_is_none_of_keras_is_refused_in_one_line(saved, tmp_path):
    with zipfile.ZipFile(saved / "functional.keras") as archive:
        about = json.loads(archive.read("config.json"))
    stack = about["config"]["layers"]
    for owner, name in [
        (about, "config"),
        (about, "class_name"),
        (about["config"], "layers"),
        (about["config"], "output_layers"),
        (stack[1]["config"], "variance"),
        (stack[3], "inbound_nodes"),
        (stack[3]["config"], "units"),
        (stack[3]["config"], "activation"),
        (about["compile_config"], "loss"),
    ]:
        before = owner[name]
        for value in (-1, "x", [[]], {"a": []}):
            owner[name] = value
            members = {"config.json": json.dumps(about)}
            path = rewritten(saved / "functional.keras", tmp_path / "odd.keras", **members)
            with pytest.raises(wg.WhygradError) as caught:
                model_of_keras(path)
            assert "odd.keras: " in str(caught.value) and "\n" not in str(caught.value)
        owner[name] = before


def test_damaged_files_are_refused_in_one_line(saved, tmp_path):
    rng = np.random.default_rng(0)
    for ending in (".keras", ".h5"):
        whole = (saved / f"functional{ending}").read_bytes()
        path = tmp_path / f"damaged{ending}"
        for content in [b"", whole[:100], whole[: len(whole) // 2], whole[:-30]]:
            path.write_bytes(content)
            with pytest.raises(wg.WhygradError) as caught:
                explained(path)
            assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        for _ in range(30):  # some flips change a number only: no other error may come out of any
            content = bytearray(whole)
            for place in rng.integers(0, len(whole), 20):
                content[place] = rng.integers(0, 256)
            path.write_bytes(content)
            try:
                explained(path)
            except wg.WhygradError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "a folder, not a file"),
        (lambda path: path.write_text("hello"), "no model of Keras, or damaged"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "there is no config.json in it"),
        (lambda path: h5py.File(path, "w").close(), "no model of Keras: save the whole model"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, write, message):
    path = tmp_path / "none.keras"
    write(path)
    with pytest.raises(wg.FileError, match=message):
        model_of_keras(path)


def test_weights_alone_are_refused(tmp_path):
    path = tmp_path / "model.weights.h5"
    made("Sequential").save_weights(path)
    with pytest.raises(wg.FileError, match="weights alone: save the whole model, model.save"):
        explained(path)


def test_without_h5py_the_extra_is_named(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(wg.InputError, match=r'takes h5py: pip install "whygrad\[keras\]"'):
        model_of_keras(saved / "Sequential.keras")


def test_a_leaky_relu_of_keras_leaves_with_its_own_slope(tmp_path):
    model = made("Sequential")  # with slope 0.1
    done = wg.export(wg.explain(model), tmp_path / "net.onnx", rows=X)
    expected = model(rows_of(model), training=False).detach().numpy()
    np.testing.assert_allclose(ran(done.path, {"X": X})["outputs"], expected, rtol=0, atol=1e-12)
