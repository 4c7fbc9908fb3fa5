"""The options of a training on a table, its hyperparameters among them, and their defaults.

The defaults follow from the number of training rows alone, so that no option is needed:

    fewer than 1,000 rows    batches of 32, a constant learning rate, as many epochs as make 2,000 steps
    1,000 rows and more      a tenth of them are validation rows; the learning rate falls to a fifth when
                             their cost has not fallen for 10 epochs, and below a tenth of the first one
                             training stops (early stopping); the parameters of the best epoch are kept
    always                   λ₂ is 1 / rows, so that the penalty weighs as much as one row

With a `quality` they follow from the recipe instead, see `recipe`; `Settings` are then those of one member.
`whygrad train` takes `QUALITY` for tables where none of `OF_THE_RECIPE` is given.

The numbers come from `benchmarks/tables.py`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from whygrad.errors import InputError, nearest
from whygrad.nn.functions import COSTS, find_activation
from whygrad.nn.network import Dense, Network
from whygrad.pipeline.recipe import QUALITIES, Recipe, batch_size_of, recommended
from whygrad.plan.optimizers import OPTIMIZERS, SGD, Optimizer, find_optimizer
from whygrad.plan.plan import Penalty, Plan, Stopping
from whygrad.plan.schedules import (
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    OnPlateau,
    Schedule,
    Step,
)

if TYPE_CHECKING:  # help and completion need the names of the options only, not what reads tables
    from whygrad.tables import Encoding

MANY_ROWS = 1000  # from here on a tenth of them can be spared for validation
VALIDATION_SHARE = 0.1
LAST = "last"  # the test rows are those with the latest dates
SHARE = 0.2  # of the rows, which are test rows where nothing else is said
DTYPE = "float32"

SCHEDULES: dict[str, Callable[[float, bool], Schedule]] = {
    "constant": lambda learning_rate, stops: Constant(),
    "inverse_scaling": lambda learning_rate, stops: InverseScaling(),
    "step": lambda learning_rate, stops: Step(),
    "cosine": lambda learning_rate, stops: Cosine(warm_up=0.05),
    "one_cycle": lambda learning_rate, stops: OneCycle(),
    "adaptive": lambda learning_rate, stops: Adaptive(floor=learning_rate / 10),
    "on_plateau": lambda learning_rate, stops: OnPlateau(on="validation_cost" if stops else "cost"),
}

# The costs that fit numbers, with the activation of the outputs that each takes.
OF_NUMBERS = {
    "squared_error": "identity",
    "absolute_error": "identity",
    "huber": "identity",
    "poisson": "exp",
}
# Those that fit classes; outputs between 0 and 1 make probabilities.
OF_CLASSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "absolute_error", "huber")

# The settings that hold several texts, and what these are.
OF_SEVERAL = {"leave_out": "names of columns", "na": "values", "metrics": "names of scorers"}


@dataclass(frozen=True)
class Settings:
    """The options of a training, by the names that the command line has for them.

    None stands for a default that `complete` fills in.

    Parameters
    ----------
    hidden : tuple of int, optional
        Units of each hidden layer; () for none.
    activation, cost, optimizer, schedule : str
        Names of `whygrad.functions`, `OPTIMIZERS` and `SCHEDULES`.
    learning_rate, epochs, batch_size
        As of `whygrad.train`.
    dropout : float, default 0.0
        The probability with which a step drops a hidden unit.
    l1, l2 : float
        λ₁ and λ₂.
    seed : int, default 0
        Decides the split, the initial parameters and the order of the rows.
    engine : {"auto", "native", "reference", "xla"}
        What computes the steps.
    blocks : int, default 1
        Into how many blocks a batch is cut, which several processes share; see `whygrad.train`.
    products : {None, "bfloat16"}
        What the operands of a step's matrix products are rounded to; see `whygrad.train`.
    test : float or str, default 0.2
        The share of the rows that are scored once, at the end; 0 for none. "last" and "last:0.1" take the
        latest rows by the table's dates instead of drawing them.
    validation : float, optional
        The share of the other rows that is measured every epoch, to stop by; 0 for none. By default a tenth
        where there are 1,000 or more, else none.
    leave_out : tuple of str
        Columns that training never sees.
    types : mapping of str to {"number", "category", "date", "leave-out"}
        What columns are, where it is not what their values suggest; kept as pairs.
    na : tuple of str
        What stands for a missing value, beside the usual signs.
    class_weight : "balanced", optional
        Weigh every class as much as any other, however many rows it has.
    aim : str, optional
        Of two classes choose the threshold on the validation rows for "f1", "balanced-accuracy",
        "recall=0.9" or "precision=0.9" of the second class, "f1:fraud" of the class fraud; by default it
        is 0.5.
    metrics : tuple of str
        What else to measure after every epoch: names that `sklearn.metrics.get_scorer` knows. Of two
        classes the second is the positive one.
    quality : {"fast", "default", "best"}, optional
        Train by the recipe for tables, which chooses the network and its training. By default the one
        network that the other options describe.
    member : int, default 1
        With a quality, which member of the ensemble this is.

    Raises
    ------
    InputError
        For values that make no sense.

    Examples
    --------
    >>> Settings(hidden=(40, 20), validation=0.25).test
    0.2
    """

    hidden: tuple[int, ...] | None = None
    activation: str = "relu"
    cost: str | None = None
    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    dropout: float = 0.0
    l1: float = 0.0
    l2: float | None = None
    seed: int = 0
    engine: str = "auto"
    blocks: int = 1
    products: str | None = None
    test: float | str = SHARE
    validation: float | None = None
    leave_out: tuple[str, ...] = ()
    types: tuple[tuple[str, str], ...] | Mapping[str, str] = ()
    na: tuple[str, ...] = ()
    class_weight: str | None = None
    aim: str | None = None
    metrics: tuple[str, ...] = ()
    quality: str | None = None
    member: int = 1

    def __post_init__(self) -> None:
        if self.quality is not None and self.quality not in QUALITIES:
            raise InputError(
                f"unknown quality {self.quality!r}: {nearest(str(self.quality), QUALITIES)}"
            )
        if self.class_weight not in (None, "balanced"):
            raise InputError(f"class_weight is {self.class_weight!r}: it can be 'balanced'")
        if self.aim is not None:
            parsed(self.aim)
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout!r}: it must be at least 0 and below 1")
        if self.schedule is not None and self.schedule not in SCHEDULES:
            raise InputError(
                f"unknown schedule {self.schedule!r}: {nearest(self.schedule, SCHEDULES)}"
            )
        if self.cost is not None and self.cost not in COSTS:
            raise InputError(f"unknown cost {self.cost!r}: {nearest(self.cost, COSTS)}")
        for units in self.hidden or ():
            if units < 1:
                raise InputError(
                    f"a hidden layer of {units} units: it needs at least 1, as in 40,20"
                )
        share_of_test(self.test)
        if self.validation is not None and not 0 <= self.validation < 1:
            raise InputError(
                f"validation is {self.validation!r}: a share of the rows is at least 0 and below 1, as 0.2"
            )
        for name, what in OF_SEVERAL.items():
            given = getattr(self, name)
            if isinstance(given, str):
                raise InputError(f"{name} is {given!r}: give {what}, ({given!r},)")
        if isinstance(self.types, Mapping):
            object.__setattr__(self, "types", tuple(self.types.items()))
        for pair in self.types:
            from whygrad.tables import check_type

            if isinstance(pair, str) or len(pair) != 2:
                raise InputError(
                    f"types is {self.types!r}: give a type for each name, {{'zip': 'category'}}"
                )
            check_type(*pair)
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("seed", 0),
            ("member", 1),
            ("blocks", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{_option(name)} is {value}: it must be at least {least}")
        if self.learning_rate is not None and not (
            self.learning_rate > 0 and math.isfinite(self.learning_rate)
        ):
            raise InputError(
                f"learning_rate is {self.learning_rate!r}: a learning rate is a finite number above 0"
            )
        for name in ("l1", "l2"):
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise InputError(f"{name} is {value!r}: a penalty is a finite number of at least 0")
        if find_activation(self.activation).custom_vjp is not None:
            raise InputError(f"{self.activation!r} serves as output only: use relu or tanh, say")
        if self.optimizer == "lbfgs":
            raise InputError(
                "optimizer 'lbfgs' takes all examples at once: a training on a table goes by batches, with "
                f"one of {', '.join(OPTIMIZERS)}; `wg.train` and the estimators have it"
            )
        find_optimizer(self.optimizer)


AIMS = ("f1", "balanced-accuracy", "recall", "precision")


def parsed(aim: str) -> tuple[str, float, str]:
    """Return what a threshold is for, the value to be reached, 0 for the largest, and of which class.

    >>> parsed("f1"), parsed("recall=0.9:fraud")
    (('f1', 0.0, ''), ('recall', 0.9, 'fraud'))
    """
    what, colon, label = aim.partition(":")
    name, equals, text = what.partition("=")
    try:
        value = float(text) if equals else 0.0
    except ValueError:
        value = -1.0
    odd = (name in AIMS[2:]) != bool(equals) or (equals and not 0 < value <= 1)
    if name not in AIMS or odd or (colon and not label):
        raise InputError(
            f"aim {aim!r}: it is f1, balanced-accuracy, recall=0.9 or precision=0.9, with a share up to 1, "
            "and f1:fraud that of the class 'fraud'"
        )
    return name, value, label


def from_dict(about: Mapping[str, Any]) -> Settings:
    """Return the settings that JSON has stored."""
    hidden = about["hidden"]
    lists = {
        "hidden": None if hidden is None else tuple(hidden),
        "leave_out": tuple(about["leave_out"]),
        "types": tuple((name, kind) for name, kind in about.get("types", ())),
        "na": tuple(about.get("na", ())),
        "metrics": tuple(about.get("metrics", ())),
    }
    return Settings(**{**about, **lists})


def share_of_test(test: float | str) -> float:
    """Return the share of the test rows, of `last` and `last:0.1` as well.

    Raises
    ------
    InputError
        For anything else, and for a share below 0 or not below 1.

    Examples
    --------
    >>> share_of_test(0.1), share_of_test("last"), share_of_test("last:0.3")
    (0.1, 0.2, 0.3)
    """
    share: Any = test
    if isinstance(test, str):
        word, colon, rest = test.partition(":")
        try:
            share = float(rest) if colon else SHARE if word == LAST else float(word)
        except ValueError:
            share = None
        if (colon and word != LAST) or share is None:
            raise InputError(f"test is {test!r}: it is a share such as 0.2, or last, or last:0.2")
    if not 0 <= share < 1:
        raise InputError(f"test is {test!r}: a share of the rows is at least 0 and below 1, as 0.2")
    return float(share)


def by_time(test: float | str) -> bool:
    """Return whether the test rows are the last ones by time."""
    return isinstance(test, str) and test.startswith(LAST)


def _option(name: str) -> str:
    return name.replace("_", "-")


def validation_share(settings: Settings, rows: int) -> float:
    """Return the share of validation rows, of so many rows that are no test rows."""
    if settings.validation is not None:
        return settings.validation
    return VALIDATION_SHARE if rows >= MANY_ROWS else 0.0


def complete(settings: Settings, encoding: "Encoding", rows: int, stops: bool) -> Settings:
    """Fill in the defaults for so many training rows; `stops` says whether there are validation rows."""
    batch_size = settings.batch_size or min(rows, 32 if not stops else 64 if rows < 20_000 else 128)
    defaults: dict[str, Any] = {
        "hidden": (128, 64),
        "learning_rate": _learning_rate(settings.optimizer),
        "schedule": "adaptive" if stops else "constant",
        "epochs": 200 if stops else max(1, 2000 // math.ceil(rows / batch_size)),
        "batch_size": batch_size,
        "l2": 1 / rows,
    }
    left_open = {name: value for name, value in defaults.items() if getattr(settings, name) is None}
    return replace(settings, cost=_cost(settings.cost, encoding), **left_open)


QUALITY = "default"
# What the recipe decides, where there is a quality.
OF_THE_RECIPE = (
    *("hidden", "activation", "cost", "optimizer", "learning_rate", "schedule", "batch_size"),
    *("dropout", "l1", "l2", "products"),
)


def recipe_of(settings: Settings, rows: int, numbers: int, classes: int) -> Recipe:
    """Return the recipe that settings with a quality ask for, with their epochs and validation rows.

    Parameters
    ----------
    settings : Settings
        With a quality.
    rows, numbers, classes : int
        As of `recommended`; rows are training and validation rows.

    Returns
    -------
    Recipe
        The recipe of all members; where validation rows are asked for every member has them.
    """
    found = recommended(rows, numbers, classes, settings.quality or "default")
    if settings.epochs is not None:
        found = replace(found, epochs=settings.epochs)
    if settings.validation is not None:
        found = replace(found, share=settings.validation, pilots=0)
    return found


def following(settings: Settings, epochs: int) -> Settings:
    """Return the settings of members that learn from all rows, for as many epochs as pilots found.

    They have no validation rows, and measure nothing there.
    """
    from whygrad.training.metrics import ON_TRAINING  # which help and completion do not need

    metrics = tuple(name for name in settings.metrics if name.startswith(ON_TRAINING))
    return replace(settings, epochs=epochs, validation=0.0, aim=None, metrics=metrics)


def check_quality(settings: Settings) -> None:
    """Raise `InputError` where settings with a quality also say what the recipe decides."""
    plain = Settings()
    for name in OF_THE_RECIPE:
        if settings.quality and getattr(settings, name) != getattr(plain, name):
            raise InputError(
                f"quality {settings.quality!r} chooses {_option(name)} by itself: leave one of the two out"
            )


def without_recipe(settings: Settings) -> Settings:
    """Return settings with a quality as they were given, before `by_recipe`."""
    plain = Settings()
    return replace(settings, **{name: getattr(plain, name) for name in OF_THE_RECIPE})


def by_recipe(settings: Settings, recipe: Recipe, rows: int, encoding: "Encoding") -> Settings:
    """Return settings with what a recipe decides for so many training and validation rows."""
    return replace(
        settings,
        hidden=recipe.hidden,
        activation=recipe.activation,
        cost=_cost(None, encoding),
        optimizer="adamw",
        learning_rate=recipe.learning_rate,
        schedule=recipe.schedule,
        epochs=recipe.epochs,
        batch_size=batch_size_of(recipe, rows),
        dropout=recipe.dropout,
        l2=0.0,
        validation=recipe.share,
    )


def _learning_rate(optimizer: str) -> float:
    return 0.01 if optimizer in ("sgd", "adagrad") else 0.001


def network(settings: Settings, encoding: "Encoding") -> Network:
    """Return the network that complete settings describe, for the columns of an encoding."""
    assert settings.hidden is not None and settings.cost is not None, "settings are not complete"
    hidden = [
        Dense(units, settings.activation, dropout=settings.dropout) for units in settings.hidden
    ]
    output = Dense(encoding.target.n_outputs, _output(settings.cost, encoding))
    return Network(len(encoding.names), (*hidden, output), settings.cost)


def plan(settings: Settings, net: Network, rows: int, stops: bool) -> Plan:
    """Return the plan of a training on so many rows; `stops` says whether there are validation rows."""
    chosen: Any = settings
    rule = None
    if stops:
        rule = Stopping("validation_cost", tol=0.0, patience=10, restore_best=True)
    elif chosen.schedule == "adaptive":
        rule = Stopping("cost")
    return Plan(
        net=net,
        optimizer=_optimizer(settings.optimizer, chosen.learning_rate),
        n=rows,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        blocks=chosen.blocks,
        products=chosen.products,
        seed=settings.seed,
        l1=Penalty(settings.l1),
        l2=Penalty(chosen.l2),
        schedule=SCHEDULES[chosen.schedule](chosen.learning_rate, stops),
        stopping=rule,
        dtype=DTYPE,
    )


def _optimizer(name: str, learning_rate: float) -> Optimizer:
    if name == "sgd":
        return SGD(learning_rate, momentum=0.9, nesterov=True)
    rule: Optimizer = OPTIMIZERS[name](learning_rate)
    return rule


def changes(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a plan, as `Run.fork` takes them, for settings that a fork changes.

    An optimizer or a schedule is what a training on a table makes of its name; the learning rate stays.
    """
    known = {"learning_rate", "optimizer", "schedule", "l1", "l2", "batch_size", "epochs", "seed"}
    for name in given:
        if name not in known:
            raise InputError(f"a fork cannot change {name!r}: {nearest(name, sorted(known))}")
    Settings(**given)  # which raises for what makes no sense
    changed = dict(given)
    learning_rate = given.get("learning_rate", plan.optimizer.learning_rate)
    if "optimizer" in given:
        if not plan.by_steps and "learning_rate" not in given:
            learning_rate = _learning_rate(given["optimizer"])
        changed["optimizer"] = _optimizer(given["optimizer"], learning_rate)
        changed.pop("learning_rate", None)
    if "schedule" in given:
        stops = plan.stopping is not None and plan.stopping.on != "cost"
        changed["schedule"] = SCHEDULES[given["schedule"]](learning_rate, stops)
        if given["schedule"] == "adaptive" and plan.stopping is None:
            changed["stopping"] = Stopping("cost")
    return changed


def _cost(asked: str | None, encoding: "Encoding") -> str:
    """Return the cost, which must fit the target; of two classes both cross-entropies are the same."""
    target = encoding.target
    if encoding.task == "regression":
        cost, fitting = asked or "squared_error", tuple(OF_NUMBERS)
    else:
        cost, fitting = asked or "cross_entropy", OF_CLASSES
    if cost not in fitting:
        what = "numbers" if encoding.task == "regression" else f"{len(target.classes)} classes"
        raise InputError(
            f"cost {cost!r} does not fit target {target.name!r} of {what}: use {', '.join(fitting)}"
        )
    single = cost == "cross_entropy" and target.n_outputs == 1
    return "binary_cross_entropy" if single else cost


def _output(cost: str, encoding: "Encoding") -> str:
    if encoding.task == "regression":
        return OF_NUMBERS[cost]
    single = encoding.target.n_outputs == 1
    return "sigmoid" if single or cost == "binary_cross_entropy" else "softmax"
