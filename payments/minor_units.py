"""Amounts as card processors write them: whole numbers of the smallest unit that cards know.

Source of the exceptions: docs.stripe.com/currencies, "Zero-decimal" and "Three-decimal currencies"
and "Special cases". What is not named has two decimals.
"""

from charging.money import MICROS_PER_UNIT, Money

DECIMALS = 2
_NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905 - a list of 15 is read worse
)
_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Written with decimals of which the last ones must be zero: what is charged is a multiple of this.
_WHOLE = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}


def minor_of(amount: Money) -> int:
    """12.40 EUR is 1240.

    Raises:
        ValueError: a card cannot be charged exactly this.
    """
    minor, rest = divmod(amount.micros, _micros_per_minor(amount.currency))
    if rest or minor % _WHOLE.get(amount.currency, 1):
        raise ValueError(f"a card cannot be charged {amount}: too many decimals")
    return minor


def money_of(minor: int, currency: str) -> Money:
    """1240 and "eur" are 12.40 EUR."""
    code = currency.upper()
    return Money(minor * _micros_per_minor(code), code)


def _micros_per_minor(currency: str) -> int:
    if currency in _NO_DECIMALS:
        return MICROS_PER_UNIT
    return MICROS_PER_UNIT // (1000 if currency in _THREE_DECIMALS else 100)
