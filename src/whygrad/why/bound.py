"""The questions, bound to a network: the user's own rows and labels in place of arrays.

`clf.why_`, `fitted.why`, `run.why` and `whygrad.explain(model).why` give a `Why`. It turns frames and class
labels into X and Y as training did, puts in the penalties and names of the network, and asks. All is
computed in float64, from the parameters as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from whygrad import handed
from whygrad.answers.explanation import Explanation
from whygrad.answers.names import Names, names_of
from whygrad.answers.pictures import NetworkPicture
from whygrad.answers.widget import notebook_widget
from whygrad.errors import InputError, nearest
from whygrad.nn import (
    Array,
    Network,
    Parameters,
    as_inputs,
    check_columns,
    check_finite,
    column_names,
    dense,
    forward,
)
from whygrad.plan.plan import Penalty
from whygrad.why.error.blame import blame
from whygrad.why.gradient.paths import paths
from whygrad.why.gradient.unrolled import activities
from whygrad.why.gradient.weight import weight
from whygrad.why.gradient_check.check import check
from whygrad.why.prediction.baselines import GIVE, WAYS
from whygrad.why.prediction.members import Member, in_double
from whygrad.why.prediction.prediction import prediction
from whygrad.why.symbols import over
from whygrad.why.training_history.functional import Meant
from whygrad.why.training_history.harmful import harmful
from whygrad.why.training_history.influence import Method, influence, influences
from whygrad.why.training_history.ledger import ALL, ledger
from whygrad.why.training_history.settings import settings
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


def as_given(X: Any, y: Any, sample_weight: Any) -> Examples:
    """Return rows, targets and weights as arrays; PyTorch's tensors are moved to the CPU."""
    if X is None:
        raise InputError("there are no rows here to ask about: give X, and y")
    X, y, sample_weight = (_from_tensor(array) for array in (X, y, sample_weight))
    return Examples(X, y, sample_weight)


def unknown() -> None:
    """Return None: the training rows are not known."""


NOTHING = Penalty(0.0)


