"""What is said to the ear: drawn amounts, and every sentence that is always the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from charging.money import Money
from prompts.phrases import (
    LIMITS,
    REFUSALS,
    UNITS,
    Phrase,
    balance_phrase,
    costs_nothing_phrase,
    dial_number_phrase,
    funds_exhausted_phrase,
    language_phrase,
    last_call_phrase,
    low_balance_phrase,
    minutes_phrase,
    price_phrase,
    refilling_phrase,
    refusal_phrase,
    top_up_received_phrase,
)
from prompts.texts import words_of

SIZES: Final = (2, 3, 4, 5)  # digits of an amount in hundredths: as many below 1.00 as above 100
MICROS_PER_CENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """One phrase in one language, and the amount in it where it is a balance."""

    language: str
    phrase: Phrase
    amount: Money | None = None

    @property
    def words(self) -> str:
        return words_of(self.phrase, self.language)


def balances(language: str, count: int, seed: int) -> list[Told]:
    """Amounts from 0.00 to 999.99 of every size and currency; the same for the same seed."""
    chance = random.Random(f"{language} {seed}")  # noqa: S311 - a sample, not a secret
    drawn = (
        Money(chance.randrange(10 ** chance.choice(SIZES)) * MICROS_PER_CENT, currency)
        for currency in chance.choices([*UNITS], k=count)
    )
    return [Told(language, balance_phrase(amount, language), amount) for amount in drawn]


def sentences(language: str) -> list[Told]:
    """Every refusal, warning and answer of a feature code, and a price and a time of each kind."""
    return [Told(language, phrase) for phrase in dict.fromkeys(_sentences(language))]


def _sentences(language: str) -> Iterator[Phrase]:
    yield from (refusal_phrase(code, language) for code in (*REFUSALS, "any other"))
    yield from (refusal_phrase("limit_reached", language, limit=limit) for limit in LIMITS)
    yield from (low_balance_phrase(left_s, language) for left_s in (30, 180))
    yield funds_exhausted_phrase(language)
    yield top_up_received_phrase(language)
    yield refilling_phrase(language)
    yield from (price_phrase(Money(micros, "EUR"), language) for micros in (12_000, 600_000))
    yield minutes_phrase(20, language)
    yield dial_number_phrase(language)
    yield costs_nothing_phrase(language)
    yield from (last_call_phrase(cost, language) for cost in (None, Money(40_000, "EUR")))
    yield language_phrase(language)
