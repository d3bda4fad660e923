"""Amounts of money: whole micro-units of one currency, and nothing else."""

import re
from dataclasses import dataclass
from functools import total_ordering

from charging.errors import CurrencyMismatch

MICROS_PER_UNIT = 1_000_000
NO_CURRENCY = "---"  # for amounts that are read before their currency is known
MICROS_MAX = 2**63 - 1  # what a BIGINT column holds
UNITS_DIGITS_MAX = 13  # of the largest amount that a BIGINT column holds
DECIMALS_MAX = 6
SHOWN_MAX = 40

# ASCII digits alone: Python also takes the digits of every other script.
_AMOUNT = re.compile(r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<units>[0-9]*)(?:\.(?P<decimals>[0-9]*))?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount. 1_250_000 micros of EUR is 1.25 EUR. Never a float, never missing."""

    micros: int
    currency: str  # ISO 4217 alphabetic code

    def __post_init__(self) -> None:
        if type(self.micros) is not int:  # also refuses bool
            raise TypeError(f"micros must be an int, not {type(self.micros).__name__}")

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.micros + other.micros, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.micros - other.micros, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.micros < other.micros

    def __bool__(self) -> bool:
        return self.micros != 0

    def __str__(self) -> str:
        """Every decimal that matters and at least two: "1.25 EUR", "0.012345 GBP"."""
        sign = "-" if self.micros < 0 else ""
        units, micros = divmod(abs(self.micros), MICROS_PER_UNIT)
        decimals = f"{micros:06d}".rstrip("0").ljust(2, "0")
        return f"{sign}{units}.{decimals} {self.currency}"

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(self.currency, other.currency)


def parse_money(text: str, currency: str) -> Money:
    """Read an amount as people write it: "12.40".

    Raises:
        ValueError: not a plain decimal number, finer than one micro-unit, or too large to store.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{_cut(text)!r} is not an amount of money")
    units = found["units"].lstrip("0") or "0"
    decimals = (found["decimals"] or "").rstrip("0")
    if len(decimals) > DECIMALS_MAX:
        raise ValueError(f"{_cut(text)!r} has more than six decimals")
    if (
        len(units) > UNITS_DIGITS_MAX
        or (micros := int(units + decimals.ljust(6, "0"))) > MICROS_MAX
    ):
        raise ValueError(f"{_cut(text)!r} is too large")
    return Money(-micros if found["sign"] == "-" else micros, currency)


def _cut(text: str) -> str:
    """For a message: a text that is no amount may be of any length."""
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
