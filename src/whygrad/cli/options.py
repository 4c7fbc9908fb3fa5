"""What a user asked for: options of the command line, and behind them those of a whygrad.toml."""

import stat
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from whygrad.cli.arguments import HEADER, NO_HEADER, SHEET, option
from whygrad.errors import FileError, InputError, nearest
from whygrad.nn.functions import ACTIVATIONS, COSTS
from whygrad.pipeline.settings import SCHEDULES, Settings
from whygrad.plan.optimizers import OPTIMIZERS
from whygrad.tables.columns import quoted

FILE = "whygrad.toml"
LARGEST = 1_000_000  # bytes
TOO_LARGE = (
    10**15
)  # of whole numbers, of which the longest are neither finite nor written in digits

TEXT = (
    "target",
    "task",
    "sheet",
    "run",
    "activation",
    "cost",
    "optimizer",
    "schedule",
    "engine",
    "class_weight",
    "aim",
)
WHOLE = ("header", "epochs", "batch_size", "seed")
NUMBERS = ("test", "validation", "learning_rate", "dropout", "l1", "l2")
FLAGS = ("no_header",)
NAMES = (*TEXT, "hidden", "leave_out", *WHOLE, *NUMBERS, *FLAGS)

DATA = Group("Data and result", sort_key=0)
NETWORK = Group("Network", sort_key=1)
TRAINING = Group("Training", sort_key=2)


@Parameter(name="*")
@dataclass(frozen=True)
class TrainOptions:
    """The options of `whygrad train` that a whygrad.toml can hold as well; None is one not given."""

    target: Annotated[
        str | None, option("The column to predict, by name or number.", group=DATA)
    ] = None
    task: Annotated[
        str | None, option("classification or regression. [told from the target]", group=DATA)
    ] = None
    leave_out: Annotated[
        list[str] | None,
        option("A column not to learn from; can be repeated.", group=DATA),
    ] = None
    test: Annotated[
        float | None, option("Share of the rows kept for the score at the end. [0.2]", group=DATA)
    ] = None
    validation: Annotated[
        float | None,
        option(
            "Share of the others measured every epoch, for early stopping. [0.1 of many]",
            group=DATA,
        ),
    ] = None
    header: Annotated[int | None, option(HEADER, group=DATA)] = None
    no_header: Annotated[bool | None, option(NO_HEADER, group=DATA)] = None
    sheet: Annotated[str | None, option(SHEET, group=DATA)] = None
    run: Annotated[Path | None, option("The folder to write. [FILE's name].run", group=DATA)] = None
    hidden: Annotated[
        str | None, option("Units of the hidden layers, or none. [128,64]", group=NETWORK)
    ] = None
    activation: Annotated[
        str | None,
        option(
            "relu, tanh, sigmoid, gelu, … [relu]",
            group=NETWORK,
            choices=tuple(name for name, f in ACTIVATIONS.items() if f.custom_vjp is None),
            show_choices=False,
        ),
    ] = None
    cost: Annotated[
        str | None,
        option(
            "cross_entropy, squared_error, huber, … [by the target]",
            group=NETWORK,
            choices=tuple(COSTS),
            show_choices=False,
        ),
    ] = None
    optimizer: Annotated[
        str | None,
        option(
            "adam, adamw, nadam, rmsprop, adagrad or sgd. [adam]",
            group=TRAINING,
            choices=tuple(OPTIMIZERS),
            show_choices=False,
        ),
    ] = None
    learning_rate: Annotated[
        float | None, option("The learning rate. [0.001; sgd 0.01]", group=TRAINING)
    ] = None
    schedule: Annotated[
        str | None,
        option(
            "constant, inverse_scaling, step, cosine, one_cycle, on_plateau, adaptive. [by the rows]",
            group=TRAINING,
            choices=tuple(SCHEDULES),
            show_choices=False,
        ),
    ] = None
    epochs: Annotated[
        int | None, option("Passes through the rows, at most. [by the rows]", group=TRAINING)
    ] = None
    batch_size: Annotated[int | None, option("Rows per step. [by the rows]", group=TRAINING)] = None
    dropout: Annotated[
        float | None, option("Share of hidden units that a step leaves out. [0]", group=TRAINING)
    ] = None
    l1: Annotated[float | None, option("Penalty on the size of weights. [0]", group=TRAINING)] = (
        None
    )
    l2: Annotated[float | None, option("Penalty on their squares. [1 / rows]", group=TRAINING)] = (
        None
    )
    class_weight: Annotated[
        str | None,
        option(
            "balanced: every class weighs as much as any other. [by its rows]",
            group=TRAINING,
            choices=("balanced",),
            show_choices=False,
        ),
    ] = None
    aim: Annotated[
        str | None,
        option(
            "Choose the threshold of two classes for f1, balanced-accuracy, recall=0.9 or precision=0.9.",
            group=TRAINING,
        ),
    ] = None
    seed: Annotated[
        int | None, option("Decides the split, the start and the order. [0]", group=TRAINING)
    ] = None
    engine: Annotated[
        str | None,
        option(
            "auto, native or reference. [auto]",
            group=TRAINING,
            choices=("auto", "native", "reference"),
            show_choices=False,
        ),
    ] = None


NOTHING = TrainOptions()


def with_file(given: dict[str, Any], folder: Path = Path()) -> dict[str, Any]:
    """Fill in options that were not given from the folder's whygrad.toml, where there is one."""
    options = {}
    for key, value in _read(folder / FILE).items():
        name = key.replace("-", "_")
        if name not in NAMES:
            known = [known.replace("_", "-") for known in NAMES]
            raise FileError(f"{FILE}: unknown option {quoted(key)}: {nearest(key[:60], known)}")
        if name in options:
            raise FileError(f"{FILE}: {key} stands there twice, with - and with _: remove one")
        options[name] = _checked(key, name, value)
    return {name: options.get(name) if value is None else value for name, value in given.items()}


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
    elif name == "leave_out":
        columns = value if isinstance(value, list) else [value]
        if all(isinstance(column, str) for column in columns):
            return columns
        wanted = 'names of columns, as in ["id", "name"]'
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
    names = {field.name for field in fields(Settings)}
    known = {k: v for k, v in options.items() if k in names and v is not None}
    if "hidden" in known:
        known["hidden"] = hidden_layers(known["hidden"])
    if "leave_out" in known:
        known["leave_out"] = tuple(dict.fromkeys(known["leave_out"]))
    return Settings(**known)


def hidden_layers(text: str) -> tuple[int, ...]:
    """Read the units of hidden layers.

    >>> hidden_layers("40,20"), hidden_layers("none")
    ((40, 20), ())
    """
    if text.strip() in ("none", "0"):
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise InputError(f"hidden layers {quoted(text)}: give units like 40,20, or none")
    return tuple(int(part) for part in parts)
