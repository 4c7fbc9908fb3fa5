"""A training that has not begun: a table, and the settings chosen for it so far.

    add a layer, a unit  →  other settings  →  the network at step 0, with the parameters it starts from

What the table gives is kept while only the network and its training are changed.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from whygrad.errors import InputError
from whygrad.pipeline import datasets
from whygrad.pipeline.fit import EncodedTable, Prepared, Source, ready, tabulate
from whygrad.pipeline.names import names_of_encoding
from whygrad.pipeline.settings import OF_THE_RECIPE, Settings, without_recipe
from whygrad.studio.session.cache import LRUCache
from whygrad.studio.session.subject import Rows, Subject

# Units of the hidden layers that a data set is shown with.
SMALL: dict[str, tuple[int, ...]] = {
    "xor": (4,),
    "moons": (8,),
    "circles": (8,),
    "spirals": (8, 8),
    "iris": (6,),
    "digits": (30,),
    "mnist": (100,),
}
MOST_UNITS = 512  # of a layer that is drawn and trained live
MOST_LAYERS = 6
MOST_PARAMETERS = 2_000_000
MOST_CLASSES = 100


@dataclass(frozen=True, eq=False)
class ModelConfig:
    """A table to learn from, and the settings chosen for it."""

    source: Source
    settings: Settings

    @property
    def title(self) -> str:
        """The name of what is learned from."""
        about = self.source.about
        return str(about.get("name") or about.get("path", "table").rsplit("/", 1)[-1])

    @property
    def given(self) -> str:
        """What the table is found by: a data set's name, or the path of a file."""
        about = self.source.about
        return str(about.get("name") or about["path"])

    @property
    def tabulated(self) -> EncodedTable:
        """What the table gives, whatever network is chosen."""
        return tabulated(self.source, self.settings)

    @cached_property
    def ready(self) -> Prepared:
        """The training that these settings make; raises `InputError` where they do not fit the table."""
        return ready(self.tabulated, self.settings)

    @property
    def asked(self) -> Settings:
        """The settings that a training is to be started with, all filled in that no quality decides."""
        filled = self.ready.settings
        return without_recipe(filled) if filled.quality else filled

    @property
    def hidden(self) -> tuple[int, ...]:
        """The units of the hidden layers."""
        return self.ready.settings.hidden or ()


def _bytes(given: EncodedTable) -> int:
    arrays = sum(data.X.nbytes + data.Y.nbytes for data in given.data.values())
    return int(given.source.table.nbytes) + arrays


# The one before as well, where both are small: for those who go to and fro.
encoded_tables: LRUCache[tuple[Source, Settings], EncodedTable] = LRUCache(_bytes, count=2)


def tabulated(source: Source, settings: Settings) -> EncodedTable:
    """Return what a table makes, the same once more where only the network is another."""
    cost = settings.cost if settings.cost == "poisson" else None
    names = ("seed", "validation", "test", "leave_out", "types", "na", "quality", "member")
    kept = {name: getattr(settings, name) for name in names}
    of = Settings(cost=cost, **kept)
    return encoded_tables.get((source, of), lambda: tabulate(source, of))


def subject_of(config: ModelConfig) -> Subject:
    """Return the network of a configuration, with the parameters that its training will start from."""
    now = config.ready
    return Subject(
        plan=now.training.plan,
        state=now.training.state,
        names=replace(names_of_encoding(now.encoding), in_words=True),
        parts=rows_of(config.tabulated),
        encoding=now.encoding,
    )


def rows_of(given: EncodedTable) -> dict[str, Rows]:
    """Return the examples of a table by part: training, validation and test, those that have any."""
    return {
        part: Rows(data.X, data.Y, given.table, vars(given.parts)[part])
        for part, data in given.data.items()
        if len(data.Y)
    }


def checked(config: ModelConfig) -> ModelConfig:
    """Return a configuration after preparing its training.

    Raises `InputError` for settings that do not fit the table, and for what is too large to draw and to
    train live, before it is made.
    """
    encoding, settings = config.tabulated.encoding, config.settings
    hidden = () if settings.quality else settings.hidden or ()
    check_size((len(encoding.names), *hidden, encoding.target.n_outputs))
    check_size(config.ready.training.plan.net.sizes)
    return config


def check_size(sizes: Any) -> None:
    """Reject a network that is too large to draw and to train live, and say what can be done instead."""
    layers, count = len(sizes) - 2, sum(n * (m + 1) for m, n in zip(sizes, sizes[1:], strict=False))
    instead = "here at most; train it with `whygrad train` and open its run"
    if layers > MOST_LAYERS:
        raise InputError(f"{layers} hidden layers: {MOST_LAYERS} {instead}")
    if layers and max(sizes[1:-1]) > MOST_UNITS:
        raise InputError(f"a hidden layer of {max(sizes[1:-1])} units: {MOST_UNITS} {instead}")
    if count > MOST_PARAMETERS:
        raise InputError(f"{count:,} weights: {MOST_PARAMETERS:,} {instead}")
    if sizes[-1] > MOST_CLASSES:
        raise InputError(
            f"the target has {sizes[-1]} classes: {MOST_CLASSES} {instead}, or choose another target"
        )


def changed(config: ModelConfig, **changes: Any) -> ModelConfig:
    """Return a configuration with other settings.

    A change of what a quality decides makes the network one's own, as it was; a quality decides it anew.
    """
    settings = config.settings
    if changes.get("quality"):
        settings = without_recipe(replace(settings, quality=None))
        settings = replace(settings, epochs=None, validation=None)
    elif settings.quality and {*changes} & {"quality", *OF_THE_RECIPE}:
        settings = replace(config.ready.settings, quality=None)
    return replace(config, settings=replace(settings, **changes))


def edited(config: ModelConfig, kind: str, layer: int) -> ModelConfig:
    """Add or remove a unit or a layer; a new layer comes before `layer`, with as many units as that has."""
    hidden = list(config.hidden)
    at = layer - 1
    if not 0 <= at < len(hidden) + (kind == "add_layer"):
        raise InputError(f"layer {layer}: the hidden layers are 1 to {len(hidden)}")
    if kind == "add_layer":
        hidden.insert(at, hidden[min(at, len(hidden) - 1)] if hidden else 8)
    elif kind == "remove_layer":
        del hidden[at]
    elif kind == "add_unit":
        hidden[at] += 1
    elif kind == "remove_unit":
        hidden[at] = max(1, hidden[at] - 1)
    return changed(config, hidden=tuple(hidden))


def fitting(name: str) -> Settings:
    """Return settings with which a data set shows something soon."""
    hidden = SMALL.get(name, (16, 16))
    if name in datasets.DRAWN:
        return Settings(hidden=hidden, activation="tanh", learning_rate=0.03, l2=0.0)
    return Settings(hidden=hidden, activation="tanh", learning_rate=0.01)
