"""Callbacks that report elsewhere: read with the libraries themselves, and no training lost to them."""

import io
import pickle
import sys
import types
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

import whygrad as wg

X, Y = (part[::3] for part in load_iris(return_X_y=True))
NET = wg.Network(4, [wg.Dense(4, "tanh"), wg.Dense(3, "softmax")], cost="cross_entropy")


def trained(*callbacks, **more):
    given = {"validation": (X, Y), "epochs": 4, "metrics": "balanced_accuracy"}
    return wg.train(NET, X, Y, callbacks=callbacks, **given | more)


def rows(history):
    return [epoch.to_dict() for epoch in history.epochs]


# ── TensorBoard ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def events():
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder):
        found = EventAccumulator(str(folder)).Reload()
        return {
            name: [(event.step, event.value) for event in found.Scalars(name)]
            for name in found.Tags()["scalars"]
        }

    return read


def test_tensorboard_reads_every_number_of_every_epoch(tmp_path, events):
    fit = trained(wg.callbacks.TensorBoard(tmp_path), layer_statistics=True)
    expected = rows(fit.history)
    found = events(tmp_path)
    assert found.keys() == expected[0].keys() and "layer_2_update" in found
    for name, values in found.items():
        assert [step for step, _ in values] == [1, 2, 3, 4]
        written = [np.float32(epoch[name]) for epoch in expected]
        assert [np.float32(value) for _, value in values] == written


def test_a_callback_is_used_again_and_cloned_with_its_estimator(tmp_path, events):
    board = wg.callbacks.TensorBoard(tmp_path)
    clf = wg.MLPClassifier((3,), max_iter=2, callbacks=[board, wg.callbacks.ProgressBar()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.fit(X, Y)
        clone(clf).fit(X, Y)
        pickle.loads(pickle.dumps(clf)).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_ends_the_events_and_not_the_training(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    add = EventFileWriter.add_event

    def full(self, event):
        if event.step == 3:
            raise OSError(28, "No space left on device")
        add(self, event)

    monkeypatch.setattr(EventFileWriter, "add_event", full)
    board = wg.callbacks.TensorBoard(tmp_path / "logs")
    with pytest.warns(wg.TrackingWarning) as caught:
        fit = trained(board, record=tmp_path / "a.run")
    assert [str(one.message) for one in caught] == [
        "TensorBoard does not get the rest of this training, which goes on: [Errno 28] No space left on "
        "device"
    ]
    assert fit.history.stopped == "all epochs done"
    assert len(wg.open_run(tmp_path / "a.run").history.epochs) == 4
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(board)  # the next training begins anew


# ── Optuna ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def optuna():
    found = pytest.importorskip("optuna")
    found.logging.set_verbosity(found.logging.ERROR)
    return found


def test_optuna_hears_of_every_epoch(optuna):
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    fit = trained(wg.callbacks.Optuna(trial, on="balanced_accuracy"))
    study.tell(trial, 1.0)
    expected = dict(enumerate(fit.history.metrics["balanced_accuracy"], start=1))
    assert study.trials[0].intermediate_values == expected


def test_a_trial_is_pruned_and_what_was_recorded_is_intact(optuna, tmp_path):
    pruner = optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=2)
    study = optuna.create_study(direction="minimize", pruner=pruner)
    closed = []

    class Watches(wg.Callback):
        def close(self):
            closed.append(True)

    def objective(trial):
        watches, to_optuna = Watches(), wg.callbacks.Optuna(trial, on="validation_cost")
        trained(to_optuna, watches, epochs=50, record=tmp_path / "a.run")

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED and closed == [True]
    run = wg.open_run(tmp_path / "a.run")
    costs = dict(enumerate(run.history.validation_cost, start=1))
    assert costs == trial.intermediate_values and 1 < len(costs) < 50
    assert not run.stopped and run.resume().history.stopped == "all epochs done"
    whole = trained(epochs=50)
    assert run.history.epochs == whole.history.epochs


def test_a_fit_of_l_bfgs_is_pruned_too(optuna):
    pruner = optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=2)
    trial = optuna.create_study(pruner=pruner).ask()
    with pytest.raises(optuna.TrialPruned, match="pruned after epoch 2, cost "):
        trained(wg.callbacks.Optuna(trial, on="cost"), optimizer="lbfgs")


def test_what_is_not_measured_cannot_be_reported(optuna):
    to_optuna = wg.callbacks.Optuna(optuna.create_study().ask(), on="balanced_acuracy")
    with pytest.raises(
        wg.InputError, match="told 'balanced_acuracy', which is not measured: did you"
    ):
        trained(to_optuna)


def test_a_storage_that_is_gone_ends_the_pruning_and_not_the_training():
    pytest.importorskip("optuna")

    class Gone:
        def report(self, value, step):
            if step == 2:
                raise ConnectionError("the database is gone")

        def should_prune(self):
            return False

    with pytest.warns(wg.TrackingWarning, match="Optuna does not get the rest .* database is gone"):
        fit = trained(wg.callbacks.Optuna(Gone()))
    assert len(fit.history.epochs) == 4


# ── MLflow ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    pytest.importorskip("mlflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
        mlflow.set_experiment("tests")
        yield mlflow
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)


