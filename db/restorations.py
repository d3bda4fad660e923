"""When a ledger was restored from a backup: what happened since the backup is asked for again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    String,
    Table,
    insert,
    select,
)

from db.models import ROW_ID, UtcDateTime, metadata

restorations = Table(
    "restorations",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("taken_at", UtcDateTime, nullable=False),  # the backup
    Column("restored_at", UtcDateTime, nullable=False),
    Column("actor", String(320), nullable=False),
    CheckConstraint("taken_at <= restored_at", name="backwards"),
    CheckConstraint("actor <> ''", name="somebody"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What happened between the two moments is not in the ledger."""

    taken_at: datetime
    restored_at: datetime
    actor: str


def write_down(writer: Connection, restoration: Restoration) -> None:
    writer.execute(
        insert(restorations).values(
            taken_at=restoration.taken_at,
            restored_at=restoration.restored_at,
            actor=restoration.actor,
        )
    )


def restorations_since(reader: Connection, moment: datetime) -> Sequence[Restoration]:
    """Those of later, the oldest backup first."""
    query = (
        select(restorations)
        .where(restorations.c.restored_at >= moment)
        .order_by(restorations.c.taken_at)
    )
    return [
        Restoration(taken_at=row.taken_at, restored_at=row.restored_at, actor=row.actor)
        for row in reader.execute(query)
    ]
