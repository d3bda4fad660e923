"""Amounts as people read them: what Babel writes, with a minus sign that is read out."""

import gettext
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from babel.numbers import format_currency, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from charging.money import Money
from portal.languages import LOCALES
from portal.words import MINUS, Words, decimals_of

AMOUNTS = st.integers(-(10**13), 10**13) | st.integers(-2_000, 2_000).map(lambda n: n * 10_000)
CURRENCIES = st.sampled_from(["GBP", "EUR", "USD", "CHF", "JPY", "TND"])
LANGUAGES = st.sampled_from(sorted(LOCALES))


def words(language: str) -> Words:
    return Words(language, gettext.NullTranslations(), None)


@given(AMOUNTS, CURRENCIES, LANGUAGES)
def test_an_amount_is_written_as_babel_writes_it(micros: int, currency: str, language: str) -> None:
    amount, value = Money(micros, currency), Decimal(micros).scaleb(-6)
    quantum = Decimal(1).scaleb(-get_currency_precision(currency))
    for said, rounding in (
        (words(language).money(amount), ROUND_FLOOR),
        (words(language).price(amount), ROUND_CEILING),
    ):
        rounded = value.quantize(quantum, rounding=rounding)
        by_babel = format_currency(rounded, currency, locale=LOCALES[language])
        assert said == by_babel.replace("-", MINUS)


@given(AMOUNTS, CURRENCIES, LANGUAGES, st.integers(0, 6))
def test_every_decimal_that_matters_is_written(
    micros: int, currency: str, language: str, decimals: int
) -> None:
    said = words(language).exact(Money(micros, currency), decimals)
    shown = max(decimals, decimals_of(micros))
    digits = int("".join(each for each in said if each.isdigit()))
    assert Decimal(digits).scaleb(6 - shown) == abs(micros)
    assert said.startswith(MINUS) == (micros < 0)
    assert "-" not in said


def test_money_that_came_in_has_its_plus_sign_and_what_went_out_a_minus_sign() -> None:
    english, french = words("en"), words("fr")
    assert english.exact(Money(20_000_000, "GBP"), 3, signed=True) == "+£20.000"
    assert english.exact(Money(-330_000, "GBP"), signed=True) == f"{MINUS}£0.33"
    assert english.exact(Money(0, "GBP"), signed=True) == "£0.00"
    assert french.exact(Money(-330_000, "EUR"), signed=True) == f"{MINUS}0,33\N{NO-BREAK SPACE}€"
    assert english.short(Money(1_250_000_000, "GBP")) == "£1,250"
