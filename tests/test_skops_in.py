"""Estimators in files of skops are read without trust in unknown types."""

import json
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import whygrad as wg

io = pytest.importorskip("skops.io")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
IRIS = load_iris(as_frame=True)
NAMED = IRIS.target_names[IRIS.target]
QUICK = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}


def own_code(X):
    return X


def saved(model, tmp_path):
    io.dump(model, tmp_path / "model.skops")
    return tmp_path / "model.skops"


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_pipelines_are_read_with_their_columns(solver, tmp_path):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(solver=solver, **QUICK)).fit(
        IRIS.data, NAMED
    )
    model = wg.explain(saved(pipe, tmp_path))
    np.testing.assert_allclose(model.predict(IRIS.data), pipe.predict_proba(IRIS.data), atol=1e-14)
    assert model.why.names.inputs == tuple(IRIS.data.columns)
    assert model.why.names.outputs == ("setosa", "versicolor", "virginica")
    assert repr(model).endswith("from model.skops>") and "outputs are those of" in model.notes[0]


def test_unknown_types_are_refused_by_name_and_never_built(tmp_path):
    pipe = make_pipeline(FunctionTransformer(own_code), MLPClassifier(**QUICK)).fit(
        IRIS.data, NAMED
    )
    with pytest.raises(
        wg.FileError, match="it holds types that are not trusted: .*own_code; load it"
    ):
        wg.explain(saved(pipe, tmp_path))
    path = saved(MLPClassifier(**QUICK).fit(IRIS.data, NAMED), tmp_path)
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    schema = json.loads(parts["schema.json"])
    schema |= {"__module__": "os", "__class__": "system"}
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(
        wg.FileError, match="types that are not trusted: os.system; load it with skops"
    ):
        wg.explain(path)


def test_damaged_files_are_refused_in_one_line(tmp_path):
    path = saved(MLPClassifier(**QUICK).fit(IRIS.data, NAMED), tmp_path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(
            wg.FileError, match=r"model\.skops: (not a file of skops|damaged)"
        ) as caught:
            wg.explain(path)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("schema.json", "{}")
    with pytest.raises(wg.FileError, match="model.skops: damaged"):
        wg.explain(path)
    lame = MLPClassifier(**QUICK).fit(IRIS.data, NAMED)
    lame.coefs_ = ["no", "matrices"]
    with pytest.raises(wg.FileError, match="damaged, its estimator is not whole"):
        wg.explain(saved(lame, tmp_path))
    lame.coefs_ = [np.ones((4, 3)), np.ones((2, 3))]
    with pytest.raises(wg.InputError, match=r"model.skops: b\[1\] has shape"):
        wg.explain(saved(lame, tmp_path))


def test_what_is_no_network_is_refused(tmp_path):
    path = saved(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path)
    with pytest.raises(
        wg.InputError, match="model.skops: a LinearRegression is no multi-layer perc"
    ):
        wg.explain(path)
    with pytest.raises(wg.InputError, match="model.skops: cost is for files of PyTorch, Keras and"):
        wg.explain(path, cost="squared_error")
