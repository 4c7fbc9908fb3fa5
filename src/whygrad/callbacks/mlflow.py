"""MLflow: what every epoch showed; recorded runs as artifacts, and as models loaded without pickle.

`MLflow` is the callback. `save_model`, `log_model`, `load_model` and `_load_pyfunc` are what MLflow calls
a flavour: a model is a copy of a run's folder, which `open_run` opens, and no code in it is executed.
"""

import re
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from whygrad.callbacks.reporting import Reporter
from whygrad.callbacks.sending import Sender
from whygrad.errors import needs
from whygrad.plan.plan import Plan
from whygrad.record import Run, open_run
from whygrad.training import Epoch, Report
from whygrad.version import __version__

FOLDER = "model.run"  # the run within a model
LONGEST = 500  # letters of a parameter
MOST = 1000  # metrics that MLflow takes at a time


class MLflow(Reporter):
    """A callback that logs a training with MLflow: settings, every epoch, and the folder of a recorded run.

    It logs to the run that is active where the training begins, or else to one of its own. All is sent by
    a thread: training never waits for the server, and where that is gone, goes on without it.

    Parameters
    ----------
    name : str, optional
        The name of the run, where it is one of its own.
    patience : float, default 30
        Seconds to wait, at the end, for what is not sent yet.

    Attributes
    ----------
    run_id : str or None
        MLflow's name of the run, once it is known.

    Notes
    -----
    Metrics have the names of `History.to_frame`; steps are epochs. `mlflow.set_tracking_uri` and
    `mlflow.set_experiment` say where to, as always.

    Examples
    --------
    >>> import whygrad as wg
    >>> wg.callbacks.MLflow("first try")  # doctest: +ELLIPSIS
    <whygrad.callbacks.mlflow.MLflow object at ...>
    """

    to = "MLflow"

    def __init__(self, name: str | None = None, *, patience: float = 30.0) -> None:
        needs("mlflow", "MLflow")
        self.name, self.patience = name, patience
        self.run_id: str | None = None
        self._ours = False
        self._sender: Sender | None = None
        self._waiting: deque[list[Any]] = deque()
        self._before: BaseException | None = None

    def report(self, report: Report, epoch: Epoch) -> None:
        """Hand the numbers of an epoch to the thread that sends."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        if self._sender is None:
            self._sender = self._begin(report.plan)
        if self._sender.failure is not None:
            raise self._sender.failure
        now, step = get_current_time_millis(), report.state.epoch
        numbers = epoch.to_dict().items()
        self._waiting.append([Metric(_key(name), value, now, step) for name, value in numbers])
        self._sender.do(
            self._send
        )  # which takes all that wait, and finds none where one before it did

    def close(self) -> None:
        """Wait until all is sent, and end the run where it is one of its own."""
        sender, self._sender = self._sender, None
        if sender is None:
            self.run_id = None  # that of another training
        else:
            error = sys.exc_info()[1]
            broken = error is not None and error is not self._before
            sender.do(lambda: self._end("FAILED" if broken else "FINISHED"))
            self._finish(sender)
        self._waiting.clear()
        super().close()

    def on_recorded(self, folder: Path) -> None:
        """Log the folder of the recorded run as an artifact."""
        if self.run_id is None or self.lost:
            return
        from mlflow import MlflowClient

        sender, run_id = Sender("MLflow"), self.run_id
        sender.do(lambda: MlflowClient().log_artifacts(run_id, str(folder), folder.name))
        self._finish(sender)

    def _finish(self, sender: Sender) -> None:
        if not sender.finish(self.patience):
            self.give_up(f"it did not answer within {self.patience:g} s")
        elif sender.failure is not None:
            self.give_up(sender.failure)

    def _begin(self, plan: Plan) -> Sender:
        """Return the thread that sends, which begins with the run and the settings."""
        import mlflow

        self._before = sys.exc_info()[1]
        active = mlflow.active_run()
        self._ours = active is None
        self.run_id = None if active is None else active.info.run_id
        sender = Sender("MLflow")
        sender.do(lambda: self._open(settings(plan)))
        return sender

    # ── in the thread that sends ──

    def _open(self, told: Mapping[str, str]) -> None:
        import mlflow
        from mlflow.entities import Param

        client = mlflow.MlflowClient()
        known: Mapping[str, str] = {}
        if self.run_id is None:
            # An active run belongs to its thread: this one is out of the way of all others.
            self.run_id = mlflow.start_run(run_name=self.name).info.run_id
        else:
            known = client.get_run(self.run_id).data.params  # which cannot be changed
        params = [Param(key, value) for key, value in told.items() if key not in known]
        client.log_batch(self.run_id, params=params)

    def _send(self) -> None:
        from mlflow import MlflowClient

        assert self.run_id is not None
        metrics: list[Any] = []
        while self._waiting:
            metrics += self._waiting.popleft()
        for first in range(0, len(metrics), MOST):
            MlflowClient().log_batch(self.run_id, metrics=metrics[first : first + MOST])

    def _end(self, status: str) -> None:
        if self._ours:
            import mlflow

            mlflow.end_run(status)


def _key(name: str) -> str:
    """Return a name in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /:]", "_", name)


