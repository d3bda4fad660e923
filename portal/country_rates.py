"""What calls to a country cost, by kind of line: asked of the rules of a real call. Pure.

One number of each kind stands for its kind: whether the plan includes it is the same for all, and
its price is that of most; the deck's own rows, listed beside, say where prices differ.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from charging.errors import DestinationBarred, InvalidNumber, NoRateForDestination
from charging.numbering import Number
from charging.offices import Office
from charging.plan import Category
from charging.quotation import quote
from charging.rate_deck import RateDeck, RateFields, row_of
from charging.rates import Rate

_TYPES: Final = (
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.UAN,
    PhoneNumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER,
)


@dataclass(frozen=True, slots=True)
class CountryRate:
    kind: str
    category: Category
    rate: Rate | None  # of a paid one; None: no price, or nothing to pay


@dataclass(frozen=True, slots=True)
class DeckLine:
    """Rows of the deck that say the same of one destination."""

    destination: str
    rate: Rate
    prefixes: tuple[str, ...]


def code_of(country: str) -> str:
    """What numbers of the country begin with; "" of none."""
    code = phonenumbers.country_code_for_region(country)
    return str(code) if code else ""


def rates_of(country: str, office: Office, deck: RateDeck, on: date) -> list[CountryRate]:
    found: dict[str, CountryRate] = {}
    for digits in _examples(country):
        try:
            number = office.parse(
                office.site.outside_line_prefix + office.site.international_prefix + digits
            )
        except InvalidNumber:
            continue
        if number.country != country or number.kind.value in found:
            continue
        found[number.kind.value] = _rate_of(number, office, deck, on)
    return list(found.values())


def _examples(country: str) -> Iterator[str]:
    for kind in _TYPES:
        example = phonenumbers.example_number_for_type(country, kind)
        if example is not None:
            yield phonenumbers.format_number(
                example, phonenumbers.PhoneNumberFormat.E164
            ).removeprefix("+")


def _rate_of(number: Number, office: Office, deck: RateDeck, on: date) -> CountryRate:
    kind = number.kind.value
    try:
        quotation = quote(number, plan=office.plan, deck=lambda: deck, on=on)
    except DestinationBarred:
        return CountryRate(kind, Category.BARRED, None)
    except NoRateForDestination:
        return CountryRate(kind, Category.PAID, None)
    return CountryRate(kind, quotation.category, quotation.rate)


def deck_lines(
    rows: Iterable[tuple[str, RateFields]], currency: str, on: date
) -> Sequence[DeckLine]:
    """The rows in effect on a day; prefixes of one destination and price together."""
    day = on.toordinal()  # rows come by prefix, and within one by the day from which they count
    in_effect = {prefix: fields for prefix, fields in rows if fields.effective_day <= day}
    grouped: dict[tuple[str, Rate], list[str]] = {}
    for prefix, fields in in_effect.items():
        row = row_of(prefix, fields, currency)
        grouped.setdefault((row.destination, row.rate), []).append(prefix)
    return [
        DeckLine(destination, rate, tuple(prefixes))
        for (destination, rate), prefixes in grouped.items()
    ]
