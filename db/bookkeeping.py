"""Reading a period for a bookkeeper: every entry in its order, and every receipt."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from charging.entries import OFFICE_ACCOUNTS, PostedEntry
from charging.receipts import Receipt
from db.entry_rows import POSTED, posted_from
from db.models import entries, postings
from db.money_rows import receipt_of
from db.money_tables import receipts

AT_ONCE = 500  # entries


def balance_before(reader: Connection, office_id: str, number: int) -> int:
    """What the office's accounts held together before an entry, in micro-units, by its postings."""
    source, target = postings.c.source, postings.c.target
    change = case((target.in_(OFFICE_ACCOUNTS), postings.c.micros), else_=0) - case(
        (source.in_(OFFICE_ACCOUNTS), postings.c.micros), else_=0
    )
    query = select(func.sum(change)).where(
        postings.c.office_id == office_id, postings.c.entry_number < number
    )
    return int(reader.scalar(query) or 0)


def entries_of(reader: Connection, office_id: str, numbers: range) -> Iterator[PostedEntry]:
    """In the order of posting; some hundreds are in memory."""
    for first in range(numbers.start, numbers.stop, AT_ONCE):
        page = POSTED.where(
            entries.c.office_id == office_id,
            entries.c.number >= first,
            entries.c.number < min(first + AT_ONCE, numbers.stop),
        )
        yield from posted_from(reader.execute(page))


def receipts_between(
    reader: Connection, office_id: str, since: datetime, until: datetime
) -> Sequence[Receipt]:
    """Receipts and notes by number; `until` no longer belongs to it."""
    query = (
        select(receipts)
        .where(
            receipts.c.office_id == office_id,
            receipts.c.issued_at >= since,
            receipts.c.issued_at < until,
        )
        .order_by(receipts.c.number)
    )
    return [receipt_of(row) for row in reader.execute(query)]
