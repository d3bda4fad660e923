"""Calls one at a time: those under way now, and everything that is known of one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from charging.entries import PostedEntry
from charging.ledger import CallRecord
from charging.unpaid_calls import UnpaidCall
from db.call_rows import call_of
from db.call_tables import unpaid_calls
from db.entry_rows import POSTED, posted_from
from db.models import calls, entries
from db.unpaid_calls import unpaid_call_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCallLife:
    """A paid call with every entry it made, in their order."""

    call: CallRecord
    entries: Sequence[PostedEntry]


def live_calls(reader: Connection, office_id: str) -> Sequence[CallRecord]:
    """The paid calls of an office that are under way, the oldest first."""
    query = (
        select(calls)
        .where(calls.c.office_id == office_id, calls.c.settled_at.is_(None))
        .order_by(calls.c.authorised_at)
    )
    return [call_of(row) for row in reader.execute(query)]


def find_call(
    reader: Connection, *, office_id: str, call_id: str
) -> PaidCallLife | UnpaidCall | None:
    """A call of an office; None: it has no such call."""
    row = reader.execute(
        select(calls).where(calls.c.call_id == call_id, calls.c.office_id == office_id)
    ).first()
    if row is not None:
        return PaidCallLife(call=call_of(row), entries=_entries_of(reader, call_id))
    unpaid = reader.execute(
        select(unpaid_calls).where(
            unpaid_calls.c.call_id == call_id, unpaid_calls.c.office_id == office_id
        )
    ).first()
    return None if unpaid is None else unpaid_call_of(unpaid)


def _entries_of(reader: Connection, call_id: str) -> Sequence[PostedEntry]:
    """By the name space of its keys; ";" comes after ":"."""
    its_keys = (entries.c.key > f"call:{call_id}:", entries.c.key < f"call:{call_id};")
    return posted_from(reader.execute(POSTED.where(*its_keys)).all())
