"""A recorded training and what can be done with it: asked, applied, computed again, gone on with.

What reads tables is imported where it is needed: pyarrow takes a while.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from whygrad.fitted import Fitted
from whygrad.nn.functions import Array
from whygrad.nn.network import Parameters
from whygrad.nn.predict import outputs
from whygrad.plan.plan import State
from whygrad.record import forking, replay, source
from whygrad.record.recorded import Recorded
from whygrad.training.callbacks import AnyCallback
from whygrad.training.epochs import final

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget
    from whygrad.pipeline.scores import Scores
    from whygrad.why.bound import Why
    from whygrad.why.training_history.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Run(Recorded):
    """A recorded training; `open_run` gives it. What was recorded is described in `Recorded`."""

    @property
    def why(self) -> "Why":
        """Ask why: `run.why.weight(frame, layer=1, to=0, from_="rooms")`, and the other questions of `Why`.

        Rows are a frame or a file with the target, or without any the test rows; a run on
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
        """Return the predicted labels, or numbers in the target's own units, (n,).

        A run on arrays gives its outputs a[L], (n, n_L). Raises `InputError` for a column that is missing
        or of another kind than in training, and `FileError` for a file that cannot be read.
        """
        if not self.on_table:
            return outputs(self.net, self.theta, data)
        return np.concatenate([self.encoding.decode(a) for a, _ in self.outputs(data)])

    def probabilities(self, data: Any) -> Array:
        """Return the probability of each class, (n, len(encoding.classes))."""
        target = self.encoding.target
        return np.concatenate([target.probabilities(a) for a, _ in self.outputs(data)])

    def outputs(self, data: Any) -> Iterator[tuple[Array, Any]]:
        """Return the network's outputs, (rows, n_L), beside the rows of a table they are of, in pieces."""
        from whygrad.record import rows

        return rows.outputs(self, data)

    def evaluate(self, data: Any = None) -> "Scores":
        """Score the predictions for rows that have the target.

        Without `data` they are the test rows, read again from where training found them: the
        scores are then `scores`, to the last bit. Where that is gone they are the copy in the run, whose
        numbers are as precise as training had them. Rows without a value of the target are left out.
        """
        from whygrad.record import rows

        if data is None:
            data = source.read_again(self)
        return rows.measure(self, data)[0]

    def measure(self, data: Any) -> "tuple[Scores, int]":
        """Return the scores of rows, and how many were left out as they have no value of the target."""
        from whygrad.record import rows

        return rows.measure(self, data)

    # ── computed again ──

    def state(self, step: int) -> State:
        """Return the exact state after `step` updates: theta, the optimizer's slots, all that training keeps.

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
        callbacks: Sequence[AnyCallback] = (),
        seconds: float | None = None,
    ) -> "Run":
        """Go on where a training was broken off, to the last bit as if it had not been; or to more epochs.

        `epochs` are those in all. Raises `InputError` for a training at its end that is asked for no more.
        """
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
        examples, data=(X, Y) or (X, Y, weights), and validation=(X, Y). `record` is the folder, by default a
        free name beside this one; `overwrite` replaces another run that is there.
        """
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
        return forking.without(self, examples, rescale, record, overwrite)

    def trajectory(self, step: int | None = None) -> "Trajectory":
        """Return the course of the training, to its end or to a step, as the questions about it take it."""
        from whygrad.record.trajectory import trajectory_of

        return trajectory_of(self, step)
