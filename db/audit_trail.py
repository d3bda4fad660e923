"""Who changed what: one row, written in the transaction of the change itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from charging.changes import Change
from db.people_tables import audit_trail

__all__ = ["Change", "Recorded", "changes", "record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    number: int
    change: Change


def record(writer: Connection, change: Change) -> None:
    """Record a change inside the caller's transaction: both happen, or neither."""
    writer.execute(
        insert(audit_trail).values(
            office_id=change.office_id,
            changed_at=change.at,
            actor=change.actor,
            action=change.action,
            subject=change.subject,
            before=change.before,
            after=change.after,
            reason=change.reason,
            client_address=change.client_address,
        )
    )


def changes(
    reader: Connection, office_id: str, *, limit: int, before: int | None = None
) -> Sequence[Recorded]:
    """The newest first, below a cursor."""
    query = (
        select(audit_trail)
        .where(audit_trail.c.office_id == office_id)
        .order_by(audit_trail.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(audit_trail.c.id < before)
    return [
        Recorded(
            number=row.id,
            change=Change(
                office_id=row.office_id,
                at=row.changed_at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                before=row.before,
                after=row.after,
                reason=row.reason,
                client_address=row.client_address,
            ),
        )
        for row in reader.execute(query)
    ]