def test_mlflow_has_settings_and_every_number_and_the_run_folder(mlflow, tmp_path):
    to_mlflow = wg.callbacks.MLflow("iris")
    fit = trained(to_mlflow, record=tmp_path / "a.run")
    client = mlflow.MlflowClient()
    logged = client.get_run(to_mlflow.run_id)
    assert logged.info.status == "FINISHED" and logged.info.run_name == "iris"
    assert logged.data.params["layers"] == "4-4-3" and "Adam(" in logged.data.params["optimizer"]
    for name in rows(fit.history)[0]:
        history = client.get_metric_history(to_mlflow.run_id, name)
        found = {metric.step: metric.value for metric in history}
        assert found == {i: epoch[name] for i, epoch in enumerate(rows(fit.history), start=1)}
    copy = client.download_artifacts(to_mlflow.run_id, "a.run", str(tmp_path))
    assert wg.open_run(copy).theta.flat.tobytes() == fit.theta.flat.tobytes()
    assert mlflow.active_run() is None


def test_mlflow_logs_to_the_run_that_is_active_and_leaves_it_open(mlflow):
    with mlflow.start_run() as active:
        to_mlflow = wg.callbacks.MLflow()
        trained(to_mlflow)
        trained(to_mlflow, epochs=5)  # whose settings are others: the first stay
        assert mlflow.active_run().info.run_id == to_mlflow.run_id == active.info.run_id
    logged = mlflow.MlflowClient().get_run(active.info.run_id)
    assert logged.data.params["epochs"] == "4" and logged.info.status == "FINISHED"


def test_a_training_that_fails_is_a_failed_run(mlflow):
    def fail(report):
        raise RuntimeError("from a callback")

    to_mlflow = wg.callbacks.MLflow()
    with pytest.raises(RuntimeError, match="from a callback"):
        trained(to_mlflow, fail)
    assert mlflow.MlflowClient().get_run(to_mlflow.run_id).info.status == "FAILED"


def test_a_server_that_goes_half_way_costs_the_report_and_not_the_training(
    mlflow, tmp_path, monkeypatch
):
    to_mlflow, sent = wg.callbacks.MLflow(patience=5.0), []
    log = mlflow.MlflowClient.log_batch

    def gone(self, run_id, metrics=(), params=()):
        if metrics and metrics[-1].step > 2:
            raise ConnectionError("connection refused")
        sent.append(metrics)
        log(self, run_id, metrics=metrics, params=params)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", gone)
    with pytest.warns(wg.TrackingWarning) as caught:
        fit = trained(to_mlflow, record=tmp_path / "a.run", epochs=6)
    assert [str(one.message) for one in caught] == [
        "MLflow does not get the rest of this training, which goes on: connection refused"
    ]
    assert len(fit.history.epochs) == len(wg.open_run(tmp_path / "a.run").history.epochs) == 6
    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", log)
    trained(to_mlflow)  # the next training is a run of its own, and whole
    history = mlflow.MlflowClient().get_metric_history(to_mlflow.run_id, "cost")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


def test_a_metric_of_any_name_is_logged_in_letters_that_mlflow_takes(mlflow):
    to_mlflow = wg.callbacks.MLflow()
    trained(to_mlflow, metrics=lambda y, p: float((y == p).mean()))
    assert "_lambda_" in mlflow.MlflowClient().get_run(to_mlflow.run_id).data.metrics


def test_a_server_that_never_answers_is_waited_for_no_longer_than_its_patience(mlflow, monkeypatch):
    import threading

    forever = threading.Event()
    monkeypatch.setattr(mlflow, "start_run", lambda **_: forever.wait(60))
    with pytest.warns(wg.TrackingWarning, match="it did not answer within 0.1 s"):
        fit = trained(wg.callbacks.MLflow(patience=0.1))
    forever.set()
    assert fit.history.stopped == "all epochs done"


