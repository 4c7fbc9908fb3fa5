"""A recorded training: what it showed, its state at any step, and what can be done with it.

A run can be opened while it is written. History and costs are then those so far, and the parameters those
of the last snapshot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.engines import Engine, Statistics, Watch, choose
from whygrad.errors import FileError, InputError, RecordWarning, warn
from whygrad.fitted import Fitted, load
from whygrad.nn.arrays import Data
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters
from whygrad.nn.predict import outputs
from whygrad.plan.plan import Plan, State, of_gradients
from whygrad.record import replay, source
from whygrad.record.files import describing, environment, events, inside, manifest
from whygrad.training.callbacks import Observer
from whygrad.training.epochs import History, final
from whygrad.training.loop import Training

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.pipeline.scores import Scores
    from whygrad.pipeline.settings import Settings
    from whygrad.tables import Encoding
    from whygrad.why.bound import Why


@dataclass(frozen=True, eq=False)
class Run:
    """A recorded training; `open_run` gives it.

    Parameters
    ----------
    path : the folder.
    manifest : what its manifest.json says.
    own : the user's own functions and rules that it uses.
    given : the examples, (X, Y) or (X, Y, weights), where they were given again.
    given_held_out : the same of those measured after every epoch.
    """

    path: Path
    manifest: dict[str, Any]
    own: tuple[Any, ...] = ()
    given: tuple[Any, ...] | None = None
    given_held_out: tuple[Any, ...] | None = None

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {self.fitted!r}>"

    # ── what was trained ──

    @cached_property
    def first_plan(self) -> Plan:
        """The plan as training began, with as many epochs as it was to have then."""
        return describing.plan_from_dict(self.manifest, self.own)

    @property
    def net(self) -> Network:
        """The network."""
        return self.first_plan.net

    @property
    def plan(self) -> Plan:
        """All that decides the training, with as many epochs as it was to have in the end."""
        return replace(self.first_plan, epochs=self.stages()[-1].epochs)

    @cached_property
    def encoding(self) -> "Encoding":
        """How rows of the table become inputs, and outputs labels or numbers."""
        from whygrad.tables import Encoding

        if not self.on_table:
            raise InputError(f"{self.path.name} was trained on arrays: there are no columns")
        return Encoding.from_dict(manifest.read_encoding(self.path, self.manifest))

    @property
    def on_table(self) -> bool:
        """Whether it was trained on the rows of a table."""
        return "settings" in self.manifest

    @cached_property
    def settings(self) -> "Settings":
        """The options of the training on a table, all filled in."""
        from whygrad.pipeline import settings

        if not self.on_table:
            raise InputError(
                f"{self.path.name} was trained on arrays: it has a plan, but no settings"
            )
        return settings.from_dict(self.manifest["settings"])

    @property
    def target(self) -> str:
        """The name of the column that is predicted."""
        return self.encoding.target.name

    # ── what it showed ──

    @property
    def history(self) -> History:
        """The training, epoch by epoch, so far."""
        try:
            return self._recorded_history()
        except FileError as error:
            if not self.concluded:
                raise
            warn(
                f"{error}: the history and the parameters at the end are there, but no replay",
                RecordWarning,
            )
            return self.fitted.history

    def _recorded_history(self) -> History:
        with events.reading(self._events) as db:
            ended = events.ended(db)
            return History(tuple(events.epochs(db).values()), ended[1] if ended else "")

    @property
    def costs(self) -> Array:
        """The cost of every step so far, penalties included, (steps,)."""
        with events.reading(self._events) as db:
            return events.costs(db, self.start, events.last_step(db))

    @property
    def judged(self) -> bool:
        """Whether its epochs measured accuracy as a score, whatever the cost is."""
        return self.manifest["data"].get("several") is not None

    @property
    def statistics(self) -> Statistics:
        """What the layers did, at some hundred steps of every epoch."""
        with events.reading(self._events) as db:
            return events.statistics(db, self.net.L, self.start, events.last_step(db))

    @property
    def start(self) -> int:
        """The step it started at: 0, but in a fork, which goes on from a step of another run."""
        return int(self.manifest["start"])

    @property
    def first_end(self) -> int:
        """The step at which its first epoch ended, 0 where none has; a fork may begin within one."""
        with events.reading(self._events) as db:
            return events.first_end(db)

    @property
    def step(self) -> int:
        """The number of updates so far, those of the run it was forked from included."""
        with events.reading(self._events) as db:
            return max(self.start, events.last_step(db))

    @property
    def stopped(self) -> str:
        """Why training ended, or "" where it has not."""
        with events.reading(self._events) as db:
            ended = events.ended(db)
        return ended[1] if ended else ""

    @property
    def scores(self) -> "Scores | None":
        """The scores of the rows that were held out, as training gave them; None where there are none."""
        from whygrad.pipeline import scores

        found = self.manifest.get("scores")
        return None if found is None else scores.from_dict(found)

    # ── what it came to ──

    @cached_property
    def fitted(self) -> Fitted:
        """The network with the parameters that training ended with, or had when this was opened."""
        if not self.concluded:
            return self._latest()
        try:
            manifest.check_file(self.path, manifest.MODEL, self.manifest)
            path = inside.place(self.path, manifest.MODEL)
            return load(path, describing.of_network(self.own))
        except FileError as error:
            try:
                found = self._latest()
            except (FileError, InputError):
                raise error from None
            warn(f"{error}: the last snapshot is used instead", RecordWarning)
            return found

    @property
    def concluded(self) -> bool:
        """Whether training came to its end, and its model was written."""
        return manifest.MODEL in self.manifest.get("files", {})

    def _latest(self) -> Fitted:
        state = replay.latest(self)
        try:
            history = self._recorded_history()
        except FileError:  # which `latest` has told already
            history = History()
        theta = Parameters(self.net.sizes, final(self.first_plan, state))
        return Fitted(self.net, theta, history)

    @property
    def theta(self) -> Parameters:
        """The parameters of `fitted`."""
        return self.fitted.theta

    @property
    def why(self) -> "Why":
        """Ask why: `run.why.weight(frame, layer=1, to=0, from_="rooms")`, and the other questions of `Why`.

        Rows are a frame or a file with the target, or without any the rows that were held out; a run on
        arrays is asked with arrays. `moved`, `pushed` and `without` ask of the training itself, and
        take the number of a row that was held out as well.
        """
        from whygrad.record.asking import why_of_run

        return why_of_run(self)

    def widget(self, X: Any = None, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click asks why, on rows as `why` takes them: `Why.widget`."""
        from whygrad.record.asking import rows_to_show

        return self.why.widget(*rows_to_show(self, X, y))

    def predict(self, data: Any) -> Array:
        """Give the predicted labels, or numbers in the target's own units, (n,).

        A run on arrays gives its outputs a[L], (n, n_L). Raises `InputError` for a column that is missing
        or of another kind than in training, and `FileError` for a file that cannot be read.
        """
        if not self.on_table:
            return outputs(self.net, self.theta, data)
        return np.concatenate([self.encoding.decode(a) for a, _ in self.outputs(data)])

    def probabilities(self, data: Any) -> Array:
        """Give the probability of each class, (n, len(encoding.classes))."""
        target = self.encoding.target
        return np.concatenate([target.probabilities(a) for a, _ in self.outputs(data)])

    def outputs(self, data: Any) -> Iterator[tuple[Array, Any]]:
        """Give the network's outputs, (rows, n_L), beside the rows of a table they are of, in pieces."""
        from whygrad.record import rows

        return rows.outputs(self, data)

    def evaluate(self, data: Any = None) -> "Scores":
        """Score the predictions for rows that have the target.

        Without `data` they are the rows that were held out, read again from where training found them: the
        scores are then `scores`, to the last bit. Where that is gone they are the copy in the run, whose
        numbers are as precise as training had them. Rows without a value of the target are left out.
        """
        from whygrad.record import held_out, rows

        if data is None:
            data = held_out.read_again(self)
        return rows.measure(self, data)[0]

    def measure(self, data: Any) -> "tuple[Scores, int]":
        """Give the scores of rows, and how many were left out as they have no value of the target."""
        from whygrad.record import rows

        return rows.measure(self, data)

    # ── computed again ──

    def state(self, step: int) -> State:
        """Give the exact state after `step` updates: theta, the optimizer's slots, all that training keeps.

        The nearest snapshot is read, and the steps from there are taken again. Raises `InputError` for a
        step that is not recorded, and where the data are needed and have changed or are gone.
        """
        return replay.state_at(self, step)

    def replay(self, verify: bool = True) -> replay.Replay:
        """Train again, from the start, and compare every cost and snapshot with what was recorded.

        The verdict says which guarantee holds, equal bits or a tolerance, and where they first differ;
        without `verify` nothing is compared, and there is none.
        """
        state, verdict = replay.verify(self) if verify else (replay.again(self), None)
        theta = Parameters(self.net.sizes, final(self.plan, state))
        return replay.Replay(Fitted(self.net, theta, self.history), verdict)

    def resume(
        self,
        epochs: int | None = None,
        *,
        callbacks: Sequence[Observer] = (),
        seconds: float | None = None,
    ) -> "Run":
        """Go on where a training was broken off, to the last bit as if it had not been; or to more epochs.

        `epochs` are those in all. Raises `InputError` for a training at its end that is asked for no more.
        """
        from whygrad.record import forking

        return forking.resume(self, epochs, callbacks, seconds)

    def fork(
        self,
        step: int,
        *,
        record: str | PathLike[str] | None = None,
        overwrite: bool = False,
        **changes: Any,
    ) -> "Run":
        """Go on from a step in another way, as a new run that knows this one as its parent.

        `changes` are arguments of `train`: rate, optimizer, schedule, epochs (in all), batch_size, seed,
        shuffle, l1, l2, stopping, clip, label_smoothing, cost_below, engine, callbacks, seconds; or other
        examples, data=(X, Y) or (X, Y, weights), and held_out=(X, Y). `record` is the folder, by default a
        free name beside this one; `overwrite` replaces another run that is there.
        """
        from whygrad.record import forking

        return forking.fork(self, step, record, changes, overwrite=overwrite)

    def without(
        self,
        examples: Any,
        rescale: bool = False,
        *,
        record: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "Run":
        """Train once more from the start, the same but without some examples, as a fork.

        `examples` are their places in the training data. A step divides by what it was divided by, or with
        `rescale` by the number (weight) of those that remain in its batch.
        """
        from whygrad.record import forking

        return forking.without(self, examples, rescale, record, overwrite)

    # ── what replay needs ──

    @property
    def _events(self) -> Path:
        return self.path / events.NAME

    def check(self) -> None:
        """Read all that was recorded; raises `FileError` where any of it is not as it was written."""
        with events.reading(self._events) as db:
            events.check(db, self.start, self.net.L)

    def stages(self) -> list[events.Stage]:
        """Give how many epochs training was to have, from which step on.

        Raises `FileError` where they are of another plan than the manifest says.
        """
        with events.reading(self._events) as db:
            found = events.stages(db)
        for stage in found:
            if stage.plan != self._plan_digest:
                raise FileError(
                    f"{self.path}: damaged, {manifest.NAME} is of another training than {events.NAME}: its "
                    f"plan has SHA-256 {self._plan_digest[:16]}…, recorded was {stage.plan[:16]}…"
                )
        return found

    @cached_property
    def _plan_digest(self) -> str:
        return manifest.plan_digest(self.manifest)

    def snapshots(self, until: int | None = None) -> list[events.Snapshot]:
        """Give the states that are on the disk, up to a step, the earliest first."""
        with events.reading(self._events) as db:
            return events.snapshots(db, until)

    @cached_property
    def data(self) -> Data:
        """The training examples; raises `InputError` where they have changed, or have to be given again."""
        return source.training_data(self)

    @cached_property
    def held_out(self) -> Data | None:
        """The examples that were measured after every epoch, or None."""
        return source.held_out_data(self)

    @cached_property
    def engine(self) -> Engine:
        """The engine that computed it, or where that cannot be had the reference engine."""
        plan, name = of_gradients(self.first_plan), self.manifest["engine"]
        changed = describing.changed_parts(self.first_plan, self.manifest)
        for part, (then, now) in changed.items():
            raise InputError(
                f"{part!r} is not what {self.path.name} was trained with: its source has SHA-256 "
                f"{now[:16]}…, recorded was {then[:16]}…"
            )
        try:
            return choose(name, plan)
        except InputError:
            return choose("reference", plan)

    @cached_property
    def watch(self) -> Watch:
        """What its steps left out."""
        about = self.manifest.get("left_out")
        if about is None:
            return Watch()
        multipliers = np.ones(self.first_plan.n)
        multipliers[about["examples"]] = 0
        return Watch(multipliers=multipliers, rescale=about["rescale"])

    def training(self, state: State, plan: Plan | None = None) -> Training:
        """Give the training that goes on from a state."""
        return Training(
            self.plan if plan is None else plan,
            state,
            self.data,
            self.held_out,
            self.engine,
            self.manifest["layer_statistics"],
            self.watch,
        )

    def elsewhere(self) -> list[str]:
        """Say why bits need not be equal here: what differs from where it was recorded; [] if nothing."""
        now, found = environment.describe(), []
        for stage in self.stages():
            found += environment.differences(stage.environment, now)
        if self.engine.name != self.manifest["engine"]:
            found.append(f"engine {self.manifest['engine']}, here {self.engine.name}")
        return list(dict.fromkeys(found))
