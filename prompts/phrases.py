"""What is said and in which order: sentences become clips, by the grammar of each language.

A clip is a key of `en.toml` and `fr.toml`; both files have the same keys. A number below one
hundred and its unit are one clip, because the unit changes how the number is said: "dix" loses its
last consonant in "dix livres" and gains a z in "dix euros". docs/adr/0008-voice.md says more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from charging.language import LANGUAGES
from charging.money import Money

PAUSE: Final = "pause"  # between two sentences, where the first ends with an amount

MICROS_PER_CENT: Final = 10_000
MICROS_PER_TENTH_OF_A_CENT: Final = 1_000
LARGEST_SPOKEN: Final = 999_999  # above it, "more than nine hundred and ninety-nine thousand"

AND_BELOW: Final = 20  # hundredths, which have a recording of their own for after a unit

# The clips that name a currency's unit and its hundredth.
UNITS: Final = {"GBP": ("pounds", "pence"), "EUR": ("euros", "cents"), "USD": ("dollars", "cents")}

# By the `code` of each refusal in charging.errors; "unavailable" when the database is away, and
# "forwarded" whatever the reason, where the call was forwarded and a stranger may be listening.
REFUSALS: Final = {
    "insufficient_balance": ("not-enough-money", "ask-manager-to-add-funds"),
    "barred": ("destination-barred",),
    "no_rate": ("no-rate",),
    "invalid_number": ("number-not-valid",),
    "unknown_extension": ("unknown-extension",),
    "extension_not_allowed": ("extension-not-allowed",),
    "limit_reached": ("limit-reached",),
    "unavailable": ("service-unavailable",),
    "forwarded": ("forwarded-call-refused",),
}

# By the `limit` of LimitReached, where "this phone has reached its spending limit" is not the case.
LIMITS: Final = {
    "office_day": ("office-limit-reached",),
    "calls_at_once": ("too-many-calls",),
}

HUNDREDS_TO_COME: Final = re.compile(r"\d-hundred-and")  # as in "two hundred and forty pounds"


class UnspokenError(ValueError):
    """There are no words for this: a negative amount, or a language or currency without clips."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Clips to be played one after another in one language."""

    clips: tuple[str, ...]


def balance_phrase(
    balance: Money,
    language: str,
    *,
    per_minute: Money | None = None,
    minutes: int | None = None,
) -> Phrase:
    """The clips for "you have twelve euros forty".

    Rounds down to whole cents: the prompt must never promise more than the ledger holds.

    Args:
        balance: what can be spent, before anything is reserved for this call.
        language: one of LANGUAGES.
        per_minute: said after the balance when given: the price of the call about to be placed.
        minutes: said last when given: for about how many whole minutes the balance lasts.

    Raises:
        UnspokenError: the balance is negative, or there are no clips for its currency.
    """
    clips = _balance(balance, language)
    if per_minute is not None:
        clips += (PAUSE, *price_phrase(per_minute, language).clips)
    if minutes is not None:
        clips += (PAUSE, *minutes_phrase(minutes, language).clips)
    return _phrase(language, clips)


def price_phrase(
    per_minute: Money, language: str, *, connection_charge: Money | None = None
) -> Phrase:
    """The clips for "this call costs one point two pence per minute".

    Rounds up, to a tenth of a cent below one unit and to a whole cent from there: a caller never
    pays more than was said.
    """
    clips = ("this-call-costs", *_price(per_minute, language), "per-minute")
    if connection_charge is not None and connection_charge.micros > 0:
        clips += ("plus-once-per-call", *_price(connection_charge, language))
    return _phrase(language, clips)


def minutes_phrase(minutes: int, language: str) -> Phrase:
    """The clips for "that is enough for about twelve minutes"."""
    return _phrase(language, ("enough-for-about", *_minutes(minutes, language)))


def refusal_phrase(
    code: str, language: str, *, balance: Money | None = None, limit: str | None = None
) -> Phrase:
    """Why the call is not placed and what to do about it.

    A code without a sentence of its own gets a general one: silence would explain nothing.

    Args:
        code: `code` of a refusal in charging.errors, or "unavailable".
        language: one of LANGUAGES.
        balance: said first when money is what is missing.
        limit: which limit was reached, where one was.
    """
    clips = REFUSALS.get(code, ("call-refused",))
    if code == "limit_reached" and limit is not None:
        clips = LIMITS.get(limit, clips)
    if code == "insufficient_balance" and balance is not None:
        clips = (*_balance(balance, language), PAUSE, *clips)
    return _phrase(language, clips)


def low_balance_phrase(left_s: int, language: str) -> Phrase:
    """Whispered to the caller before the money ends; `left_s` is the paid time still to come."""
    minutes = left_s // 60
    warned = ("running-low", *_minutes(minutes, language)) if minutes else ("running-out",)
    return _phrase(language, warned)


def funds_exhausted_phrase(language: str) -> Phrase:
    return _phrase(language, ("funds-exhausted",))


def refilling_phrase(language: str) -> Phrase:
    """Said to a caller who waits while a card is charged."""
    return _phrase(language, ("account-being-refilled",))


def service_unavailable_phrase(language: str) -> Phrase:
    return _phrase(language, ("service-unavailable",))


