"""Dates and times: told from the cells of a column as a whole, and taken apart into what a network can use.

A column has one form, ISO or local, with names of months or seconds since 1970. Whether the day or the
month comes first is decided by all cells together. A time is kept as seconds since 1970, of UTC where a
cell names its zone; its parts are those that the span of the training rows makes worth knowing.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.nn.functions import Array
from whygrad.tables.columns import SECONDS, to_float
from whygrad.tables.written_numbers import ALL_BUT_A_FEW, cast, likely, scalar, share, some_of

DAY = 86_400
_CLOCK = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d+)?))?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|(?:GMT|UTC)[+-]\d{1,2}(?::?\d{2})?|[A-Z]{3,4}|[+-]\d{2}(?::?\d{2})?)?"
)
FROM_TO = r"-(?:1[3-9]|2\d):\d{2}$"  # how 9:15-16:30 ends: no zone is so far behind UTC
# Beside a date 18h45 is a time too: alone it may be how long something took.
_TIME = rf"(?:(?:T|,?\s+(?:at\s|à\s|um\s)?|:){_CLOCK.replace(':', '[:h]', 1)}(?:\s?Uhr)?)?$"
_WEEKDAY = r"^(?:\p{L}{2,10}\.?,?\s+)?"
_MONTH = r"(?:de\s+)?(?P<n>\p{L}{3,10})\.?(?:\s+de)?"
_YEAR = r"'?(?P<y>\d{4}|\d{2})"
_TWO = r"^(?P<a>\d{1,2})(?P<mark>[-/.])\s?(?P<b>\d{1,2})[-/.]\s?" + _YEAR + _TIME
_DAY_NAME = rf"{_WEEKDAY}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?[-/ ]*{_MONTH},?[-/ ]*{_YEAR}{_TIME}"
_MONTH_NAME = rf"{_WEEKDAY}{_MONTH}[-/ ]*(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[-/ ]+{_YEAR}{_TIME}"
# Form → how it is written, and the pattern of a cell.
TEXT_FORMS = {
    "year first": (
        "year-month-day",
        rf"^(?P<y>\d{{4}})[-/.年]\s?(?P<m>\d{{1,2}})[-/.月]\s?(?P<d>\d{{1,2}})日?{_TIME}",
    ),
    "day first": ("day/month/year", _TWO),
    "month first": ("month/day/year", _TWO),
    "short year first": (
        "yy-mm-dd", rf"^(?P<y>\d{{2}})[-/.]\s?(?P<m>\d{{1,2}})[-/.]\s?(?P<d>\d{{1,2}}){_TIME}"
    ),
    "day name": ("day month year", _DAY_NAME),
    "month name": ("month day, year", _MONTH_NAME),
    "year name": ("year month day", rf"^(?P<y>\d{{4}})[-/ ]{_MONTH}[-/ ](?P<d>\d{{1,2}}){_TIME}"),
    "name and time": (  # as C's asctime and Unix write them
        "month day time year", rf"{_WEEKDAY}{_MONTH}\s+(?P<d>\d{{1,2}})\s+{_CLOCK}\s+(?P<y>\d{{4}})$"
    ),
    "name and year": ("month year", rf"^{_MONTH}[-/ ]+(?P<y>\d{{4}})$"),
    "name and short year": ("month-year", rf"^{_MONTH}(?:[-/]|\s?')(?P<y>\d{{2}})$"),  # Jan 15 is a day
    "year and month": ("year-month", r"^(?P<y>\d{4})[-/](?P<m>\d{1,2})$"),
    "month and year": ("month/year", r"^(?P<m>0?[1-9]|1[0-2])[-/](?P<y>(?:19|20)\d{2})$"),
    "quarter and year": ("quarter year", r"^[Qq](?P<q>[1-4])[-/ ]?(?P<y>\d{4})$"),
    "year and quarter": ("year quarter", r"^(?P<y>\d{4})[-/ ]?[Qq](?P<q>[1-4])$"),
    "basic": (
        "yyyymmddThhmm",
        r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})T(?P<H>\d{2})(?P<M>\d{2})"
        r"(?P<S>\d{2}(?:\.\d+)?)?(?P<half>)(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?$"
    ),
    "clock": ("time of day", rf"^{_CLOCK}$"),
    "digits": ("yyyymmdd", r"^(?P<y>(?:18|19|20|21)\d{2})(?P<m>\d{2})(?P<d>\d{2})$"),
}  # fmt: skip
# The same for Python's own `re`, since arrow takes its time with a pattern.
_HERE = {
    form: re.compile(pattern.replace(r"\p{L}", r"[^\W\d_]"))
    for form, (_, pattern) in TEXT_FORMS.items()
}
# Form → seconds in one of its units, and between which seconds since 1970 all values must lie to be such.
EPOCHS = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}
NUMERIC = (*EPOCHS, "digits")  # which numbers may be, and text of digits
EPOCH_FROM, EPOCH_TO = 631_152_000, 2_208_988_800  # 1990 and 2040
LATE = 1_861_920_000  # 2029: where the 29th to the 31st of a month would be years
FIRST_YEAR, LAST_YEAR = 1500, 2300
PIVOT = 70  # two digits below it are of this century

MONTHS = {
    name: month
    for month, names in enumerate(
        ("jan jän ene gen", "feb fev fév", "mar mär mrz mrt", "apr avr abr", "may mai mei mag",
         "jun giu juin", "jul lug juil", "aug aoû ago", "sep set", "oct okt ott out", "nov",
         "dec dez déc dic"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class DateForm:
    """How dates are written: a key of `TEXT_FORMS` or `EPOCHS`, or "" for arrow's own types."""

    form: str = ""

    @property
    def described(self) -> str:
        """What is said of the form, in a few words."""
        if self.form in EPOCHS:
            return f"{self.form} since 1970"
        return TEXT_FORMS[self.form][0] if self.form else "as stored"


