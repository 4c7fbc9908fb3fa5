"""`train_many`: several trainings in one call, a core for each, with the bits of `train` one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import Any, TypedDict, Unpack

from whygrad.errors import InputError, refuse_unknown
from whygrad.fitted import Fitted
from whygrad.nn.arrays import Data, as_data
from whygrad.nn.network import Network, Parameters
from whygrad.plan.plan import Clip, Penalty, Stopping
from whygrad.plan.schedules import Schedule
from whygrad.train import Prepared, finish, prepare, train
from whygrad.training.callbacks import AnyCallback, Callback
from whygrad.training.side_by_side import Seat, named, numbered, one_at_a_time, side_by_side


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
    l1: float | Penalty
    l2: float | Penalty
    schedule: str | Schedule
    stopping: Stopping | None
    cost_below: float | None
    seconds: float | None
    clip: float | Clip
    label_smoothing: float
    shuffle: bool
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
    shown: list[Callback] = []
    if progress:
        from whygrad.training.progress import ProgressOfMany

        line = ProgressOfMany([one.training.plan for one in prepared])
        shown = [line.of(i) for i in range(n)]
    for i, one in enumerate(prepared):
        one.callbacks[:] = one_at_a_time(one.callbacks, lock)
        one.callbacks[:0] = shown[i : i + 1]
    tasks = [partial(_finish, one) for one in prepared]
    return side_by_side(tasks, [one.training for one in prepared], cores)


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
