"""What a column is, decided by all its cells together: numbers, dates, true and false, codes or categories.

The order in which it is asked: what the user said; numbers as they stand; true and false; dates; numbers as
people write them, with units and marks; else categories. One form must fit 95% of the cells that hold
anything: the others are missing values.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from whygrad.errors import InputError, nearest
from whygrad.nn.functions import Array
from whygrad.tables.cells import as_they_stand, read_numbers
from whygrad.tables.columns import WORDS, Kind, as_text, kind_of, meant, nearest_name, quoted, texts
from whygrad.tables.dates import DateForm, find_date_form, find_epoch, seconds_of_text
from whygrad.tables.spellings import BOOLEAN, TRUTH, key_of
from whygrad.tables.written_numbers import (
    ALL_BUT_A_FEW,
    PLAIN,
    PLAIN_FORM,
    NumberForm,
    SplitForm,
    are_telephones,
    cast,
    find_duration,
    find_form,
    find_split,
    numbers,
    share,
)

Type: TypeAlias = Literal["number", "category", "date", "leave-out"]
TYPES: tuple[Type, ...] = get_args(Type)

EXACT = 2**53  # whole numbers above are not all different as float64
POSTAL = re.compile(
    r"(?i)(.*[ _.-])?(zip|zip[ _-]?codes?|post(al)?[ _-]?codes?|plz|pin[ _-]?codes?)[ _-]?\d*"
)
# Names of what is no time of the day, and of what is counted in hours.
LASTING = re.compile(
    r"(?i)(.*[\W_])?(durations?|dauer|durée|laufzeit|elapsed|laps?|splits?|pace|"
    r"worked|stunden|arbeitszeit)([\W_].*)?"
)
IN_HOURS = re.compile(r"(?i)(.*[\W_])?(hours?|worked|stunden|arbeitszeit)([\W_].*)?")
LATE = r"^-?\d{2,}:"  # where hours of the day are written 9:05, some are 10:05
ENOUGH = 10  # cells of which none is late
FEW = 20  # so few values tell nothing: text is categories, whole numbers are quantities
FORCED = 0.5  # of the cells must fit the kind that a user asked for


@dataclass(frozen=True)
class Decision:
    """How a column is read.

    Parameters
    ----------
    kind : Kind
        What it holds: "number", "boolean", "date", "code" or "text" for categories, "empty", "other".
    form : NumberForm, SplitForm, DateForm or None
        How its numbers or dates are written.
    unclear : str
        What could be read in two ways, "" where nothing could.
    why : str
        Why numbers are categories or dates, "" where that needs no words.
    asked : bool
        Whether the user said what it is.
    values : array, shape (n,), or None
        Its numbers, where they had to be made to decide.
    """

    kind: Kind
    form: NumberForm | SplitForm | DateForm | None = None
    unclear: str = ""
    why: str = ""
    asked: bool = False
    values: Array | None = field(default=None, compare=False, repr=False)

    @property
    def number(self) -> NumberForm:
        """The form of its numbers."""
        return self.form if isinstance(self.form, NumberForm) else PLAIN_FORM

    @property
    def numbers(self) -> int:
        """How many columns of numbers it makes."""
        if self.kind != "number":
            return 0
        return len(self.form.forms) if isinstance(self.form, SplitForm) else 1

    @property
    def date(self) -> DateForm:
        """The form of its dates."""
        return self.form if isinstance(self.form, DateForm) else DateForm()


def check_types(types: Mapping[str, str], names: Sequence[str]) -> dict[str, Type]:
    """Return the types that a user gave by the names that a table has for its columns.

    Raises
    ------
    InputError
        For a column that does not exist and for an unknown type, with the nearest one.

    Examples
    --------
    >>> check_types({" zip": "category"}, ["zip", "price"])
    {'zip': 'category'}
    """
    there, found = set(names), {}
    for name, given in types.items():
        known = meant(name, there)
        if known not in there:
            raise InputError(
                f"no column {quoted(name)} to be read as {given}: {nearest_name(name, names)}"
            )
        found[known] = check_type(name, given)
    return found


def check_type(name: str, given: str) -> Type:
    """Return a type that a user gave for a column; raises `InputError` for an unknown one."""
    for known in TYPES:
        if given == known:
            return known
    raise InputError(f"column {quoted(name)}: unknown type {given!r}: {nearest(str(given), TYPES)}")


def decide(
    column: Any,
    name: str,
    asked: Type | None = None,
    na: Collection[str] = (),
    comma: bool | None = None,
    single: bool = False,
) -> Decision:
    """Decide how a column is read.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        Its cells, text or of one of arrow's types.
    name : str
        Its name, for messages and for what is told by a name: postal codes.
    asked : {"number", "category", "date"}, optional
        What the user says that it is.
    na : collection of str
        What stands for a missing value, beside the usual signs.
    comma : bool, optional
        Whether the other columns have decimal commas, where they tell.
    single : bool, default False
        Whether a cell holds one value, as in a target, and not several numbers such as 120/80.

    Returns
    -------
    Decision
        What it is, and how it is written.

    Raises
    ------
    InputError
        Where the cells do not fit what was asked for.

    Examples
    --------
    >>> decide(pa.array(["12 kg", "13.5 kg", "?"]), "weight").form.unit
    'kg'
    >>> decide(pa.array(["0041", "0177"]), "office").kind
    'code'
    """
    kind = kind_of(column)
    if kind in ("other", "empty"):
        return Decision(kind)
    found = (
        _of_text(column, name, asked, na, comma, single)
        if kind == "text"
        else _of_type(column, name, kind, asked, na)
    )
    return replace(found, asked=True) if asked is not None else found


# ── columns that have a type ─────────────────────────────────────────────────────────────────────────


def _of_type(
    column: Any, name: str, kind: Kind, asked: Type | None, na: Collection[str]
) -> Decision:
    if asked == "category" and kind in ("number", "boolean", "code"):
        return Decision("code")
    if asked not in (None, kind) and not (asked == "date" and kind == "number"):
        raise InputError(f"column {quoted(name)} cannot be read as {asked}: it holds {column.type}")
    if kind == "date":
        return (
            Decision("other") if pa.types.is_interval(column.type) else Decision("date", DateForm())
        )
    if kind != "number":
        return Decision(kind)
    values, _, _ = read_numbers(column, na=na)
    return replace(_of_numbers(values[~np.isnan(values)], name, asked), values=values)


def _of_numbers(known: Array, name: str, asked: Type | None) -> Decision:
    """Return what numbers are that are no text any more: numbers, dates, or codes."""
    if len(known) and asked != "number":
        epoch = find_epoch(known)
        if epoch is not None and (asked == "date" or len(np.unique(known)) > 2):
            return Decision("date", epoch, why=f"read as {epoch.described}")
        if asked == "date":
            raise InputError(
                f"column {quoted(name)} cannot be read as dates: its numbers are neither seconds since "
                "1970 nor yyyymmdd"
            )
        if POSTAL.fullmatch(name) and _whole(known) and known.min() >= 0 and known.max() < 1e10:
            return Decision("code", why="postal codes")
    return Decision("number", PLAIN_FORM)


def _whole(known: Array) -> bool:
    return bool((known == np.rint(known)).all())


# ── columns of text ──────────────────────────────────────────────────────────────────────────────────


def _of_text(
    column: Any,
    name: str,
    asked: Type | None,
    na: Collection[str],
    comma: bool | None,
    single: bool,
) -> Decision:
    if asked == "category":
        return Decision("text")
    if (
        pa.types.is_dictionary(column.type) and asked is None
    ):  # said to be categories where it was made
        return Decision("text")
    if (
        asked is None
        and not comma
        and not na
        and (quick := _numbers_as_they_stand(column, name)) is not None
    ):
        return quick
    known = texts(column, na).drop_null()
    if not len(known):
        return Decision("empty")
    if asked is None and (found := _of_truth(known)) is not None:
        return found
    known = _without_words(known)
    if asked != "date" and len(known) and (lasted := _of_durations(known, name, asked)) is not None:
        return lasted
    if asked != "number" and len(known) and (dated := _of_dates(known, asked)) is not None:
        return dated
    if asked != "date" and len(known):
        written = _of_written(known, name, asked, comma)
        # A number with a unit that fits half of the cells is not what is asked for where 4x3 fits all.
        forced = asked is not None and _of_written(known, name, None, comma) is None
        if (
            (written is None or forced)
            and not single
            and (form := _of_several(known, asked)) is not None
        ):
            return Decision("number", form)
        if written is not None:
            return written
    if asked is not None:
        fits = int(FORCED * 100)
        raise InputError(
            f"column {quoted(name)} cannot be read as {asked}: no one form fits {fits}% of its cells, "
            f"such as {quoted(texts(column, na).drop_null()[0].as_py())}"
        )
    return Decision("text")


def _numbers_as_they_stand(column: Any, name: str) -> Decision | None:
    """Return what a column is of which every cell is a plain number, as most columns of numbers are."""
    values = as_they_stand(column)
    if values is None or column.null_count == len(column):
        return None
    code = _code(column, values)
    if code:
        return Decision("code", why=code)
    return replace(_of_numbers(values[~np.isnan(values)], name, None), values=values)


def _of_truth(known: Any) -> Decision | None:
    """Return that a column holds true and false, or words for yes and no in several ways; else None."""
    head = {key_of(value) for value in known.slice(0, 50).unique().to_pylist()}
    if not head <= TRUTH.keys():
        return None
    found = {key_of(value) for value in known.unique().to_pylist()}
    if not found <= TRUTH.keys() or found <= {"0", "1", "0.0", "1.0"}:
        return None
    return Decision("boolean") if found <= BOOLEAN else Decision("text")


def _without_words(known: Any) -> Any:
    """Return the cells without words for a missing value; all of them where nothing else would be left."""
    words = pc.is_in(pc.utf8_lower(known), value_set=as_text(WORDS))
    left = known.filter(pc.invert(words))
    return left if len(left) else known


def _of_dates(known: Any, asked: Type | None) -> Decision | None:
    form, unclear = find_date_form(known, FORCED if asked else ALL_BUT_A_FEW)
    if form is None or form.form == "digits":
        return None if form is None or asked != "date" else Decision("date", form)
    said = ""
    if unclear:
        other = "month/day/year" if form.form == "day first" else "day/month/year"
        what = "day and year" if form.form == "short year first" else "day and month"
        said = f"{what} cannot be told apart: read as {form.described}, not {other}"
    return Decision("date", form, unclear=said)


def _of_durations(known: Any, name: str, asked: Type | None) -> Decision | None:
    """Return that cells such as 2:45:10 tell how long something took, where they are no times of the day.

    They are none where some are of 24 hours and more, by their name, and where hours of one digit never
    reach 10.
    """
    least = FORCED if asked else ALL_BUT_A_FEW
    form = find_duration(known, least, bool(IN_HOURS.fullmatch(name)))
    if form is None:
        return None
    said = f"durations, read as {form.family}, in {form.unit}"
    of_the_day = np.isfinite(seconds_of_text(DateForm("clock"), known)).mean() >= ALL_BUT_A_FEW
    if asked or LASTING.fullmatch(name) or not of_the_day:
        return Decision("number", form, unclear=said)
    if len(known) < ENOUGH or share(known, LATE) > 0:
        return None
    return Decision("number", form, unclear=f"{said}, not as times of the day")


def _of_written(known: Any, name: str, asked: Type | None, comma: bool | None) -> Decision | None:
    """Return how numbers are written, plain ones with odd cells among them included; else None."""
    least = FORCED if asked else ALL_BUT_A_FEW
    fits = pc.match_substring_regex(known, PLAIN)
    share = float(pc.mean(fits).as_py())
    if share >= least and not _pointed_thousands(known, comma):
        plain = known.filter(fits)
        values = cast(pc.utf8_ltrim(plain, "+"))
        assert values is not None, "what fits the pattern is a number"
        code = "" if asked else _code(plain, values)
        if code:
            return Decision("code", why=code)
        if share == 1 or not (form := _fuller(known, comma, least, share)):
            return _of_numbers(values[np.isfinite(values)], name, asked)
        unclear = False
    else:
        form, unclear = find_form(known, comma, least)
    if form is None:
        return None
    if form.ordinal and asked is None and pc.count_distinct(known).as_py() <= FEW:
        return None  # classes of a ship, or of income
    if form.ranges and asked is None and are_telephones(known):
        return None
    said = ""
    if unclear and comma is None:
        example = quoted(_first(known, ","))
        read = "thousands" if form.thousands else "decimals"
        said = f"{example} could be read in two ways: the comma is taken for the mark of {read}"
    return Decision("number", form, unclear=said)


def _of_several(known: Any, asked: Type | None) -> SplitForm | None:
    """Return the form of cells of several numbers each, of more different ones than categories have."""
    form = find_split(known, codes=asked is not None)
    if form is None or asked or pc.count_distinct(known).as_py() > FEW:
        return form
    return None


def _fuller(known: Any, comma: bool | None, least: float, share: float) -> NumberForm | None:
    """Return the form that fits more cells than plain numbers do, where only the large ones show it.

    Of 950 and 1,200 that is commas between thousands, of 3 and <0.1 bounds. A single unit or decimal comma
    is odd.
    """
    form, _ = find_form(known, comma, least)
    if form is None or form.unit or form.decimal == ",":
        return None
    values, _ = numbers(form, known)
    return form if np.isfinite(values).mean() > share else None


def _pointed_thousands(known: Any, comma: bool | None) -> bool:
    """Return whether points stand between thousands, where the other columns have decimal commas."""
    return bool(comma) and bool(pc.any(pc.match_substring(known, ".")).as_py())


def _first(known: Any, part: str) -> str:
    found: str = known.filter(pc.match_substring(known, part))[0].as_py()
    return found


def _code(cells: Any, values: Array) -> str:
    """Return why plain numbers are codes, not quantities: leading zeros or too many digits; else ""."""
    if np.nanmax(np.abs(values)) > EXACT:
        long = pc.match_substring_regex(cells, r"^[+-]?\d{16,}$")
        if pc.mean(long).as_py() > 0.5:
            return "numbers of more than 15 digits"
    zeros = pc.match_substring_regex(cells, r"^0\d+$")
    share = float(pc.mean(zeros).as_py() or 0.0)
    if share == 0:
        return ""
    lengths = pc.min_max(pc.utf8_length(cells)).as_py()
    same = lengths["min"] == lengths["max"]
    return "leading zeros" if same or share >= 1 - ALL_BUT_A_FEW else ""


def decimal_commas(forms: Sequence[NumberForm]) -> bool | None:
    """Return whether the columns of a table that tell have decimal commas; None where none or both tell.

    >>> decimal_commas([NumberForm(","), NumberForm()])
    True
    """
    commas = any(form.decimal == "," for form in forms)
    points = any(form.thousands == "," for form in forms)
    return None if commas == points else commas
