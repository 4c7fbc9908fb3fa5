"""What was recorded of a training, read from its folder: nothing is computed again.

A run can be read while it is being written. History and costs are then those so far, and the parameters
those of the last snapshot.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from whygrad.answers.formatting import counted
from whygrad.engines import Engine, Statistics, choose
from whygrad.errors import FileError, InputError, RecordWarning, warn
from whygrad.fitted import Ensemble, Fitted, averaged, fitted_of
from whygrad.nn import Array, Data, Network, Parameters
from whygrad.plan.plan import Plan, State, of_gradients
from whygrad.record import source
from whygrad.record.files import (
    describing,
    environment,
    events,
    inside,
    manifest,
    snapshots,
)
from whygrad.training import model_file
from whygrad.training.again import plan_at
from whygrad.training.epochs import MEASURES, History
from whygrad.training.loop import Training
from whygrad.training.metrics import Measure, Metrics

if TYPE_CHECKING:
    from whygrad.pipeline.comparing import Comparison
    from whygrad.pipeline.copies import Copies
    from whygrad.pipeline.repeating import Repeated
    from whygrad.pipeline.scores import Scores
    from whygrad.pipeline.settings import Settings
    from whygrad.tables import Encoding


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recorded training as it lies on the disk.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        What its manifest.json says.
    own : tuple
        The user's own costs, activations, optimizers, schedules and metrics that it uses.
    given : tuple of arrays, optional
        The training examples, (X, Y) or (X, Y, sample_weight), where they were given again.
    given_validation : tuple of arrays, optional
        The validation examples, in the same form.

    Raises
    ------
    FileError
        By whatever reads a part of the folder that is missing or damaged.
    """

    path: Path
    manifest: dict[str, Any]
    own: tuple[Any, ...] = ()
    given: tuple[Any, ...] | None = None
    given_validation: tuple[Any, ...] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}: {self.fitted!r}>"

    def _repr_html_(self) -> str:
        """Show how the training went in a notebook."""
        from whygrad.answers.cards import card, run_answer  # which a run does not need to be read

        plan, scores = self.plan, self.scores if self.on_table else None
        layers = [f"{one.units} {one.f.name}" for one in self.net.layers]
        rule = type(plan.optimizer).__name__
        facts = [
            ("network", " → ".join([counted(self.net.sizes[0], "inputs"), *layers])),
            ("training", f"{rule}, batches of {plan.batch_size}, seed {plan.seed}"),
            ("steps", f"{self.step:,}"),
        ]
        if self.on_table:
            facts.append(("predicts", self.target))
        if scores is not None and scores.score is not None:
            facts.append(("score", f"{scores.score:.4g}"))
        return card(run_answer(self.path.name, self.net, self.history, facts))

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

    def plan_at(self, step: int) -> Plan:
        """Return the plan at a step, with as many epochs as it was to have then: schedules go by them."""
        return plan_at(self.first_plan, [(one.step, one.epochs) for one in self.stages()], step)

    @cached_property
    def encoding(self) -> "Encoding":
        """How rows of the table become inputs, and outputs labels or numbers.

        Raises
        ------
        InputError
            For a run on arrays.
        """
        from whygrad.tables import Encoding

        if not self.on_table:
            raise InputError(f"{self.path.name} was trained on arrays: there are no columns")
        found = Encoding.from_dict(manifest.read_encoding(self.path, self.manifest))
        if "threshold" in self.manifest:  # chosen at the end of training
            target = replace(found.target, threshold=self.manifest["threshold"])
            found = replace(found, target=target)
        return found

    @property
    def on_table(self) -> bool:
        """Whether it was trained on the rows of a table."""
        return "settings" in self.manifest

    @cached_property
    def states_met(self) -> dict[int, list[State]]:
        """States √T apart on the way to a step, met by a walk back over the training, by that step."""
        return {}

    @cached_property
    def settings(self) -> "Settings":
        """The options of the training on a table, all filled in.

        Raises
        ------
        InputError
            For a run on arrays.
        """
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

    # ── how training went ──

    @property
    def history(self) -> History:
        """The training so far, epoch by epoch."""
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
        """The cost of every step so far, before its update and penalties included, (steps,)."""
        with events.reading(self._events) as db:
            return events.costs(db, self.start, events.last_step(db))

    @property
    def judged(self) -> bool:
        """Whether its epochs measured accuracy as a score, whatever the cost is."""
        return self.manifest["data"].get("several") is not None

    @property
    def statistics(self) -> Statistics:
        """Statistics of the layers, at 50 to 100 steps of every epoch."""
        with events.reading(self._events) as db:
            return events.statistics(db, self.net.L, self.start, events.last_step(db))

    @property
    def start(self) -> int:
        """The step it started at: 0, or in a fork the step of its parent from which it goes on."""
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
        """The scores of the test rows (the training rows where there are none), or None before the end."""
        from whygrad.pipeline import scores

        found = self.manifest.get("scores")
        return None if found is None else scores.from_dict(found)

    @property
    def copies(self) -> "Copies | None":
        """How many test rows training has seen too, value for value, or None where that is not known."""
        from whygrad.pipeline import copies

        return copies.copies_from_dict(self.manifest.get("copies"))

    @property
    def comparison(self) -> "Comparison | None":
        """What the network was compared with on its test rows, or None where it was not."""
        from whygrad.pipeline import comparing

        return comparing.from_dict(self.manifest.get("comparison"))

    @property
    def repeated(self) -> "Repeated | None":
        """The scores over folds or seeds, or None where there are none."""
        from whygrad.pipeline import repeating

        return repeating.from_dict(self.manifest.get("repeated"))

    # ── what it ended with ──

    @cached_property
    def fitted(self) -> Fitted:
        """The network with the parameters that training ended with, or those of the last snapshot.

        A model that is missing or damaged is replaced by the last snapshot, with a `RecordWarning`.
        """
        if not self.concluded:
            return self._latest()
        try:
            manifest.check_file(self.path, manifest.MODEL, self.manifest)
            path = inside.path_of(self.path, manifest.MODEL)
            return Fitted(*model_file.read(path, describing.of_network(self.own)))
        except FileError as error:
            try:
                found = self._latest()
            except (FileError, InputError):
                raise error from None
            warn(f"{error}: the last snapshot is used instead", RecordWarning)
            return found

    # ── of several members ──

    @property
    def members(self) -> int:
        """How many networks there are to train."""
        return int(self.manifest.get("members", 1))

    @cached_property
    def predicting(self) -> int:
        """How many of them had an epoch: their average predicts, or where none had, the first."""
        had_one = 0
        for k in range(1, self.members + 1):
            with suppress(FileError):  # where a kill left no folder of it
                had_one += self.member(k).first_end > 0
        return had_one

    @property
    def pilots(self) -> int:
        """How many of them, the first ones, set rows aside to find by how long to learn: as a rule all."""
        return int(self.manifest.get("pilots", self.members))

    def member(self, number: int) -> Self:
        """Return the run of a member, counted from 1.

        Raises
        ------
        InputError
            Where there is no such member.
        FileError
            Where its folder is gone or damaged.
        """
        if not 1 <= number <= self.members:
            raise InputError(
                f"member {number}: {self.path.name} has {self.members}, counted from 1"
            )
        if number == 1:
            return self
        path = inside.member_of(self.path, number)
        return replace(self, path=path, manifest=manifest.read(path))

    def opened_again(self) -> Self:
        """Return the run as it stands now."""
        return replace(self, manifest=manifest.read(self.path))

    @cached_property
    def average(self) -> Fitted | Ensemble:
        """What predicts: `fitted`, or of several members the ensemble of those that had an epoch."""
        return averaged(self.each(self.fitted))

    def each(self, own: Fitted) -> list[Fitted]:
        """Return the networks of all members in their order, of which the first is `own`."""
        return [own, *(self.member(k).fitted for k in range(2, self.members + 1))]

    @property
    def concluded(self) -> bool:
        """Whether training has ended and its model was written."""
        return manifest.MODEL in self.manifest.get("files", {})

    def _latest(self) -> Fitted:
        state = latest(self)
        try:
            history = self._recorded_history()
        except FileError:  # of which `latest` has warned already
            history = History()
        return fitted_of(self.first_plan, state, history)

    @property
    def theta(self) -> Parameters:
        """The parameters of `fitted`."""
        return self.fitted.theta

    # ── what replay needs ──

    @property
    def _events(self) -> Path:
        return self.path / events.NAME

    def check(self) -> None:
        """Read the whole database once.

        Raises
        ------
        FileError
            Where any of it is not as it was written.
        """
        with events.reading(self._events) as db:
            events.check(db, self.start, self.net.L)

    def stages(self) -> list[events.Stage]:
        """Return how many epochs training was to have, from which step on: one stage for each resumption.

        Raises
        ------
        FileError
            Where they are of another plan than the manifest's.
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
        """Return the states that are on the disk, up to a step, the earliest first."""
        with events.reading(self._events) as db:
            return events.snapshots(db, until)

    @cached_property
    def data(self) -> Data:
        """The training examples, checked by SHA-256, with multiplier 0 where this training left one out.

        Raises
        ------
        InputError
            Where they have changed, or have to be given again.
        FileError
            Where their file is gone.
        """
        data, about = source.training_data(self), self.manifest.get("left_out")
        if about is None:
            return data
        multipliers = np.ones(len(data.Y))
        multipliers[about["examples"]] = 0
        return replace(data, multipliers=multipliers, rescale=about["rescale"])

    @cached_property
    def validation(self) -> Data | None:
        """The validation examples, measured after every epoch, or None; raises as `data` does."""
        return source.validation_data(self)

    @property
    def engine(self) -> Engine:
        """The engine that trained it, or the reference engine where that is not available here.

        Each thread has its own: an engine works in arrays of its own, so two computations cannot share it.

        Raises
        ------
        InputError
            Where the source of a function of the user's own has changed.
        """
        found: Engine | None = getattr(self._engines, "engine", None)
        if found is None:
            found = self._engines.engine = self._chosen_engine()
        return found

    @cached_property
    def _engines(self) -> threading.local:
        return threading.local()

    def _chosen_engine(self) -> Engine:
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

    def training(self, state: State, plan: Plan | None = None) -> Training:
        """Return the training that goes on from a state.

        Parameters
        ----------
        state : State
            Where it starts.
        plan : Plan, optional
            What decides it; by default the run's own plan.

        Raises
        ------
        InputError
            Where the data have changed, or have to be given again.
        """
        return Training(
            self.plan if plan is None else plan,
            state,
            self.data,
            self.validation,
            self.engine,
            self.manifest["layer_statistics"],
            self.metrics,
        )

    @cached_property
    def metrics(self) -> Metrics | None:
        """The metrics that it measures at the end of each epoch, or None; of the user's own those in `own`.

        Raises
        ------
        InputError
            Where the plan goes by one of the user's own that is not in `own`; others are left out, with a
            `RecordWarning`.
        """
        about = self.manifest.get("metrics")
        if about is None:
            return None
        from whygrad.training.scorers import metrics_again  # which imports scikit-learn

        found, missing = metrics_again(about, self.own)
        for name in missing:
            said = f"{self.path.name} measures {name!r}, a metric of your own: give it in own=[…]"
            if name in self.rules_go_by:
                raise InputError(said)
            warn(f"{said}; it is not measured from here on", RecordWarning)
        return found if found.metrics else None

    @property
    def rules_go_by(self) -> set[str]:
        """The metrics and measures of validation that the plan's rules go by."""
        rules = (self.first_plan.stopping, self.first_plan.schedule)
        return {getattr(rule, "on", "cost") for rule in rules} - {"cost"}

    @property
    def goes_by_metrics(self) -> bool:
        """Whether a rule of the plan goes by a metric, so that training again has to measure it."""
        return not self.rules_go_by <= set(MEASURES)

    def measuring(self) -> Measure | None:
        """Return what measures the metrics, where a rule of the plan goes by one; else None."""
        if not self.goes_by_metrics or self.metrics is None:
            return None
        from whygrad.training.scorers import measuring

        return measuring(self.metrics, self.net, self.data, self.validation)

    def elsewhere(self) -> list[str]:
        """Return what differs here from where it was recorded, in a few words each.

        Where nothing does, the list is empty, and training again gives the same bits.
        """
        now, found = environment.describe(), []
        for stage in self.stages():
            found += environment.differences(stage.environment, now)
        if self.engine.name != self.manifest["engine"]:
            found.append(f"engine {self.manifest['engine']}, here {self.engine.name}")
        return list(dict.fromkeys(found))


