"""Rates: what a number costs, or every price of a country; included or not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from wtforms import StringField

from charging.errors import DestinationBarred, InvalidNumber, NoRateForDestination
from charging.numbering import Number, written_number
from charging.offices import Office
from charging.plan import Category
from charging.quotation import Quotation, quote
from charging.rate_deck import RateDeck
from db.rate_decks import rates_beginning
from portal import call_words
from portal.access import Reader
from portal.country_rates import CountryRate, DeckLine, code_of, deck_lines, rates_of
from portal.forms import Choice, PortalForm
from portal.languages import marked
from portal.parts import Needs

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


@router.get("/rates")
async def rates(request: Request, visit: Reader, parts: Needs) -> Response:
    form = RatesForm(request.query_params)
    words = parts.pages.words(request)
    form.country.offer([("", words.say(marked("Choose a country"))), *words.countries().items()])
    form.country.data = form.country.data or ""
    form.validate()
    office = parts.offices.office(visit.office_id)
    deck = parts.decks.deck(office.deck_key)
    answer, listed = None, list[CountryRate]()
    lines: Sequence[DeckLine] = ()
    if form.number.data:
        answer = _answer(form, office, deck, office.day_of(visit.at))
    elif form.country.data and not form.country.errors:
        country = form.country.data
        listed = rates_of(country, office, deck, office.day_of(visit.at))
        rows = await parts.store.read(
            lambda reader: rates_beginning(
                reader, office.deck_key, prefix=code_of(country), limit=ROWS
            )
        )
        lines = deck_lines(rows, office.currency, office.day_of(visit.at))
    return parts.pages.page(
        request,
        "rates.html",
        form=form,
        answer=answer,
        categories=CATEGORIES,
        listed=listed,
        lines=lines,
        plan=office.plan.title,
        say=call_words,
        deck_name=office.deck,
        decimals=words.decimals(each.rate.per_minute for each in listed if each.rate),
    )


def _answer(form: RatesForm, office: Office, deck: RateDeck, on: date) -> Answer | None:
    text = (form.number.data or "").strip()[:NUMBER_MAX]
    try:
        number = office.parse(written_number(text))
    except InvalidNumber:
        form.refuse(form.number, NOT_A_NUMBER)
        return None
    try:
        quotation = quote(number, plan=office.plan, deck=lambda: deck, on=on)
    except DestinationBarred:
        return Answer(number, Category.BARRED, None)
    except NoRateForDestination:
        return Answer(number, Category.PAID, None)
    return Answer(number, quotation.category, quotation)