@pytest.fixture
def table_run(tmp_path):
    from whygrad.pipeline.fit import find
    from whygrad.pipeline.settings import Settings
    from whygrad.record.rows import record_table

    record_table(tmp_path / "iris.run", find("iris", seed=0), Settings(hidden=(4,), epochs=2))
    return wg.open_run(tmp_path / "iris.run")


def test_a_run_is_a_model_of_mlflow_and_nothing_in_it_is_pickled(mlflow, tmp_path, table_run):
    from whygrad.callbacks import mlflow as flavour

    flavour.save_model(table_run, tmp_path / "model")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")]
    frame = _iris_frame()
    expected = table_run.predict(frame)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert (loaded.predict(frame) == expected).all()
    opened = flavour.load_model(str(tmp_path / "model"))
    assert (opened.predict(frame) == expected).all() and opened.stopped


def _iris_frame():
    pandas = pytest.importorskip("pandas")
    names = [
        f"{part} (cm)" for part in ("sepal length", "sepal width", "petal length", "petal width")
    ]
    return pandas.DataFrame(X, columns=names)


def test_a_run_on_arrays_is_logged_as_a_model(mlflow, tmp_path):
    from whygrad.callbacks import mlflow as flavour

    fit = trained(record=tmp_path / "a.run")
    logged = flavour.log_model(tmp_path / "a.run", "arrays")
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    assert loaded.predict(X).tobytes() == fit.predict(X).tobytes()
    assert flavour.load_model(logged.model_uri).theta.flat.tobytes() == fit.theta.flat.tobytes()


# ── the progress bar ─────────────────────────────────────────────────────────────────────────────────


def test_a_bar_in_a_notebook_is_one_output_that_is_updated(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    def display(data, raw, display_id):
        shown.append(data)
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    trained(progress=True)
    assert shown[0]["text/html"].startswith('<progress value="')
    assert shown[-1]["text/html"].startswith('<progress value="1.0000" max="1"')
    assert shown[-1]["text/plain"].startswith("epoch 4/4  cost ")
    assert "balanced_accuracy 0." in shown[-1]["text/plain"]


def test_a_bar_elsewhere_is_plain_text():
    stream = io.StringIO()
    trained(wg.callbacks.ProgressBar(stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4 and lines[-1].startswith("epoch 4/4  cost ")


# ── what is missing, and what fails ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "optuna"])
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    monkeypatch.setattr("whygrad.errors.find_spec", lambda package: None)
    kinds = {
        "tensorboard": lambda: wg.callbacks.TensorBoard("logs"),
        "mlflow": wg.callbacks.MLflow,
        "optuna": lambda: wg.callbacks.Optuna(None),
    }
    with pytest.raises(wg.InputError, match=f" needs {name}: pip install {name}$"):
        kinds[name]()


def test_whoever_fails_the_recorder_has_seen_the_epoch_and_all_are_closed(tmp_path):
    closed = []

    class Fails(wg.Callback):
        def on_epoch_end(self, report):
            if report.state.epoch == 3:
                raise RuntimeError("my own mistake")

        def close(self):
            closed.append(self)
            raise RuntimeError("and again")

    with pytest.raises(RuntimeError):
        trained(Fails(), Fails(), record=tmp_path / "a.run")
    assert len(closed) == 2
    run = wg.open_run(tmp_path / "a.run")
    assert len(run.history.epochs) == 3
    assert run.resume().history.epochs == trained().history.epochs


def test_a_callback_sees_the_folder_once_it_is_whole(tmp_path):
    seen = []

    class Sees(wg.Callback):
        def close(self):
            seen.append("close")

        def on_recorded(self, folder):
            seen.append((folder.name, wg.open_run(folder).concluded))

    trained(Sees(), record=tmp_path / "a.run")
    assert seen == ["close", ("a.run", True)]
    run = wg.open_run(tmp_path / "a.run").resume(epochs=5, callbacks=[Sees()])
    run.fork(2, callbacks=[Sees()], record=tmp_path / "b.run")
    run.fork_many([{"step": 2, "callbacks": [Sees()], "record": tmp_path / "c.run"}])
    assert [name for name, _ in seen[1::2]] == ["a.run", "a.run", "b.run", "c.run"]
    trained(Sees())
    assert seen[-1] == "close", "what is not recorded has no folder"