def folder_of(path: Path, member: int) -> Path:
    """Return the folder of a member, counted from 1, in that of its ensemble.

    >>> folder_of(Path("a.run"), 1).name, folder_of(Path("a.run"), 3).name
    ('a.run', '3.run')
    """
    return path if member == 1 else inside.member_of(path, member)


def latest(run: Recorded) -> State:
    """Read the last state on the disk, which needs no data."""
    try:
        return nearest(run, 2**62)
    except FileError as error:
        for name in reversed(inside.names(run.path)):
            if not name.startswith(f"{inside.SNAPSHOTS}/") or inside.is_half_written(name):
                continue
            with suppress(FileError):
                state = snapshots.read(run.path, name, run.first_plan)
                warn(
                    f"{error}: the parameters of step {state.step} are there, but no replay",
                    RecordWarning,
                )
                return state
        raise


def nearest(run: Recorded, step: int) -> State:
    """Read the last undamaged snapshot up to a step."""
    known = run.snapshots(step)
    for snapshot in reversed(known):
        try:
            return snapshots.read(run.path, snapshot, run.first_plan)
        except FileError as error:
            problem = error
        if snapshot is not known[0]:
            warn(f"{problem}: computing from an earlier one", RecordWarning)
    if not known:
        raise FileError(f"{run.path}: damaged, there is no state before step {step} to start from")
    raise FileError(
        f"{problem}, and there is no earlier one: states up to the next snapshot are gone. The history and "
        "the parameters at the end are there"
    )
