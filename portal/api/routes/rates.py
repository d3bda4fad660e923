"""Rates: what a number costs, and every price of a country, by the rules of a real call."""

from typing import Annotated

from fastapi import Path

from charging.errors import DestinationBarred, InvalidNumber, NoRateForDestination
from charging.numbering import written_number
from charging.plan import Category
from charging.quotation import quote
from charging.rates import Rate
from db.rate_decks import rates_beginning
from portal.api.access import Reader
from portal.api.calls_models import RateShown, rate_shown
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.values import Answer
from portal.country_rates import code_of, deck_lines, rates_of
from portal.languages import marked
from portal.parts import Needs

router = api_router()

DECK_ROWS = 500  # of one country


class NumberRate(Answer):
    number: str
    country: str
    kind: str
    category: Category
    destination: str
    rate: RateShown | None


class KindRate(Answer):
    kind: str
    category: Category
    rate: RateShown | None


class DeckRate(Answer):
    destination: str
    prefixes: list[str]
    rate: RateShown


class CountryRates(Answer):
    country: str
    kinds: list[KindRate]
    deck: list[DeckRate]


@router.get(
    "/rates/numbers/{number}",
    responses=declared("invalid_number"),
    summary=marked("What a number is, whether the plan includes it, and what it costs"),
)
async def show_rate_of_number(
    number: Annotated[
        str,
        Path(pattern=r"^\+?[0-9]{1,20}$", description="As it is dialled, or with +."),
    ],
    caller: Reader,
    parts: Needs,
) -> NumberRate:
    office = parts.offices.office(caller.office_id)
    try:
        parsed = office.parse(written_number(number))
    except InvalidNumber:
        raise ProblemError("invalid_number") from None
    category, destination, rate = Category.PAID, "", None
    try:
        quotation = quote(
            parsed,
            plan=office.plan,
            deck=lambda: parts.decks.deck(office.deck_key),
            on=office.day_of(caller.at),
        )
        category, destination = quotation.category, quotation.destination
        rate = _shown(quotation.rate)
    except DestinationBarred:
        category = Category.BARRED
    except NoRateForDestination:
        pass  # paid, and not connected: there is no price
    return NumberRate(
        number=parsed.digits,
        country=parsed.country,
        kind=parsed.kind.value,
        category=category,
        destination=destination,
        rate=rate,
    )


def _shown(rate: Rate | None) -> RateShown | None:
    return None if rate is None else rate_shown(rate)


@router.get(
    "/rates/countries/{country}",
    responses=declared("unknown_country"),
    summary=marked("Every price of a country, by kind of line and by row of the deck"),
)
async def show_rates_of_country(
    country: Annotated[str, Path(pattern=r"^[A-Z]{2}$", examples=["FR"])],
    caller: Reader,
    parts: Needs,
) -> CountryRates:
    office = parts.offices.office(caller.office_id)
    code, today = code_of(country), office.day_of(caller.at)
    if not code:
        raise ProblemError("unknown_country")
    rows = await parts.store.read(
        lambda reader: rates_beginning(reader, office.deck_key, prefix=code, limit=DECK_ROWS)
    )
    kinds = rates_of(country, office, parts.decks.deck(office.deck_key), today)
    return CountryRates(
        country=country,
        kinds=[
            KindRate(kind=each.kind, category=each.category, rate=_shown(each.rate))
            for each in kinds
        ],
        deck=[
            DeckRate(
                destination=line.destination,
                prefixes=list(line.prefixes),
                rate=rate_shown(line.rate),
            )
            for line in deck_lines(rows, office.currency, today)
        ],
    )