def settings(plan: Plan) -> dict[str, str]:
    """Return what decides a training, as text by name."""
    found = {
        "layers": "-".join(map(str, plan.net.sizes)),
        "activations": ", ".join(f.name for f in plan.net.f[1:]),
        "loss": plan.net.C.name,
    }
    for field in fields(plan):
        value = getattr(plan, field.name)
        if field.name != "net" and value is not None:
            found[field.name] = str(value)
    return {name: value[:LONGEST] for name, value in found.items()}


# ── recorded runs as models ──────────────────────────────────────────────────────────────────────────


def save_model(
    run: Run | str | PathLike[str], path: str | PathLike[str], mlflow_model: Any = None
) -> None:
    """Write a recorded run as a model of MLflow: a copy of its folder, without pickle.

    Parameters
    ----------
    run : Run or path
        The recorded run.
    path : path
        The folder to write.
    mlflow_model : mlflow.models.Model, optional
        The description to write, such as `log_model` makes.
    """
    needs("mlflow", "a model of MLflow")
    import mlflow
    from mlflow.models import Model

    source = run.path if isinstance(run, Run) else Path(run)
    open_run(source)  # which says what is wrong with it
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, folder / FOLDER)
    model = Model() if mlflow_model is None else mlflow_model
    model.add_flavor("whygrad", data=FOLDER, whygrad_version=__version__)
    mlflow.pyfunc.add_to_model(model, loader_module=__name__, data=FOLDER)
    (folder / "requirements.txt").write_text(f"whygrad=={__version__}\n", encoding="utf-8")
    model.save(folder / "MLmodel")


def log_model(run: Run | str | PathLike[str], name: str = "model", **more: Any) -> Any:
    """Log a recorded run as a model of MLflow, to the active run or a new one.

    Parameters
    ----------
    run : Run or path
        The recorded run.
    name : str, default "model"
        The model's name.
    **more
        Other arguments of `mlflow.models.Model.log`, such as registered_model_name.

    Returns
    -------
    mlflow.models.model.ModelInfo
        What MLflow says of it: `model_uri` is what `load_model` and `mlflow.pyfunc.load_model` take.
    """
    needs("mlflow", "a model of MLflow")
    from mlflow.models import Model

    return Model.log(artifact_path=None, name=name, flavor=sys.modules[__name__], run=run, **more)


def load_model(model_uri: str, own: Sequence[Any] = ()) -> Run:
    """Open the recorded run in a model of MLflow.

    Parameters
    ----------
    model_uri : str
        Where the model is: a folder, or "models:/…" or "runs:/…".
    own : sequence
        The user's own costs, activations and so on, as of `open_run`.

    Returns
    -------
    Run
        The run, which predicts, answers and can be gone on with.
    """
    needs("mlflow", "a model of MLflow")
    from mlflow.artifacts import download_artifacts

    return open_run(Path(download_artifacts(artifact_uri=str(model_uri))) / FOLDER, own)


class _Predictor:
    """A recorded run as MLflow's `pyfunc` asks it."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Return the predictions for rows: of a table labels or numbers, otherwise the outputs."""
        return self.run.predict(model_input if self.run.on_table else np.asarray(model_input))


def _load_pyfunc(path: str) -> _Predictor:
    """Return what predicts, from the folder of a run: MLflow calls this."""
    return _Predictor(open_run(path))
