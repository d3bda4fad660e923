"""Rates: what a number costs, or every price of a country; included or not, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response
from wtforms import StringField

from charging.errors import DestinationBarred, InvalidNumber, NoRateForDestination
from charging.numbering import Number, written_number
from charging.offices import Office
from charging.plan import Category
from charging.quotation import Quotation, quote
from charging.rate_deck import STANDARD_DECK, DeckKey, RateDeck
from db.rate_decks import decks_in_force, rates_beginning
from portal import call_words
from portal.access import Reader
from portal.country_rates import CountryRate, DeckLine, code_of, deck_lines, rates_of
from portal.forms import Choice, PortalForm
from portal.languages import marked
from portal.parts import Needs, Parts

router = APIRouter()

NUMBER_MAX = 40
ROWS = 500  # of the deck, for one country
NOT_A_NUMBER = marked("This is not a number that can exist. Write it as you dial it, or with +.")

CATEGORIES: Final = {
    Category.EMERGENCY: marked("An emergency number. It always connects, and costs nothing."),
    Category.FREE: marked("Free. It costs nothing."),
    Category.INCLUDED: marked("Included in your plan. It costs nothing."),
    Category.PAID: marked("Paid from the Prepaid Account."),
    Category.BARRED: marked("Your plan bars this number. It is not connected."),
}


class RatesForm(PortalForm):
    number = StringField()
    country = Choice()


@dataclass(frozen=True, slots=True)
class Answer:
    number: Number
    category: Category
    quotation: Quotation | None  # None: barred, or without a price


class OtherDeck(NamedTuple):
    """What the same costs on another price list."""

    name: str
    answer: Answer | None
    rates: Mapping[str, CountryRate]  # by kind


@router.get("/rates")
async def rates(request: Request, visit: Reader, parts: Needs) -> Response:
    form = RatesForm(request.query_params)
    words = parts.pages.words(request)
    form.country.offer([("", words.say(marked("Choose a country"))), *words.countries().items()])
    form.country.data = form.country.data or ""
    form.validate()
    office = parts.offices.office(visit.office_id)
    deck = parts.decks.deck(office.deck_key)
    today = office.day_of(visit.at)
    answer, listed = None, list[CountryRate]()
    others = list[OtherDeck]()
    lines: Sequence[DeckLine] = ()
    if form.number.data and (number := _number(form, office)) is not None:
        answer = _answer(number, office, deck, today)
        for key in await _other_decks(parts, office):
            on_other = _answer(number, office, parts.decks.deck(key), today)
            others.append(OtherDeck(key.name, on_other, {}))
    elif form.country.data and not form.number.data and not form.country.errors:
        country = form.country.data
        listed = rates_of(country, office, deck, today)
        for key in await _other_decks(parts, office):
            there = rates_of(country, office, parts.decks.deck(key), today)
            others.append(OtherDeck(key.name, None, {each.kind: each for each in there}))
        rows = await parts.store.read(
            lambda reader: rates_beginning(
                reader, office.deck_key, prefix=code_of(country), limit=ROWS
            )
        )
        lines = deck_lines(rows, office.currency, today)
    return parts.pages.page(
        request,
        "rates.html",
        form=form,
        answer=answer,
        categories=CATEGORIES,
        listed=listed,
        others=others,
        lines=lines,
        plan=office.plan.title,
        say=call_words,
        deck_name=office.deck,
        decimals=words.decimals(each.rate.per_minute for each in listed if each.rate),
    )


async def _other_decks(parts: Parts, office: Office) -> Sequence[DeckKey]:
    """The price lists that this office could be on, besides its own.

    What is made for another office alone is that office's business.
    """
    in_force = await parts.store.read(decks_in_force)
    every = (parts.offices.office(name) for name in parts.offices.names())
    of_others = {each.deck_key for each in every if each.deck != STANDARD_DECK}
    of_currency = {key for key in in_force if key.currency == office.currency}
    return sorted(of_currency - of_others - {office.deck_key})


def _number(form: RatesForm, office: Office) -> Number | None:
    text = (form.number.data or "").strip()[:NUMBER_MAX]
    try:
        return office.parse(written_number(text))
    except InvalidNumber:
        form.refuse(form.number, NOT_A_NUMBER)
        return None


def _answer(number: Number, office: Office, deck: RateDeck, on: date) -> Answer:
    try:
        quotation = quote(number, plan=office.plan, deck=lambda: deck, on=on)
    except DestinationBarred:
        return Answer(number, Category.BARRED, None)
    except NoRateForDestination:
        return Answer(number, Category.PAID, None)
    return Answer(number, quotation.category, quotation)
