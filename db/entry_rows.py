"""Entries and their postings as rows, and rows as posted entries."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from charging.entries import (
    BalancesAfter,
    EntryKey,
    EntryKind,
    LedgerEntry,
    PostedEntry,
    Posting,
    account_of,
    name_of,
)
from charging.money import Money
from db.bulk import Insert, Values
from db.models import entries, postings

# An entry's own columns on each row of its postings, in the order of posting.
POSTED = (
    select(
        entries,
        postings.c.source,
        postings.c.target,
        postings.c.micros,
        postings.c.currency,
        postings.c.source_after_micros,
        postings.c.target_after_micros,
    )
    .join(
        postings,
        and_(
            postings.c.office_id == entries.c.office_id,
            postings.c.entry_number == entries.c.number,
        ),
    )
    .order_by(entries.c.office_id, entries.c.number, postings.c.line)
)


# Entries of calls, which are nearly all, have no reason, no payment, and reverse nothing.
_OF_CALLS = ("office_id", "number", "key", "kind", "actor", "posted_at", "call_id")
_OF_OTHERS = ("office_id", "number", "key", "kind", "actor", "posted_at")
_INSERT_OF_CALLS = Insert(entries, *_OF_CALLS)
_INSERT_OTHERS = Insert(entries, *_OF_OTHERS, "reason", "payment_id", "reverses")
_INSERT_POSTINGS = Insert(
    postings,
    *("office_id", "entry_number", "line", "source", "target", "micros", "currency"),
    *("source_after_micros", "target_after_micros"),
)


def insert_entries(connection: Connection, posted: Sequence[PostedEntry]) -> None:
    """Write entries in their order, then their postings."""
    for of_call, group in groupby(posted, key=lambda each: each.entry.call_id is not None):
        insertion = _INSERT_OF_CALLS if of_call else _INSERT_OTHERS
        insertion.run(connection, [_entry_row(each, of_call=of_call) for each in group])
    _INSERT_POSTINGS.run(connection, [*_posting_rows(posted)])


def _entry_row(posted: PostedEntry, *, of_call: bool) -> Values:
    entry = posted.entry
    first = (
        *(entry.office_id, posted.number, entry.key, entry.kind.value),
        *(entry.actor, posted.posted_at),
    )
    if of_call:
        return (*first, entry.call_id)
    return (*first, entry.reason, entry.payment_id, entry.reverses)


def _posting_rows(posted: Iterable[PostedEntry]) -> Iterator[Values]:
    for each in posted:
        office_id = each.entry.office_id
        pairs = zip(each.entry.postings, each.balances_after, strict=True)
        for line, (posting, (source_after, target_after)) in enumerate(pairs):
            yield (
                *(office_id, each.number, line),
                *(name_of(posting.source, office_id), name_of(posting.target, office_id)),
                *(posting.amount.micros, posting.amount.currency),
                None if source_after is None else source_after.micros,
                None if target_after is None else target_after.micros,
            )


def posted_from(rows: Iterable[Row[Any]]) -> list[PostedEntry]:
    """Gather rows of POSTED into entries."""
    by_entry = groupby(rows, key=lambda row: (row.office_id, row.number))
    return [_posted(list(of_entry)) for _, of_entry in by_entry]


def _posted(rows: Sequence[Row[Any]]) -> PostedEntry:
    first = rows[0]
    return PostedEntry(
        entry=LedgerEntry(
            key=EntryKey(first.key),
            kind=EntryKind(first.kind),
            office_id=first.office_id,
            actor=first.actor,
            postings=tuple(
                Posting(
                    source=account_of(row.source, first.office_id),
                    target=account_of(row.target, first.office_id),
                    amount=Money(row.micros, row.currency),
                )
                for row in rows
            ),
            at=first.posted_at,
            call_id=first.call_id,
            payment_id=first.payment_id,
            reverses=None if first.reverses is None else EntryKey(first.reverses),
            reason=first.reason,
        ),
        number=first.number,
        posted_at=first.posted_at,
        balances_after=tuple(
            BalancesAfter(
                source=_money(row.source_after_micros, row.currency),
                target=_money(row.target_after_micros, row.currency),
            )
            for row in rows
        ),
    )


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money(micros, currency)