def seconds_of_text(form: DateForm, cells: Any) -> Array:
    """Return text cells as seconds since 1970, float64, NaN where one is missing or not of that form.

    Parameters
    ----------
    form : DateForm
        How they are written.
    cells : pyarrow.Array of large_string
        Without spaces around them, null where a value is missing.

    Examples
    --------
    >>> cells = pa.array(["1.2.1970", "31.1.1970 12:00", "30.2.1970"], pa.large_string())
    >>> seconds_of_text(DateForm("day first"), cells) / DAY
    array([31. , 30.5,  nan])
    """
    if form.form in EPOCHS:
        values = cast(cells)
        if values is None:
            values = cast(
                pc.if_else(pc.match_substring_regex(cells, r"^\d{1,20}$"), cells, scalar(None))
            )
        assert values is not None, "digits are a number"
        return seconds_of_number(form, values)
    pattern = TEXT_FORMS[form.form][1]
    found = pc.extract_regex(cells, pattern)
    names = {field.name for field in found.type}

    def part(name: str, default: float = 0.0) -> Array:
        if name not in names:
            return np.full(len(cells), default)
        given = pc.replace_substring(pc.struct_field(found, name), ",", ".")
        values = cast(pc.if_else(pc.equal(given, ""), scalar(None), given))
        assert values is not None, "digits are a number"
        return values if np.isnan(default) else np.where(np.isnan(values), default, values)

    matched = np.asarray(pc.is_valid(found))
    clock = _clock(part, found, names) if "H" in names else np.zeros(len(cells))
    if form.form == "clock":
        return np.where(matched, clock, np.nan)
    year = part("y", np.nan)
    short = pc.less_equal(pc.utf8_length(pc.struct_field(found, "y")), 2).fill_null(False)
    year = np.where(np.asarray(short), year + np.where(year < PIVOT, 2000, 1900), year)
    if "n" in names:
        month = _named_months(pc.struct_field(found, "n"))
    elif "m" in names:
        month = part("m", np.nan)
    elif "q" in names:
        month = 3 * part("q", np.nan) - 2
    else:
        month = part("b" if form.form == "day first" else "a", np.nan)
    day = part("d", 1.0) if "d" in names else np.ones(len(cells))
    if "a" in names:
        day = part("a" if form.form == "day first" else "b", np.nan)
    return np.where(matched, _days(year, month, day) * DAY + clock, np.nan)


