"""Whom the rates of a deck price besides those they name, and whom they no longer reach.

Asked with an example number of every country, since sheets list prefixes and people call countries.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from charging.errors import InvalidNumber
from charging.headings import frozen, words_of
from charging.numbering import LineKind, Number, Site, parse_number
from charging.rate_deck import RateDeck
from charging.reach import reaches, sharing_code
from charging.sheet_cells import country_code_of

_ONLY_LANDLINES: Final = frozen("landline landlines fixed fixe fixes fix proper geographic")
_ALSO_MOBILES: Final = frozen("mobile mobiles cellular all other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """A rate, and countries that it does not mean (`is_refused`) or prices without naming them."""

    prefix: str
    destination: str
    countries: tuple[str, ...]
    is_refused: bool  # calls there are refused; else their mobiles cost what landlines do


def beyond_their_names(deck: RateDeck, *, on: date) -> list[Beyond]:
    """Countries of one code that a rate does not name; mobiles at the rate of landlines."""
    refused: dict[tuple[str, str], set[str]] = {}
    as_landlines: dict[tuple[str, str], set[str]] = {}
    for number in _examples():
        row = deck.lookup(number.key, on)
        if row is None:
            continue
        rate = (row.prefix, row.destination)
        if not reaches(row.prefix, number, row.destination):
            refused.setdefault(rate, set()).add(number.country)
        elif number.kind is LineKind.MOBILE and _names_landlines(*rate):
            as_landlines.setdefault(rate, set()).add(number.country)
    return [
        Beyond(
            prefix=prefix,
            destination=destination,
            countries=tuple(sorted(countries)),
            is_refused=found is refused,
        )
        for found in (refused, as_landlines)
        for (prefix, destination), countries in sorted(found.items())
    ]


def _names_landlines(prefix: str, destination: str) -> bool:
    words = frozenset(words_of(destination))
    is_bare = prefix == country_code_of(prefix)
    return is_bare and bool(words & _ONLY_LANDLINES) and not words & _ALSO_MOBILES


@cache
def _examples() -> tuple[Number, ...]:
    """A landline and a mobile of every country; of those that share a code, never another's.

    They are the same for every deck, and take a second to find.
    """
    return tuple(_found())


def _found() -> Iterator[Number]:
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(country, kind)
            if example is None:
                continue
            written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            try:
                number = parse_number(written, _ANYWHERE)
            except InvalidNumber:  # pragma: no cover - no example of today's tables
                continue
            if number.country in sharing_code(str(example.country_code)):  # pragma: no branch
                yield number


_ANYWHERE: Final = Site()
