"""The outbox: notices that wait to be sent, and to whom."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from charging.changes import Change
from charging.notices import Notice, NoticeKind
from db.audit_trail import record
from db.money_tables import notice_addresses, notices


@dataclass(frozen=True, slots=True)
class WaitingNotice:
    notice_id: int
    notice: Notice
    tries: int


@dataclass(frozen=True, slots=True)
class SentNotice:
    """For people to see what was told, and whether it could be."""

    notice: Notice
    sent_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class NoticeAddress:
    address: str
    language: str


def due_notices(reader: Connection, now: datetime, limit: int) -> Sequence[WaitingNotice]:
    query = select(notices).where(notices.c.due_at <= now).order_by(notices.c.id).limit(limit)
    return [WaitingNotice(row.id, _notice_of(row), row.tries) for row in reader.execute(query)]


def last_notices(reader: Connection, office_id: str, limit: int) -> Sequence[SentNotice]:
    """The newest first."""
    query = (
        select(notices)
        .where(notices.c.office_id == office_id)
        .order_by(notices.c.id.desc())
        .limit(limit)
    )
    return [SentNotice(_notice_of(row), row.sent_at, row.problem) for row in reader.execute(query)]


def note_sent(writer: Connection, notice_id: int, at: datetime) -> None:
    writer.execute(
        update(notices).where(notices.c.id == notice_id).values(due_at=None, sent_at=at, problem="")
    )


def note_not_sent(
    writer: Connection, waiting: WaitingNotice, *, again_at: datetime | None, problem: str
) -> None:
    """`again_at` None: it is given up."""
    writer.execute(
        update(notices)
        .where(notices.c.id == waiting.notice_id)
        .values(due_at=again_at, tries=waiting.tries + 1, problem=problem)
    )


def addresses_of(reader: Connection, office_id: str) -> Sequence[NoticeAddress]:
    query = (
        select(notice_addresses)
        .where(notice_addresses.c.office_id == office_id)
        .order_by(notice_addresses.c.address)
    )
    return [NoticeAddress(row.address, row.language) for row in reader.execute(query)]


def add_address(
    writer: Connection, office_id: str, address: NoticeAddress, *, by: str, at: datetime
) -> None:
    """Add an address, or change its language. Take one that `require_mail_address` returned."""
    on_sqlite = writer.dialect.name == "sqlite"
    insert: Any = sqlite_insert if on_sqlite else postgresql_insert
    row = insert(notice_addresses).values(
        office_id=office_id,
        address=address.address,
        language=address.language,
        added_by=by,
        added_at=at,
    )
    writer.execute(
        row.on_conflict_do_update(
            index_elements=["office_id", "address"], set_={"language": row.excluded.language}
        )
    )
    record(
        writer,
        Change(
            office_id=office_id,
            at=at,
            actor=by,
            action="notice.address_add",
            subject=address.address,
            after=address.language,
        ),
    )


def remove_address(
    writer: Connection, office_id: str, address: str, *, by: str, at: datetime
) -> bool:
    """Whether it was there."""
    removed = writer.execute(
        delete(notice_addresses).where(
            notice_addresses.c.office_id == office_id, notice_addresses.c.address == address
        )
    ).rowcount
    if removed:
        record(
            writer,
            Change(
                office_id=office_id,
                at=at,
                actor=by,
                action="notice.address_remove",
                subject=address,
            ),
        )
    return bool(removed)


def waiting_since(reader: Connection, moment: datetime) -> Sequence[SentNotice]:
    """What should have been sent by then."""
    query = select(notices).where(notices.c.due_at.is_not(None), notices.c.created_at <= moment)
    return [
        SentNotice(_notice_of(row), row.sent_at, row.problem)
        for row in reader.execute(query.order_by(notices.c.id).limit(100))
    ]


def _notice_of(row: Any) -> Notice:
    facts: Mapping[str, str | int] = json.loads(row.facts)
    return Notice(
        key=row.key,
        office_id=row.office_id,
        kind=NoticeKind(row.kind),
        at=row.created_at,
        facts=facts,
    )
