"""What every part of the API is made of: amounts, moments, ids, pages of lists."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from charging.errors import CurrencyMismatch
from charging.money import NO_CURRENCY, Money, parse_money
from portal.api.problems import ProblemError

ROWS, ROWS_MAX = 50, 200
TEXT_MAX = 500


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("no moment of the calendar") from None


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    Field(description="RFC 3339, in UTC where we write it.", examples=["2026-11-21T09:00:00Z"]),
]


class Language(StrEnum):
    ENGLISH = "en"
    FRENCH = "fr"


class Answer(BaseModel):
    """What we send; fields may be added to it."""

    model_config = ConfigDict(frozen=True)


class Wanted(BaseModel):
    """What is sent to us; a field that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Amount(Wanted):
    """An exact amount: a number in units of the currency, as text, so that nothing rounds it."""

    value: str = Field(pattern=r"^-?[0-9]{1,13}(\.[0-9]{1,6})?$", examples=["20.00", "0.0425"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["GBP"])

    def money(self, currency: str) -> Money:
        """In the currency that the account is in.

        Raises:
            ProblemError: it is too large to be stored.
            CurrencyMismatch: it is in another currency.
        """
        if self.currency != currency:
            raise CurrencyMismatch(self.currency, currency)
        try:
            return parse_money(self.value, currency)
        except ValueError:
            raise ProblemError("invalid_amount") from None

    def positive(self, currency: str) -> Money:
        """As `money`, of what is bought, added or taken."""
        money = self.money(currency)
        if money.micros <= 0:
            raise ProblemError("invalid_amount")
        return money


def amount_of(money: Money, currency: str = NO_CURRENCY) -> Amount:
    """`currency`: of the office, where an account that never had money has none of its own."""
    own = money.currency if money.currency != NO_CURRENCY else currency
    return Amount(value=str(money).partition(" ")[0], currency=own)


def amount_if(money: Money | None) -> Amount | None:
    return None if money is None else amount_of(money)


_ID: Final = r"^[0-9A-Za-z_.:@+-]{1,64}$"

Id = Annotated[str, Path(pattern=_ID)]
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description="How many at most.")]
After = Annotated[
    str | None,
    Query(max_length=200, description="“next” of the page before; without it: the newest."),
]
AfterNumber = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="“next” of the page before.")
]
Since = Annotated[Moment | None, Query(description="From this moment on.")]
Until = Annotated[Moment | None, Query(description="Before this moment.")]
Endpoint = Annotated[str | None, Query(pattern=_ID, description="Of this phone only.")]
Country = Annotated[str | None, Query(pattern=r"^[A-Z]{2}$", description="Of this country only.")]
Number = Annotated[
    str | None,
    Query(
        pattern=r"^\+?[0-9]{1,20}$",
        description="Numbers with these digits; with “+” (%2B) those that begin so.",
    ),
]
