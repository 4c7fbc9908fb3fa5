"""The questions, bound to a network: the user's own rows and labels in place of arrays.

`clf.why_`, `fitted.why`, `run.why` and `whygrad.explain(model)` give a `Why`. It turns frames and class
labels into X and Y as training did, puts in the penalties and names of the network, and asks. All is
computed in float64, from the parameters as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Names, names_of
from whygrad.answers.parts import Table
from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.widget import notebook_widget
from whygrad.errors import InputError, nearest
from whygrad.nn.arrays import check_columns, column_names
from whygrad.nn.backprop import forward
from whygrad.nn.functions import Array
from whygrad.nn.network import Network, Parameters
from whygrad.plan.plan import Penalty
from whygrad.why.error.blame import blame
from whygrad.why.gradient.paths import paths
from whygrad.why.gradient.unrolled import activities
from whygrad.why.gradient.weight import weight
from whygrad.why.gradient_check.check import check
from whygrad.why.prediction.prediction import prediction
from whygrad.why.symbols import over
from whygrad.why.training_history.functional import Meant
from whygrad.why.training_history.ledger import ALL, ledger
from whygrad.why.training_history.pushed import pushed
from whygrad.why.training_history.without import without
from whygrad.why.what_if.neuron import neuron
from whygrad.why.what_if.ripple import ripple

if TYPE_CHECKING:
    from whygrad.answers.widget.notebook import NotebookWidget


class Examples(NamedTuple):
    """Examples as the equations take them: X, Y or None, and the weights of the examples or None."""

    X: Any
    Y: Any = None
    sample_weight: Any = None


Unit: TypeAlias = int | str  # by number or by name
Masks: TypeAlias = Sequence[Any] | None  # factors of dropout, by layer

# (X, y or None, sample_weight or None) of the user → examples.
Encode: TypeAlias = Callable[[Any, Any, Any], Examples]
# X and the answer to `prediction` → tables that say it in the units of the user's own columns.
OwnUnits: TypeAlias = Callable[[Any, Explanation], tuple[Table, ...]]


def as_given(X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return what is an array already; PyTorch's tensors come from wherever they are."""
    if X is None:
        raise InputError("there are no rows here to ask about: give X, and y")
    X, y, sample_weight = (_from_tensor(array) for array in (X, y, sample_weight))
    return Examples(X, y, sample_weight)


def nothing_more(X: Any, answer: Explanation) -> tuple[Table, ...]:
    """Leave an answer as it is: X is in the user's own units already."""
    return ()


def unknown() -> None:
    """Training rows that are not known."""


NOTHING = Penalty(0.0)


