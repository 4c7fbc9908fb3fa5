"""A recorded training and what can be done with it: asked, applied, replayed, resumed, forked.

`open_run` opens its folder. What the folder holds is read by `Recorded`, on which `Run` builds. What reads
tables is imported where it is needed: pyarrow takes a while.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.answers.formatting import clean
from whygrad.engines.prediction import outputs
from whygrad.errors import FileError, InputError, WhygradError, nearest_file
from whygrad.fitted import Fitted, fitted_of
from whygrad.nn.functions import Array
from whygrad.plan.plan import State
from whygrad.record import forking, replay, source
from whygrad.record.files import events, manifest
from whygrad.record.recorded import Recorded
from whygrad.training import WORDS
from whygrad.training.callbacks import AnyCallback

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.pipeline.scores import Scores
    from whygrad.why.bound import Why
    from whygrad.why.training_history.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Run(Recorded):
    """A recorded training, as `open_run` opens it.

    A training is a pure function of its plan, its start, its data and its seed, and a run records all four.
    So any state of it can be computed again, bit for bit, and training can go on from there. `Recorded`,
    its base, has what was recorded: the history, costs, statistics, scores and parameters.

    See Also
    --------
    open_run : opens a run.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, whygrad as wg
    >>> X, net = np.eye(4), wg.Network(4, [wg.Dense(1, "identity")], cost="squared_error")
    >>> with TemporaryDirectory() as folder:
    ...     fitted = wg.train(net, X, X[:, :1], epochs=3, batch_size=2, record=f"{folder}/a.run")
    ...     run = wg.open_run(f"{folder}/a.run")
    ...     verdict = run.replay().verdict
    ...     same = (run.state(run.step).theta == fitted.theta.flat).all()
    >>> verdict.guarantee, bool(same)
    ('bits', True)
    >>> str(verdict).endswith("equal to the last bit")
    True
    """

    def __repr__(self) -> str:
        about = self.manifest["network"]  # which a run whose own functions are gone has, too
        layers = about["layers"]
        sizes = "-".join(
            str(units) for units in (about["inputs"], *(one["units"] for one in layers))
        )
        of = f", the first of {self.members} networks" if self.members > 1 else ""
        return f"<Run {clean(self.path.name)} {sizes}{of}>"

    # ── asked and applied ──

    @property
    def why(self) -> "Why":
        """The questions of `Why`, bound to this run: `run.why.weight(frame, layer=1, to=0, from_="rooms")`.

        Rows are a frame or a file that has the target, and by default the test rows; a run on arrays takes
        arrays. `ledger`, `influence`, `settings`, `harmful` and `without` ask about the training, and also
        take the number of a test row (of a validation row in a run on arrays).
        """
        from whygrad.record.why import why_of_run

        return why_of_run(self)

    def widget(self, X: Any = None, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook, where a click asks why.

        Parameters
        ----------
        X : rows as `why` takes them, or int, optional
            The examples to show; a whole number is one of the test rows, which are also the default.
        y : array-like, optional
            Their targets, where `X` does not have them.

        Returns
        -------
        NotebookWidget
            See `Why.widget`.
        """
        from whygrad.record.why import rows_to_show

        return self.why.widget(*rows_to_show(self, X, y))

    def predict(self, data: Any) -> Array:
        """Return the predictions for rows.

        Parameters
        ----------
        data : path, name of a data set, pandas, polars or arrow frame; array-like, (n, n_0)
            The rows of a table, columns in any order; of a run on arrays, its inputs X.

        Returns
        -------
        ndarray
            Labels, or numbers in the target's own units, (n,). A run on arrays gives its outputs a[L],
            (n, n_L).

        Raises
        ------
        InputError
            Where a column is missing or of another kind than in training.
        FileError
            Where a file cannot be read.
        """
        if not self.on_table:
            return outputs(self.net, self.theta, data)
        return np.concatenate([self.encoding.decode(a) for a, _ in self.outputs(data)])

    def probabilities(self, data: Any) -> Array:
        """Return the probability of each class for rows of a table, as `predict` takes them.

        Returns
        -------
        ndarray of float, (n, len(encoding.classes))
            In the order of `encoding.classes`.
        """
        target = self.encoding.target
        return np.concatenate([target.probabilities(a) for a, _ in self.outputs(data)])

    def outputs(self, data: Any) -> Iterator[tuple[Array, Any]]:
        """Yield the network's outputs for rows of a table, piece by piece, however large a file is.

        Yields
        ------
        a : ndarray, (rows, n_L)
            The outputs a[L].
        rows : pyarrow.Table
            The rows that they are of.
        """
        from whygrad.record import rows

        return rows.outputs(self, data)

    def evaluate(self, data: Any = None) -> "Scores":
        """Score the predictions for rows that have the target.

        Parameters
        ----------
        data : rows as `predict` takes them, optional
            By default the test rows (the training rows where there are none), read again from where
            training found them: the scores then equal `scores` to the last bit. Where that file is gone,
            the copy in the run stands in, whose numbers are as precise as training had them.

        Returns
        -------
        Scores
            Accuracy and classes, or R² and errors, beside those of the baseline. Rows without a value of
            the target are left out.

        Raises
        ------
        InputError
            Where no row has a target, the data have changed, or training has not ended yet.
        FileError
            Where a file cannot be read.
        """
        return self.measure(source.read_again(self) if data is None else data)[0]

    def measure(self, data: Any) -> "tuple[Scores, int]":
        """Return the scores of rows, and how many were left out as they have no value of the target."""
        from whygrad.record import rows

        return rows.measure(self, data)

    # ── computed again ──

    def state(self, step: int) -> State:
        """Return the exact state after `step` updates.

        The nearest snapshot before it is read, and the steps from there are taken again.

        Parameters
        ----------
        step : int
            From `start` to `step`, the last one recorded.

        Returns
        -------
        State
            Parameters θ, the optimizer's state, and all else that training keeps.

        Raises
        ------
        InputError
            For a step that is not recorded; where the data are needed and have changed or are gone; where a
            step taken again costs something else than was recorded.
        """
        return replay.state_at(self, step)

    def replay(self, verify: bool = True) -> replay.Replay:
        """Train again from the start, and compare every cost and snapshot with what was recorded.

        Of an ensemble that is its first member: `run.member(k).replay()` trains another.

        Parameters
        ----------
        verify : bool, default True
            Whether to compare; otherwise there is no verdict.

        Returns
        -------
        Replay
            What training ended with, and the verdict: which guarantee holds, equal bits or a tolerance, and
            where the two first differ.
        """
        state, verdict = replay.verify(self) if verify else (replay.again(self), None)
        return replay.Replay(fitted_of(self.plan, state, self.history), verdict)

    def trajectory(self, step: int | None = None) -> "Trajectory":
        """Return the training, to its end or to a step, as the functions of `whygrad.why` take it.

        Raises
        ------
        InputError
            For L-BFGS, and where the run ended with the best parameters of its parent.
        """
        from whygrad.record.trajectory import trajectory_of

        return trajectory_of(self, step)

    # ── gone on with ──

    def resume(
        self,
        epochs: int | None = None,
        *,
        callbacks: Sequence[AnyCallback] = (),
        seconds: float | None = None,
    ) -> "Run":
        """Resume an interrupted training in its own folder, or train a finished one for more epochs.

        Resumed as it was planned, it has the bits of a training that was never interrupted. Of an ensemble
        all members are resumed.

        Parameters
        ----------
        epochs : int, optional
            The number of epochs in all. By default as many as planned.
        callbacks : sequence of callables
            Called with a `Report` at the end of every epoch; one that returns true ends the training.
        seconds : float, optional
            The time that it may take.

        Returns
        -------
        Run
            This run as it then stands.

        Raises
        ------
        InputError
            For a training that has ended and is asked for no more, that diverged, or whose data are gone.
        """
        if self.members > 1:
            from whygrad.record.members import resume_members

            return resume_members(self, epochs, callbacks, seconds)
        return forking.resume(self, epochs, callbacks, seconds)

    def fork(
        self,
        step: int,
        *,
        record: str | PathLike[str] | None = None,
        overwrite: bool = False,
        **changes: Any,
    ) -> "Run":
        """Go on from a step with something changed, as a new run that knows this one as its parent.

        What of the state the new plan still understands is kept, as in a warm start.

        Parameters
        ----------
        step : int
            The number of updates after which the two part.
        record : path-like, optional
            The new folder; by default a free name beside this one.
        overwrite : bool, default False
            Whether to replace another run that is there.
        **changes
            Arguments of `train`: learning_rate, optimizer, schedule, epochs (in all), batch_size, seed,
            shuffle, l1, l2, stopping, clip, label_smoothing, cost_below, rate_multipliers, products,
            metrics, engine, callbacks, seconds; other examples, data=(X, Y) or (X, Y, sample_weight);
            validation=(X, Y); and edits={index: value}, parameters set by hand before it goes on, by their
            index in `Parameters.flat`.

        Returns
        -------
        Run
            The fork. Its steps and epochs are counted on from those of its parent.

        Raises
        ------
        InputError
            For an unknown or impossible change, and where all epochs are over at that step.
        FileError
            Where the folder exists, or cannot be written.
        """
        return forking.fork(self, step, record, changes, overwrite=overwrite)

    def fork_many(
        self, forks: Sequence[Mapping[str, Any]], *, cores: int | None = None
    ) -> list["Run"]:
        """Go on in several ways side by side, each on a core of its own: the runs that `fork` makes.

        Parameters
        ----------
        forks : list of dicts
            For each its arguments of `fork`, by name: step, changes, and record and overwrite where wanted.
        cores : int, optional
            How many cores to use; by default all that this process may.

        Returns
        -------
        list of Run
            The forks, in the order of `forks`.

        Raises
        ------
        InputError, FileError
            As `fork`, before any of them begins; the message names which.
        TrainingError
            Where some failed on their way; the others went on.
        """
        return forking.fork_many(self, forks, cores)

    def without(
        self,
        examples: Any,
        rescale: bool = False,
        *,
        record: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "Run":
        """Train again from the start without some examples (leave-one-out retraining), as a fork.

        Order, dropout and all else stay the same, so that the difference is due to these examples alone. A
        run that was resumed is resumed again at the same steps, for as many epochs.

        Parameters
        ----------
        examples : int, array-like of int, or of bool, (n,)
            Their indices in the training data.
        rescale : bool, default False
            Whether a step divides by the number (weight) of the examples that remain in its batch, and not
            by that of the whole batch.
        record, overwrite
            As in `fork`.

        Returns
        -------
        Run
            The fork, from this run's start.

        Raises
        ------
        InputError
            For an index outside the data, and where no example remains.
        """
        return forking.without(self, examples, rescale, record, overwrite)

    def leave_one_out(
        self, examples: Any, rescale: bool = False, *, cores: int | None = None
    ) -> list["Fitted"]:
        """Train again without each of some examples by itself, side by side, and record nothing.

        It is the truth that every estimate of the influence of an example is held to: one training for
        each, on a core of its own.

        Parameters
        ----------
        examples : int, array-like of int, or of bool, (n,)
            Their indices in the training data.
        rescale : bool, default False
            As in `without`.
        cores : int, optional
            How many cores to use; by default all that this process may.

        Returns
        -------
        list of Fitted
            For each example the network that was trained without it, with the bits of `without`.

        Raises
        ------
        InputError
            For an index outside the data.
        TrainingError
            Where some failed on their way; the others went on.
        KeyboardInterrupt
            After Ctrl-C: a training that was cut off says nothing of its example.
        """
        return forking.leave_one_out(self, examples, rescale, cores)


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────


def open_run(
    path: str | PathLike[str],
    own: Sequence[Any] = (),
    data: tuple[Any, ...] | None = None,
    validation: tuple[Any, ...] | None = None,
) -> Run:
    """Open a run that `whygrad train`, or `record=` of a training, has written or is writing.

    The parts of the folder are checked; no data are read.

    Parameters
    ----------
    path : path-like
        The folder, whose name ends in .run.
    own : sequence
        The user's own costs, activations, optimizers, schedules and metrics that it uses: code is not
        stored.
    data : tuple of arrays, optional
        The training examples, (X, Y) or (X, Y, sample_weight), where they lay in memory and were not
        copied: X is (n, n_0), Y (n, n_L), sample_weight (n,).
    validation : tuple of arrays, optional
        The validation examples, in the same form.

    Returns
    -------
    Run
        The recorded training.

    Raises
    ------
    FileError
        For a folder that is missing, is no run, is damaged, or has another schema.

    Examples
    --------
    >>> run = open_run("houses.run")           # doctest: +SKIP
    >>> run.state(step=1000).theta             # doctest: +SKIP
    """
    folder = Path(path)
    _check_folder(folder)
    about = manifest.read(folder)
    run = Run(folder, about, tuple(own), data, validation)
    try:
        _check_record(run)
        sizes = run.net.sizes
        if run.fitted.net.sizes != sizes:
            raise FileError(f"{folder}: damaged, its parameters do not fit its network")
        if run.on_table:
            _check_table(run)
        return run
    except InputError as error:
        raise FileError(f"{folder}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder}: damaged, its description cannot be used ({error})") from None


def _check_record(run: Run) -> None:
    """Check that manifest and database are of one training, and agree on whether it has ended."""
    try:
        with events.reading(run.path / events.NAME) as db:
            _, ended = events.stages(db), events.ended(db)
    except FileError:  # raised again when it is needed: much may be there without it
        return
    run.stages()
    if run.concluded and ended is None and manifest.read(run.path) == run.manifest:
        raise FileError(
            f"{run.path}: damaged, {manifest.NAME} says that training has ended, {events.NAME} does not"
        )


def _check_table(run: Run) -> None:
    """Check that the network, the table's columns and the scores fit one another."""
    _, scores, encoding, sizes = run.settings, run.scores, run.encoding, run.net.sizes
    if (sizes[0], sizes[-1]) != (len(encoding.names), encoding.target.n_outputs):
        raise FileError(f"{run.path}: damaged, its network does not fit its columns")
    about, classes = run.manifest, encoding.classes
    if (about["target"], about["task"]) != (encoding.target.name, encoding.task):
        raise FileError(f"{run.path}: damaged, its target is not that of its columns")
    said = [] if scores is None else [one.label for one in getattr(scores, "classes", ())]
    said += [about["baseline"]] if classes and "baseline" in about else []
    if not set(said) <= set(classes) or (scores is not None and bool(said) != bool(classes)):
        raise FileError(f"{run.path}: damaged, its scores are of other classes than its columns")


def kept(run: Run) -> str:
    """Return "; kept is epoch 2" where a run does not keep the parameters of its last epoch, else ""."""
    rule = run.plan.stopping
    if rule is None or not rule.restore_best or not run.history.epochs:
        return ""
    try:
        best = run.state(run.step).early_stopping
    except WhygradError:  # the state is computed again where there is no snapshot of the end
        return ""
    if best.best_theta is None or best.best_step == run.step:
        return ""
    what = WORDS.get(rule.on, rule.on)
    return f"; kept is epoch {best.best_step // run.plan.steps_per_epoch}, of the best {what}"


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        exists = folder.exists()
    except (OSError, ValueError) as error:
        raise FileError(f"{folder!s:.200}: cannot be read ({error})") from None
    if exists:
        raise FileError(f"{folder}: a file, not a run: a run is a folder whose name ends in .run")
    try:
        others = [other.name for other in folder.parent.iterdir() if other.suffix == ".run"]
    except OSError:
        others = []
    hint = nearest_file(folder.name, others) or "`whygrad runs` lists those in a folder"
    raise FileError(f"{folder}: there is no such run: {hint}")
