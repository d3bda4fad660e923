"""The ledger proves itself: every balance is recomputed from the postings."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, literal, select, union_all

from db.models import balances, calls, postings


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
        *_currencies_that_disagree(reader),
        *_reservations_that_disagree(reader),
        *_calls_that_disagree(reader),
        *_debits_without_reservation(reader),
    )
    return Audit(
        accounts=reader.scalar(select(func.count()).select_from(balances)) or 0,
        entries=reader.scalar(select(func.count(postings.c.entry_key.distinct()))) or 0,
        calls=reader.scalar(select(func.count()).select_from(calls)) or 0,
        problems=problems,
    )


_MOVES = union_all(
    select(postings.c.target.label("account"), postings.c.micros.label("micros")),
    select(postings.c.source.label("account"), (-postings.c.micros).label("micros")),
).subquery()


def _balances_that_disagree(reader: Connection) -> Iterator[str]:
    sums = {
        account: int(micros)
        for account, micros in reader.execute(
            select(_MOVES.c.account, func.sum(_MOVES.c.micros)).group_by(_MOVES.c.account)
        )
    }
    stored = {row.account: row.micros for row in reader.execute(select(balances))}
    for account in sorted(sums.keys() | stored.keys()):
        if not account.startswith("office:"):
            continue
        balance, total = stored.get(account, 0), sums.get(account, 0)
        if balance != total:
            yield f"{account}: balance {balance}, postings sum to {total}"
        if balance < 0:
            yield f"{account}: balance {balance} is below zero"


def _currencies_that_disagree(reader: Connection) -> Iterator[str]:
    account = balances.c.account
    query = (
        select(postings.c.entry_key)
        .join(balances, account.in_((postings.c.source, postings.c.target)))
        .where(balances.c.currency != postings.c.currency)
    )
    for key in reader.scalars(query):
        yield f"{key}: not of the currency of its account"


def _reservations_that_disagree(reader: Connection) -> Iterator[str]:
    held = {
        f"office:{office}:reserved": int(micros)
        for office, micros in reader.execute(
            select(calls.c.office_id, func.sum(calls.c.held_micros)).group_by(calls.c.office_id)
        )
    }
    stored = reader.execute(select(balances).where(balances.c.account.like("office:%:reserved")))
    reserved = {row.account: row.micros for row in stored}
    for account in sorted(held.keys() | reserved.keys()):
        if held.get(account, 0) != reserved.get(account, 0):
            yield (
                f"{account}: balance {reserved.get(account, 0)},"
                f" its calls hold {held.get(account, 0)}"
            )


def _calls_that_disagree(reader: Connection) -> Iterator[str]:
    revenue = literal("operator:revenue")
    charged = func.sum(
        case(
            (postings.c.target == revenue, postings.c.micros),
            (postings.c.source == revenue, -postings.c.micros),
            else_=0,
        )
    )
    posted = (
        select(postings.c.call_id, charged.label("micros"))
        .where(postings.c.call_id.is_not(None))
        .group_by(postings.c.call_id)
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
    debit = postings.alias("debit")
    reserve = postings.alias("reserve")
    key = func.replace(debit.c.entry_key, ":debit:", ":reserve:")
    query = (
        select(debit.c.entry_key)
        .outerjoin(reserve, reserve.c.entry_key == key)
        .where(
            debit.c.entry_key.like("call:%:debit:%"),
            func.coalesce(reserve.c.micros, -1) != debit.c.micros,
        )
    )
    for entry_key in reader.scalars(query):
        yield f"{entry_key}: nothing like it was reserved"