def _clock(part: Any, found: Any, names: set[str]) -> Array:
    """Return the seconds of the day, less what the zone is ahead of UTC; NaN where they are none."""
    hour, minute, second = part("H"), part("M"), part("S")
    half = pc.utf8_lower(pc.struct_field(found, "half"))
    afternoon = np.asarray(pc.starts_with(half, "p").fill_null(False))
    named = np.asarray(pc.not_equal(half, "").fill_null(False))
    midnight = (hour == 24) & (minute == 0) & (second == 0)  # of the next day
    wrong = (
        ((hour > 23) & ~midnight)
        | (minute > 59)
        | (second >= 61)
        | (named & ((hour < 1) | (hour > 12)))
    )
    hour = np.where(named, hour % 12 + 12 * afternoon, hour)
    zone = pc.struct_field(found, "zone")
    apart = pc.extract_regex(zone, r"^(?:GMT|UTC)?(?P<h>[+-]\d{1,2}):?(?P<m>\d{2})?$")
    shift = np.zeros(len(hour))
    if apart.null_count < len(apart):
        hours, minutes = (pc.struct_field(apart, name) for name in ("h", "m"))
        hours, minutes = (
            cast(pc.if_else(pc.equal(one, ""), scalar(None), pc.utf8_ltrim(one, "+")))
            for one in (hours, minutes)
        )
        assert hours is not None and minutes is not None, "a zone is digits"
        hours, minutes = (np.where(np.isnan(one), 0.0, one) for one in (hours, minutes))
        back = np.asarray(pc.starts_with(pc.struct_field(apart, "h"), "-").fill_null(False))
        shift = np.where(back, -1, 1) * (np.abs(hours) * 3600 + minutes * 60)
    return np.where(wrong, np.nan, hour * 3600 + minute * 60 + second - shift)


def _named_months(names: Any) -> Array:
    """Return months, 1 to 12, by the first letters of their names, NaN for other words."""
    small = pc.utf8_lower(names)
    known = pa.array(list(MONTHS), small.type)
    places = [  # of juin and juillet three are not enough
        pc.index_in(pc.utf8_slice_codeunits(small, 0, length), value_set=known) for length in (4, 3)
    ]
    place = pc.coalesce(*places)
    month = pa.array(list(MONTHS.values()), pa.float64()).take(place)
    found: Array = month.to_numpy(zero_copy_only=False)
    return found


def _days(year: Array, month: Array, day: Array) -> Array:
    """Return days since 1970 of a calendar's dates, NaN for those that there never were."""
    fits = (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    y, m, d = (np.where(fits, part, 1.0).astype(np.int64) for part in (year, month, day))
    months = (y - 1970) * 12 + (m - 1)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = first + d - 1
    return np.where(fits & (days < following), days, np.nan)


def seconds_of_number(form: DateForm, values: Array) -> Array:
    """Return numbers, (n,), as seconds since 1970; NaN where they are not dates of that form."""
    if form.form == "digits":
        whole = np.where(np.isnan(values), 0, values).astype(np.int64)
        year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
        return _days(year.astype(float), month.astype(float), day.astype(float)) * DAY
    if form.form not in EPOCHS:
        return np.full(len(values), np.nan)
    seconds = values * EPOCHS[form.form]
    # A unit mistaken is off by a factor of a thousand: that is no date of the same column.
    return np.where((seconds >= -EPOCH_TO) & (seconds <= 10 * EPOCH_TO), seconds, np.nan)


def seconds_of_time(column: Any) -> Array:
    """Return a column of one of arrow's types of dates and times as seconds, float64, NaN where missing."""
    t = pa.types
    kind = column.type
    if t.is_time32(kind):
        column, per = column.cast(pa.int32()), SECONDS[kind.unit]
    elif t.is_time64(kind):
        column, per = column.cast(pa.int64()), SECONDS[kind.unit]
    elif t.is_date32(kind):
        column, per = column.cast(pa.int32()), float(DAY)
    else:
        unit = "ms" if t.is_date64(kind) else kind.unit
        column = column.cast(pa.int64())
        per = SECONDS[unit]
    return to_float(column) * per


def find_date_form(cells: Any, least: float = ALL_BUT_A_FEW) -> tuple[DateForm | None, bool]:
    """Return the form of dates that fits all text cells but a few, or None; and whether it is a guess.

    Parameters
    ----------
    cells : pyarrow.Array of large_string
        Without spaces around them and without missing values.
    least : float, default 0.95
        The share of the cells that it must fit.

    Returns
    -------
    form : DateForm or None
        The form. Where no cell tells day and month apart, the day is first with points and dashes, the
        month with slashes, unless only the other way is in order.
    unclear : bool
        Whether no cell told day and month apart.

    Examples
    --------
    >>> find_date_form(pa.array(["3/4/2024", "12/31/2023"], pa.large_string()))
    (DateForm(form='month first'), False)
    """
    cells = some_of(cells)
    for form, pattern in _HERE.items():
        if form in ("month first", "short year first") or not likely(cells, pattern):
            continue
        if form == "clock" and share(cells, FROM_TO) > 0:
            continue
        found = DateForm(form)
        if form == "day first":
            found, unclear = _order(cells)
        else:
            unclear = False
        if np.isfinite(seconds_of_text(found, cells)).mean() >= least:
            return found, unclear
    return None, False


def _order(cells: Any) -> tuple[DateForm, bool]:
    """Return whether day, month or a short year comes first, by all cells; and whether none told."""
    forms = [DateForm(form) for form in ("day first", "month first", "short year first")]
    days, months, years = (seconds_of_text(form, cells) for form in forms)
    fits, others = (int(np.isfinite(one).sum()) for one in (years, np.fmax(days, months)))
    # The last days of a month that are taken for years are in the future.
    later = fits == others and _latest(days) >= LATE > _latest(years)
    if fits and (fits > others or later):
        return forms[2], fits == others
    if np.isfinite(days).sum() != np.isfinite(months).sum():
        return forms[int(np.isfinite(months).sum() > np.isfinite(days).sum())], False
    in_order = [bool((np.diff(one[np.isfinite(one)]) >= 0).all()) for one in (days, months)]
    if in_order[0] != in_order[1] and len(cells) > 3:
        return forms[int(in_order[1])], True
    slashes = share(cells, "/") > 0.5
    return forms[int(slashes)], True


def find_epoch(values: Array) -> DateForm | None:
    """Return the form of numbers that are dates: seconds and the like since 1970, or yyyymmdd; else None.

    `values` are all of the column that are not missing. All must be whole, and lie between 1990 and 2040.

    >>> find_epoch(np.array([964982703.0, 1445714835.0, 1493846352.0]))
    DateForm(form='seconds')
    """
    low, high = values.min(), values.max()
    if not (low >= 18_000_101 and low < high and (values == np.rint(values)).all()):
        return None
    for form, per in EPOCHS.items():
        if low * per >= EPOCH_FROM and high * per <= EPOCH_TO:
            return DateForm(form)
    if high < 22_000_000 and np.isfinite(seconds_of_number(DateForm("digits"), values)).all():
        return DateForm("digits")
    return None


def _latest(seconds: Array) -> float:
    return float(np.nanmax(seconds)) if np.isfinite(seconds).any() else -np.inf


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────

# What stands in a part, by name: the encoded columns, and whether they are numbers to be standardised.
PARTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "year": (("year",), True),
    "month": (("month sin", "month cos"), False),
    "weekday": (tuple(f"is {name}" for name in WEEKDAYS), False),
    "day": (("day",), True),
    "hour": (("hour sin", "hour cos"), False),
    "day number": (("day number",), True),
}


