"""What may be asked for: an amount to buy, a rule of refill. Forms, API and commands make these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from charging.errors import AmountNotOffered, CurrencyMismatch
from charging.money import MICROS_MAX, MICROS_PER_UNIT, Money, parse_money
from charging.plain_text import require_plain

# What a manager may choose from where the settings do not say otherwise; whole units.
TOP_UP_UNITS = (10, 20, 50, 100)
# Pairs: "add 10 when my balance is below 5".
REFILL_PRESETS = ((10, 5), (20, 10), (50, 20), (100, 50))
DAY_MAX_MULTIPLE = 5  # the ceilings of a rule that names none, in multiples of its amount
MONTH_MAX_MULTIPLE = 20
REFILL_MAX = 1_000_000  # of any currency, at once: more is a slip of the hand
WORDS_MAX = 1000  # characters of a consent


@dataclass(frozen=True, slots=True)
class Offer:
    """The amounts of one currency that an office may buy or be refilled by."""

    amounts: tuple[Money, ...]

    def __post_init__(self) -> None:
        if not self.amounts or any(amount.micros <= 0 for amount in self.amounts):
            raise ValueError("an offer names positive amounts, and at least one")
        if len({amount.currency for amount in self.amounts}) > 1:
            raise ValueError("an offer is of one currency")

    @property
    def currency(self) -> str:
        return self.amounts[0].currency

    def require(self, amount: Money) -> None:
        """Raises CurrencyMismatch, AmountNotOffered."""
        if amount.currency != self.currency:
            raise CurrencyMismatch(amount.currency, self.currency)
        if amount not in self.amounts:
            raise AmountNotOffered(str(amount), ", ".join(map(str, self.amounts)))

    def read(self, text: str) -> Money:
        """The amount that a form or a command names.

        Raises:
            AmountNotOffered: it is none of the list, or no amount at all.
        """
        try:
            amount = parse_money(text, self.currency)
        except ValueError:
            raise AmountNotOffered(repr(text[:40]), ", ".join(map(str, self.amounts))) from None
        self.require(amount)
        return amount


def offer_of(currency: str, units: Sequence[int] = TOP_UP_UNITS) -> Offer:
    return Offer(tuple(Money(each * MICROS_PER_UNIT, currency) for each in units))


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpOrder:
    """An amount to buy with the card on file."""

    amount: Money
    confirmed: bool = False  # yes, the same amount as a moment ago, again
    return_url: str = ""  # where the bank's page sends the browser; empty: nobody is there

    def __post_init__(self) -> None:
        if self.amount.micros <= 0:
            raise ValueError(f"a top-up is of a positive amount, not {self.amount}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillRule:
    """Add `amount` when the balance is below `threshold`, and never more than the ceilings.

    Raises:
        ValueError: the ceilings would not let it reach its threshold, or amounts are not positive.
        CurrencyMismatch: its amounts are of several currencies.
    """

    amount: Money
    threshold: Money
    day_max: Money  # in any 24 hours
    month_max: Money  # in any 30 days

    def __post_init__(self) -> None:
        for each in (self.threshold, self.day_max, self.month_max):
            _ = self.amount + each  # of one currency
        if self.amount.micros <= 0 or self.threshold.micros <= 0:
            raise ValueError("a refill adds a positive amount below a positive balance")
        if self.day_max < self.largest:
            raise ValueError(
                f"an empty account needs {self.largest} to reach {self.threshold}, and the ceiling"
                f" of a day is {self.day_max}"
            )
        if self.month_max < self.day_max:
            raise ValueError("the ceiling of a month is below that of a day")
        if self.largest.micros > REFILL_MAX * MICROS_PER_UNIT or self.month_max.micros > MICROS_MAX:
            raise ValueError(f"an empty account would be refilled by {self.largest} at once")

    @property
    def largest(self) -> Money:
        """What an empty account needs."""
        return self.needed_to_reach(self.threshold, Money(0, self.amount.currency))

    def needed_to_reach(self, level: Money, balance: Money) -> Money:
        """The smallest whole multiple of the amount that brings `balance` to `level`; at least one.

        A fixed amount that is smaller than what is missing would be charged again and again.
        """
        missing = level.micros - balance.micros
        times = max(1, -(-missing // self.amount.micros))
        return Money(times * self.amount.micros, self.amount.currency)


def refill_rule(
    *, amount: Money, threshold: Money, day_max: Money | None = None, month_max: Money | None = None
) -> RefillRule:
    """A rule with ceilings, where none are named: 5 times its amount a day, 20 times a month."""
    if amount.currency != threshold.currency:
        raise CurrencyMismatch(amount.currency, threshold.currency)
    largest = max(amount.micros, -(-threshold.micros // max(1, amount.micros)) * amount.micros)
    day = day_max or Money(max(DAY_MAX_MULTIPLE * amount.micros, largest), amount.currency)
    month = month_max or Money(max(MONTH_MAX_MULTIPLE * amount.micros, day.micros), amount.currency)
    return RefillRule(amount=amount, threshold=threshold, day_max=day, month_max=month)


def presets(currency: str) -> tuple[RefillRule, ...]:
    return tuple(
        refill_rule(
            amount=Money(amount * MICROS_PER_UNIT, currency),
            threshold=Money(threshold * MICROS_PER_UNIT, currency),
        )
        for amount, threshold in REFILL_PRESETS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Who allowed the card to be charged while nobody is there, when, and what they read."""

    by: str
    at: datetime
    words: str

    def __post_init__(self) -> None:
        require_plain(self.words, "the consent")
        if not self.by or not self.words or len(self.words) > WORDS_MAX:
            raise ValueError("a consent says who gave it and what they read")
