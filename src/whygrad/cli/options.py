"""What a user asked for: options of the command line, and behind them those of a whygrad.toml."""

import stat
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Group, Parameter

from whygrad.cli.arguments import HEADER, NO_HEADER, SHEET, choice, option
from whygrad.errors import FileError, InputError, nearest
from whygrad.nn.functions import ACTIVATIONS, COSTS
from whygrad.nn.products import PRODUCTS
from whygrad.pipeline.recipe import QUALITIES
from whygrad.pipeline.settings import OF_SEVERAL, OF_THE_RECIPE, SCHEDULES, Settings
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.tables.columns import quoted

FILE = "whygrad.toml"
LARGEST = 1_000_000  # bytes
# Of whole numbers, of which the longest are neither finite nor written in digits:
TOO_LARGE = 10**15

TEXT = (
    *("target", "task", "sheet", "run", "activation", "cost", "optimizer", "schedule", "engine"),
    *("products", "class_weight", "aim", "quality"),
)
WHOLE = ("header", "epochs", "batch_size", "seed", "blocks")
NUMBERS = ("validation", "learning_rate", "dropout", "l1", "l2", "time_limit")
LISTS = OF_SEVERAL | {"type": "COLUMN=TYPE"}
EXAMPLES = {
    "leave_out": '["id", "name"]',
    "na": '["-9"]',
    "type": '["zip=category"]',
    "metrics": '["roc_auc", "f1"]',
}
FLAGS = ("no_header",)
OF_A_QUALITY = ("quality", "time_limit")
NAMES = (*TEXT, "hidden", *LISTS, "test", *WHOLE, *NUMBERS, *FLAGS)

DATA = Group("Data and result", sort_key=0)
NETWORK = Group("Network", sort_key=1)
TRAINING = Group("Training", sort_key=2)
data, network, training = (partial(option, group=group) for group in (DATA, NETWORK, TRAINING))

HIDDEN = [name for name, f in ACTIVATIONS.items() if f.custom_vjp is None]
ENGINES = ("auto", "native", "reference", "xla")
KNOWN_SCHEDULES = (
    "constant, inverse_scaling, step, cosine, one_cycle, on_plateau, adaptive. [by the rows]"
)


Name: TypeAlias = str | None
Number: TypeAlias = float | None
Whole: TypeAlias = int | None
Several: TypeAlias = list[str] | None


