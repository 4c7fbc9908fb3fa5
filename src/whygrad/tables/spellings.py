"""Spellings of one category: `yes`, `Yes` and `YES `, `true`, `T` and `1`, an accent as one sign or as two.

They are merged where only one thing can be meant, each into the spelling that is most frequent. Of one or
two letters the case may be the meaning, as in m and M or Aa and AA: these stay what they are.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from whygrad.tables.columns import as_text

MOST = 10_000  # distinct values that are compared; more are free text

# The words for yes and for no that stand together in a column.
TRUTH = {"true": True, "t": True, "yes": True, "y": True, "on": True, "1": True, "1.0": True} | {
    "false": False, "f": False, "no": False, "n": False, "off": False, "0": False, "0.0": False
}  # fmt: skip
BOOLEAN = frozenset(("true", "false"))


def key_of(value: str) -> str:
    """Return what all spellings of a value share: small letters, single spaces, accents as one sign.

    >>> key_of("  Zürich  NORD ") == key_of("Zu" + chr(0x308) + "rich Nord")
    True
    """
    return _one_way(value).lower()


def _one_way(value: str) -> str:
    """Return a value with single spaces, and with accents as one sign."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", value)).strip()


def keys(cells: Any) -> Any:
    """Return the key of each cell of text, as `key_of` does, null for missing ones."""
    cells = pc.utf8_lower(pc.utf8_normalize(cells, form="NFC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(cells, r"[\s\p{Z}]+", " "))


def is_truth(values: Mapping[str, int]) -> bool:
    """Return whether all values are words for yes and no, in more than one way: true and T, yes and 1."""
    found = {key_of(value) for value in values}
    return len(found) > 2 and found <= TRUTH.keys()


def merged(counts: Mapping[str, int]) -> dict[str, str]:
    """Return by key the spelling that stands for all spellings with that key.

    Parameters
    ----------
    counts : mapping of str to int
        How often each value stands in the column, in the order of the first time.

    Returns
    -------
    dict of str to str
        Key → value. A key that could be more than one value is left out: only the very value counts.

    Examples
    --------
    >>> merged({"yes": 5, "Yes": 2, "no": 3})
    {'yes': 'yes', 'no': 'no'}
    >>> merged({"true": 5, "T": 2, "0": 3, "false": 1})["f"]
    '0'
    >>> merged({"m": 5, "M": 2, "kg": 3})
    {'kg': 'kg'}
    """
    groups: dict[str, list[str]] = {}
    for value in counts:
        groups.setdefault(key_of(value), []).append(value)
    truth = is_truth(counts)
    found: dict[str, str] = {}
    if truth:
        for side in (True, False):
            of_side = [value for value in counts if TRUTH[key_of(value)] is side]
            if of_side:
                stands = max(of_side, key=lambda value: counts[value])
                found |= {key: stands for key, means in TRUTH.items() if means is side}
        return found
    for key, values in groups.items():
        if len(values) == 1 or not _kept_apart(values, groups):
            found[key] = max(values, key=lambda value: counts[value])
    return found


def merging_note(counts: Mapping[str, int], spellings: Mapping[str, str]) -> str:
    """Return what is said of values that were merged, "" where none were.

    >>> counts = {"yes": 5, "Yes": 2, "no": 3}
    >>> merging_note(counts, merged(counts))
    "'Yes' is taken for 'yes'"
    """
    pairs = [(value, spellings.get(key_of(value), value)) for value in counts]
    pairs = [(value, stands) for value, stands in pairs if value != stands]
    said = [f"{value!r:.40} is taken for {stands!r:.40}" for value, stands in pairs[:3]]
    more = f", {len(pairs) - 3} more spellings likewise" if len(pairs) > 3 else ""
    return ", ".join(said) + more


def _kept_apart(values: list[str], groups: Mapping[str, list[str]]) -> bool:
    """Return whether spellings that differ in case may mean different things, being a letter or two."""
    cases = {_one_way(value) for value in values}
    if len(cases) == 1 or groups.keys() <= TRUTH.keys():
        return False
    return len(min(cases)) < 3


def canonical(cells: Any, spellings: Mapping[str, str]) -> Any:
    """Return text cells in the spelling that stands for each; those of no known key as they are."""
    if not spellings:
        return cells
    coded = pc.dictionary_encode(cells)  # of the few values of many rows each is looked at once
    distinct = coded.dictionary
    place = pc.index_in(keys(distinct), value_set=as_text(spellings))
    values = as_text(spellings.values()).take(place)
    return pc.coalesce(values, distinct).take(coded.indices)
