"""Leases: who works at something, so that several workers may run and none does it twice.

What a lease guards is safe to do twice all the same: whoever is stopped for longer than its lease
may wake up and go on beside the next.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, or_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from db.money_tables import leases


def acquire(writer: Connection, name: str, *, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Take a lease, or prolong it; false: another has it."""
    on_sqlite = writer.dialect.name == "sqlite"
    insert: Any = sqlite_insert if on_sqlite else postgresql_insert
    taken = insert(leases).values(name=name, holder=holder, until=now + lasts)
    statement = taken.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": taken.excluded.holder, "until": taken.excluded.until},
        where=or_(leases.c.until <= now, leases.c.holder == holder),
    )
    # Not `rowcount`, which PostgreSQL's driver does not know of such a statement.
    return writer.execute(statement.returning(leases.c.name)).first() is not None


def release(writer: Connection, name: str, *, holder: str) -> None:
    writer.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