def parts_of(seconds: Array, clock: bool = False) -> tuple[str, ...]:
    """Return which parts of dates are worth knowing, by the span that they have.

    Parameters
    ----------
    seconds : array, shape (n,)
        Seconds since 1970, none missing.
    clock : bool, default False
        Whether they are times of the day alone.

    Returns
    -------
    tuple of str
        Keys of `PARTS`; () where all dates are the same.

    Examples
    --------
    >>> parts_of(DAY * np.arange(1000.0))
    ('year', 'month', 'weekday', 'day', 'day number')
    >>> parts_of(3600 * np.arange(30.0))
    ('hour', 'day number')
    """
    span = float(seconds.max() - seconds.min()) / DAY
    if clock:
        return ("hour",) if span > 0 else ()
    days = calendar(seconds)
    several = {
        name: bool((days[name] != days[name][0]).any())
        for name in ("day", "hour", "weekday", "month")
    }
    worth = {
        "year": span >= 2 * 365,
        "month": span >= 60 and several["month"],
        "weekday": span >= 14 and several["weekday"] and several["day"],
        "day": span >= 60 and several["day"],
        "hour": several["hour"],
        "day number": span >= 1,
    }
    return tuple(name for name in PARTS if worth[name])


def calendar(seconds: Array) -> dict[str, Array]:
    """Return the parts of dates by name, (n,) each: months from 0, weekdays from Monday, 0 to 6."""
    whole = np.floor(seconds / DAY)
    days = whole.astype(np.int64).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return {
        "year": days.astype("datetime64[Y]").astype(np.int64) + 1970.0,
        "month": months.astype(np.int64) % 12 + 0.0,
        "weekday": (whole + 3) % 7,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1.0,
        "hour": (seconds - whole * DAY) / 3600,
        "day number": seconds / DAY,
    }


def encoded_part(name: str, values: Array) -> Array:
    """Return the columns of one part, (n, k), before they are standardised."""
    if name == "weekday":
        return (values[:, None] == np.arange(7)).astype(np.float64)
    if name in ("month", "hour"):
        turn = 2 * np.pi * values / {"month": 12, "hour": 24}[name]
        return np.stack([np.sin(turn), np.cos(turn)], axis=1)
    return values[:, None]
