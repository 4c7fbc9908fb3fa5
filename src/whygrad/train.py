"""`train`, the front door: what a user says of a training → a plan → the loop → a trained network.

`train_many` is the same for several, side by side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, Never, TypedDict, Unpack

import numpy as np

from whygrad.engines import choose
from whygrad.errors import InputError, refuse_unknown
from whygrad.fitted import Fitted
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.network import Network, Parameters
from whygrad.plan.lbfgs import by_steps
from whygrad.plan.optimizers import find_optimizer
from whygrad.plan.plan import Clip, Penalty, Plan, Stopping, of_gradients, start
from whygrad.plan.schedules import Constant, Schedule, find_schedule
from whygrad.training.callbacks import AnyCallback, Callback, closing
from whygrad.training.epochs import final
from whygrad.training.loop import Training, run
from whygrad.training.metrics import Metrics, targets_of
from whygrad.training.side_by_side import Seat, named, numbered, one_at_a_time, side_by_side


def train(
    net: Network,
    X: Any,
    Y: Any,
    *,
    optimizer: Any = "adam",
    epochs: int = 100,
    batch_size: int | None = None,
    seed: int = 0,
    engine: str = "auto",
    theta: Parameters | None = None,
    sample_weight: Any = None,
    validation: tuple[Any, Any] | None = None,
    metrics: Any = None,
    l1: float | Penalty = 0.0,
    l2: float | Penalty = 0.0,
    schedule: str | Schedule = Constant(),  # noqa: B008 — frozen data
    stopping: Stopping | None = None,
    cost_below: float | None = None,
    seconds: float | None = None,
    clip: float | Clip = Clip(),  # noqa: B008
    label_smoothing: float = 0.0,
    shuffle: bool = True,
    rate_multipliers: Mapping[str, Any] | None = None,
    blocks: int = 1,
    products: str | None = None,
    dtype: Any = None,
    progress: bool = False,
    callbacks: Sequence[AnyCallback] = (),
    layer_statistics: bool = False,
    record: str | PathLike[str] | None = None,
    copy_data: bool | None = None,
    overwrite: bool = False,
    **unknown: Never,
) -> Fitted:
    """Train a network by backpropagation and gradient descent.

    The result is a pure function of the arguments: the same seed gives the same bits. Ctrl-C ends the
    training cleanly, with the parameters so far; while the engine compiles, it is a `KeyboardInterrupt`. A
    cost that becomes infinite or NaN stops it at that step, with the last parameters before it and a
    `DivergenceWarning` that names the layer; so does one that at the end of an epoch is half of the way
    there, in orders of magnitude from where it began.

    Parameters
    ----------
    net : Network
        The network.
    X : array-like or sparse matrix of shape (n, n_0)
        Inputs; or n examples of any shape with n_0 numbers each.
    Y : array-like of shape (n, n_L) or (n,)
        Targets; one number per example, or classes 0 … n_L − 1, where of shape (n,).
    optimizer : str or optimizer, default "adam"
        "sgd", "adam", "lbfgs" …, or an optimizer such as `SGD(0.5, momentum=0.9)`.
    epochs : int, default 100
        Passes through the data; iterations of L-BFGS.
    batch_size : int, optional
        Examples per step; by default 32, or all if there are fewer, or for L-BFGS.
    seed : int, default 0
        Decides the initial parameters and the order of the examples.
    engine : str, default "auto"
        "auto", "native", "reference" or "xla", which runs on what JAX finds (`pip install "whygrad[xla]"`).
    theta : Parameters, optional
        Parameters to start from, instead of drawn ones.
    sample_weight : array-like of shape (n,), optional
        How much each example counts.
    validation : (X, Y), optional
        Validation data, measured after every epoch; nothing is learned from them.
    metrics : str, callable, list of these, or dict of names to these, optional
        What else to measure of the validation data after every epoch, into `history.metrics`: names that
        `sklearn.metrics.get_scorer` knows, such as "roc_auc"; scorers, called with (estimator, X, y);
        metric functions, called with (y_true, y_pred). "training_roc_auc" measures the training rows. y are
        classes 0 … n_L − 1, labels of 0 and 1, or numbers, as the cost has them; each row counts once. An
        epoch takes longer by one prediction of these rows, which all metrics share, and by what
        scikit-learn takes. A metric that fails on the way is NaN, with a warning.
    l1, l2 : float or Penalty, default 0
        The strengths λ₁ and λ₂ of the penalties (regularization).
    schedule : str or schedule, default Constant()
        How the learning rate changes: "constant", "inverse_scaling", "step", "cosine", "one_cycle",
        "adaptive", "on_plateau", or a schedule such as `Cosine(warm_up=0.05)`.
    stopping : Stopping, optional
        Early stopping: when to end before `epochs` are over.
    cost_below : float, optional
        Stop after an epoch whose cost is below this.
    seconds : float, optional
        A budget of time in seconds; `history.stopped` tells the step at which it was over.
    clip : float or Clip, optional
        Bounds on the gradient: its greatest length, or a `Clip`.
    label_smoothing : float, default 0
        ε, the share by which targets move towards equal probabilities, 0 ≤ ε < 1.
    shuffle : bool, default True
        Take the examples in a new order every epoch.
    rate_multipliers : dict, optional
        Factors on the learning rate by group of parameters, such as {"W1": 6.0, "b": 0.1}: "W" and "b" are
        the weights and biases of all layers, "W1" and "b1" those of layer 1, which override them. A factor
        is a number of at least 0, or for one layer an array of the shape of W[l] or b[l]; 0 freezes. It
        multiplies the step, decay included, as the learning rate of a parameter group does in PyTorch.
    blocks : int, default 1
        Into how many equal blocks a batch is cut, 1, 2, 4 …, for the engines "xla" and "reference". Their
        sums are added up in one fixed order, so that as many processes as divide it get the same bits.
    products : {None, "bfloat16"}, default None
        "bfloat16" rounds x, W, a and δ to 8 significant bits where they enter a matrix product; sums, θ,
        the optimizer and the costs stay in float32. On processors with AVX512-BF16 steps of wide layers
        take less time. Predictions, and with them scores, take θ as it is.
    dtype : str or dtype, optional
        "float32" or "float64"; by default float32 where X is, or where products are in bfloat16, else
        float64, as always for L-BFGS, whose line search needs the digits.
    progress : bool, default False
        Show a live line while training.
    callbacks : list of callables or Callback
        Functions called with a `Report` after every epoch, of which True stops the training; or
        objects of a class of your own, a `Callback`.
    layer_statistics : bool, default False
        Put the gradient's norm and the relative size of the update of every layer, at the
        last step of each epoch, into the history. It costs one more pass through that batch.
    record : str or path, optional
        A folder to write, "NAME.run", from which `open_run` replays, resumes and forks the training.
    copy_data : bool, optional
        Put the data into that folder; by default where they are small.
    overwrite : bool, default False
        Replace the run that is there.

    Returns
    -------
    Fitted
        The trained network: `predict`, `why`, `save`, its parameters `theta` and its `history`.

    Raises
    ------
    InputError
        For data, shapes or settings that cannot be trained with.
    FileError
        Where the folder cannot be written. What was recorded until then can be resumed.

    Examples
    --------
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> from whygrad import Dense, SGD
    >>> net = Network(2, [Dense(4, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> fitted = train(net, X, Y, optimizer=SGD(1.0), epochs=300, batch_size=4)
    >>> fitted.predict(X).round().ravel()
    array([0., 1., 1., 0.])
    """
    given = {name: value for name, value in locals().items() if name != "unknown"}
    refuse_unknown(train, unknown)
    return finish(prepare(**given))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training that may begin, and what `train` was told of its course."""

    training: Training
    callbacks: list[AnyCallback]
    seconds: float | None
    record: str | PathLike[str] | None
    copy_data: bool | None
    overwrite: bool


def prepare(
    net: Network, X: Any, Y: Any, optimizer: Any, epochs: int, batch_size: int | None, seed: int,
    engine: str, theta: Parameters | None, sample_weight: Any, validation: tuple[Any, Any] | None,
    metrics: Any, l1: float | Penalty, l2: float | Penalty, schedule: str | Schedule,
    stopping: Stopping | None, cost_below: float | None, seconds: float | None, clip: float | Clip,
    label_smoothing: float, shuffle: bool, rate_multipliers: Mapping[str, Any] | None, blocks: int,
    products: str | None, dtype: Any,
    progress: bool, callbacks: Sequence[AnyCallback], layer_statistics: bool,
    record: str | PathLike[str] | None, copy_data: bool | None, overwrite: bool,
    as_data: Callable[..., Data] = as_data,
) -> Prepared:  # fmt: skip
    """Check the arguments of `train`, and make of them the training; `as_data` reads the examples."""
    rule = find_optimizer(optimizer)
    single_steps = by_steps(rule)
    if dtype is None:
        single = (getattr(X, "dtype", None) == np.float32 or products) and single_steps
        dtype = np.float32 if single else np.float64
    kind = _name_of(dtype)
    _check_arguments(net, theta, validation, seconds, callbacks)
    data = as_data(net, X, Y, sample_weight, kind)
    plan = Plan(
        net=net,
        optimizer=rule,
        n=len(data.Y),
        epochs=epochs,
        batch_size=min(32 if single_steps else len(data.Y), len(data.Y))
        if batch_size is None
        else batch_size,
        seed=seed,
        shuffle=shuffle,
        l1=l1 if isinstance(l1, Penalty) else Penalty(l1),
        l2=l2 if isinstance(l2, Penalty) else Penalty(l2),
        schedule=find_schedule(schedule),
        stopping=stopping,
        dtype=kind,
        clip=Clip(norm=clip) if isinstance(clip, int | float) else clip,
        label_smoothing=label_smoothing,
        cost_below=cost_below,
        rate_multipliers=rate_multipliers,
        blocks=blocks,
        products=products,
    )
    kept = None if validation is None else as_data(net, *validation, dtype=kind)
    called = list(callbacks)
    if progress:
        from whygrad.training.progress import ProgressBar

        called.insert(0, ProgressBar())
    chosen = choose(engine, of_gradients(plan))
    more = _metrics(net, Y, metrics)
    training = Training(plan, start(plan, theta), data, kept, chosen, layer_statistics, more)
    return Prepared(training, called, seconds, record, copy_data, overwrite)


def finish(given: Prepared) -> Fitted:
    """Train, and record the training where it is to be."""
    training, plan = given.training, given.training.plan
    if given.record is None:
        state, history = run(training, given.callbacks, given.seconds)
    else:
        from whygrad.record import record_run

        state, history = record_run(
            given.record, training, given.callbacks, given.seconds, given.copy_data, given.overwrite
        )  # fmt: skip
    return Fitted(plan.net, Parameters(plan.net.sizes, final(plan, state)), history)


def _metrics(net: Network, Y: Any, given: Any) -> Metrics | None:
    if not given:
        return None
    from whygrad.training.scorers import find_metrics  # which imports scikit-learn

    return Metrics(find_metrics(given), targets_of(net, Y))


def _check_arguments(net: Any, theta: Any, validation: Any, seconds: Any, callbacks: Any) -> None:
    """Reject what is not of the kind that `train` asks for."""
    if not isinstance(net, Network):
        raise InputError(
            f"the first argument is a Network, train(net, X, Y), not {type(net).__name__}"
        )
    if theta is not None and not isinstance(theta, Parameters):
        raise InputError("theta is not Parameters: make some with net.init(W=[…], b=[…])")
    if validation is not None and not (
        isinstance(validation, tuple | list) and len(validation) == 2
    ):
        raise InputError("validation is a pair, validation=(X, Y)")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
        raise InputError(f"seconds is {seconds!r}: it must be a number of at least 0")
    if not isinstance(callbacks, list | tuple) or not all(
        isinstance(callback, Callback) or callable(callback) for callback in callbacks
    ):
        raise InputError("callbacks is a list of functions, callbacks=[look]")


def _name_of(dtype: Any) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise InputError(f"dtype is {dtype!r}: use 'float32' or 'float64'") from None


# ── several at once ──────────────────────────────────────────────────────────────────────────────


class TrainOptions(TypedDict, total=False):
    """The arguments of `train`, by name: what a training is, or what several have in common."""

    net: Network
    X: Any
    Y: Any
    optimizer: Any
    epochs: int
    batch_size: int | None
    seed: int
    engine: str
    theta: Parameters | None
    sample_weight: Any
    validation: tuple[Any, Any] | None
    metrics: Any
    l1: float | Penalty
    l2: float | Penalty
    schedule: str | Schedule
    stopping: Stopping | None
    cost_below: float | None
    seconds: float | None
    clip: float | Clip
    label_smoothing: float
    shuffle: bool
    rate_multipliers: Mapping[str, Any] | None
    blocks: int
    products: str | None
    dtype: Any
    callbacks: Sequence[AnyCallback]
    layer_statistics: bool
    record: str | PathLike[str] | None
    copy_data: bool | None
    overwrite: bool


def train_many(
    trainings: Sequence[TrainOptions],
    /,
    *,
    cores: int | None = None,
    progress: bool = False,
    **common: Unpack[TrainOptions],
) -> list[Fitted]:
    """Train several networks side by side, each on a core of its own.

    Every training is a call of `train`, and has its bits: neither the number of cores nor what runs beside
    it changes one. Data that several share are kept once. Small networks gain most, since one of them
    cannot use two cores.

    All arguments are checked before any training begins. Ctrl-C ends all of them: those that were over are
    whole, those under way have their parameters so far, and those that had not begun the ones they start
    from, with "interrupted" in their history.

    Parameters
    ----------
    trainings : list of dicts
        For each training its own arguments of `train`, by name.
    cores : int, optional
        How many cores to use; by default all that this process may.
    progress : bool, default False
        Show a live line for all of them together.
    **common
        The arguments of `train` that all have in common; those of a training's own come before them.
        Callbacks are called one at a time, from the thread of their training. Each training records into a
        folder of its own.

    Returns
    -------
    list of Fitted
        The trained networks, in the order of `trainings`.

    Raises
    ------
    InputError
        For arguments that cannot be trained with; it names the training, and none has begun.
    TrainingError
        Where trainings failed on their way, such as in a callback or on a full disk. The others went on,
        and are in `done` of the error.

    Warns
    -----
    DivergenceWarning
        Where the cost of one became infinite or NaN: it ends with the last parameters before that, as with
        `train`, and the others go on.

    Examples
    --------
    >>> from whygrad import Dense, SGD
    >>> net = Network(2, [Dense(4, "tanh"), Dense(1, "sigmoid")], cost="binary_cross_entropy")
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> seeds = [{"seed": seed} for seed in range(3)]
    >>> fits = train_many(seeds, net=net, X=X, Y=Y, optimizer=SGD(1.0), epochs=50)
    >>> alone = train(net, X, Y, optimizer=SGD(1.0), epochs=50, seed=2)
    >>> bool((fits[2].theta.flat == alone.theta.flat).all())
    True
    """
    if isinstance(trainings, Mapping) or not all(isinstance(one, Mapping) for one in trainings):
        raise InputError(
            'the first argument is a list of dicts, train_many([{"seed": 0}, {"seed": 1}], net=net, …)'
        )
    n, data, lock = len(trainings), SharedData(), RLock()
    prepared = []
    for i, own in enumerate(trainings):
        with named(i, n):
            prepared.append(_prepared({**common, **own}, data))
    _check_folders(prepared)
    for one in prepared:
        one.callbacks[:] = one_at_a_time(one.callbacks, lock)
    tasks = [partial(_finish, one) for one in prepared]
    with closing(_shown(prepared) if progress else ()):
        return side_by_side(tasks, [one.training for one in prepared], cores)


def _shown(prepared: Sequence[Prepared]) -> Sequence[Callback]:
    """Show all trainings together on one line; return what is to be closed at their end."""
    from whygrad.training.progress import ProgressOfMany

    line = ProgressOfMany([one.training.plan for one in prepared])
    for i, one in enumerate(prepared):
        one.callbacks.insert(0, line.of(i))
    return (line,)


class SharedData:
    """`as_data` for several trainings: what was read for one of them is not read, or copied, again."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[Any, ...], Any] = {}
        self._data: dict[tuple[Any, ...], Data] = {}
        self._given: list[Any] = []  # kept, so that no other object gets the id of one of them

    def __call__(
        self, net: Network, X: Any, Y: Any, sample_weight: Any = None, dtype: str = "float64"
    ) -> Data:
        """Return the examples as `as_data` does."""
        inputs = (id(X), repr(net.inputs), dtype)
        whole = (*inputs, id(Y), id(sample_weight), net.sizes[-1], net.C)
        if whole not in self._data:
            read = as_data(net, self._inputs.get(inputs, X), Y, sample_weight, dtype)
            self._given += [X, Y, sample_weight]
            self._inputs[inputs], self._data[whole] = read.X, read
        return self._data[whole]


def _prepared(given: Mapping[str, Any], data: Callable[..., Data]) -> Prepared:
    """Check the arguments of one training, and take those not given from `train`."""
    parameters = signature(train).parameters
    refuse_unknown(train, [name for name in given if name not in parameters])
    for name in ("net", "X", "Y"):
        if name not in given:
            raise InputError(f"there is no {name}: give one here, or one for all")
    if given.get("progress"):
        raise InputError("progress is that of all together: train_many(…, progress=True)")
    defaults = {name: one.default for name, one in parameters.items() if name != "unknown"}
    return prepare(**{**defaults, **given}, as_data=data)


def _check_folders(prepared: Sequence[Prepared]) -> None:
    """Reject a folder that cannot be recorded to, or that two trainings are to be recorded in."""
    taken: dict[Path, int] = {}
    n = len(prepared)
    for i, one in enumerate(prepared):
        if one.record is None:
            continue
        from whygrad.record.files.location import check_place

        path = Path(one.record).resolve()
        if path in taken:
            raise InputError(
                f"{numbered(i, n)}: {one.record} is where training {taken[path] + 1} is recorded: "
                "give each a folder of its own, record="
            )
        taken[path] = i
        with named(i, n):
            check_place(Path(one.record), one.overwrite)


def _finish(given: Prepared, seat: Seat) -> Fitted:
    return finish(replace(given, training=seat.take(given.training)))