@dataclass(frozen=True, eq=False)
class Why:
    """A network that answers why, in its user's own rows, labels and names.

    Every method takes rows X, their targets y, and the options of the function of the same name in
    `whygrad.why`. `clf.why_`, `fitted.why`, `run.why` and `whygrad.explain(model).why` return one.

    Parameters
    ----------
    net : Network
        The network.
    theta : Parameters
        Its parameters.
    names : Names
        What inputs, outputs and classes are called.
    encode : callable
        From the user's (X, y, sample_weight) to `Examples`.
    l1, l2 : Penalty
        The penalties of the training. Where they are divided by the weight S of a batch, as scikit-learn's
        alpha is, the batch is that of the examples asked about.
    n : int
        The number of training examples, for penalties that are divided by it.
    notes : tuple of str
        Added to the notes of every answer.
    scaled : str
        How the output is scaled, where predictions are told in other units: added to the notes of all other
        answers.
    run : Run, optional
        The recorded training that `ledger`, `influence` and `without` ask about.
    training : callable
        Returns the training rows as the network takes them, (n, n_0), or None: a sample of them are the
        baselines of `prediction`, and their range and values its limits.
    members : tuple of (Network, Parameters)
        Of an ensemble: the networks whose mean `prediction` explains; `net` and `theta` are the first of
        them, or all of them joined.
    optimizer : Optimizer, optional
        What it was trained by, where that is known from elsewhere.
    products : str or None
        What training rounded the operands of matrix products to, see `Plan`: questions about cost and
        gradient then take inputs and weights as they were multiplied.

    Examples
    --------
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
    scaled: str = ""
    run: Any = None
    training: Callable[[], Array | None] = unknown
    members: tuple[Member, ...] = ()
    optimizer: Any = None
    products: str | None = None

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

        Parameters
        ----------
        inputs : sequence of str, length n_0, optional
            Names of the inputs.
        outputs : sequence of str, length n_L, optional
            Names of the outputs; a single output that tells two classes apart takes the names of both.
        image : (int, int), optional
            Height and width of the images that the inputs are.

        Returns
        -------
        Why
            A copy.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(2, [Dense(1, "sigmoid")], cost="binary_cross_entropy")
        >>> Why(net, net.init()).named(outputs=["short", "tall"]).names.classes
        ('short', 'tall')
        """
        names = self.names
        if inputs is not None:
            names = replace(names, inputs=tuple(map(str, inputs)))
        if outputs is not None:
            given = tuple(map(str, outputs))
            two = given if len(given) == 2 and self.net.sizes[-1] == 1 else ()
            names = replace(names, outputs=two[1:] or given, classes=two)
        return replace(self, names=replace(names, image=image or names.image))

    def trained_on(self, X: Any) -> "Why":
        """Return the same network with its training rows: the baselines and limits of `prediction`.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features)
            Rows as the model was trained on.

        Returns
        -------
        Why
            A copy.

        Raises
        ------
        InputError
            For rows that do not fit, and for NaN or infinity in X.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(2, [Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[2.0, -1.0]]])).trained_on([[0.0, 0.0], [2.0, 2.0]])
        >>> why.prediction([3.0, 1.0]).value
        4.0
        """
        rows = as_inputs(self.net, self.examples(X).X)
        return replace(self, training=lambda: rows)

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
        """Gradient decomposition: take ∂C/∂W of one weight apart by the chain rule.

        See `whygrad.why.weight` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs.
        layer : int
            The layer that the weight leads into, 1 to L.
        to : int or str
            The unit of that layer, by index or name.
        from_ : int or str, optional
            The unit of the layer below; without it, the bias of `to`.
        depth : int or None
            How many layers of errors are unrolled; None for all.
        top : int
            How many units or examples are listed.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.

        Returns
        -------
        Explanation
            `value` is ∂C/∂W, in cost per unit of weight.

        Raises
        ------
        InputError
            For a layer or unit that is not there, for NaN or infinity in X, and for a label that is no
            class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.weight([[3.0]], [[1.0]], layer=1, to=0, from_=0).value
        -6.0
        """
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
        """Path decomposition: write ∂C/∂W as a sum over all paths to the cost, or to an output.

        See `whygrad.why.paths` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs. Not needed with
            `to_output`.
        layer : int
            The layer that the weight leads into, 1 to L.
        to : int or str
            The unit of that layer, by index or name.
        from_ : int or str, optional
            The unit of the layer below; without it, the bias of `to`.
        k : int
            How many of the heaviest paths are listed.
        to_output : int or str, optional
            An output whose derivative is decomposed in place of the cost's.
        of : {"z", "a"}, optional
            With `to_output`: its weighted input, or its activation.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.

        Returns
        -------
        Explanation
            `value` is the derivative; `terms` are the listed paths.

        Raises
        ------
        InputError
            For a layer, unit or output that is not there, for NaN or infinity in X, and for a label that is
            no class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.paths([[3.0]], layer=1, to=0, from_=0, to_output=0)["count"]
        1
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
        """Error attribution: split the error δ of one unit, or of all, among the units above it.

        See `whygrad.why.blame` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs.
        layer : int, optional
            A layer, 0 to L; all by default.
        unit : int or str, optional
            One unit of `layer`; all by default.
        of : int or str, optional
            A class: only its examples count.
        top : int
            How many rows each table lists.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.

        Returns
        -------
        Explanation
            With `unit`, `value` is its mean δ, in cost per unit of z.

        Raises
        ------
        InputError
            For a layer, unit or class that is not there, for NaN or infinity in X, and for a label that is
            no class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.blame([[3.0]], [[1.0]], layer=1, unit=0).value
        -2.0
        """
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
        """Sensitivity and what-if: move a weight, bias or input, and compare with first order.

        See `whygrad.why.ripple` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs.
        layer, to, from_ : int or str, optional
            The weight that is moved, or without `from_` the bias.
        input : int or str, optional
            An input, in place of a weight.
        by : float
            The step, in units of the weight or of the network's input.
        top : int
            How many rows each table lists.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.

        Returns
        -------
        Explanation
            `value` is the true change of the cost.

        Raises
        ------
        InputError
            For a weight or input that is not there, for a step of 0, for NaN or infinity in X, and for a
            label that is no class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.ripple([[3.0]], [[1.0]], layer=2, to=0, by=1.0).value
        -0.5
        """
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
        """Ablation: measure what the network is without one unit, and show what it responds to.

        See `whygrad.why.neuron` for the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs.
        layer : int
            The layer of the unit, 0 to L.
        unit : int or str
            The unit, by index or name.
        top : int
            How many weights and examples are listed.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.

        Returns
        -------
        Explanation
            `value` is by how much the cost rises without the unit.

        Raises
        ------
        InputError
            For a layer or unit that is not there, for NaN or infinity in X, and for a label that is no
            class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.neuron([[3.0]], [[1.0]], layer=1, unit=0).value
        0.0
        """
        context = self._asked("neuron", X, y, sample_weight, l1, l2, masks)
        return self._told(neuron(**context, layer=layer, unit=unit, top=top))

    def prediction(
        self,
        X: Any = None,
        *,
        output: Unit | None = None,
        at: str | None = None,
        baseline: Any = None,
        sample: int | None = None,
        seed: int = 0,
        wanted: Any = None,
        limits: Any = None,
        top: int = 10,
    ) -> Explanation:
        """Feature attribution and counterfactuals: what each column adds, and what would change the answer.

        See `whygrad.why.prediction` for the equation (integrated gradients) and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (1, features) or (features,), optional
            One example.
        output : int or str, optional
            The output that is explained, by default output 0; of several classes the one that the class
            predicted is compared with, by default the runner-up.
        at : {"z", "a"}, optional
            Explain the output's weighted input or its activation alone, of several classes by default that
            of the class predicted, and not the difference of two z.
        baseline : {"training", "mean", "zero"}, int, array-like or DataFrame, optional
            What the row is compared with: a sample of the training rows (by default, where they are known:
            of a run, and after `trained_on`), their mean, 0 in every input (by default elsewhere), the
            training row of that number, or rows as X is, each a baseline.
        sample : int, optional
            How many baselines are drawn at most: 100, and of large networks fewer, 20 at least.
        seed : int
            Draws them.
        wanted : int, str or float, optional
            The class, or the number, that a counterfactual should reach.
        limits : pair of float or array-like, shape (n_0,), optional
            How far each input may go; within the range of the training rows where these are known.
        top : int
            How many rows each table lists.

        Returns
        -------
        Explanation
            `value` is the output less the mean of the baselines', in units of z or of a number's own; of
            several classes the output is the difference of two z.

        Raises
        ------
        InputError
            For more than one example, for an output, class or baseline that is not there, for NaN or
            infinity in X, and where the training rows of a table are gone.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(2, [Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[2.0, -1.0]]])).named(inputs=["age", "height"])
        >>> [(term.name, term.value) for term in why.prediction([3.0, 1.0]).terms]
        [('age', 6.0), ('height', -1.0)]
        """
        x, baseline = self.examples(X).X, self._baseline(baseline)
        given = baseline is not None and not isinstance(baseline, str)
        training = None if given and limits is not None else self.training()
        return self._told(
            prediction(
                self.members or self.net,
                None if self.members else self.theta,
                x,
                output=output,
                at=at,
                baseline=baseline,
                training=training,
                sample=sample,
                seed=seed,
                wanted=wanted,
                limits=limits,
                top=top,
                names=self._with_columns(X),
            )
        )

    def _baseline(self, given: Any) -> Any:
        """Return what a prediction is compared with, rows as the network takes them."""
        if given is None or isinstance(given, str) and given in WAYS:
            return given
        if isinstance(given, str) and not Path(given).is_file():
            raise InputError(f"baseline is {given!r}: {nearest(given, WAYS)}; or {GIVE}")
        if not isinstance(given, int | np.integer) or isinstance(given, bool):
            return self.examples(given).X
        rows = self.training()
        if rows is None:
            raise InputError(f"baseline is {given}, but no training rows are known here: give rows")
        if not 0 <= given < rows.shape[0]:
            raise InputError(f"baseline is {given}: the training rows are 0 to {rows.shape[0] - 1}")
        return rows[int(given) : int(given) + 1]

    def learning(self, *, seconds: float | None = None, progress: Any = False) -> Explanation:
        """Diagnosis: why the training of a run does not learn, with evidence and a cure that is proven.

        See `whygrad.diagnose`.

        Parameters
        ----------
        seconds : float, optional
            How long cures may be tried: by default half a minute, or the training's own time if longer.
        progress : bool or callable, default False
            Show on the terminal what is tried; a callable is given each stage instead.

        Returns
        -------
        Diagnosis
            `findings`, an ordered list of kind, status and gain.

        Raises
        ------
        InputError
            For a network that does not come from a run.

        Examples
        --------
        >>> import tempfile
        >>> import whygrad as wg
        >>> net = wg.Network(2, [wg.Dense(4, "tanh"), wg.Dense(1, "sigmoid")], "binary_cross_entropy")
        >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> folder = tempfile.TemporaryDirectory()
        >>> fitted = wg.train(net, X, Y, optimizer="sgd", epochs=20, record=folder.name + "/xor.run")
        >>> wg.open_run(folder.name + "/xor.run").why.learning().findings[0].status
        'proven'
        >>> folder.cleanup()
        """
        if self.run is None or handed.diagnose is None:
            raise InputError(
                "the diagnosis is of a run: of a network ask whygrad.diagnose(net, X, Y, …)"
            )
        answer: Explanation = handed.diagnose(self.run, seconds=seconds, progress=progress)
        return answer

    def labels(self, *, top: int = 10, folds: int = 5, progress: bool = False) -> Explanation:
        """Noisy labels: rank the training rows of a run by how likely their labels are wrong.

        See `whygrad.suspect_labels`.

        Parameters
        ----------
        top : int
            How many rows are listed.
        folds : int
            Into how many parts the rows are dealt; the network is trained again without each.
        progress : bool, default False
            Say on the terminal how long it takes, and show how far it is.

        Returns
        -------
        Explanation
            `["order"]` holds the rows, the most suspect first; `["cost"]` their costs, out of sample, (n,).

        Raises
        ------
        InputError
            For a network that does not come from a run.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.labels()  # doctest: +SKIP
        """
        run = self._run("labels")
        assert handed.suspect_labels is not None  # whygrad itself hands it in
        return self._told(handed.suspect_labels(run, top=top, folds=folds, progress=progress))

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
        progress: Any = False,
    ) -> Explanation:
        """Gradient check: compare backpropagation with central differences of the cost.

        See `whygrad.why.check` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on, or a single one; a run has rows of its own.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included; a run's rows come with theirs.
        gradients : Gradients or array, shape (P,), optional
            A gradient computed elsewhere, in place of backpropagation's.
        sample : int or None
            How many parameters are checked; None for all.
        seed : int
            The seed that draws the sample.
        sample_weight : array-like, shape (n,), optional
            Weights of the examples.
        l1, l2 : float, optional
            Penalty strengths, in place of those of the training.
        masks : sequence of arrays, optional
            Factors of dropout by layer; none by default, as in prediction.
        progress : bool or callable, default False
            Whether the terminal shows how far it has come, or a function that is told so.

        Returns
        -------
        Explanation
            `["passed"]` says whether all derivatives are right.

        Raises
        ------
        InputError
            For gradients of another shape, for NaN or infinity in X, and for a label that is no class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(1, "tanh"), Dense(1, "identity")])
        >>> why = Why(net, net.init(W=[None, [[0.0]], [[2.0]]]))
        >>> why.check([[3.0]], [[1.0]])["passed"]
        True
        """
        context = self._asked("check", X, y, sample_weight, l1, l2, masks)
        asked: dict[str, Any] = {"gradients": gradients, "sample": sample, "seed": seed}
        return self._told(check(**context, **asked, progress=progress))

    # ── the network itself ──

    def picture(self, X: Any = None, marked: tuple[str, ...] = ()) -> NetworkPicture:
        """Return a picture of the network: the mean activity of its units on rows X, and its weights.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on.
        marked : tuple of str
            Parts that stand out, such as "1:0" (a unit) or "1:0,2" (a weight).

        Returns
        -------
        NetworkPicture
            The network, for `answers.draw`.

        Raises
        ------
        InputError
            For rows that do not fit, and for NaN or infinity in X.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(2, [Dense(1, "identity")])
        >>> Why(net, net.init()).picture([[1.0, 2.0], [3.0, 4.0]]).units[0]
        array([2., 3.])
        """
        names = names_of(self.net, self._with_columns(X))
        a = forward(self.net, self._double_theta(), self.examples(X).X).a
        title = f"The network, {over(len(a[-1]))}"
        return activities(self.net, self.theta, a, names, title, marked)

    def widget(self, X: Any = None, y: Any = None) -> "NotebookWidget":
        """Draw the network in a notebook; a click on a weight or a unit asks why.

        A click on a weight asks `weight`, on a unit `neuron`, and on the same unit again `blame`.

        Parameters
        ----------
        X, y : array-like, optional
            Rows and targets that the questions are asked on.

        Returns
        -------
        NotebookWidget
            Its `explanation` is the last answer.

        Raises
        ------
        InputError
            Where anywidget is not installed.

        Examples
        --------
        >>> clf.why_.widget(X, y)  # doctest: +SKIP
        """
        return notebook_widget(self, X, y)

    # ── of the training that it came from ──

    def ledger(
        self,
        layer: int,
        to: Unit = ALL,
        from_: Unit | None = ALL,
        *,
        influence: bool | None = None,
        top: int = 10,
        progress: Any = False,
    ) -> Explanation:
        """Ledger: account for a weight by what every training example, class and epoch added to it.

        See `whygrad.why.ledger` for the equation and the arrays of the answer.

        Parameters
        ----------
        layer : int
            The layer, 1 to L.
        to : int or str
            A unit of it; left out, all weights of the layer.
        from_ : int, str or None
            A unit of the layer below; None for the bias; left out, all weights of `to`.
        influence : bool, optional
            Train without each of the three largest contributions, and show what that changes; by default
            where the whole answer then takes less than two seconds.
        top : int
            How many examples are listed.
        progress : bool or callable, default False
            Say on the terminal how long it takes, and show how far it is; a callable is given each stage
            instead.

        Returns
        -------
        Explanation
            `value` is the weight, and `terms` add up to it.

        Raises
        ------
        InputError
            Where the training was not recorded, for a weight that is not there, and for L-BFGS.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.ledger(2, to=1, from_=3)  # doctest: +SKIP
        """
        run = self._run("ledger")
        options: dict[str, Any] = {"influence": influence, "top": top, "progress": progress}
        return self._told(ledger(run, layer, to, from_, **options, names=self.names))

    def influence(
        self,
        X: Any = None,
        y: Any = None,
        *,
        of: Unit | None = None,
        by: Meant | None = None,
        layer: int | None = None,
        to: Unit | None = None,
        from_: Unit | None = None,
        method: Method = "adjoint",
        exact: int = 0,
        rescale: bool = False,
        top: int = 10,
        seed: int = 0,
        progress: Any = False,
    ) -> Explanation:
        """Influence: compute what a number would be without each training example, and if to trust that.

        See `whygrad.why.influence` for the equation and the arrays of the answer.

        Parameters
        ----------
        X : array-like, DataFrame or int, optional
            One example, or several, whose mean is taken; a whole number is one of the test rows.
        y : array-like, optional
            Its target, for the cost.
        of : int or str, optional
            A class or an output; the class predicted by default.
        by : {"cost", "z", "a"}, optional
            The cost, the output's weighted input, or the output. By default the cost, where y is known and
            `of` not given.
        layer, to, from_ : int or str, optional
            A weight, in place of X; without `from_` the bias of `to`.
        method : {"adjoint", "tracin"}
            "tracin" adds up the pushes of each example instead, for comparison.
        exact : int
            How many of the strongest examples are trained without, each by itself.
        rescale : bool
            Divide every step by the examples that remain, and not by all.
        top : int
            How many examples are listed, up and down.
        seed : int
            Draws the removals that are trained again.
        progress : bool or callable, default False
            Say on the terminal how long it takes, and show how far it is; a callable is given each stage
            instead.

        Returns
        -------
        Explanation
            `["by_example"]` is the change without each example, (n,); `["trusted"]` the smallest number of
            examples whose removal can be trusted, or 0.

        Raises
        ------
        InputError
            Where the training was not recorded, for an X that does not fit, and for L-BFGS.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.influence(0)  # doctest: +SKIP
        """
        found = influence(
            self._run("influence"), X, y=self._labels(y), of=of, by=by, layer=layer, to=to, from_=from_,
            method=method, exact=exact, rescale=rescale, top=top, seed=seed, progress=progress,
            names=self.names,
        )  # fmt: skip
        return self._told(found)

    def influences(
        self,
        X: Any = None,
        y: Any = None,
        *,
        of: Unit | None = None,
        by: Meant | None = None,
        weights: Sequence[tuple[int, Unit, Unit | None]] | None = None,
        exact: int = 0,
        rescale: bool = False,
        top: int = 10,
        seed: int = 0,
        progress: Any = False,
    ) -> list[Explanation]:
        """Influences: ask `influence` of every row of X, or of several weights, in one walk back.

        Parameters
        ----------
        X : array-like, DataFrame or int, optional
            Rows, each with a number of its own.
        y : array-like, optional
            Their targets, for the cost.
        of, by, exact, rescale, top, seed, progress
            As for `influence`.
        weights : sequence of tuples, optional
            Weights in place of X, each as (layer, to, from_); None as from_ for the bias.

        Returns
        -------
        list of Explanation
            One for each row or weight.

        Raises
        ------
        InputError
            Where the training was not recorded, for an X that does not fit, and for L-BFGS.

        Examples
        --------
        >>> run = whygrad.open_run("digits.run")  # doctest: +SKIP
        >>> run.why.influences(weights=[(2, 0, 3), (2, 0, None)])  # doctest: +SKIP
        """
        found = influences(
            self._run("influences"), X, y=self._labels(y), of=of, by=by, weights=weights, exact=exact,
            rescale=rescale, top=top, seed=seed, progress=progress, names=self.names,
        )  # fmt: skip
        return [self._told(one) for one in found]

    def settings(
        self, X: Any = None, y: Any = None, *, attempt: bool = False, progress: Any = False
    ) -> Explanation:
        """Settings: say what a little more of each rate, penalty and class weight would have brought.

        See `whygrad.why.settings` for the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, optional
            Rows that training did not see; the run's test or validation rows by default.
        y : array-like, optional
            Their targets.
        attempt : bool
            Train again with what promises most, and show what it truly brings.
        progress : bool or callable, default False
            Say on the terminal how long it takes, and show how far it is; a callable is given each stage
            instead.

        Returns
        -------
        Explanation
            `value` is the cost of X, `["by_epoch"]` its slope by the logarithm of each epoch's rate.

        Raises
        ------
        InputError
            Where the training was not recorded, for rows without targets, and for L-BFGS.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.settings(attempt=True)  # doctest: +SKIP
        """
        run, y = self._run("settings"), self._labels(y)
        return self._told(
            settings(run, X, y=y, attempt=attempt, progress=progress, names=self.names)
        )

    def harmful(
        self,
        X: Any = None,
        y: Any = None,
        *,
        top: int = 10,
        seed: int = 0,
        progress: Any = False,
    ) -> Explanation:
        """Harmful examples: find those whose removal lowers the cost of rows that were not trained on.

        See `whygrad.why.harmful` for the arrays of the answer.

        Parameters
        ----------
        X : array-like or DataFrame, optional
            Rows that training did not see; the run's test or validation rows by default. One half finds the
            examples, the other judges what leaving them out brings.
        y : array-like, optional
            Their targets.
        top : int
            How many examples are listed.
        seed : int
            Draws the halves.
        progress : bool or callable, default False
            Say on the terminal how long it takes, and show how far it is; a callable is given each stage
            instead.

        Returns
        -------
        Explanation
            `value` is the change of the cost of the half that judges, `["examples"]` are to be left out.

        Raises
        ------
        InputError
            Where the training was not recorded, for rows without targets, and for L-BFGS.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.harmful()  # doctest: +SKIP
        """
        run, y = self._run("harmful"), self._labels(y)
        return self._told(
            harmful(run, X, y=y, top=top, seed=seed, progress=progress, names=self.names)
        )

    def without(
        self,
        examples: Any,
        X: Any = None,
        y: Any = None,
        *,
        of: Unit | None = None,
        rescale: bool = False,
        progress: Any = False,
    ) -> Explanation:
        """Leave-one-out retraining: train again without some examples, and compare a prediction.

        See `whygrad.why.without` for the equation and the arrays of the answer.

        Parameters
        ----------
        examples : int, array-like of int, or mask of shape (n,)
            The training examples to leave out.
        X : array-like, DataFrame or int, optional
            One example, or several, whose mean is taken; a whole number is one of the test rows.
        y : array-like, optional
            Its target: the cost is compared as well.
        of : int or str, optional
            A class or an output; the class predicted by default.
        rescale : bool
            Divide every step by the examples that remain, and not by all.
        progress : bool or callable, default False
            Say on the terminal how long it takes, and show how far it is; a callable is given each stage
            instead.

        Returns
        -------
        Explanation
            `value` is by how much the output changes.

        Raises
        ------
        InputError
            Where the training was not recorded, for examples that are not there, and for L-BFGS.

        Examples
        --------
        >>> whygrad.open_run("digits.run").why.without([17, 256], 0)  # doctest: +SKIP
        """
        run, y = self._run("without"), self._labels(y)
        options: dict[str, Any] = {"of": of, "rescale": rescale, "progress": progress}
        return self._told(without(run, examples, X, y=y, **options, names=self.names))

    def _run(self, question: str) -> Any:
        if self.run is None:
            raise InputError(
                f"{question} asks of a recorded training: train with record=, then ask open_run(…).why"
            )
        return self.run

    def _labels(self, y: Any) -> Any:
        """Return the targets of rows of a run on arrays, whose classes have names here and not there."""
        return y if y is None or getattr(self.run, "on_table", True) else self._targets(y)

    def examples(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Examples:
        """Return rows and targets as the network takes them, in float64.

        Parameters
        ----------
        X : array-like or DataFrame, shape (n, features), optional
            Rows as the model was trained on.
        y : array-like, shape (n,) or (n, n_L), optional
            Their targets, class labels included.
        sample_weight : array-like, shape (n,), optional
            Their weights.

        Returns
        -------
        found : Examples
            X (n, n_0), Y (n, n_L) or class indices (n,) or None, and sample_weight (n,) or None.

        Raises
        ------
        InputError
            For NaN or infinity in X, with row and column of the first, and for a label that is no class.

        Examples
        --------
        >>> from whygrad import Dense
        >>> net = Network(1, [Dense(2, "softmax")], cost="cross_entropy")
        >>> Why(net, net.init()).named(outputs=["a", "b"]).examples([[1]], ["b"]).Y
        array([1])
        """
        check_columns(X)
        names = self._with_columns(X).inputs
        X, Y, sample_weight = self.encode(X, y, sample_weight)
        X = _double(X)
        check_finite(X, "X", names)
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
        """Return the arguments that every question about the cost of rows takes in `whygrad.why`."""
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
            "products": self.products,
        }

    def _told(self, answer: Explanation) -> Explanation:
        """Return the answer, with what has to be said of where the network comes from."""
        notes = answer.notes
        if self.scaled and answer.kind != "prediction":
            notes += (self.scaled,)
        notes += self.notes
        if self.products:
            notes += (
                f"Training rounded what it multiplied to {self.products}: questions about cost and "
                "gradient take inputs and weights so, penalties and predictions weights as they are.",
            )
        return replace(answer, notes=notes)

    def _double_theta(self) -> Parameters:
        return in_double(self.theta)

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
    """Return the index of each label among the classes, (n,).

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
    X = dense(X)
    return X.astype(np.float64, copy=False) if X.dtype.kind in "fiub" else X
