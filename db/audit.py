"""The ledger proves itself: every balance is recomputed from the postings, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    union_all,
)

from charging.entries import MOVEMENTS, OFFICE_ACCOUNTS
from db.day_sums import sums_that_disagree
from db.models import balances, calls, entries, postings


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was looked at, and every disagreement, in plain words. None: the ledger is sound."""

    accounts: int
    entries: int
    calls: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.problems


def audit(reader: Connection) -> Audit:
    """Recompute everything from the postings, in the one moment that this transaction sees."""
    problems = (
        *_balances_that_disagree(reader),
        *_balances_that_do_not_follow(reader),
        *_numbers_that_do_not_follow(reader),
        *_postings_without_entry(reader),
        *_movements_of_another_kind(reader),
        *_reversals_of_something_else(reader),
        *_currencies_that_disagree(reader),
        *_reservations_that_disagree(reader),
        *_calls_that_disagree(reader),
        *_debits_without_reservation(reader),
        *sums_that_disagree(reader),
    )
    return Audit(
        accounts=reader.scalar(select(func.count()).select_from(balances)) or 0,
        entries=reader.scalar(select(func.count()).select_from(entries)) or 0,
        calls=reader.scalar(select(func.count()).select_from(calls)) or 0,
        problems=problems,
    )


# Each posting twice: what it did to its source, and to its target.
_CHANGES = union_all(
    *(
        select(
            postings.c.office_id,
            postings.c.entry_number,
            postings.c.line,
            side.label("account"),
            change.label("micros"),
            after.label("after_micros"),
        ).where(side.in_(OFFICE_ACCOUNTS))
        for side, change, after in (
            (postings.c.source, -postings.c.micros, postings.c.source_after_micros),
            (postings.c.target, postings.c.micros, postings.c.target_after_micros),
        )
    )
).subquery()

_ALLOWED = {kind.value: movements for kind, movements in MOVEMENTS.items()}
_IN_ITS_ENTRY = and_(
    postings.c.office_id == entries.c.office_id, postings.c.entry_number == entries.c.number
)


def _balances_that_disagree(reader: Connection) -> Iterator[str]:
    account = (_CHANGES.c.office_id, _CHANGES.c.account)
    sums = {
        (office, name): int(micros)
        for office, name, micros in reader.execute(
            select(*account, func.sum(_CHANGES.c.micros)).group_by(*account)
        )
    }
    stored = {(row.office_id, row.account): row.micros for row in reader.execute(select(balances))}
    for office, name in sorted(sums.keys() | stored.keys()):
        balance, total = stored.get((office, name), 0), sums.get((office, name), 0)
        if balance != total:
            yield f"office:{office}:{name}: balance {balance}, postings sum to {total}"
        if (balance > 0) if name == "owed" else (balance < 0):
            yield f"office:{office}:{name}: balance {balance} is beyond zero"


def _balances_that_do_not_follow(reader: Connection) -> Iterator[str]:
    """What a posting left in an account is what the one before left, and its own change."""
    before = func.lag(_CHANGES.c.after_micros, 1, 0).over(
        partition_by=(_CHANGES.c.office_id, _CHANGES.c.account),
        order_by=(_CHANGES.c.entry_number, _CHANGES.c.line),
    )
    steps = select(_CHANGES, before.label("before_micros")).subquery()
    wrong = or_(
        steps.c.after_micros.is_(None),
        steps.c.after_micros != steps.c.before_micros + steps.c.micros,
    )
    for row in reader.execute(select(steps).where(wrong)):
        yield (
            f"office:{row.office_id}:{row.account}: entry {row.entry_number} left"
            f" {row.after_micros}, not {row.before_micros + row.micros}"
        )


def _numbers_that_do_not_follow(reader: Connection) -> Iterator[str]:
    number, posted_at = entries.c.number, entries.c.posted_at
    steps = select(
        entries.c.office_id,
        number,
        posted_at,
        func.lag(number, 1, 0)
        .over(partition_by=entries.c.office_id, order_by=number)
        .label("number_before"),
        func.lag(posted_at)
        .over(partition_by=entries.c.office_id, order_by=number)
        .label("moment_before"),
    ).subquery()
    wrong = or_(
        steps.c.number != steps.c.number_before + 1, steps.c.posted_at < steps.c.moment_before
    )
    for row in reader.execute(select(steps).where(wrong)):
        yield f"office {row.office_id}: entry {row.number} does not follow {row.number_before}"


def _postings_without_entry(reader: Connection) -> Iterator[str]:
    lone_postings = (
        select(postings.c.office_id, postings.c.entry_number)
        .outerjoin(entries, _IN_ITS_ENTRY)
        .where(entries.c.number.is_(None))
    )
    for office, number in reader.execute(lone_postings):
        yield f"office {office}: postings of entry {number}, which does not exist"
    empty_entries = (
        select(entries.c.key).outerjoin(postings, _IN_ITS_ENTRY).where(postings.c.line.is_(None))
    )
    for key in reader.scalars(empty_entries):
        yield f"{key}: moves nothing"
    of_no_call = (
        select(entries.c.key)
        .outerjoin(calls, calls.c.call_id == entries.c.call_id)
        .where(entries.c.call_id.is_not(None), calls.c.call_id.is_(None))
    )
    for key in reader.scalars(of_no_call):
        yield f"{key}: there is no such call"


