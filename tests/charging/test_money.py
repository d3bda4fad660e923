import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import CurrencyMismatch
from charging.money import MICROS_MAX, Money, parse_money
from tests.fakes.charging import eur, gbp


@pytest.mark.parametrize("micros", [1.0, "1", True, None])
def test_micros_are_an_int_and_nothing_else(micros: object) -> None:
    with pytest.raises(TypeError, match="micros must be an int"):
        Money(micros, "GBP")  # type: ignore[arg-type]


def test_pounds_and_euros_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch, match="GBP and EUR"):
        gbp("1") + eur("1")
    with pytest.raises(CurrencyMismatch):
        gbp("1") - eur("1")
    with pytest.raises(CurrencyMismatch):
        _ = gbp("1") < eur("1")


def test_amounts_add_subtract_and_compare() -> None:
    assert gbp("1.25") + gbp("0.75") == gbp("2")
    assert gbp("1") - gbp("3") == Money(-2_000_000, "GBP")
    assert gbp("1") < gbp("1.000001")
    assert gbp("1") >= gbp("1")
    assert not gbp("0")
    assert gbp("0.000001")


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (1_250_000, "1.25 GBP"),
        (12_345, "0.012345 GBP"),
        (-500_000, "-0.50 GBP"),
        (7_000_000, "7.00 GBP"),
        (100_100, "0.1001 GBP"),
    ],
)
def test_money_is_written_with_every_decimal_that_matters(micros: int, text: str) -> None:
    assert str(Money(micros, "GBP")) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ".",
        "-",
        "--1",
        "٣",
        "\uff11",
        "1.²",
        "1" * 10_000,
        f"0.{'1' * 10_000}",
        "1e3",
        "1_000",
        "NaN",
        "Infinity",
        "0.0000001",
        "1,5",
        "1.2.3",
        str(MICROS_MAX),
    ],
)
def test_what_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|large") as refused:
        parse_money(text, "GBP")
    assert len(str(refused.value)) < 100


def test_no_decimal_is_dropped_however_far_behind() -> None:
    with pytest.raises(ValueError, match="decimals"):
        parse_money(f"1.{'0' * 40}1", "GBP")
    assert parse_money(f"{'0' * 40}1.5{'0' * 40}", "GBP") == gbp("1.5")


@given(st.integers(-MICROS_MAX, MICROS_MAX))
def test_what_is_written_reads_back_the_same(micros: int) -> None:
    money = Money(micros, "GBP")
    assert parse_money(str(money).removesuffix(" GBP"), "GBP") == money
