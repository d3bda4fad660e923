"""Amounts as cards are charged them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.money import Money, parse_money
from payments.minor_units import minor_of, money_of


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.40", "EUR", 1240),
        ("0.01", "GBP", 1),
        ("500", "JPY", 500),
        ("1.230", "KWD", 1230),
        ("5", "ISK", 500),
        ("5000", "UGX", 500_000),
    ],
)
def test_an_amount_is_written_in_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    assert minor_of(parse_money(amount, currency)) == minor
    assert money_of(minor, currency.lower()) == parse_money(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.001", "EUR"), ("0.5", "JPY"), ("0.005", "KWD"), ("0.5", "ISK"), ("12.345678", "GBP")],
)
def test_what_no_card_can_be_charged_is_refused_and_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="too many decimals"):
        minor_of(parse_money(amount, currency))


@given(st.integers(1, 10**12), st.sampled_from(["EUR", "GBP", "JPY", "KWD", "ISK", "CHF"]))
def test_there_and_back_is_the_same(minor: int, currency: str) -> None:
    money = money_of(minor, currency)
    assert isinstance(money, Money)
    try:
        assert minor_of(money) == minor
    except ValueError:
        assert currency in {"KWD", "ISK"}