@Parameter(name="*")
@dataclass(frozen=True)
class TrainOptions:
    """The options of `whygrad train` that a whygrad.toml can hold as well; None is one not given."""

    target: Annotated[Name, data("The column to predict, by name or number.")] = None
    task: Annotated[Name, data("classification or regression. [told from the target]")] = None
    leave_out: Annotated[Several, data("A column not to learn from; can be repeated.")] = None
    type: Annotated[
        Several,
        data(
            "COLUMN=number, category, date or leave-out, where `whygrad columns` says otherwise; can be "
            "repeated."
        ),
    ] = None
    na: Annotated[
        Several,
        data("Another marker of missing values, beside NA, ? and the like; can be repeated."),
    ] = None
    test: Annotated[
        Name,
        data(
            "Fraction in the test set, scored at the end; last, last:0.1: the latest by date. [0.2]"
        ),
    ] = None
    validation: Annotated[
        Number,
        data("Fraction of the rest in the validation set, for early stopping. [0.1 of many]"),
    ] = None
    header: Annotated[Whole, data(HEADER)] = None
    no_header: Annotated[bool | None, data(NO_HEADER)] = None
    sheet: Annotated[Name, data(SHEET)] = None
    run: Annotated[Path | None, data("The folder to write. [FILE's name].run")] = None
    quality: Annotated[
        Name,
        choice(
            "fast, default or best: networks by the recipe for tables, averaged. [default; one network "
            "where an option describes it, such as --hidden, and for images]",
            QUALITIES,
            group=NETWORK,
        ),
    ] = None
    time_limit: Annotated[Number, network("Seconds that the training of a quality may take.")] = (
        None
    )
    hidden: Annotated[Name, network("Units of the hidden layers, or none. [128,64]")] = None
    activation: Annotated[
        Name, choice("relu, tanh, sigmoid, gelu, … [relu]", HIDDEN, group=NETWORK)
    ] = None
    cost: Annotated[
        Name, choice("cross_entropy, squared_error, huber, … [by the target]", COSTS, group=NETWORK)
    ] = None
    optimizer: Annotated[
        Name,
        choice("adam, adamw, nadam, rmsprop, adagrad or sgd. [adam]", OPTIMIZERS, group=TRAINING),
    ] = None
    learning_rate: Annotated[Number, training("The learning rate. [0.001; sgd 0.01]")] = None
    schedule: Annotated[Name, choice(KNOWN_SCHEDULES, SCHEDULES, group=TRAINING)] = None
    epochs: Annotated[Whole, training("Passes through the rows, at most. [by the rows]")] = None
    batch_size: Annotated[Whole, training("Rows per step. [by the rows]")] = None
    dropout: Annotated[Number, training("Fraction of hidden units dropped in a step. [0]")] = None
    l1: Annotated[Number, training("L1 regularization of the weights. [0]")] = None
    l2: Annotated[Number, training("L2 regularization of the weights. [1 / rows]")] = None
    class_weight: Annotated[
        Name,
        choice(
            "balanced: every class counts as much as any other. [by its rows]",
            ("balanced",),
            group=TRAINING,
        ),
    ] = None
    aim: Annotated[
        Name,
        training(
            "Choose the threshold of two classes for f1, balanced-accuracy, recall=0.9 or precision=0.9 "
            "of the second in order; f1:fraud for the class fraud."
        ),
    ] = None
    metrics: Annotated[
        Several,
        training("Scorers of scikit-learn to measure after every epoch: roc_auc,f1 say."),
    ] = None
    seed: Annotated[
        Whole, training("Seed of the split, the initial weights and the order. [0]")
    ] = None
    engine: Annotated[
        Name, choice("auto, native, reference or xla. [auto]", ENGINES, group=TRAINING)
    ] = None
    blocks: Annotated[
        Whole, training("Cut a batch into so many blocks, 1, 2, 4 …, which processes share. [1]")
    ] = None
    products: Annotated[
        Name,
        choice(
            "bfloat16 rounds what steps multiply to 8 bits: faster for wide layers where the processor "
            "has it.",
            tuple(PRODUCTS),
            group=TRAINING,
        ),
    ] = None


NOTHING = TrainOptions()


