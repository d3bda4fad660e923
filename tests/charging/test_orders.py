"""What may be bought, and what a person consents to."""

import pytest

from charging.errors import AmountNotOffered, CurrencyMismatch
from charging.orders import Consent, Offer, TopUpOrder, offer_of, presets
from tests.fakes.charging import eur, gbp
from tests.fakes.clock import START

OFFER = offer_of("GBP")


@pytest.mark.parametrize(
    "text", ["15", "-10", "1e3", "10.000001", "ten", "", "1" * 60, "NaN", "\u0661\u0660", "10 GBP"]
)
def test_what_is_not_on_the_list_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(AmountNotOffered) as refused:
        OFFER.read(text)
    assert "10.00 GBP, 20.00 GBP, 50.00 GBP, 100.00 GBP" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["10", "10.00", " 10 ", "+10"])
def test_what_is_on_the_list_is_read(text: str) -> None:
    assert OFFER.read(text) == gbp("10")


def test_an_offer_is_of_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        OFFER.require(eur("10"))
    with pytest.raises(ValueError, match="one currency"):
        Offer((gbp("10"), eur("10")))


@pytest.mark.parametrize("units", [(), (0,), (-10,)])
def test_an_offer_names_positive_amounts(units: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="positive"):
        offer_of("GBP", units)


def test_the_presets_are_pairs() -> None:
    pairs = [(rule.amount, rule.threshold) for rule in presets("EUR")]
    assert pairs == [
        (eur("10"), eur("5")),
        (eur("20"), eur("10")),
        (eur("50"), eur("20")),
        (eur("100"), eur("50")),
    ]


def test_nothing_is_not_bought() -> None:
    with pytest.raises(ValueError, match="positive"):
        TopUpOrder(amount=gbp("0"))


@pytest.mark.parametrize(
    ("by", "words"), [("", "yes"), ("anna", ""), ("anna", "x" * 1001), ("anna", "a\x1bb")]
)
def test_a_consent_says_who_and_what_they_read(by: str, words: str) -> None:
    with pytest.raises(ValueError, match="consent"):
        Consent(by=by, at=START, words=words)
