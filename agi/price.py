"""Feature code: dial a number and hear what it costs, and for how long the money lasts."""

from agi.session import Session
from charging.enquiries import Enquiries, PriceTold
from charging.rates import SECONDS_PER_MINUTE
from prompts.phrases import (
    Phrase,
    costs_nothing_phrase,
    dial_number_phrase,
    minutes_phrase,
    not_enough_money_phrase,
    price_phrase,
    sentences,
)


async def tell_price(session: Session, enquiries: Enquiries) -> None:
    dialled = await session.ask_for_digits(dial_number_phrase(session.language))
    told = await enquiries.price_of(session.endpoint, dialled)
    await session.say(told_phrase(told, session.language))


def told_phrase(told: PriceTold, language: str) -> Phrase:
    """Prices rounded up, minutes down: nobody is promised more than the ledger holds."""
    rate = told.quotation.rate
    if rate is None:
        return costs_nothing_phrase(language)
    price = price_phrase(
        rate.per_minute, language, connection_charge=rate.connection_charge + rate.per_call
    )
    match told.affordable_s:
        case None:
            return price
        case 0:
            return sentences(price, not_enough_money_phrase(language))
        case affordable_s:
            minutes = affordable_s // SECONDS_PER_MINUTE
            return sentences(price, minutes_phrase(minutes, language))
