"""Amounts for people to read."""

from decimal import Decimal

from babel.numbers import format_currency

MICROS_PER_UNIT = 1_000_000
CENT_MICROS = 10_000


def shown(micros: int, currency: str, *, locale: str = "en_GB") -> str:
    """£1.25; with as many further decimals as the amount has, for prices below a penny."""
    amount = Decimal(micros) / MICROS_PER_UNIT
    whole_cents = micros % CENT_MICROS == 0
    decimals = "0.00" if whole_cents else "0.00####"
    return format_currency(
        amount, currency, format=f"¤#,##{decimals}", locale=locale, currency_digits=False
    )
