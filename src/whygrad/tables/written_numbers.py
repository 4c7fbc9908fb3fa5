"""Numbers as people write them: `1,234.50`, `1.234,50 €`, `12 %`, `(300)`, `34 m²`, `1 - 2`, `<5`, `1.2M`.

A column has one form: the decimal mark, the mark between thousands, and the unit, of all its cells but a
few; units of one family, such as g and kg, are converted. The form is found once, by looking at all cells
together, and then used unchanged: what does not fit it is no number.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.nn.functions import Array

ALL_BUT_A_FEW = 0.95  # of the cells that one form must fit
LOOKED_AT = 20_000  # cells, evenly spread, by which a form is found
SLACK = 0.01  # how far their share of odd cells may be from that of all: seven standard errors
MOST_UNITS = 100  # ways to write a unit; more are text

PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
BODY = r"(?:\d(?:[\d.,' ]*\d)?|[.,]\d+)"
CURRENCY = (
    r"\p{Sc}|[A-Z]{0,3}\p{Sc}|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|ZAR|RUB|"
    r"TRY|MXN|KRW|SGD|HKD|THB|IDR|MYR|PHP|ILS|AED|SAR|VND|ARS|CLP|COP|EGP|NGN|PKR|UAH|TWD|Rs\.?|kr\.?|Fr\.?|zł"
)
IS_MONEY = re.compile(r"[A-Za-z]{0,3}[$€£¥₹₽₩]|[A-Z]{3}|Rs\.?|kr\.?|Fr\.?|zł")
# After the number may stand a minus, a plus ("65+"), a dash for no cents ("12.-"), and marks of footnotes.
WRITTEN = (
    r"^(?P<open>\()?\s*(?P<bound>[<>≤≥]=?|[~≈])?\s*"
    rf"(?P<sign>[-+])?\s*(?P<before>{CURRENCY})?\s*(?P<minus>[-+])?\s*(?P<inner>\()?\s*"
    rf"(?P<low>{BODY})(?P<power>[eE][-+]?\d+)?"
    rf"(?:\s*(?:-|to|\.\.)\s*(?:{CURRENCY})?\s*(?P<high>{BODY})|[.,]--?|(?P<last>[-+]))?"
    r"\s*(?P<after>[^\d\s().,+*†‡¼½¾\[-][^()]{0,19}?)?\s*(?P<close>\))?(?:\s?(?:\[[^\[\]]{1,8}\]|[*†‡]+))*$"
)
# What a number may look like by its decimal mark and the mark between thousands; the likelier ones first.
GROUPED = {
    (".", ""): r"^(?:\d+(?:\.\d+)?|\.\d+)$",
    (".", ","): r"^(?:[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|\d+)(?:\.\d+)?$",
    (".", " "): r"^(?:[1-9]\d{0,2}(?: \d{3})+|\d+)(?:\.\d+)?$",
    (".", "'"): r"^(?:[1-9]\d{0,2}(?:'\d{3})+|\d+)(?:\.\d+)?$",
    (",", ""): r"^(?:\d+(?:,\d+)?|,\d+)$",
    (",", "."): r"^(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?$",
    (",", " "): r"^(?:[1-9]\d{0,2}(?: \d{3})+|\d+)(?:,\d+)?$",
    (",", "'"): r"^(?:[1-9]\d{0,2}(?:'\d{3})+|\d+)(?:,\d+)?$",
}
UNCLEAR = r"^[1-9]\d{0,2},\d{3}$"  # thousands, or three decimals: the other columns tell
HEAD = 20  # cells that are looked at to see whether a column may be of numbers or dates at all
PERCENT = ("%", "percent", "pct", "per cent", "prozent")
# What follows digits and is no unit: in 1_000, 20240131T1200 and codes.
NO_UNIT = re.compile(r"_|[A-Za-z]\d\d")

FOOT, INCH = 0.3048, 0.0254
# Units that stand for one another: what one of each is, in the first. With numbers that have none they are
# taken for multiples only where a letter can be no unit, or stands behind money.
MULTIPLES = "multiples"
FAMILIES: dict[str, dict[str, float]] = {
    MULTIPLES: {
        "": 1.0, "k": 1e3, "thousand": 1e3, "tsd": 1e3, "lakh": 1e5, "lac": 1e5, "m": 1e6, "mn": 1e6,
        "mio": 1e6, "million": 1e6, "crore": 1e7, "cr": 1e7, "b": 1e9, "bn": 1e9, "mrd": 1e9,
        "billion": 1e9, "trillion": 1e12,
    },
    "bytes": {"b": 1.0, "byte": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
    "mass": {
        "g": 1.0, "mg": 1e-3, "kg": 1e3, "lb": 453.59237, "lbs": 453.59237, "pound": 453.59237,
        "oz": 28.349523125, "ounce": 28.349523125,
    },
    "length": {
        "m": 1.0, "mm": 1e-3, "cm": 1e-2, "km": 1e3, "mi": 1609.344, "mile": 1609.344, "yd": 0.9144,
        "yard": 0.9144, "in": INCH, "inch": INCH, "inche": INCH,
    },
    "temperature": {"°C": 1.0, "°c": 1.0, "c": 1.0, "°f": 5 / 9, "f": 5 / 9},
    "area": {
        "m²": 1.0, "sqm": 1.0, "ha": 1e4, "hectare": 1e4, "km²": 1e6, "sqkm": 1e6, "ft²": 0.09290304,
        "sqft": 0.09290304, "yd²": 0.83612736, "sqyd": 0.83612736, "acre": 4046.8564224,
    },
    "volume": {"l": 1.0, "ml": 1e-3, "cl": 1e-2},
    "time": {
        "day": 1.0, "d": 1.0, "second": 1 / 86_400, "sec": 1 / 86_400, "s": 1 / 86_400, "minute": 1 / 1440,
        "min": 1 / 1440, "m": 1 / 1440,
        "hour": 1 / 24, "hr": 1 / 24, "hrs": 1 / 24, "h": 1 / 24, "week": 7.0, "wk": 7.0,
        "month": 30.4375, "mo": 30.4375, "year": 365.25, "yr": 365.25, "yrs": 365.25,
    },
}  # fmt: skip
WITH_BARE = FAMILIES[MULTIPLES].keys() - {"", "m", "mn", "b", "bn"}

ADDED = {"°f": -160 / 9, "f": -160 / 9}  # what is added to degrees that were scaled: 32 °F are 0 °C
ORDINAL = "th"
# Spellings of one unit, in small letters: what one of them is, is what the others are.
SPELLED = (
    ("h", "hr", "hrs", "hour"), ("min", "mins", "minute"), ("s", "sec", "secs", "second"), ("d", "day"),
    ("wk", "wks", "week"), ("mo", "mos", "mth", "month"), ("yr", "yrs", "year", "yo", "years old"),
    ("kg", "kgs", "kilogram"), ("g", "gm", "gr", "gram"), ("lb", "lbs", "pound"), ("oz", "ounce"),
    ("km", "kms", "kilometer", "kilometre"), ("mi", "mile"), ("m", "meter", "metre"),
    ("in", "inch", "inche"),
    ("m²", "qm", "sqm", "sq m", "sq. m"), ("ft²", "sqft", "sq ft", "sq. ft"),
    ("l", "ltr", "liter", "litre"),
    ("km/h", "kmh", "kph", "km/hr"), ("°c", "c", "ºc"), ("°f", "f", "ºf"), ("pc", "pcs", "piece"),
    ("€", "euro"), ("$", "us$", "dollar"), (ORDINAL, "st", "nd", "rd"),
)  # fmt: skip
SPELLINGS = {one: same[0] for same in SPELLED for one in same}

# What stands after the first number of 2h 50m and 1 hr 5 min 3 s.
COMPOUND = re.compile(r"([a-z]+)((?: ?\d+(?:\.\d+)? ?[a-z]+)+)")
PIECE = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)")
# Feet and inches, 5'7", are read as 5 ft 7 in; what stands after feet; a unit squared in words.
FEET_AND_INCHES = r"^(\d) ?' ?((?:1[01]|0?\d)(?:\.\d+)?) ?(?:\"|'')?$"
FEET = re.compile(r"(?:'|ft|feet|foot)(?: (\d+(?:\.\d+)?)(?: ?(?:in|inch|inche))?)?")
# How long something took: hours, minutes and seconds, or minutes and seconds. What is said of the unit of a
# column, and how many seconds one has.
LASTED = r"^(?P<sign>-)?(?:(?P<h>\d{1,4}):)?(?P<min>\d{1,4}):(?P<s>[0-5]\d(?:[.,]\d+)?)$"
DURATIONS = {"h:min:s": ("h", 3600.0), "min:s": ("min", 60.0), "h:min": ("h", 60.0)}
SQUARE = re.compile(
    r"sq(?:uare|\.)?[ .-]*(km|kilomet(?:er|re)|m|met(?:er|re)|f(?:oo|ee)?t|y(?:ar)?d)"
)

# What stands between several numbers of a cell, how one of them may look there, and how many there may be.
# Of 3-1 it is a dash only in scores: longer numbers with a dash are telephones and codes.
MEASURED = r"[-+]?\d[\d.,']*(?:\s?[a-wyzA-WYZ%°µ\"][a-wyzA-WYZ²³\"]{0,7})?"
BETWEEN: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "/": ("/", MEASURED, (2, 3)),
    "x": ("[xX×*]", MEASURED, (2, 3)),
    ";": (";", MEASURED, (2, 3)),
    ":": (":", MEASURED, (2,)),
    ",": (",", r"[-+]?\d+(?:\.\d+)?(?:\s?°)?", (2, 3)),
    "-": ("-", r"\d{1,3}", (2,)),
}
ZEROS = r"^0\d"  # how codes begin, and dates
WIDE = 0.75  # of the numbers with as many digits lie between the ends of codes

# How a cell begins that may be a number: Python's own `re`, since arrow takes its time with a pattern.
BEGINNING = re.compile(
    r"[(\s<>≤≥=~≈]*[-+−–]?\s*(?:[^\W\d_]{0,3}\.?[$¢-¥฿₠-⃀]?)\s*[-+−–]?\s*[.,]?\d"
)


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    Parameters
    ----------
    decimal : {".", ",", ""}
        The decimal mark; "" for the one of the file, as older versions had it.
    thousands : {"", ",", ".", " ", "'"}
        What stands between thousands.
    unit : str
        What stands before or after the number, "" for nothing.
    bare : bool
        Whether cells without the unit were seen.
    ranges : bool
        Whether two numbers with a dash between them stand for their middle.
    parentheses : bool
        Whether parentheses stand for a minus.
    bounds : bool
        Whether some are bounds: `<5` stands for 2.5, as of limits of detection, `>5`, `5+` and `~5` for 5.
    family : str
        A key of `FAMILIES` where several units of it stand for one another, or of `DURATIONS`; else "".
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    bare: bool = True
    ranges: bool = False
    parentheses: bool = False
    bounds: bool = False
    family: str = ""

    @property
    def ordinal(self) -> bool:
        """Whether its numbers are places in an order: 1st, 2nd."""
        return _same(self.unit) == ORDINAL

    @property
    def described(self) -> str:
        """What is said of the form, in a few words."""
        said = []
        if self.decimal == ",":
            said.append("decimal commas")
        if self.thousands:
            name = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
            said.append(f"{name[self.thousands]} between thousands")
        if self.family in DURATIONS:
            said.append(f"{self.family} as numbers")
        if self.unit:
            said.append("1st, 2nd as numbers" if self.ordinal else f"in {self.unit}")
        if self.family and self.family not in DURATIONS:
            said.append(
                "k, M and the like as factors" if self.family == MULTIPLES else "units converted"
            )
        if self.ranges:
            said.append("ranges as their middle")
        if self.parentheses:
            said.append("parentheses as minus")
        if self.bounds:
            said.append("<x as x/2, >x as x")
        return ", ".join(said) or "as written"


@dataclass(frozen=True)
class SplitForm:
    """How cells of several numbers are written, such as `120/80` and `40 x 30 x 12 cm`.

    Parameters
    ----------
    mark : str
        What stands between the numbers, a key of `BETWEEN`.
    forms : tuple of NumberForm
        How the first number is written, the second, …
    """

    mark: str
    forms: tuple[NumberForm, ...]

    @property
    def described(self) -> str:
        """What is said of the form, in a few words."""
        return f"{len(self.forms)} numbers in each cell, {self.mark!r} between them"


PLAIN_FORM = NumberForm()
# Of columns of an older version, which read every file by the decimal mark that it found there.
OF_THE_FILE = NumberForm(decimal="")


def cast(cells: Any) -> Array | None:
    """Return text cells, null where missing, as float64 with NaN; None where one is no plain number."""
    try:
        return _to_numpy(pc.cast(cells, pa.float64()))
    except pa.ArrowInvalid:
        return None


def _to_numpy(values: Any) -> Array:
    found: Array = values.to_numpy(zero_copy_only=False)
    return found


def numbers(form: NumberForm, cells: Any) -> tuple[Array, Array]:
    """Return text cells as numbers, and which of them lack the unit that training always saw.

    Parameters
    ----------
    form : NumberForm
        How they are written.
    cells : pyarrow.Array of large_string
        Without spaces around them, null where a value is missing.

    Returns
    -------
    values : array, shape (n,)
        float64; NaN where a cell is missing or not of that form.
    bare : array of bool, shape (n,)
        Cells without a unit, where every cell of training had one.

    Examples
    --------
    >>> cells = pa.array(["1.200,50 €", "300 €", "about 5", None], pa.large_string())
    >>> numbers(NumberForm(",", ".", "€"), cells)[0]
    array([1200.5,  300. ,    nan,    nan])
    """
    bare = np.zeros(len(cells), bool)
    if form == PLAIN_FORM:
        values = cast(cells)
        if values is None:
            fits = pc.match_substring_regex(cells, PLAIN)
            plain = pc.utf8_ltrim(pc.if_else(fits, cells, scalar(None)), "+")
            values = cast(plain)
            assert values is not None, "what fits the pattern is a number"
            rest = np.flatnonzero(np.asarray(pc.invert(fits).fill_null(False)))
            if len(rest):  # "- 5", "−5", "5*"
                values[rest] = _of_parts(form, _parts(cells.take(pa.array(rest))))[0]
        return np.where(np.isfinite(values), values, np.nan), bare
    if form.family in DURATIONS:
        return _lasted(form, cells), bare
    return _of_parts(form, _parts(cells))


def _of_parts(form: NumberForm, parts: dict[str, Any]) -> tuple[Array, Array]:
    """Return numbers and which lack their unit, as `numbers` does, of cells that are taken apart."""
    values = _number(form, parts, "low")
    bare = np.zeros(len(values), bool)
    if form.ranges:
        high = _number(form, parts, "high")
        ranged = np.asarray(pc.not_equal(parts["high"], ""))
        signed = np.asarray(pc.not_equal(parts["sign"], ""))
        low = np.where((values <= high) & ~signed, values, np.nan)
        values = np.where(ranged, (low + high) / 2, values)
    else:
        values[np.asarray(pc.not_equal(parts["high"], ""))] = np.nan
    unit, factors, added = _units(parts, form.family)
    if form.family:
        values = values * factors + added
    alone = np.asarray(pc.equal(unit, ""))
    fits = alone
    if form.unit:
        same = [one for one in pc.unique(unit).to_pylist() if _same(one) == _same(form.unit)]
        fits = alone | np.asarray(pc.is_in(unit, value_set=pa.array(same, pa.large_string())))
    if form.unit and not form.bare:
        bare = alone & ~np.isnan(values)
        if form.unit == "%":  # 0.12 or 12? A hundred times too little is worse than nothing
            fits &= ~alone
            bare[:] = False
    values[~fits] = np.nan
    return _signed(form, parts, values), bare & ~np.isnan(values)


def find_duration(
    cells: Any, least: float = ALL_BUT_A_FEW, hours: bool = False
) -> NumberForm | None:
    """Return the form of cells that tell how long something took, or None.

    Of `1:02` minutes and seconds are meant, or with `hours` hours and minutes; of `1:02:33` all three.

    >>> find_duration(pa.array(["2:45:10", "59:10", "?"], pa.large_string()), 0.5).described
    'h:min:s as numbers, in h'
    """
    cells = some_of(cells)
    matched = share(cells, LASTED)
    if matched < least:
        return None
    name = "h:min:s" if share(cells, r":\d+:") > 0 else "h:min" if hours else "min:s"
    return NumberForm(unit=DURATIONS[name][0], family=name)


def _lasted(form: NumberForm, cells: Any) -> Array:
    """Return durations in the unit of a form, NaN where a cell is none."""
    parts = pc.extract_regex(cells, LASTED)
    seconds = np.zeros(len(cells))
    for name, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        written = pc.replace_substring(pc.struct_field(parts, name), ",", ".")
        values = cast(pc.if_else(pc.equal(written, ""), scalar("0"), written))
        assert values is not None, "digits are a number"
        seconds = seconds + size * values
    if form.family == "h:min":  # as if these were minutes and seconds: of three parts that is none
        three = np.asarray(pc.not_equal(pc.struct_field(parts, "h"), "").fill_null(False))
        seconds = np.where(three, np.nan, seconds)
    behind = np.asarray(pc.equal(pc.struct_field(parts, "sign"), "-").fill_null(False))
    return np.where(behind, -seconds, seconds) / DURATIONS[form.family][1]


def scalar(value: str | None) -> Any:
    """Return text as arrow has it in cells, None for a missing value."""
    return pa.scalar(value, pa.large_string())


def _parts(cells: Any) -> dict[str, Any]:
    """Return the parts of each cell by name, "" where one is missing; all "" where nothing fits."""
    if not pc.all(pc.string_is_ascii(cells)).as_py():
        cells = _in_ascii(cells)
    if pc.any(pc.match_substring(cells, "'")).as_py():
        cells = pc.replace_substring_regex(cells, FEET_AND_INCHES, r"\1 ft \2 in")
    found = pc.extract_regex(cells, WRITTEN)
    return {
        field.name: pc.fill_null(pc.struct_field(found, field.name), "") for field in found.type
    }


def _in_ascii(cells: Any) -> Any:
    """Return text with blanks, dashes and apostrophes of all kinds written in one way."""
    cells = pc.replace_substring_regex(cells, "[\u200b\u2060\ufeff]", "")  # which show nothing
    cells = pc.replace_substring(cells, "℃", "°C")
    cells = pc.replace_substring_regex(cells, "[\u00a0\u2007\u2009\u202f]", " ")
    cells = pc.replace_substring_regex(cells, "[−‒–—]", "-")
    cells = pc.replace_substring_regex(cells, "[″”]", '"')
    return pc.replace_substring_regex(cells, "[’ʼ′]", "'")


def _units(parts: dict[str, Any], family: str = "") -> tuple[Any, Array, Array]:
    """Return the unit of each cell, written in one way, and what its number is times and plus."""
    joined = pc.binary_join_element_wise(parts["before"], parts["after"], scalar(" "))
    joined = pc.utf8_trim_whitespace(joined)
    coded = pc.dictionary_encode(joined)
    known = [unit_of(name) for name in coded.dictionary.to_pylist()]
    found = [_converted(unit, family) or (unit, 1.0, 0.0) for unit in known]
    names = pa.array([unit for unit, _, _ in found], pa.large_string())
    index = np.asarray(coded.indices)
    factors, added = (np.array([one[k] for one in found])[index] for k in (1, 2))
    return names.take(coded.indices), factors, added


def _converted(unit: str, family: str) -> tuple[str, float, float] | None:
    """Return the unit for which one of a family stands, the factor, and what is added; None for another.

    >>> _converted("€ M", "multiples"), _converted("kg", "mass"), _converted("kg", "time")
    (('€', 1000000.0, 0.0), ('g', 1000.0, 0.0), None)
    >>> _converted("h 12 min", "time")
    ('day', 0.041666666666666664, 0.008333333333333333)
    """
    members = FAMILIES.get(family, {})
    first = next(iter(members), "")
    if family == "time" and (compound := COMPOUND.fullmatch(unit.casefold())):
        pieces = [(float(count), unit_of(one)) for count, one in PIECE.findall(compound[2])]
        units = [unit_of(compound[1]), *(one for _, one in pieces)]
        if not members.keys() >= set(units):
            return None
        return first, members[units[0]], sum(count * members[one] for count, one in pieces)
    if family == "length" and (feet := FEET.fullmatch(unit.casefold())):
        return first, FOOT, float(feet[1] or 0) * INCH
    if family == "area" and (square := SQUARE.fullmatch(unit.casefold())):
        of = square[1]
        return first, members["sq" + {"k": "km", "m": "m", "f": "ft", "y": "yd"}[of[0]]], 0.0
    *before, last = unit.split(" ")
    factor = members.get(last.casefold())
    if factor is None:
        return None
    return " ".join(filter(None, (*before, first))), factor, ADDED.get(last.casefold(), 0.0)


def _same(unit: str) -> str:
    """Return what all spellings of a unit have in common.

    >>> [_same(unit) for unit in ("hrs", "Hour", "m", "M", "1")]
    ['h', 'h', 'm', 'M', '1']
    """
    return SPELLINGS.get(unit.casefold(), unit) if len(unit) > 1 or unit in "CF" else unit


def unit_of(written: str) -> str:
    """Return a unit in the one way that stands for all its spellings.

    >>> [unit_of(written) for written in ("Years", "year", "percent", "US$", "m2", "EUR")]
    ['year', 'year', '%', 'US$', 'm²', '€']
    """
    same = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "Rs": "₹", "Rs.": "₹", "INR": "₹"}
    if written in same:
        return same[written]
    if written.casefold() in PERCENT:
        return "%"
    if len(written) < 4:  # m and M, g and G: case tells units apart
        return written.rstrip(".").replace("2", "²").replace("3", "³")
    plain = written.casefold().rstrip(".")
    return plain[:-1] if plain.endswith("s") else plain


def _number(form: NumberForm, parts: dict[str, Any], name: str) -> Array:
    body = parts[name]
    fits = pc.match_substring_regex(body, GROUPED[form.decimal, form.thousands])
    if form.thousands:
        body = pc.replace_substring(body, form.thousands, "")
    if form.decimal == ",":
        body = pc.replace_substring(body, ",", ".")
    if name == "low":
        body = pc.binary_join_element_wise(body, parts["power"], scalar(""))
    values = cast(pc.if_else(fits, body, scalar(None)))
    assert values is not None, "what fits the pattern is a number"
    return np.where(np.isfinite(values), values, np.nan)


def _signed(form: NumberForm, parts: dict[str, Any], values: Array) -> Array:
    opened, closed = _is_open(parts), np.asarray(pc.not_equal(parts["close"], ""))
    minus = np.asarray(pc.equal(parts["sign"], "-")) ^ np.asarray(pc.equal(parts["minus"], "-"))
    minus ^= np.asarray(pc.equal(parts["last"], "-"))
    values = np.where(minus ^ (opened & closed), -values, values)
    bounded = _is_bound(parts)
    if form.bounds:
        values = np.where(np.asarray(pc.equal(parts["bound"], "<")), values / 2, values)
    odd = (opened != closed) | (opened & (not form.parentheses)) | (bounded & (not form.bounds))
    return np.where(odd, np.nan, values)


def _is_open(parts: dict[str, Any]) -> Array:
    """Return whether each cell has a parenthesis, (300) or $ (300)."""
    before, within = (np.asarray(pc.not_equal(parts[name], "")) for name in ("open", "inner"))
    found: Array = before ^ within
    return found


def _is_bound(parts: dict[str, Any]) -> Array:
    """Return whether each cell is a bound or about right: <5, ≥ 5, 5+ or ~5."""
    before, behind = pc.not_equal(parts["bound"], ""), pc.equal(parts["last"], "+")
    found: Array = np.asarray(before) | np.asarray(behind)
    return found


def find_form(
    cells: Any, comma: bool | None = None, least: float = ALL_BUT_A_FEW
) -> tuple[NumberForm | None, bool]:
    """Return the form that fits all cells but a few, or None; and whether its decimal mark is a guess.

    Parameters
    ----------
    cells : pyarrow.Array of large_string
        Without spaces around them and without missing values.
    comma : bool, optional
        Whether the other columns of the table have decimal commas, where they tell.
    least : float, default 0.95
        The share of the cells that it must fit.

    Returns
    -------
    form : NumberForm or None
        The form.
    unclear : bool
        Whether `1,234` could be read both ways in every cell.

    Examples
    --------
    >>> find_form(pa.array(["$1,200", "$950", "$1,000.50"], pa.large_string()))[0].described
    'commas between thousands, in $'
    """
    all_cells, asked = cells, least
    cells = some_of(cells)
    if not likely(cells, BEGINNING):
        return None, False
    if len(cells) < len(all_cells):
        least = asked - SLACK
    parts = _parts(cells)
    matched = np.asarray(pc.not_equal(parts["low"], ""))
    if matched.mean() < least:
        return None, False
    unit = _unit_of_all(parts, matched, least)
    bounded = _is_bound(parts)
    if unit is None:
        return None, False
    if bounded.mean() > 0.5 and not _one_bound(parts):  # <=50K and >50K are classes
        return None, False
    order = [*GROUPED]
    if comma:
        order = order[4:] + order[:4]
    bodies = pc.array_filter(parts["low"], pa.array(matched))
    shares = {marks: share(bodies, GROUPED[marks]) for marks in order}
    decimal, thousands = max(order, key=shares.__getitem__)
    unclear = (decimal, thousands) in ((".", ","), (",", "")) and (
        share(bodies, rf"{UNCLEAR}|^\d{{1,3}}$") == 1.0
    )
    if unclear and re.fullmatch(r"[A-Za-z]{0,3}[$€£¥₹]|[A-Z]{3}", unit[0]):
        (decimal, thousands), unclear = (".", ","), False  # no money has three decimals
    ranged = np.asarray(pc.not_equal(parts["high"], ""))
    opened = _is_open(parts)
    form = NumberForm(
        decimal,
        thousands,
        *unit[:2],
        bool(ranged.any()),
        bool(opened.any()),
        bool(bounded.any()),
        unit[2],
    )
    fits = np.isfinite(_of_parts(form, parts)[0]).mean()
    if len(cells) < len(all_cells) and abs(fits - asked) < SLACK:
        fits = np.isfinite(numbers(form, all_cells)[0]).mean()
    return (form, unclear) if fits >= asked else (None, False)


def find_split(cells: Any, codes: bool = False) -> SplitForm | None:
    """Return how several numbers stand in each of the cells, all but a few, or None.

    Parameters
    ----------
    cells : pyarrow.Array of large_string
        Without spaces around them and without missing values.
    codes : bool, default False
        Whether parts of codes, such as `0221/4711`, are numbers as well.

    Returns
    -------
    SplitForm or None
        Each number has one form.

    Examples
    --------
    >>> find_split(pa.array(["120/80", "135/84", "?"] * 2 + ["110/75"] * 40, pa.large_string())).described
    "2 numbers in each cell, '/' between them"
    """
    cells = some_of(cells)
    for mark, (_, _, counts) in BETWEEN.items():
        for count in counts:
            if not likely(cells, re.compile(_pattern(mark, count))):
                continue
            forms = []
            for piece in split_cells(cells, mark, count):
                there = piece.drop_null()
                enough = len(there) >= ALL_BUT_A_FEW * len(cells)
                if not enough or (not codes and _of_codes(there, mark)):
                    break
                form = find_form(there)[0]
                if form is None or form.ranges or form.bounds:
                    break
                forms.append(form)
            if len(forms) == count:
                return SplitForm(mark, tuple(forms))
    return None


def _of_codes(cells: Any, mark: str) -> bool:
    """Return whether the cells are parts of codes: with zeros before them, or digits of any kind.

    Sizes, with an x between them, may be of any digits.
    """
    zeros = rf"{ZEROS}|^0$" if mark == "x" and len(pc.unique(cells)) == 1 else ZEROS
    return share(cells, zeros) > 1 - ALL_BUT_A_FEW or (mark != "x" and _are_any_digits(cells))


def _are_any_digits(cells: Any) -> bool:
    """Return whether all cells have the same number of digits, three or more, and lie all over these.

    Telephones and file numbers do; what is measured is seldom all over from 100 to 999, and never beyond.

    >>> [_are_any_digits(pa.array(cells)) for cells in (["110", "997"], ["110", "180"], ["9", "997"])]
    [True, False, False]
    """
    width = len(cells[0].as_py())
    if width < 3 or share(cells, rf"^\d{{{width}}}$") < 1:
        return False
    ends = pc.min_max(cells)
    least, most = (int(ends[key].as_py()) for key in ("min", "max"))
    return most - least > WIDE * 9 * 10 ** (width - 1)


def _pattern(mark: str, count: int) -> str:
    between, number, _ = BETWEEN[mark]
    pieces = rf"\s*{between}\s*".join(f"(?P<n{k}>{number})" for k in range(count))
    return rf"^[(\[]?\s*{pieces}\s*[)\]]?$"


def split_cells(cells: Any, mark: str, count: int) -> list[Any]:
    """Return the first numbers of cells as text, the second ones, …; null where there are not so many.

    >>> [piece.to_pylist() for piece in split_cells(pa.array(["120/80", "1/2/3", None]), "/", 2)]
    [['120', None, None], ['80', None, None]]
    """
    if not pc.all(pc.string_is_ascii(cells)).as_py():
        cells = _in_ascii(cells)
    found = pc.extract_regex(cells, _pattern(mark, count))
    return [pc.struct_field(found, f"n{k}") for k in range(count)]


def are_telephones(cells: Any) -> bool:
    """Return whether cells that look like ranges are none: fewer digits before the dash than behind.

    >>> [are_telephones(pa.array(one)) for one in (["555-1250", "555-9100"], ["90-110", "100-950"])]
    [True, False]
    """
    cells = some_of(cells)
    found = pc.extract_regex(cells, r"^(?P<low>\d+)-(?P<high>\d+)$").drop_null()
    if len(found) < ALL_BUT_A_FEW * len(cells):
        return False
    low, high = (pc.struct_field(found, name) for name in ("low", "high"))
    longest = pc.max(pc.binary_length(low)).as_py()
    return bool(longest < len(high[0].as_py())) and _are_any_digits(high)


def no_numbers(texts: Sequence[str]) -> list[str]:
    """Return which of some texts are no numbers of the form that most have, all where none fits half.

    >>> no_numbers(["1,5", "2,25", "n.k.", "1.000,5"])
    ['n.k.']
    """
    cells = pa.array(texts, pa.large_string())
    form = find_form(cells, least=0.5)[0]
    if form is None:
        return [*texts]
    return cells.filter(pa.array(np.isnan(numbers(form, cells)[0]))).to_pylist()


def several_units(texts: Sequence[str]) -> list[str]:
    """Return the two units that numbers have most often, where all but a few have a known one; else [].

    >>> several_units(["$5", "€7", "$12"]), several_units(["$5", "$7", "many"]), several_units(["1A", "1B"])
    (['$', '€'], [], [])
    """
    cells = some_of(pa.array(texts, pa.large_string()))
    if not likely(cells, BEGINNING):
        return []
    parts = _parts(cells)
    matched = np.asarray(pc.not_equal(parts["low"], ""))
    written = pc.array_filter(_units(parts)[0], pa.array(matched)).to_pylist()
    counts = Counter(unit for unit in written if _is_known(unit))
    if counts.total() < ALL_BUT_A_FEW * len(cells):
        return []
    different = {_same(unit): unit for unit, _ in reversed(counts.most_common())}
    return [*different.values()][:-3:-1] if len(different) > 1 else []


def _is_known(unit: str) -> bool:
    """Return whether what stands beside a number is surely a unit: of a single letter nobody knows."""
    plain = unit.casefold()
    if IS_MONEY.fullmatch(unit):
        return True
    if len(unit) == 1 and unit.isalpha():
        return False
    return plain in SPELLINGS or any(plain in members for members in FAMILIES.values())


def some_of(cells: Any) -> Any:
    """Return cells evenly spread over a column, all of a short one."""
    n = len(cells)
    if n <= LOOKED_AT:
        return cells
    return cells.take(pa.array(np.linspace(0, n - 1, LOOKED_AT).astype(np.int64)))


def likely(cells: Any, pattern: re.Pattern[str]) -> bool:
    """Return whether half of the first cells match: else the whole column need not be looked at."""
    head = cells.slice(0, HEAD).to_pylist()
    return 2 * sum(pattern.match(cell) is not None for cell in head) >= len(head) > 0


def _one_bound(parts: dict[str, Any]) -> bool:
    """Return whether all cells are bounds of one kind: then it is a way to write them, as 10+ and 500+."""
    return all(len(pc.unique(parts[name])) == 1 for name in ("bound", "last"))


def _unit_of_all(
    parts: dict[str, Any], matched: Array, least: float
) -> tuple[str, bool, str] | None:
    """Return the unit of all cells but a few, whether some lack it, and its family if there are several.

    None where there are several that do not stand for one another.
    """
    written = pc.value_counts(pc.array_filter(_units(parts)[0], pa.array(matched)))
    if len(written) > MOST_UNITS:
        return None
    counts = Counter(
        dict(zip(written.field(0).to_pylist(), written.field(1).to_pylist(), strict=True))
    )
    total, bare = sum(counts.values()), counts.pop("", 0)
    if bare >= least * total:  # then what has a unit is odd
        return "", True, ""
    unit = counts.most_common(1)[0][0]
    for family in FAMILIES:
        if (common := _of_family(family, counts, bare, least * total)) is not None:
            return common, family == MULTIPLES, family
    count = sum(times for other, times in counts.items() if _same(other) == _same(unit))
    if NO_UNIT.match(unit) or count + (0 if unit == "%" else bare) < least * total:
        return None
    return unit, bare > 0 and unit != "%", ""


def _of_family(family: str, counts: Counter[str], bare: int, least: float) -> str | None:
    """Return the unit for which those of a family stand, of which there are several; None for another."""
    if family == "temperature" and not any("°" in unit for unit in counts):
        return None  # seats 3C and 12F
    found: dict[str, Counter[tuple[float, float, str]]] = {}
    for unit, count in counts.items():
        if (known := _converted(unit, family)) is not None:
            common, factor, added = known
            last = unit.split(" ")[-1].casefold()
            found.setdefault(common, Counter())[factor, added, last] += count
    for common, members in found.items():
        plain = (counts.get(common, 0) if common else bare) if family == MULTIPLES else 0
        ways = {(factor, added) for factor, added, _ in members}
        # Of 5 and 5M the letter may be a unit, of $5 and $5M it is none.
        told = len(ways) > 1 or (plain and (common or WITH_BARE & {last for *_, last in members}))
        if told and members.total() + plain >= least:
            return common
    return None


def share(cells: Any, pattern: str) -> float:
    """Return the share of text cells, none of them missing, that match a pattern."""
    return float(pc.mean(pc.match_substring_regex(cells, pattern)).as_py() or 0.0)