def with_file(given: dict[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Fill in options that were not given from the folder's whygrad.toml, where there is one.

    Where a quality is given, the network of the file does not count, and the other way round.
    """
    options = {}
    for key, value in _read(folder / FILE).items():
        name = key.replace("-", "_")
        if name not in NAMES:
            known = [_written(known) for known in NAMES]
            raise FileError(f"{FILE}: unknown option {quoted(key)}: {nearest(key[:60], known)}")
        if name in options:
            raise FileError(f"{FILE}: {key} stands there twice, with - and with _: remove one")
        options[name] = _checked(key, name, value)
    if given.get("quality") is not None:
        options = {name: value for name, value in options.items() if name not in OF_THE_RECIPE}
    elif of_a_network(given):
        options = {name: value for name, value in options.items() if name not in OF_A_QUALITY}
    return {name: options.get(name) if value is None else value for name, value in given.items()}


def of_a_network(options: dict[str, Any]) -> list[str]:
    """Return the options that are given and describe one network, as they are written."""
    return [_written(name) for name in OF_THE_RECIPE if options.get(name) is not None]


def _written(name: str) -> str:
    return name.replace("_", "-")


def _read(path: Path) -> dict[str, Any]:
    """Read a whygrad.toml; {} where there is none."""
    try:
        about = path.stat()
        regular, size = stat.S_ISREG(about.st_mode), about.st_size
        content = path.read_bytes() if regular and size <= LARGEST else b""
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"{FILE}: cannot be read ({error.strerror or error})") from None
    if not regular:  # a pipe would be waited for, and a device be read without end
        raise FileError(f"{FILE}: not a regular file: remove it, or write options as TOML there")
    if size > LARGEST:
        raise FileError(
            f"{FILE}: has {size:,} bytes, options need fewer than {LARGEST:,}: shorten it"
        )
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileError(f"{FILE}: line {line} is not UTF-8 text: save the file as UTF-8") from None
    except RecursionError:
        raise FileError(f"{FILE}: not TOML (nested too deep)") from None
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{FILE}: not TOML ({error!s:.200})") from None
    except ValueError:  # which Python has of whole numbers of thousands of digits
        raise FileError(
            f"{FILE}: a number of thousands of digits: no option is that large"
        ) from None


def _checked(key: str, name: str, value: Any) -> Any:
    """Return a value of the file in the type that the command line would give it, or refuse it."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, int) and abs(one) >= TOO_LARGE:
            raise FileError(f"{FILE}: {key} has more than 15 digits: no option is that large")
    if name == "hidden":
        units = value if isinstance(value, list) else [value]
        if isinstance(value, str) or all(_is_whole(one) for one in units):
            return value if isinstance(value, str) else ",".join(map(str, units)) or "none"
        wanted = "whole numbers, as in [40, 20]"
    elif name in LISTS:
        values = value if isinstance(value, list) else [value]
        if name == "na":
            values = [
                str(one) if _is_whole(one) or isinstance(one, float) else one for one in values
            ]
        if all(isinstance(one, str) for one in values):
            return values
        wanted = f"{LISTS[name]}, as in {EXAMPLES[name]}"
    elif name == "test":
        if isinstance(value, float | str) or _is_whole(value):
            return str(value)
        wanted = "a number, or last"
    elif name in TEXT:
        if isinstance(value, str):
            return value
        wanted = 'text, as in "adam"'
    elif name in WHOLE:
        if _is_whole(value):
            return value
        wanted = "a whole number"
    elif name in FLAGS:
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    else:
        if isinstance(value, float) or _is_whole(value):
            return float(value)
        wanted = "a number"
    raise FileError(f"{FILE}: {key} is {_shown(value)}: it must be {wanted}")


def _shown(value: Any) -> str:
    """Write a value of the file for a message: of what is large or nested, only what it is."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        flat = len(value) < 10 and not any(isinstance(one, list | dict) for one in value)
        return f"[{', '.join(map(_shown, value))}]" if flat else "a list"
    return repr(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def settings_of(options: dict[str, Any]) -> Settings:
    """Return the settings that options describe; raises `InputError` for those that make no sense."""
    quality, network = options.get("quality"), of_a_network(options)
    if quality is not None and network:
        raise InputError(
            f"quality {quality!r} chooses {network[0]} by itself: leave one of the two out"
        )
    names = {field.name for field in fields(Settings)}
    known = {k: v for k, v in options.items() if k in names and v is not None}
    if "hidden" in known:
        known["hidden"] = _hidden_layers(known["hidden"])
    for name in ("leave_out", "na"):
        if name in known:
            known[name] = tuple(dict.fromkeys(known[name]))
    if "metrics" in known:
        known["metrics"] = metrics_of(known["metrics"])
    if options.get("type") is not None:
        known["types"] = types_of(options["type"])
    if "test" in known:
        with suppress(ValueError):
            known["test"] = float(known["test"])
    return Settings(**known)


def metrics_of(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of metrics, checked before the table is read."""
    from whygrad.training.scorers import find_metrics  # which imports scikit-learn

    names = tuple(name.strip() for one in given for name in one.split(",") if name.strip())
    find_metrics(names)
    return names


def types_of(given: Sequence[str]) -> dict[str, str]:
    """Return the types of columns by name; of an equals sign in a name the last one counts.

    >>> types_of(["zip=category", "a=b=number"])
    {'zip': 'category', 'a=b': 'number'}
    """
    found = {}
    for one in given:
        name, equals, kind = one.rpartition("=")
        if not equals or not name.strip():
            raise InputError(f"type {quoted(one)}: give COLUMN=TYPE, as in zip=category")
        found[name.strip()] = kind.strip()
    return found


def _hidden_layers(text: str) -> tuple[int, ...]:
    """Read the units of hidden layers.

    >>> _hidden_layers("40,20"), _hidden_layers("none")
    ((40, 20), ())
    """
    if text.strip() in ("none", "0"):
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"hidden layers {quoted(text)}: give units like 40,20, or none")
    return tuple(int(part) for part in parts)