def top_up_received_phrase(language: str, *, balance: Money | None = None) -> Phrase:
    """Said during a call that a top-up has just made longer."""
    spoken = () if balance is None else _balance(balance, language)
    return _phrase(language, ("top-up-received", *spoken))


def dial_number_phrase(language: str) -> Phrase:
    return _phrase(language, ("dial-the-number",))


def costs_nothing_phrase(language: str) -> Phrase:
    return _phrase(language, ("costs-nothing",))


def not_enough_money_phrase(language: str) -> Phrase:
    return _phrase(language, ("not-enough-money",))


def last_call_phrase(cost: Money | None, language: str) -> Phrase:
    """The clips for "your last paid call cost one pound ten"; None: there was none.

    Rounded up, as the price was when it was told.
    """
    if cost is None:
        return _phrase(language, ("no-last-call",))
    return _phrase(language, ("last-call-cost", *_price(cost, language)))


def language_phrase(language: str) -> Phrase:
    """Said in the language that was chosen."""
    return _phrase(language, ("language-chosen",))


def sentences(*phrases: Phrase) -> Phrase:
    """One after another, with a pause where one could run into the next."""
    first, *others = phrases
    clips = first.clips
    for phrase in others:
        clips += (PAUSE, *phrase.clips)
    return Phrase(clips)


def _balance(balance: Money, language: str) -> tuple[str, ...]:
    """The lead and its hundreds are one clip: else "$400 and $45" is understood for 445."""
    cents = balance.micros // MICROS_PER_CENT  # rounds towards minus infinity: a debt stays one
    first, *others = _amount(cents, balance.currency, language)
    if HUNDREDS_TO_COME.fullmatch(first):
        return (f"your-balance-is-{first}", *others)
    return ("your-balance-is", first, *others)


def _price(price: Money, language: str) -> tuple[str, ...]:
    tenths = -(-price.micros // MICROS_PER_TENTH_OF_A_CENT)
    whole_cents, tenth = divmod(tenths, 10)
    if whole_cents < 100 and tenth > 0:  # noqa: PLR2004 - a hundred cents are one unit
        _, subunit = _units(price.currency)
        return (str(whole_cents), f"point-{tenth}-{subunit}")
    return _amount(whole_cents + (tenth > 0), price.currency, language)


def _minutes(minutes: int, language: str) -> tuple[str, ...]:
    if minutes == 0:
        return ("less-than-one-minute",)
    return _counted(minutes, "minutes", language)


def _amount(cents: int, currency: str, language: str) -> tuple[str, ...]:
    """As people say it: "twelve euros", "forty"; a part that is zero is not said, unless both are.

    Below ten the hundredths are "oh five": "twelve euros five" is heard as 12.50 by some. Below
    twenty they are "et cinq centimes" in French: a "dix" or "seize" alone is heard as any word.
    """
    unit, subunit = _units(currency)
    whole, rest = divmod(cents, 100)
    if rest == 0 or whole > LARGEST_SPOKEN:
        return _counted(whole, unit, language)
    if whole == 0:
        return (f"{rest}-{subunit}",)
    hundredths = f"and-{rest}-{subunit}" if rest < AND_BELOW else str(rest)
    return (*_counted(whole, unit, language), hundredths)


def _counted(count: int, unit: str, language: str) -> tuple[str, ...]:
    """A whole number of something: "two hundred and", "twelve pounds"."""
    if count < 0:
        raise UnspokenError(f"a negative amount is never spoken: {count} {unit}")
    if count > LARGEST_SPOKEN:
        return ("more-than", *_counted(LARGEST_SPOKEN // 1000 * 1000, unit, language))
    thousands, rest = divmod(count, 1000)
    if thousands == 0:
        return _below_thousand(rest, unit, follows_hundreds=False)
    head = _thousands(thousands)
    if rest == 0:
        return (*head, unit)
    if rest < 100 and language == "en":  # noqa: PLR2004 - "one thousand and five", "mille cinq"
        head += ("and",)
    return (*head, *_below_thousand(rest, unit, follows_hundreds=True))


def _thousands(thousands: int) -> tuple[str, ...]:
    hundreds, rest = divmod(thousands, 100)
    if hundreds > 0 and rest == 0:
        return (f"{hundreds}-hundred", "thousand")
    return _below_thousand(thousands, "thousand", follows_hundreds=False)


def _below_thousand(count: int, unit: str, *, follows_hundreds: bool) -> tuple[str, ...]:
    hundreds, rest = divmod(count, 100)
    if hundreds == 0:
        return (_ending(rest, unit) if follows_hundreds else f"{rest}-{unit}",)
    if rest == 0:
        return (f"{hundreds}-hundred-{unit}",)
    return (f"{hundreds}-hundred-and", _ending(rest, unit))


def _ending(rest: int, unit: str) -> str:
    """As in "one pound", but "a hundred and one pounds"."""
    return f"ending-1-{unit}" if rest == 1 else f"{rest}-{unit}"


def _units(currency: str) -> tuple[str, str]:
    try:
        return UNITS[currency]
    except KeyError:
        raise UnspokenError(f"there are no clips for amounts in {currency}") from None


def _phrase(language: str, clips: Iterable[str]) -> Phrase:
    if language not in LANGUAGES:
        raise UnspokenError(f"there are no clips in the language {language!r}")
    return Phrase(tuple(clips))
