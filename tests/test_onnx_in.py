"""Networks from ONNX files: what onnxruntime computes is what is explained, and all else is refused."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import whygrad as wg

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.reference")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::DeprecationWarning:google.*"
)

RNG = np.random.default_rng(0)
IRIS = load_iris()
NAMED = IRIS.target_names[IRIS.target]
QUICK = {"hidden_layer_sizes": (6, 5), "max_iter": 12, "random_state": 0, "solver": "lbfgs"}


def gradients(why, X, y):
    given = why.examples(X, y)
    trace = wg.backward(why.net, why.theta, wg.forward(why.net, why.theta, given.X), given.Y)
    return wg.gradients(why.net, why.theta, trace, given.sample_weight)


def same(found, expected, digits):
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=digits * max(1, np.abs(expected).max())
    )


# ── from scikit-learn, by skl2onnx ───────────────────────────────────────────────────────────────────


def converted(model, X, tmp_path, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = skl2onnx.to_onnx(model, X[:1], **options)
    onnx.save(found, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


CASES = {
    "three classes": (MLPClassifier, NAMED, {}),
    "two classes": (MLPClassifier, np.where(IRIS.target > 1, "virginica", "other"), {}),
    "two numbers as classes": (MLPClassifier, 2 * (IRIS.target > 1) + 1, {}),
    "two labels": (MLPClassifier, np.column_stack([IRIS.target > 0, IRIS.target > 1]) * 1, {}),
    "a number": (MLPRegressor, IRIS.data[:, 0] * 2, {}),
    "two numbers": (MLPRegressor, IRIS.data[:, :2], {}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_what_skl2onnx_wrote_is_what_scikit_learn_computes(name, dtype, tmp_path):
    kind, y, _ = CASES[name]
    X, digits = IRIS.data.astype(dtype), 1e-6 if dtype == np.float32 else 1e-12
    cases = [(None, "relu"), (StandardScaler(), "tanh"), (MinMaxScaler(), "logistic")]
    for scaler, activation in cases if dtype == np.float32 else cases[:2]:
        mlp = kind(activation=activation, **QUICK)
        model = make_pipeline(scaler, mlp) if scaler else mlp
        model.fit(X.astype(float), y)
        options = (
            {} if kind is MLPRegressor or activation == "relu" else {"options": {"zipmap": False}}
        )
        if name == "two labels":
            options = {}
        found = wg.explain(converted(model, X, tmp_path, **options))
        rows = X[::9].astype(float)
        ask = model.predict if kind is MLPRegressor else model.predict_proba
        expected = np.asarray(ask(rows)).reshape(len(rows), -1)[:, -found.why.net.sizes[-1] :]
        same(found.predict(rows), expected, digits * 10 if scaler else digits)
        assert found.seen[0].startswith("On 8 rows the outputs are those of onnxruntime to ")
        own = wg.explain(mlp).why
        inner = rows if scaler is None else model[0].transform(rows)
        here, there = gradients(found.why, rows, y[::9]), gradients(own, inner, y[::9])
        for l in range(2, 4):  # layer 1 has the scaler in it
            same(here.dW[l], there.dW[l], 100 * digits)
            same(here.db[l], there.db[l], 100 * digits)
        assert found.check(rows, y[::9], sample=20)["passed"]
        folded = [
            note for note in found.notes if "is folded into layer 1, which follows it" in note
        ]
        assert bool(folded) == (scaler is not None)


def test_classes_have_their_names_and_labels_are_taken_as_they_are(tmp_path):
    X = IRIS.data.astype(np.float32)
    model = wg.explain(converted(MLPClassifier(**QUICK).fit(X, NAMED), X, tmp_path))
    assert model.why.names.outputs == ("setosa", "versicolor", "virginica")
    assert model.why.weight(X[:3], NAMED[:3], layer=3, to="virginica").kind == "weight"
    two = wg.explain(converted(MLPClassifier(**QUICK).fit(X, CASES["two classes"][1]), X, tmp_path))
    assert two.why.names.classes == ("other", "virginica") and two.why.names.outputs == (
        "virginica",
    )
    numbers = CASES["two numbers as classes"][1]
    odd = wg.explain(converted(MLPClassifier(**QUICK).fit(X, numbers), X, tmp_path))
    np.testing.assert_array_equal(odd.why.examples(X, numbers).Y[:, 0], numbers == 3)
    with pytest.raises(wg.InputError, match="is 2, which is no class of training"):
        odd.why.examples(X[:1], [2])


def test_a_table_goes_in_as_it_is_where_the_graph_encodes_it(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    frame = pd.DataFrame(IRIS.data[:, :2], columns=["long", "wide"]).astype(np.float32)
    frame["colour"] = np.array(["red", "green", "blue"])[IRIS.target]
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = ColumnTransformer(
        [("n", numbers, ["long", "wide"]), ("c", OneHotEncoder(), ["colour"])]
    )
    model = make_pipeline(encoder, MLPClassifier(**QUICK)).fit(frame, NAMED)
    number = FloatTensorType([None, 1])
    types = [("long", number), ("wide", number), ("colour", StringTensorType([None, 1]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx.save(skl2onnx.to_onnx(model, initial_types=types), tmp_path / "table.onnx")
    found = wg.explain(tmp_path / "table.onnx")
    expected = model.predict_proba(frame)
    for rows in (frame, frame.iloc[:, ::-1], frame.to_numpy(dtype=object)):
        same(found.predict(rows), expected, 1e-6)
    assert found.notes[0] == "onnxruntime encodes the rows as the graph does, up to 'cast_input'"
    names = found.why.names
    assert names.inputs == ("long", "wide", "colour=blue", "colour=green", "colour=red")
    assert names.origins == ("long", "wide", "colour", "colour", "colour")
    given = found.why.examples(frame).X
    own = names.own(found.why.net, 0, 1, given[:, 1])
    np.testing.assert_allclose(own, frame["wide"], rtol=1e-5)
    assert found.check(frame[::20], NAMED[::20], sample=20)["passed"]


# ── from PyTorch, by both of its exporters ───────────────────────────────────────────────────────────


def modules():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(1)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.norm = nn.Linear(12, 5), nn.BatchNorm1d(5)
            self.b, self.c = nn.Linear(5, 4, bias=False), nn.Linear(4, 3)
            self.norm.running_mean.normal_(), self.norm.running_var.uniform_(0.5, 2)

        def forward(self, x):
            x = torch.relu(self.norm(self.a(x.view(x.size(0), -1))))
            return torch.softmax(self.c(nn.functional.gelu(self.b(x))), 1)

    linear = partial(nn.Linear, 4, 4)
    chain = [
        nn.Flatten(),
        nn.Linear(12, 4),
        nn.SiLU(),
        linear(),
        nn.GELU("tanh"),
        linear(),
        nn.ELU(0.7),
    ]
    chain += [linear(), nn.SELU(), linear(), nn.LeakyReLU(0.2), linear(), nn.Softplus(beta=2.0)]
    chain += [nn.Dropout(0.3), linear(bias=False), nn.ReLU6(), linear(), nn.Sigmoid(), linear()]
    return {"own": Own().eval(), "chain": nn.Sequential(*chain, nn.LogSoftmax(1)).eval()}


@pytest.mark.parametrize(("name", "dynamo"), [("own", False), ("chain", True)])
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_exports_has_its_outputs_and_its_gradients(name, dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    model = modules()[name]
    x = torch.tensor(RNG.normal(size=(6, 3, 4)), dtype=torch.float32)
    path = tmp_path / "model.onnx"
    more = {} if dynamo else {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(model, (x,), path, dynamo=dynamo, verbose=False, **more)
    found = wg.explain(path)
    rows, y = x.numpy().astype(float), RNG.integers(0, found.why.net.sizes[-1], 6)
    a = model(x)
    expected = (a.exp() if name == "chain" else a).detach().numpy()
    same(found.predict(rows), expected, 1e-6)
    assert "the outputs are those of onnxruntime" in found.seen[0]
    logs = a if name == "chain" else a.log()
    torch.nn.NLLLoss()(logs, torch.tensor(y)).backward()
    here = gradients(found.why, rows, y)
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    first = 2 if name == "own" else 1  # the normalisation is folded into layer 1
    for l, layer in list(enumerate(linear, start=1))[first - 1 :]:
        same(here.dW[l], layer.weight.grad.numpy(), 1e-6)


# ── graphs by hand ───────────────────────────────────────────────────────────────────────────────────


def tensor(name, array, raw=True):
    array = np.asarray(array)
    if raw:
        return numpy_helper.from_array(array, name)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())


def graph(nodes, arrays=None, inputs=None, outputs=("out",), opset=21, raw=True):
    """A model of nodes (kind, inputs, output, attributes), with x of 3 columns as its input."""
    made = []
    for kind, given, output, *more in nodes:
        about = more[0] if more else {}
        domain = "ai.onnx.ml" if kind in ("Scaler", "ZipMap", "LabelEncoder") else ""
        made.append(
            helper.make_node(
                kind, given.split(), [output], name=output.upper(), domain=domain, **about
            )
        )
    inputs = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])]
    given = [tensor(name, array, raw) for name, array in (arrays or {}).items()]
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
    body = helper.make_graph(made, "graph", inputs, ends, given)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


A, B = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(4, 2)).astype(np.float32)
a, b = RNG.normal(size=4).astype(np.float32), RNG.normal(size=2).astype(np.float32)
X3 = RNG.normal(size=(9, 3))
END = ("Gemm", "h B b", "out")


def number(value):
    return np.float32(value)


def layers(*nodes, end="h", **arrays):
    """A layer, some nodes from z to h, and a layer more."""
    last = ("Gemm", f"{end} B b", "out")
    return graph([("Gemm", "x A a", "z"), *nodes, last], {"A": A, "a": a, "B": B, "b": b, **arrays})


def agrees(model, X=X3, cost="squared_error", **more):
    """The model as it was read; its outputs are compared here as well as at the door."""
    found = wg.explain(model, cost=cost, **more)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: X.astype(np.float32)})[-1]
    same(found.predict(X), expected, 1e-6)
    return found


@pytest.mark.parametrize("raw", [False, True])
def test_matrices_are_read_as_they_lie_with_alpha_and_beta(raw):
    arrays = {"A": A, "T": np.ascontiguousarray(A.T), "a": a, "B": B, "one": number([0.5])}
    heads = {
        "Gemm": [("Gemm", "x A a", "z")],
        "turned": [("Gemm", "x T a", "z", {"transB": 1, "alpha": 0.5, "beta": -2.0})],
        "without bias": [("Gemm", "x A", "z", {"alpha": 3.0})],
        "one bias": [("Gemm", "x A one", "z")],
        "MatMul": [("MatMul", "x A", "m"), ("Add", "a m", "z")],
        "turned in the graph": [
            ("Transpose", "T", "t"),
            ("MatMul", "x t", "m"),
            ("Sub", "m a", "z"),
        ],
        "cast in the graph": [
            ("Cast", "A", "c", {"to": TensorProto.DOUBLE}),
            ("Cast", "c", "t", {"to": TensorProto.FLOAT}),
            ("MatMul", "x t", "z"),
        ],
    }
    for head in heads.values():
        nodes = [*head, ("Tanh", "z", "h"), ("MatMul", "h B", "out")]
        found = agrees(graph(nodes, arrays, raw=raw))
        assert [f.name for f in found.why.net.f[1:]] == ["tanh", "identity"]


ACTIVATIONS = {
    "relu": [("Relu", "z", "h")],
    "relu, clipped": [("Clip", "z zero", "h")],
    "relu, the larger": [("Max", "z zero", "h")],
    "relu6": [("Clip", "z zero six", "h")],
    "softsign": [("Abs", "z", "m"), ("Add", "m one", "p"), ("Div", "z p", "h")],
    "mish": [("Softplus", "z", "s"), ("Tanh", "s", "t"), ("Mul", "z t", "h")],
    "sigmoid": [("Sigmoid", "z", "h")],
    "sigmoid, spelled": [("Neg", "z", "n"), ("Exp", "n", "e"), ("Add", "e one", "p"),
                         ("Div", "one p", "h")],
    "tanh": [("Tanh", "z", "h")],
    "leaky_relu": [("LeakyRelu", "z", "h")],
    "leaky_relu, spelled": [("Mul", "z slope", "s"), ("Max", "z s", "h")],
    "leaky_relu(0.3)": [("PRelu", "z third", "h")],
    "elu": [("Elu", "z", "h")],
    "elu, spelled": [
        ("Exp", "z", "e"), ("Sub", "e one", "m"), ("Greater", "z zero", "g"), ("Where", "g z m", "h")
    ],
    "elu(0.3)": [("Elu", "z", "h", {"alpha": 0.3})],
    "selu": [("Selu", "z", "h")],
    "silu": [("Sigmoid", "z", "s"), ("Mul", "s z", "h")],
    "softplus": [("Softplus", "z", "h")],
    "softplus, spelled": [
        ("Abs", "z", "p"), ("Neg", "p", "n"), ("Exp", "n", "e"), ("Add", "e one", "f"), ("Log", "f", "l"),
        ("Max", "z zero", "m"), ("Add", "m l", "h"),
    ],
    "gelu": [("Div", "z root", "d"), ("Erf", "d", "e"), ("Add", "e one", "f"), ("Mul", "z f", "g"),
             ("Mul", "g half", "h")],
    "exp": [("Exp", "z", "h")],
}  # fmt: skip
NUMBERS = {"zero": 0, "one": 1, "six": 6, "slope": 0.01, "third": 0.3, "root": 2**0.5, "half": 0.5}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_known_by_what_they_compute(name):
    numbers = {name: number(value) for name, value in NUMBERS.items()}
    found = agrees(layers(*ACTIVATIONS[name], **numbers))
    assert found.why.net.f[1].name == name.partition(",")[0]
    assert found.check(X3, RNG.normal(size=(9, 2)), sample=20)["passed"]


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (("Selu", "z", "h"), "selu(1.67326, 1.0507)"),  # with constants of float32
        (("LeakyRelu", "z", "h", {"alpha": 0.01}), "leaky_relu(0.01)"),
        (("Elu", "z", "h"), "elu"),
        (("Relu", "z", "h"), "relu"),
    ],
)
def test_float64_keeps_its_digits_also_where_onnxruntime_has_no_such_operation(node, name):
    arrays = {"A": RNG.normal(size=(3, 4)), "a": RNG.normal(size=4), "B": RNG.normal(size=(4, 2))}
    inputs = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 3])]
    nodes = [("Gemm", "x A a", "z"), node, ("MatMul", "h B", "out")]
    model = graph(nodes, arrays, inputs, opset=17)
    found = wg.explain(model, cost="squared_error")
    assert found.why.net.f[1].name == name
    asked = onnx.reference.ReferenceEvaluator(model).run(None, {"x": X3})[0]
    same(found.predict(X3), asked, 1e-12)
    who = "onnx.reference" if node[0] in ("Selu", "Elu") else "onnxruntime"
    assert f"the outputs are those of {who} to" in found.seen[0]


def test_what_stands_before_between_and_after_layers_is_folded_and_named():
    shift, by = number([1, 2, 3]), number([4, 5, 6])
    nodes = [
        ("Sub", "x shift", "s"), ("Div", "s by", "d"), ("Identity", "d", "i"), ("Gemm", "i A a", "g"),
        ("BatchNormalization", "g gamma beta mean variance", "z"), ("Relu", "z", "r"),
        ("Dropout", "r", "o"), ("Mul", "o gamma", "h"), END,
    ]  # fmt: skip
    arrays = {"shift": shift, "by": by, "A": A, "a": a, "B": B, "b": b, "gamma": a + 3, "beta": a}
    arrays |= {"mean": a * 2, "variance": a**2 + 1}
    found = agrees(graph(nodes, arrays))
    assert found.why.net.sizes == (3, 4, 2)
    assert [note for note in found.notes if "folded" in note] == [
        "Div 'D' is folded into layer 1, which follows it",
        "Sub 'S' is folded into layer 1, which follows it",
        "BatchNormalization 'Z' is folded into layer 1, before it",
        "Mul 'H' is folded into layer 2, which follows it",
    ]
    scaler = {"offset": shift.tolist(), "scale": by.tolist()}
    agrees(
        graph(
            [("Scaler", "x", "d", scaler), ("Gemm", "d A a", "z"), ("Tanh", "z", "h"), END], arrays
        )
    )


def test_ends_are_read_with_their_loss():
    arrays = {"A": A, "a": a, "B": B, "b": b}
    head = [("Gemm", "x A a", "z"), ("Tanh", "z", "h"), ("Gemm", "h B b", "o")]
    soft = agrees(graph([*head, ("Softmax", "o", "out")], arrays), cost=None)
    assert soft.why.net.C.name == "cross_entropy"
    spelled = [
        ("ReduceMax", "o one", "m"), ("Sub", "o m", "s"), ("Exp", "s", "e"), ("ReduceSum", "e one", "t"),
        ("Div", "e t", "out"),
    ]  # fmt: skip
    more = arrays | {"one": np.array([1])}
    assert agrees(graph([*head, *spelled], more), cost=None).why.net.f[2].name == "softmax"
    logs = wg.explain(graph([*head, ("LogSoftmax", "o", "out")], arrays))
    same(logs.predict(X3), soft.predict(X3), 1e-12)
    chosen = wg.explain(graph([*head, ("ArgMax", "o", "out", {"axis": 1})], arrays))
    same(chosen.predict(X3), soft.predict(X3), 1e-12)
    assert "since the largest of the outputs is the class" in chosen.notes[0]
    logits = wg.explain(graph([*head, ("Identity", "o", "out")], arrays), cost="cross_entropy")
    same(logits.predict(X3), soft.predict(X3), 1e-12)
    assert "outputs are those of onnxruntime" in logits.seen[0]
    with pytest.raises(
        wg.InputError, match="ends in 'identity', which tells no loss: give the one"
    ):
        wg.explain(graph([*head, ("Identity", "o", "out")], arrays))


def test_blocks_are_one_matrix_with_zeros_and_rows_may_be_pictures_between():
    arrays = {"blocks": np.array([0, 2, 2]), "rows": np.array([0, 4])}
    arrays["stack"] = RNG.normal(size=(2, 2, 2)).astype(np.float32)
    first = {"perm": [1, 0, 2]}
    found = agrees(
        layers(
            ("Relu", "z", "r"),
            ("Reshape", "r blocks", "k"),
            ("Transpose", "k", "kf", first),
            ("MatMul", "kf stack", "m"),
            ("Transpose", "m", "mf", first),
            ("Reshape", "mf rows", "y"),
            ("Tanh", "y", "t"),
            ("Reshape", "t blocks", "picture"),
            ("Flatten", "picture", "h"),
            **arrays,
        )
    )
    W = found.why.theta.W[2]
    assert [f.name for f in found.why.net.f[1:]] == ["relu", "tanh", "identity"]
    np.testing.assert_array_equal(W[:2, :2], arrays["stack"][0].T)
    np.testing.assert_array_equal(W[2:, 2:], arrays["stack"][1].T)
    assert not W[:2, 2:].any() and not W[2:, :2].any()


def test_inputs_side_by_side_are_columns():
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 1])
        for n in ("age", "pay", "size")
    ]
    nodes = [
        ("Concat", "age pay size", "x", {"axis": 1}),
        ("Gemm", "x A a", "z"),
        ("Tanh", "z", "h"),
        END,
    ]
    model = graph(nodes, {"A": A, "a": a, "B": B, "b": b}, inputs)
    found = wg.explain(model, cost="squared_error")
    assert found.why.names.inputs == ("age", "pay", "size")
    frame = pd.DataFrame(X3, columns=["age", "pay", "size"])
    same(found.predict(frame.iloc[:, ::-1]), found.predict(X3), 0)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("of", ["p", "z"])
def test_the_class_is_told_by_the_threshold_of_the_graph(of, labels):
    """Of probabilities, or of logits: the network that is explained has probabilities."""
    least = 0.3 if of == "p" else np.log(0.3 / 0.7)
    nodes = [("Gemm", "x A", "z"), ("Sigmoid", "z", "p")][: 1 + (of == "p")]
    nodes += [("Greater", f"{of} least", "g"), ("Cast", "g", "i", {"to": TensorProto.INT64})]
    arrays = {"A": A[:, :1], "least": number(least)}
    end = "i"
    if labels:
        nodes, end = [*nodes, ("Gather", "names i", "label")], "label"
        arrays["names"] = np.array([4, 7])
    model = graph(nodes, arrays, outputs=(end,))
    why = wg.explain(model, cost="binary_cross_entropy").why
    assert why.names.threshold == pytest.approx(0.3, rel=1e-6)
    way = A[:, 0] / (A[:, 0] @ A[:, 0])
    called = ('"4"', '"7"') if labels else ("class 0", "class 1")
    for p in (0.2, 0.4, 0.6):
        answer = why.prediction(np.log(p / (1 - p)) * way, baseline="zero").answer
        assert answer.startswith(f"The network says {called[p > 0.3]}: ")


def test_encodings_in_the_graph_are_followed_to_their_columns():
    inputs = [
        helper.make_tensor_value_info("size", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("colour", TensorProto.STRING, [None, 1]),
    ]
    labels = {"keys_strings": ["red", "RED", "blue"], "values_int64s": [0, 0, 1]}
    nodes = [
        ("IsNaN", "size", "gap"), ("Where", "gap fill size", "full"), ("Sub", "full fill", "c"),
        ("Div", "c by", "n"), ("Cast", "n", "n32", {"to": 1}), ("Cast", "gap", "g32", {"to": 1}),
        ("LabelEncoder", "colour", "code", labels), ("Equal", "code both", "is"),
        ("Cast", "is", "i32", {"to": 1}), ("Concat", "n32 g32 i32", "x", {"axis": 1}),
        ("Gemm", "x V a", "z"), ("Tanh", "z", "h"), ("Gemm", "h B one", "o"), ("Sigmoid", "o", "p"),
        ("Greater", "p half", "g"), ("Cast", "g", "i", {"to": TensorProto.INT64}),
        ("Gather", "names i", "label"),
    ]  # fmt: skip
    arrays = {"fill": np.array([[40.0]]), "by": np.array([[10.0]]), "both": np.array([[0, 1]])}
    arrays |= {
        "V": RNG.normal(size=(4, 4)).astype(np.float32),
        "a": a,
        "B": B[:, :1],
        "half": number(0.5),
    }
    arrays |= {"one": number([0.1])}
    model = graph(nodes, arrays, inputs, ("label", "p"))
    model.graph.initializer.append(
        helper.make_tensor("names", TensorProto.STRING, [2], [b"no", b"yes"])
    )
    found = wg.explain(model)
    names = found.why.names
    assert names.inputs == ("size", "size is missing", "colour=red", "colour=blue")
    assert names.origins == ("size", "size", "colour", "colour") and names.classes == ("no", "yes")
    assert names.scales[0] == (40.0, 10.0)
    frame = pd.DataFrame({"size": [50.0, np.nan], "colour": ["blue", "RED"]})
    np.testing.assert_allclose(found.why.examples(frame).X, [[1, 0, 0, 1], [0, 1, 1, 0]])
    answer = found.why.prediction(frame.iloc[[0]], baseline=frame)
    rows = {row[0]: row[1] for row in answer.tables[0].rows}
    assert rows["colour"] == "blue" and rows["size"] == pytest.approx(50)
    assert found.check(frame, ["yes", "no"])["passed"]
    with pytest.raises(wg.InputError, match="'size' takes numbers: could not convert"):
        found.predict(pd.DataFrame({"size": ["wide"], "colour": ["red"]}))


def test_a_batch_of_a_fixed_size_is_filled():
    model = layers(("Tanh", "z", "h"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5
    assert "On 8 rows" in wg.explain(model, cost="squared_error").seen[0]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────

REFUSED = {
    "a residual": (
        [("Gemm", "x A a", "z"), ("Relu", "z", "h"), ("Gemm", "h S a", "y"), ("Add", "y h", "out")],
        "Add 'OUT' joins what Gemm 'Y' and Relu 'H' gave",
    ),
    "a convolution": ([("Gemm", "x A a", "z"), ("Conv", "z A", "h"), END], "Conv 'H' is no operation of a"),
    "a step": (
        [("Gemm", "x A a", "z"), ("Sin", "z", "h"), END], "Sin 'H' is no operation of a chain of dense"
    ),
    "a convolution before": (
        [("Conv", "x A", "c"), ("Relu", "c", "h"), ("MatMul", "h A", "out")], "Conv 'C' is no operation"
    ),
    "rows made one": ([("Flatten", "x", "f", {"axis": 0}), ("Gemm", "f A a", "out")], "Flatten 'F' has ax"),
    "weights on the left": ([("MatMul", "T x", "out")], "MatMul 'OUT' has its weights on the left: rows"),
    "an unknown function": (
        [("Gemm", "x A a", "z"), ("Pow", "z three", "h"), END], "Pow 'H' computes no activation function"
    ),
    "no matrix": ([("Relu", "x", "out")], "Relu 'OUT' follows no Gemm or MatMul"),
    "two activations": (
        [("Gemm", "x A a", "z"), ("Relu", "z", "r"), ("Tanh", "r", "h"), END], "Tanh 'H' computes no activ"
    ),
    "a wrong shape": ([("Gemm", "x A a", "h"), ("Gemm", "h A a", "out")], "Gemm 'OUT' takes 3 numbers"),
    "two matrices of rows": ([("MatMul", "x x", "out")], "MatMul 'OUT' has no matrix of weights"),
    "softmax over the rows": (
        [("Gemm", "x A a", "z"), ("Softmax", "z", "out", {"axis": 0})], "Softmax 'OUT' has axis 0: over"
    ),
    "whole numbers": (
        [("Gemm", "x A a", "z"), ("Cast", "z", "h", {"to": TensorProto.INT64}), END], "Cast 'H' makes whole"
    ),
    "a circle": ([("Add", "h a", "z"), ("Relu", "z", "h"), END], "Add 'Z' takes 'h', which neither"),
    "a missing array": ([("Gemm", "x W a", "out")], "Gemm 'OUT' takes 'W', which neither the graph nor an"),
    "a tensor twice": ([("Gemm", "x A a", "z"), ("Relu", "z", "z")], "Relu 'Z' gives 'z', which is there"),
    "a foreign operation": ([("Gemm", "x A a", "z"), ("Own", "z", "h"), END], "Own 'H' is no operation"),
    "an array blown up": (
        [("Add", "column row", "W"), ("MatMul", "x W", "out")], "Add 'W' cannot be read .it makes a"
    ),
    "blocks that share a matrix": (
        [("Gemm", "x A a", "z"), ("Reshape", "z blocks", "h"), ("MatMul", "h half", "out")],
        "MatMul 'OUT' takes what is no number",
    ),
    "matrices over rows": (
        [("Gemm", "x A a", "z"), ("Reshape", "z blocks", "h"), ("MatMul", "h stack", "out")],
        "MatMul 'OUT' has no matrix of weights",
    ),
    "units in another order": (
        [("Gemm", "x A a", "z"), ("Reshape", "z blocks", "h"),
         ("Transpose", "h", "out", {"perm": [0, 2, 1]})],
        "Transpose 'OUT' is no operation",
    ),
    "two heads": (
        [("Gemm", "x A a", "z"), ("Tanh", "z", "h"), END, ("Gemm", "h B b", "other")],
        "the graph has outputs of two networks",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_is_refused_by_the_operation_that_breaks_it(name):
    nodes, message = REFUSED[name]
    arrays = {
        "A": A,
        "a": a,
        "B": B,
        "b": b,
        "S": np.eye(4, dtype=np.float32),
        "T": A.T,
        "three": number(3),
        "blocks": np.array([0, 2, 2]),
        "half": A[:2, :2],
        "stack": np.stack([A[:2, :2], A[1:, 1:3]]),
    }
    arrays |= {"column": np.zeros((20000, 1), np.float32), "row": np.zeros((1, 20000), np.float32)}
    outputs = ("out", "other") if name == "two heads" else (nodes[-1][2],)
    with pytest.raises(wg.InputError, match=message) as caught:
        wg.explain(graph(nodes, arrays, outputs=outputs), cost="squared_error")
    assert "no chain of dense layers: " in str(caught.value) and "\n" not in str(caught.value)


def test_operations_may_stand_in_any_order():
    model, right = layers(("Tanh", "z", "h")), agrees(layers(("Tanh", "z", "h")))
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    found = wg.explain(model, cost="squared_error")
    same(found.predict(X3), right.predict(X3), 0)
    assert "the outputs are those of onnxruntime" in found.seen[0]


def test_damaged_files_are_refused_in_one_line(tmp_path):
    whole = layers(("Tanh", "z", "h")).SerializeToString()
    path = tmp_path / "model.onnx"

    def refused(content, message):
        path.write_bytes(content)
        with pytest.raises((wg.FileError, wg.InputError)) as caught:
            wg.explain(path, cost="squared_error")
        assert message in str(caught.value) and "\n" not in str(caught.value)

    refused(b"", "not an ONNX model, or an empty one")
    refused(b"hello, this is no model", "model.onnx: ")
    for cut in range(5, len(whole), 97):
        refused(whole[:cut], "model.onnx: ")
    huge = layers(("Tanh", "z", "h"))
    huge.graph.initializer[0].dims[:] = [2**31, 2**31]
    refused(huge.SerializeToString(), "damaged, 'A' is no array of shape (2147483648, 2147483648)")
    huge.graph.initializer[0].dims[:] = [-1, 4]
    refused(huge.SerializeToString(), "'A' claims the shape (-1, 4)")
    huge.graph.initializer[0].data_type = 99
    refused(huge.SerializeToString(), "'A' has no type of numbers that there is")
    infinite = layers(("Tanh", "z", "h"), A=np.full((3, 4), np.inf, np.float32))
    refused(infinite.SerializeToString(), "W[1] contains NaN or infinity")


def test_no_byte_that_is_another_and_no_part_that_is_missing_ends_in_anything_but_a_line(tmp_path):
    path, draws = tmp_path / "model.onnx", np.random.default_rng(0)
    whole = layers(*ACTIVATIONS["gelu"], **{k: number(v) for k, v in NUMBERS.items()})
    for k in range(60):
        if k % 2:
            content = bytearray(whole.SerializeToString())
            for i in draws.integers(0, len(content), 3):
                content[i] = draws.integers(0, 256)
        else:
            model = onnx.ModelProto()
            model.CopyFrom(whole)
            node = model.graph.node[k // 2 % len(model.graph.node)]
            if k % 3:
                (node.input if k % 3 == 1 else node.output).pop()
            else:
                model.graph.node.remove(node)
            content = model.SerializeToString()
        path.write_bytes(content)
        try:
            wg.explain(path, cost="squared_error")
        except (wg.InputError, wg.FileError) as error:
            assert "\n" not in str(error) and str(error).startswith(str(tmp_path))


def test_arrays_are_read_from_files_beside_the_model_and_from_nowhere_else(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "model.onnx"
    save = partial(onnx.save, save_as_external_data=True, location="weights", size_threshold=0)
    save(layers(("Tanh", "z", "h")), path)
    beside = wg.explain(path, cost="squared_error")
    within = wg.explain(layers(("Tanh", "z", "h")), cost="squared_error")
    same(beside.predict(X3), within.predict(X3), 0)
    outside = onnx.load(path, load_external_data=False)
    (tmp_path / "weights").write_bytes((folder / "weights").read_bytes())
    (folder / "link").symlink_to(tmp_path / "weights")
    for name in ("../weights", str(tmp_path / "weights"), "link", ""):
        for entry in outside.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = name
        path.write_bytes(outside.SerializeToString())
        with pytest.raises(wg.FileError, match="'A' lies in .*, outside the folder of the model"):
            wg.explain(path, cost="squared_error")
    save(layers(("Tanh", "z", "h")), path)
    with pytest.raises(wg.FileError, match="'A' lies in a file: give the path of the model"):
        wg.explain(onnx.load(path, load_external_data=False), cost="squared_error")
    (folder / "weights").write_bytes(b"short")
    with pytest.raises(wg.FileError, match="'A' claims 48 bytes at .* of weights, which has 5"):
        wg.explain(path, cost="squared_error")
    (folder / "weights").unlink()
    with pytest.raises(wg.FileError, match="weights, which holds its numbers, cannot be read"):
        wg.explain(path, cost="squared_error")


def test_a_network_in_float16_is_compared_as_closely_as_it_computes():
    half = {"A": A.astype(np.float16), "B": B.astype(np.float16)}
    nodes = [("MatMul", "x A", "z"), ("Tanh", "z", "h"), ("MatMul", "h B", "out")]
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT16, [None, 3])
    model = graph(nodes, half, [rows])
    found = wg.explain(model, cost="squared_error")
    assert "the outputs are those of onnxruntime to" in found.seen[0]


def test_outputs_that_are_others_than_the_originals_are_refused(monkeypatch):
    from whygrad.interop.onnx import graph as reading

    scaler = {"offset": [0.0, 0.0, 0.0], "scale": [2.0, 1.0, 1.0]}
    nodes = [("Scaler", "x", "d", scaler), ("Gemm", "d A a", "z"), ("Tanh", "z", "h"), END]
    model = graph(nodes, {"A": A, "a": a, "B": B, "b": b})
    wg.explain(model, cost="squared_error")
    monkeypatch.setitem(reading.SPECIAL, "Scaler", lambda node, given: given[0])
    with pytest.raises(
        wg.InputError,
        match="the ONNX model: output . of row . is .* as it was read, .* in onnxruntime",
    ):
        wg.explain(model, cost="squared_error")


# ── from Keras ───────────────────────────────────────────────────────────────────────────────────────


def test_what_keras_exported_has_its_outputs():
    """The file was written by Keras 3.15, `model.export(format="onnx")`, with rows and outputs beside."""
    import json
    from pathlib import Path

    path = Path(__file__).parent / "models" / "keras.onnx"
    beside = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    found = wg.explain(path)
    names = ["gelu", "silu", "leaky_relu(0.2)", "softmax"]
    assert [f.name for f in found.why.net.f[1:]] == names
    same(found.predict(np.array(beside["rows"])), np.array(beside["outputs"]), 1e-6)
    assert found.check(beside["rows"], [0, 1, 2, 0, 1], sample=20)["passed"]
