"""Whom a prefix reaches: the countries and kinds of line that it names, and nobody besides.

+1 is twenty-five countries, +44 four, and +33 89 is no ordinary call. So a bare `1` of a rate sheet
or of a plan means the country that it is known for, unless the row's destination names others.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata

from charging import number_tables
from charging.kinds import LineKind
from charging.numbering import Number, kind_by_prefix
from charging.sheet_cells import country_code_of

# Priced by ranges of their own: what a country costs says nothing about them.
SPECIAL_KINDS: Final = frozenset(
    {
        *(LineKind.PREMIUM, LineKind.SERVICE, LineKind.DIRECTORY),
        *(LineKind.PERSONAL, LineKind.PAGER, LineKind.SATELLITE),
    }
)
SPECIFIC_DIGITS: Final = 4  # so many after a country code name a place


def reaches(prefix: str, number: Number, destination: str = "") -> bool:
    """Whether a prefix that a number begins with also means it.

    Args:
        prefix: of a rate or of a plan, as `44`, `1242`, `GB:118`.
        number: begins with it.
        destination: what the rate is called; it may name countries.
    """
    if ":" in prefix:
        return True
    return _reaches_kind(prefix, number.kind) and _reaches_country(prefix, number, destination)


def _reaches_kind(prefix: str, kind: LineKind) -> bool:
    if kind not in SPECIAL_KINDS:
        return True
    code = country_code_of(prefix)
    if code is None:
        return False
    own = kind_by_prefix(prefix)[1]
    if own is LineKind.UNKNOWN:
        return prefix != code
    return own is kind or {own, kind} <= {LineKind.SERVICE, LineKind.PREMIUM}


def _reaches_country(prefix: str, number: Number, destination: str) -> bool:
    code = country_code_of(prefix)
    if code is None:
        return False
    sharing = sharing_code(code)
    if len(sharing) == 1 or number.country not in sharing:
        return True
    named = named_countries(destination, sharing)
    if number.country in named:
        return True
    if is_own_prefix(prefix, code, number.country):
        return True
    main = number_tables.MAIN_COUNTRIES.get(code, sharing[:1])
    return number.country in main and not (named and set(main) & named)


def sharing_code(code: str) -> tuple[str, ...]:
    """The countries of a country code, the main one first."""
    return phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]


@lru_cache(maxsize=4096)
def named_countries(destination: str, among: tuple[str, ...]) -> frozenset[str]:
    """Which of some countries a destination's name names, in English or French."""
    words = f" {_words(destination)} "
    found = {c for c in among if _is_named(words, number_tables.COUNTRY_WORDS.get(c, ()))}
    if "VI" in found or "VG" in found or "AS" in found:
        found -= {"US"} if "usa" not in words and "united states" not in words else set()
    if "DO" in found:  # "Dominican Republic" holds no other name; "republique dominicaine" neither
        found -= {"DM"}
    return frozenset(found)


def _is_named(words: str, names: Iterable[str]) -> bool:
    return any(f" {name} " in words for name in names)


def _words(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"[a-z]+", re.sub(r"[\u0300-\u036f.']", "", decomposed)))


def is_own_prefix(prefix: str, code: str, country: str) -> bool:
    """Whether all that begins so is of one country that is not the code's main one."""
    national = prefix.removeprefix(code)
    if code in number_tables.LENGTHS:  # our own tables know these
        return bool(national) and kind_by_prefix(prefix)[0] == country
    metadata = PhoneMetadata.metadata_for_region(country)
    leading = metadata.leading_digits if metadata else None
    if leading is not None:
        return re.match(leading, national) is not None
    main = number_tables.MAIN_COUNTRIES.get(code, sharing_code(code)[:1])
    if country in main:
        return len(national) >= SPECIFIC_DIGITS - 1
    return len(national) >= SPECIFIC_DIGITS
