"""An office, its activity, its reports and its audit trail, as the API shows them."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from charging.entries import EntryKind
from charging.people import Role
from db.reports import SpentBy
from portal.api.calls_models import CallShown
from portal.api.values import Amount, Answer, Moment


class OfficeShown(Answer):
    id: str
    plan: str
    currency: str
    time_zone: str
    token: str
    role: Role
    expires_at: Moment


class CallActivity(Answer):
    """A paid call: what it changed of the balance in the period."""

    what: Literal["call"] = "call"
    number: int
    at: Moment
    call: CallShown
    amount: Amount
    balance_after: Amount


class MoneyActivity(Answer):
    """Money in, or out other than by calls."""

    what: Literal["money"] = "money"
    number: int
    at: Moment
    kind: EntryKind
    amount: Amount
    balance_after: Amount
    payment: str | None
    by: str
    reason: str


class RefusedActivity(Answer):
    """An attempt that was refused, and changed nothing."""

    what: Literal["refused"] = "refused"
    at: Moment
    call: CallShown


ActivityShown = Annotated[
    CallActivity | MoneyActivity | RefusedActivity, Field(discriminator="what")
]


class ActivityTotals(Answer):
    """Of the period, whatever else is filtered: opening, money and calls are closing."""

    opening: Amount
    money: dict[EntryKind, Amount]
    calls: Amount
    closing: Amount


class Activity(Answer):
    rows: list[ActivityShown]
    totals: ActivityTotals
    next: str | None


class ReportLine(Answer):
    key: str = Field(description="A day, a country, or an endpoint.")
    name: str
    spent: Amount
    paid_calls: int
    answered_calls: int
    paid_talk_s: int
    unpaid_calls: int
    unpaid_talk_s: int
    refused_calls: int


class Report(Answer):
    by: SpentBy
    first: date
    last: date
    lines: list[ReportLine]


class ChangeShown(Answer):
    number: int
    at: Moment
    by: str
    action: str
    subject: str
    before: str
    after: str
    reason: str


class AuditTrail(Answer):
    changes: list[ChangeShown]
    next: int | None
