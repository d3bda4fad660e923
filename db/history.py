"""Reading the ledger: its last entries, as an accountant would want them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from charging.evidence import EndUnproved
from charging.ledger import LedgerEntry
from db.book_store import entries_from
from db.models import calls, postings


def last_entries(
    reader: Connection, *, office_id: str, limit: int, call_id: str | None = None
) -> Sequence[LedgerEntry]:
    """The last entries of an office, or of one call, in the order they were posted."""
    of_office = (
        select(postings.c.entry_key, func.max(postings.c.id).label("last_id"))
        .where(postings.c.office_id == office_id)
        .group_by(postings.c.entry_key)
    )
    if call_id is not None:
        of_office = of_office.where(postings.c.call_id == call_id)
    last = of_office.order_by(func.max(postings.c.id).desc()).limit(limit).subquery()
    rows = reader.execute(
        select(postings)
        .join(last, last.c.entry_key == postings.c.entry_key)
        .order_by(last.c.last_id, postings.c.line)
    ).all()
    return list(entries_from(rows).values())


def unproved_ends(reader: Connection, *, since: datetime) -> Mapping[EndUnproved, int]:
    """How many calls settled since then had no proof of their end, and why."""
    counted = (
        select(calls.c.end_unproved, func.count())
        .where(calls.c.end_unproved.is_not(None), calls.c.settled_at >= since)
        .group_by(calls.c.end_unproved)
    )
    return {EndUnproved(why): count for why, count in reader.execute(counted)}
