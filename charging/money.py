"""Amounts of money: whole micro-units of one currency, and nothing else."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import total_ordering

from charging.errors import CurrencyMismatch

MICROS_PER_UNIT = 1_000_000
NO_CURRENCY = "---"  # for amounts that are read before their currency is known
MICROS_MAX = 2**63 - 1  # what a BIGINT column holds


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
    try:
        micros = Decimal(text.strip()) * MICROS_PER_UNIT
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of money") from None
    if not micros.is_finite() or "e" in text.lower() or "_" in text:
        raise ValueError(f"{text!r} is not an amount of money")
    if micros != int(micros):
        raise ValueError(f"{text!r} has more than six decimals")
    if abs(micros) > MICROS_MAX:
        raise ValueError(f"{text!r} is too large")
    return Money(int(micros), currency)
