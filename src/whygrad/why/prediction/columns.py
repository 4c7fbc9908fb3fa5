"""The columns that the inputs come from: encoded ones are gathered back, one-hot ones known as categories.

"rooms", "rooms is missing" → rooms      "rooms", "rooms 1 to 3", "rooms 3 to 9" → rooms, in pieces
"ocean=INLAND", "ocean=NEAR BAY" → ocean
"sold month sin", "sold month cos", "sold day number" → sold, a date, of which no part moves alone
"lat", "lat 1 to 3", "lon", "lon 5 to 8", "lat & lon 30°" → lat & lon, a place
"""

import re
from dataclasses import dataclass

import numpy as np

from whygrad.answers.formatting import Ordinal, as_name
from whygrad.answers.names import Names
from whygrad.nn import Array, Network

ROUNDED = 1e-6  # of the mean: a number so small is 0, as an input of 32 bits has it
# Within the name of a column.
YEAR = re.compile(r"(?<![^\W_])(year|yr|built|born|founded)(?![^\W\d_])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class InputColumn:
    """A column: its name, its inputs, and the names of its categories, () for numbers and dates.

    A number's own input comes first; what follows are flags, such as "rooms is missing", or where it is
    `pieced` inputs that go along with it, such as its shares of bins. Of a date `day` is the input that
    counts the days since 1970, or −1 where there is none, and `hour` are the sine and cosine of its time of
    day, or (). `missing` are inputs that say it is missing. Of a place `placed` are the own inputs of its
    latitude and longitude.
    """

    name: str
    inputs: Array
    categories: tuple[str, ...] = ()
    dated: bool = False
    day: int = -1
    pieced: bool = False
    missing: tuple[int, ...] = ()
    placed: tuple[int, ...] = ()
    hour: tuple[int, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it is a number whose own input may be moved alone: no category or date, no pieces."""
        return not (self.categories or self.dated or self.pieced or self.placed)

    @property
    def leading(self) -> tuple[int, ...]:
        """The inputs that say how large it is: a number's own, a date's day or hour, a place's two."""
        if self.dated:
            return (self.day,) if self.day >= 0 else self.hour
        return () if self.categories else self.placed or (int(self.inputs[0]),)

    def category(self, x: Array) -> str:
        """Return the category that x holds, "none of them" where no input is on."""
        values = x[self.inputs]
        return self.categories[int(values.argmax())] if values.max() > 0 else "none of them"

    def number(self, own: float) -> float:
        """Return a number of its own units as it is written: a year without its thousands set apart."""
        return Ordinal(own) if YEAR.search(self.name) and 1000 <= own < 3000 else own

    def shown(self, net: Network, names: Names, x: Array) -> str | float:
        """Return its value in x: a category, a date such as 2024-01-31 12:30, a number, or "is missing".

        Of several rows (m, n_0) it is the mean of those that are not missing, in the column's own units: an
        input that was clipped has another one.
        """
        if self.categories:
            return self.category(x)
        rows = np.atleast_2d(x)
        rows = rows[~(rows[:, self.missing] == 1).any(axis=1)]
        if not len(rows):
            return "is missing"
        if self.placed:
            return ", ".join(f"{own_number(net, names, k, rows[:, k]):.5g}" for k in self.placed)
        if not self.dated:
            k = int(self.inputs[0])
            return self.number(own_number(net, names, k, rows[:, k]))
        return self._moment(net, names, rows)

    def _moment(self, net: Network, names: Names, rows: Array) -> str:
        """Return a date, with its time of day where it has one; of several rows the mean date alone."""
        minutes, time = np.zeros(len(rows)), ""
        if self.hour:
            sine, cosine = (names.own(net, 0, k, rows[:, k]) for k in self.hour)
            minutes = np.arctan2(sine, cosine) % (2 * np.pi) / (2 * np.pi) * 1440
            whole = min(1439, int(minutes.mean() + 1e-3))
            time = f"{whole // 60}:{whole % 60:02}"
        if self.day < 0:
            return time
        days = names.own(net, 0, self.day, rows[:, self.day])
        if len(rows) > 1 or not time:
            return str(np.datetime64(int(np.floor(days.mean() + 0.01)), "D"))
        # The day's number is near the time of day, which is the more exact of the two.
        return f"{np.datetime64(int(np.rint(days[0] - minutes[0] / 1440)), 'D')} {time:0>5}"


def own_number(net: Network, names: Names, k: int, values: Array | float) -> float:
    """Return the mean of numbers of input k in the column's own units.

    It is 0 where only rounding makes it another.

    >>> from whygrad.nn.network import Dense
    >>> names = Names(scales=((0.45, 0.5),))
    >>> own_number(Network(1, [Dense(1, "tanh")]), names, 0, float(np.float32(-0.9)))
    0.0
    """
    own, center = (float(np.mean(names.own(net, 0, k, one))) for one in (values, 0.0))
    return 0.0 if abs(own) < ROUNDED * abs(center) else own


def columns_of(net: Network, names: Names) -> tuple[InputColumn, ...]:
    """Return the columns in order; without `names.origins` every input is one.

    >>> from whygrad.nn.network import Dense
    >>> names = Names(("age", "pet=cat", "pet=dog"), origins=("age", "pet", "pet"))
    >>> [(c.name, c.categories) for c in columns_of(Network(3, [Dense(1, "tanh")]), names)]
    [('age', ()), ('pet', ('cat', 'dog'))]
    """
    inputs = names.layer(net, 0)
    if not names.origins:
        return tuple(InputColumn(as_name(name), np.array([k])) for k, name in enumerate(inputs))
    members: dict[str, list[int]] = {}
    for k, origin in enumerate(names.origins):
        members.setdefault(origin, []).append(k)
    found = []
    for origin, at in members.items():
        own = [inputs[k] for k in at]
        firsts = [one for one in own if origin.startswith(f"{one} & ")]  # & may stand in a name too
        pairs = [(one, origin.removeprefix(f"{one} & ")) for one in firsts]
        if both := next((pair for pair in pairs if pair[1] in own), None):
            placed = tuple(at[own.index(one)] for one in both)
            said = [f"{one} is missing" for one in both]
            flags = tuple(at[own.index(one)] for one in said if one in own)
            found.append(InputColumn(as_name(origin), np.array(at), missing=flags, placed=placed))
            continue
        day, gone = f"{origin} day number", f"{origin} is missing"
        missing = (at[own.index(gone)],) if gone in own else ()
        hours = [f"{origin} hour {one}" for one in ("sin", "cos")]
        hour = tuple(at[own.index(one)] for one in hours if one in own)
        if day in own or len(hour) == 2:
            place = at[own.index(day)] if day in own else -1
            hour = hour if len(hour) == 2 else ()
            found.append(
                InputColumn(
                    as_name(origin), np.array(at), (), True, place, missing=missing, hour=hour
                )
            )
            continue
        encoded = origin not in own and (len(at) > 1 or own[0].startswith(f"{origin}="))
        # One of the two is cut off: a value may itself begin with the name, "shop=shop 083".
        labels = tuple(re.sub(f"^{re.escape(origin)}[= ]", "", name) for name in own)
        pieced = not encoded and bool(set(own) - {origin, gone})
        column = InputColumn(
            as_name(origin), np.array(at), labels if encoded else (), pieced=pieced, missing=missing
        )
        found.append(column)
    return tuple(found)


def gather(columns: tuple[InputColumn, ...], values: Array) -> Array:
    """Add up the numbers of inputs, (…, n_0), by column."""
    order = np.concatenate([column.inputs for column in columns])
    first = np.cumsum([0, *(len(column.inputs) for column in columns[:-1])])
    summed: Array = np.add.reduceat(values[..., order], first, axis=-1)
    return summed
