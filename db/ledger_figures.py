"""What a monitor asks of the ledger every few seconds: counts and sums, none of a person.

Each is one statement over an index or a table with a row for each office, so that ten million
entries cost no more than ten; one statement also sees one moment, on both databases. The whole
proof is `db.audit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    ScalarSelect,
    Table,
    and_,
    case,
    func,
    or_,
    select,
)

from charging.money import Money
from db.models import balances, calls, postings, ungated_legs
from db.money_tables import notices, payments, processor_events, refill_policies

UNGATED_SINCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFigures:
    balances: Mapping[str, Sequence[Money]]  # by account: what all offices have, in each currency
    entries: int  # of all offices
    open_calls: int
    held: Sequence[Money]  # what open calls have reserved
    oldest_open_at: datetime | None
    balances_not_last: int  # that are not what their last entry left
    reserved_not_held: int  # offices whose reserved balance is not what their open calls hold
    refill_policies: Mapping[tuple[str, str], int]  # by state, and what it is paused for
    payments_due: Mapping[tuple[str, str], int]  # by kind and state: still to be asked about
    payment_due_at: datetime | None  # the first of them
    events_waiting: int  # that a processor told of, and nobody has handled
    notices_waiting: int
    ungated_legs: int  # of the last day


def ledger_figures(reader: Connection, now: datetime) -> LedgerFigures:
    open_calls = reader.execute(_OPEN_CALLS).one()
    return LedgerFigures(
        balances=_sums(reader),
        entries=reader.scalar(_ENTRIES) or 0,
        open_calls=open_calls.number,
        held=[Money(row.micros, row.currency) for row in reader.execute(_HELD)],
        oldest_open_at=open_calls.oldest,
        balances_not_last=reader.scalar(_NOT_LAST) or 0,
        reserved_not_held=reader.scalar(_NOT_HELD) or 0,
        refill_policies={(row[0], row[1]): row[2] for row in reader.execute(_POLICIES)},
        payments_due={(row[0], row[1]): row[2] for row in reader.execute(_DUE)},
        payment_due_at=reader.scalar(_FIRST_DUE),
        events_waiting=_count(reader, processor_events, processor_events.c.due_at.is_not(None)),
        notices_waiting=_count(reader, notices, notices.c.due_at.is_not(None)),
        ungated_legs=_count(reader, ungated_legs, ungated_legs.c.answered_at > now - UNGATED_SINCE),
    )


def _sums(reader: Connection) -> Mapping[str, Sequence[Money]]:
    found: dict[str, list[Money]] = {}
    for row in reader.execute(_BALANCES):
        found.setdefault(row.account, []).append(Money(row.micros, row.currency))
    return found


def _count(reader: Connection, table: Table, wanted: ColumnElement[bool]) -> int:
    return reader.scalar(select(func.count()).select_from(table).where(wanted)) or 0


def _whole(sum_of: ColumnElement[int]) -> ColumnElement[int]:
    """PostgreSQL's sum of BIGINT is NUMERIC."""
    return func.coalesce(func.sum(sum_of), 0).cast(BigInteger)


_OPEN = calls.c.settled_at.is_(None)
_OPEN_CALLS = select(
    func.count().label("number"), func.min(calls.c.authorised_at).label("oldest")
).where(_OPEN)
_HELD = (
    select(calls.c.currency, _whole(calls.c.held_micros).label("micros"))
    .where(_OPEN)
    .group_by(calls.c.currency)
)
_BALANCES = select(
    balances.c.account, balances.c.currency, _whole(balances.c.micros).label("micros")
).group_by(balances.c.account, balances.c.currency)

_LAST_NUMBERS = (
    select(func.max(balances.c.entry_number).label("number"))
    .group_by(balances.c.office_id)
    .subquery()
)
_ENTRIES = select(func.sum(_LAST_NUMBERS.c.number).cast(BigInteger))


def _left_by_last_entry() -> ScalarSelect[int]:
    """What the last line of the entry that last changed a balance left in it."""
    is_source = postings.c.source == balances.c.account
    is_target = postings.c.target == balances.c.account
    after = case((is_target, postings.c.target_after_micros), else_=postings.c.source_after_micros)
    return (
        select(after)
        .where(
            postings.c.office_id == balances.c.office_id,
            postings.c.entry_number == balances.c.entry_number,
            or_(is_source, is_target),
        )
        .order_by(postings.c.line.desc())
        .limit(1)
        .correlate(balances)
        .scalar_subquery()
    )


_NOT_LAST = (
    select(func.count())
    .select_from(balances)
    .where(func.coalesce(_left_by_last_entry() != balances.c.micros, True))
)

_HELD_BY_OFFICE = (
    select(calls.c.office_id, _whole(calls.c.held_micros).label("micros"))
    .where(_OPEN)
    .group_by(calls.c.office_id)
    .subquery()
)
_NOT_HELD = (
    select(func.count())
    .select_from(
        balances.outerjoin(_HELD_BY_OFFICE, _HELD_BY_OFFICE.c.office_id == balances.c.office_id)
    )
    .where(
        and_(
            balances.c.account == "reserved",
            balances.c.micros != func.coalesce(_HELD_BY_OFFICE.c.micros, 0),
        )
    )
)

_POLICIES = select(
    refill_policies.c.state, func.coalesce(refill_policies.c.paused_for, ""), func.count()
).group_by(refill_policies.c.state, refill_policies.c.paused_for)
_FIRST_DUE = select(func.min(payments.c.due_at)).where(payments.c.due_at.is_not(None))
_DUE = (
    select(payments.c.kind, payments.c.state, func.count())
    .where(payments.c.due_at.is_not(None))
    .group_by(payments.c.kind, payments.c.state)
)