@dataclass(frozen=True, eq=False)
class Why:
    """A network that can be asked why, in the terms of its user.

    Every method takes rows X, their targets y, and what the function of the same name in `whygrad.why`
    takes; `sample_weight` gives the weight of each example, (n,), and `l1`, `l2` replace the penalties.

    Parameters
    ----------
    net, theta : the network and its parameters.
    names : names of inputs and outputs.
    encode : how the user's rows, targets and weights become arrays.
    l1, l2 : the penalties of the training. Where they are divided by the weight S of a batch, as
        scikit-learn's alpha is, the batch is that of the examples asked about.
    n : the number of training examples, for penalties that are divided by it.
    notes : what every answer has to say about where the network comes from.
    own_units : tables for `prediction` in the units of the user's own columns, where X is scaled.
    run : the recorded training that it came from, for `ledger`, `pushed` and `without`, or None.
    training : gives the training rows as the network takes them, (n, n_0), where they are rows of a table:
        their mean is the baseline of `prediction`, and their range how far a change of it may go.

    >>> from whygrad import Dense
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> why = Why(net, net.init()).named(inputs=["age", "height"], outputs=["tall"])
    >>> why.names.outputs
    ('tall',)
    """

    net: Network
    theta: Parameters
    names: Names = Names()
    encode: Encode = as_given
    l1: Penalty = NOTHING
    l2: Penalty = NOTHING
    n: int = 0
    notes: tuple[str, ...] = ()
    own_units: OwnUnits = nothing_more
    run: Any = None
    training: Callable[[], Array | None] = unknown

    def __repr__(self) -> str:
        sizes = "-".join(str(units) for units in self.net.sizes)
        return f"<Why {sizes} {self.net.C.name}>"

    def named(
        self,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        image: tuple[int, int] | None = None,
    ) -> "Why":
        """Return the same network with names for its inputs or outputs, or the shape of its images.

        A single output that tells two classes apart takes the names of both.
        """
        names = self.names
        if inputs is not None:
            names = replace(names, inputs=tuple(map(str, inputs)))
        if outputs is not None:
            given = tuple(map(str, outputs))
            two = given if len(given) == 2 and self.net.sizes[-1] == 1 else ()
            names = replace(names, outputs=two[1:] or given, classes=two)
        return replace(self, names=replace(names, image=image or names.image))

    def weight(
        self,
        X: Any = None,
        y: Any = None,
        *,
        layer: int,
        to: Unit,
        from_: Unit | None = None,
        depth: int | None = 1,
        top: int = 10,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """Why would one weight, or a bias, move: its chain rule. See `whygrad.why.weight`."""
        context = self._asked("weight", X, y, sample_weight, l1, l2, masks)
        return self._told(weight(**context, layer=layer, to=to, from_=from_, depth=depth, top=top))

    def paths(
        self,
        X: Any = None,
        y: Any = None,
        *,
        layer: int,
        to: Unit,
        from_: Unit | None = None,
        k: int = 10,
        to_output: Unit | None = None,
        of: str | None = None,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """The same derivative as a sum over all paths to the cost, or to an output, which needs no y.

        See `whygrad.why.paths`.
        """
        context = self._asked(
            "paths", X, y, sample_weight, l1, l2, masks, needs_y=to_output is None
        )
        ref: dict[str, Any] = {"layer": layer, "to": to, "from_": from_}
        return self._told(paths(**context, **ref, k=k, to_output=to_output, of=of))

    def blame(
        self,
        X: Any = None,
        y: Any = None,
        *,
        layer: int | None = None,
        unit: Unit | None = None,
        of: Unit | None = None,
        top: int = 10,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """How much of the error is whose. See `whygrad.why.blame`."""
        context = self._asked("blame", X, y, sample_weight, l1, l2, masks)
        return self._told(blame(**context, layer=layer, unit=unit, of=of, top=top))

    def ripple(
        self,
        X: Any = None,
        y: Any = None,
        *,
        layer: int | None = None,
        to: Unit | None = None,
        from_: Unit | None = None,
        input: Unit | None = None,
        by: float = 0.1,
        top: int = 10,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """What a small change of a weight, a bias or an input does. See `whygrad.why.ripple`."""
        context = self._asked("ripple", X, y, sample_weight, l1, l2, masks)
        ref: dict[str, Any] = {"layer": layer, "to": to, "from_": from_, "input": input}
        return self._told(ripple(**context, **ref, by=by, top=top))

    def neuron(
        self,
        X: Any = None,
        y: Any = None,
        *,
        layer: int,
        unit: Unit,
        top: int = 8,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """What one unit looks for, and what it is good for. See `whygrad.why.neuron`."""
        context = self._asked("neuron", X, y, sample_weight, l1, l2, masks)
        return self._told(neuron(**context, layer=layer, unit=unit, top=top))

    def prediction(
        self,
        X: Any = None,
        *,
        output: Unit | None = None,
        at: str | None = None,
        baseline: Any = None,
        wanted: Any = None,
        limits: Any = None,
        top: int = 10,
    ) -> Explanation:
        """Why this output: what each column contributes. See `whygrad.why.prediction`.

        `baseline` is rows as X is, whose mean the output is compared with; of a network that was trained on
        a table it is the training rows, in whose range changes stay. Raises `InputError` where these are
        gone.
        """
        x, notes = self.examples(X).X, list[str]()
        base = None if baseline is None else self.examples(baseline).X
        rows = self.training() if baseline is None or limits is None else None
        if rows is not None and baseline is None:
            base = rows.mean(axis=0, dtype=np.float64)
            notes.append("The baseline is the mean of the training rows.")
        if rows is not None and limits is None:
            limits = rows.min(axis=0), rows.max(axis=0)
            notes.append("A change stays within the range of the training rows.")
        found = prediction(
            self.net,
            self._double_theta(),
            x,
            output=output,
            at=at,
            baseline=base,
            wanted=wanted,
            limits=limits,
            top=top,
            names=self._with_columns(X),
        )
        answer = self._told(found)
        tables = answer.tables + self.own_units(x, answer)
        return replace(answer, tables=tables, notes=answer.notes + tuple(notes))

    def check(
        self,
        X: Any = None,
        y: Any = None,
        *,
        gradients: Any = None,
        sample: int | None = 1000,
        seed: int = 0,
        sample_weight: Any = None,
        l1: float | None = None,
        l2: float | None = None,
        masks: Masks = None,
    ) -> Explanation:
        """Is the gradient right: central differences beside it. See `whygrad.why.check`."""
        context = self._asked("check", X, y, sample_weight, l1, l2, masks)
        return self._told(check(**context, gradients=gradients, sample=sample, seed=seed))

    # ── the network itself ──

    def picture(self, X: Any = None, marked: tuple[str, ...] = ()) -> NetworkPicture:
        """Return the network as it stands, with the mean activity of its units on rows X, and its weights."""
        names = names_of(self.net, self._with_columns(X))
        a = forward(self.net, self._double_theta(), self.examples(X).X).a
        title = f"The network, {over(len(a[-1]))}"
        return activities(self.net, self.theta, a, names, title, marked)

    def widget(self, X: Any = None, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click on a weight or a unit asks why, on rows X and targets y.

        Clicking a weight asks `weight`, a unit `neuron`, and the same unit again `blame`; `explanation` of
        the widget is the last answer. Raises `InputError` where anywidget is not installed.
        """
        return notebook_widget(self, X, y)

    # ── of the training that it came from ──

    def ledger(
        self, layer: int, to: Unit = ALL, from_: Unit | None = ALL, *, top: int = 10
    ) -> Explanation:
        """What a weight, a bias, a neuron, a layer adds up from: the ledger. See `whygrad.why.ledger`."""
        run = self._run("ledger")
        return self._told(ledger(run, layer, to, from_, top=top, names=self.names))

    def pushed(
        self,
        X: Any = None,
        y: Any = None,
        *,
        of: Unit | None = None,
        by: Meant = "a",
        top: int = 10,
    ) -> Explanation:
        """What the training examples' pushes on the prediction for X add up to. See `whygrad.why.pushed`.

        A whole number is a row of the test rows. `of` is a class or an output, y is for `by="cost"`.
        """
        run = self._run("pushed")
        return self._told(pushed(run, X, y=y, of=of, by=by, top=top, names=self.names))

    def without(
        self,
        examples: Any,
        X: Any = None,
        y: Any = None,
        *,
        of: Unit | None = None,
        rescale: bool = False,
    ) -> Explanation:
        """What would the prediction for X be without some training examples. See `whygrad.why.without`.

        A whole number for X is a row of the test rows.
        """
        run = self._run("without")
        return self._told(without(run, examples, X, y=y, of=of, rescale=rescale, names=self.names))

    def _run(self, question: str) -> Any:
        if self.run is None:
            raise InputError(
                f"{question} asks of a recorded training: train with record=, then ask open_run(…).why"
            )
        return self.run

    def examples(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Examples:
        """Return rows and targets as the network takes them, in float64.

        Raises `InputError` for NaN or infinity in X, and says where, and for a label that is no class.
        """
        check_columns(X)
        names = self._with_columns(X).inputs
        X, Y, sample_weight = self.encode(X, y, sample_weight)
        X = _double(X)
        _refuse_gaps(X, names)
        if Y is not None:
            Y = self._targets(Y)
        return Examples(X, Y, sample_weight)

    def _asked(
        self,
        question: str,
        X: Any,
        y: Any,
        sample_weight: Any,
        l1: float | None,
        l2: float | None,
        masks: Masks,
        needs_y: bool = True,
    ) -> dict[str, Any]:
        """Return what every question about the cost of rows takes, as `whygrad.why` has it."""
        given = self.examples(X, y, sample_weight)
        if given.Y is None and needs_y:
            raise InputError(f"{question} needs the targets as well: give y")
        s = given.sample_weight
        S = float(len(given.X) if s is None else np.sum(s))
        return {
            "net": self.net,
            "theta": self._double_theta(),
            "X": given.X,
            "Y": given.Y,
            "sample_weight": s,
            "l1": self.l1.of_batch(S, self.n) if l1 is None else l1,
            "l2": self.l2.of_batch(S, self.n) if l2 is None else l2,
            "masks": masks,
            "names": self._with_columns(X),
        }

    def _told(self, answer: Explanation) -> Explanation:
        """Return the answer, with what has to be said of where the network comes from."""
        return replace(answer, notes=answer.notes + self.notes)

    def _double_theta(self) -> Parameters:
        return Parameters(self.theta.sizes, self.theta.flat.astype(np.float64, copy=False))

    def _with_columns(self, X: Any) -> Names:
        """Return the names, with the columns of a frame where the inputs have none."""
        columns = column_names(X)
        if self.names.inputs or self.names.image or len(columns) != self.net.sizes[0]:
            return self.names
        return replace(self.names, inputs=columns)

    def _targets(self, Y: Any) -> Any:
        Y = np.asarray(Y)
        if Y.ndim == 0:
            Y = Y.reshape(1)
        classes = self.names.outputs if self.net.sizes[-1] > 1 else self.names.classes
        if Y.dtype.kind in "OUST" and classes:
            Y = as_class_indices(Y, classes)
        return Y.astype(np.float64) if Y.dtype.kind == "f" else Y


def as_class_indices(labels: Any, classes: Sequence[Any]) -> Array:
    """Return the place of each label among the classes, (n,).

    Raises `InputError` for a label that is none of them, which names the nearest.

    >>> as_class_indices(["b", "a"], ["a", "b"])
    array([1, 0])
    """
    known = {label: ref for ref, label in enumerate(np.asarray(classes).tolist())}
    found = np.empty(len(labels), np.int64)
    for i, label in enumerate(np.asarray(labels).tolist()):
        if label not in known:
            near = nearest(str(label), map(str, known))
            raise InputError(f"y[{i}] is {label!r}, which is no class of training: {near}")
        found[i] = known[label]
    return found


def _from_tensor(array: Any) -> Any:
    return array.detach().cpu().numpy() if hasattr(array, "detach") else array


def _double(X: Any) -> Any:
    """Return X as a plain array of float64, where it holds numbers."""
    if hasattr(X, "toarray"):
        X = X.toarray()
    X = np.asarray(X)
    return X.astype(np.float64, copy=False) if X.dtype.kind in "fiub" else X


def _refuse_gaps(X: Any, names: Sequence[str]) -> None:
    """Reject NaN and infinity in X; say in which row and column the first one is."""
    array = np.asarray(X)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    bad = np.argwhere(~np.isfinite(array))
    ref, value = tuple(bad[0].tolist()), array[tuple(bad[0])]
    named = f", column {names[ref[-1]]!r}," if len(names) == array.shape[-1] else ""
    what = "NaN" if np.isnan(value) else "infinity"
    raise InputError(
        f"X[{', '.join(map(str, ref))}]{named} is {what} ({len(bad)} such values in all): "
        "impute or leave out missing values first"
    )
