"""The cards that the sandbox knows, and what each of them does. PURE.

Where Stripe has a test card that does the same, it has the same number.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCard:
    """What happens to whoever charges it."""

    __test__ = False  # no test of pytest's

    number: str
    name: str  # a key of words.py
    brand: str = "visa"
    declines: str = ""  # the decline code of every charge
    advice: str = ""
    declines_to_be_saved: bool = False
    declines_once: bool = False  # the first try of each intent alone
    authenticates: bool = False  # the bank wants to hear the cardholder, on session or off
    answers_after_s: int = 0  # the reply and the charge come that late
    never_answers: bool = False  # it is charged, and the reply never comes
    decides_after_s: int = 0  # the reply says "processing", a webhook says what became of it
    disputed_after_s: int = 0
    refund_fails_after_s: int = 0  # it begins as made, as Stripe's do
    refund_settles_after_s: int = 0  # it begins as pending


CARDS: Final = (
    TestCard(number="4242424242424242", name="succeeds"),
    TestCard(number="5555555555554444", name="succeeds", brand="mastercard"),
    TestCard(number="4000000000000341", name="declines", declines="generic_decline"),
    TestCard(
        number="4000000000009995",
        name="no_funds",
        declines="insufficient_funds",
        advice="try_again_later",
    ),
    TestCard(
        number="4000000000009219",
        name="declines_once",
        declines="insufficient_funds",
        declines_once=True,
    ),
    TestCard(
        number="4000000000009235",
        name="never_again",
        declines="do_not_honor",
        advice="do_not_try_again",
    ),
    TestCard(number="4000000000000069", name="expired", declines="expired_card"),
    TestCard(number="4000000000009987", name="lost", declines="lost_card"),
    TestCard(
        number="4000000000000002",
        name="declines_to_be_saved",
        declines="generic_decline",
        declines_to_be_saved=True,
    ),
    TestCard(number="4000002760003184", name="authenticates", authenticates=True),
    TestCard(
        number="4000008260003178",
        name="authenticates_and_declines",
        authenticates=True,
        declines="insufficient_funds",
    ),
    TestCard(number="4000000000009268", name="never_answers", never_answers=True),
    TestCard(number="4000000000009276", name="answers_late", answers_after_s=30),
    TestCard(number="4000000000009284", name="decides_later", decides_after_s=5),
    TestCard(number="4000000000000259", name="disputed_later", disputed_after_s=5),
    TestCard(number="4000000000007726", name="refund_pends", refund_settles_after_s=5),
    TestCard(number="4000000000005126", name="refund_fails", refund_fails_after_s=5),
)
_BY_NUMBER: Final = {card.number: card for card in CARDS}


def card_of(number: str) -> TestCard | None:
    """None: no card of the sandbox's. It may be a real one, and must not be kept."""
    return _BY_NUMBER.get(number)