def _movements_of_another_kind(reader: Connection) -> Iterator[str]:
    movement = (entries.c.kind, postings.c.source, postings.c.target)
    query = select(*movement, func.min(entries.c.key)).join(postings, _IN_ITS_ENTRY)
    for kind, source, target, key in reader.execute(query.group_by(*movement)):
        if (source, target) not in _ALLOWED.get(kind, frozenset()):
            yield f"{key}: a {kind} moves nothing from {source} to {target}"


def _reversals_of_something_else(reader: Connection) -> Iterator[str]:
    """An entry is reversed at most once, by a later one of its office."""
    reversed_entry = entries.alias("reversed_entry")
    query = (
        select(entries.c.key, entries.c.reverses)
        .outerjoin(reversed_entry, reversed_entry.c.key == entries.c.reverses)
        .where(
            entries.c.reverses.is_not(None),
            or_(
                reversed_entry.c.key.is_(None),
                reversed_entry.c.office_id != entries.c.office_id,
                reversed_entry.c.number >= entries.c.number,
            ),
        )
    )
    for key, other in reader.execute(query):
        yield f"{key}: reverses {other}, which is no earlier entry of its office"
    twice = (
        select(entries.c.reverses)
        .where(entries.c.reverses.is_not(None))
        .group_by(entries.c.reverses)
        .having(func.count() > 1)
    )
    for key in reader.scalars(twice):
        yield f"{key}: reversed more than once"


def _currencies_that_disagree(reader: Connection) -> Iterator[str]:
    query = (
        select(entries.c.key)
        .join(postings, _IN_ITS_ENTRY)
        .join(
            balances,
            and_(
                balances.c.office_id == postings.c.office_id,
                balances.c.account.in_((postings.c.source, postings.c.target)),
            ),
        )
        .where(balances.c.currency != postings.c.currency)
    )
    for key in reader.scalars(query):
        yield f"{key}: not of the currency of its account"


def _reservations_that_disagree(reader: Connection) -> Iterator[str]:
    held = _sums(
        reader,
        select(calls.c.office_id, func.sum(calls.c.held_micros)).group_by(calls.c.office_id),
    )
    reserved = _sums(
        reader,
        select(balances.c.office_id, balances.c.micros).where(balances.c.account == "reserved"),
    )
    for office in sorted(held.keys() | reserved.keys()):
        if held.get(office, 0) != reserved.get(office, 0):
            yield (
                f"office:{office}:reserved: balance {reserved.get(office, 0)},"
                f" its calls hold {held.get(office, 0)}"
            )


def _sums(reader: Connection, query: Select[Any]) -> dict[str, int]:
    return {office: int(micros) for office, micros in reader.execute(query)}


def _calls_that_disagree(reader: Connection) -> Iterator[str]:
    charged = func.sum(
        case(
            (postings.c.target == "revenue", postings.c.micros),
            (postings.c.source == "revenue", -postings.c.micros),
            else_=0,
        )
    )
    posted = (
        select(entries.c.call_id, charged.label("micros"))
        .join(postings, _IN_ITS_ENTRY)
        .where(entries.c.call_id.is_not(None))
        .group_by(entries.c.call_id)
        .subquery()
    )
    query = (
        select(calls.c.call_id, calls.c.debited_micros, func.coalesce(posted.c.micros, 0))
        .outerjoin(posted, posted.c.call_id == calls.c.call_id)
        .where(calls.c.debited_micros != func.coalesce(posted.c.micros, 0))
    )
    for call_id, debited, total in reader.execute(query):
        yield f"call {call_id}: debited {debited}, postings sum to {total}"


def _debits_without_reservation(reader: Connection) -> Iterator[str]:
    """Every debit:<n> turns exactly the reserve:<n> of its call into revenue."""
    debit, reserve = entries.alias("debit"), entries.alias("reserve")
    debited, set_aside = postings.alias("debited"), postings.alias("set_aside")
    query = (
        select(debit.c.key)
        .join(debited, _of(debit, debited))
        .outerjoin(reserve, reserve.c.key == func.replace(debit.c.key, ":debit:", ":reserve:"))
        .outerjoin(set_aside, _of(reserve, set_aside))
        .where(
            debit.c.kind == "debit",
            func.coalesce(set_aside.c.micros, -1) != debited.c.micros,
        )
    )
    for key in reader.scalars(query):
        yield f"{key}: nothing like it was reserved"


def _of(entry: FromClause, posting: FromClause) -> ColumnElement[bool]:
    return and_(posting.c.office_id == entry.c.office_id, posting.c.entry_number == entry.c.number)
