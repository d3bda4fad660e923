"""The inbox of what card processors tell: charging.card_processor.EventInbox, durable."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from charging.card_processor import ProcessorEvent
from db.ledger import read_from
from db.money_tables import processor_events
from db.writing import write_to

ASKED_AT_ONCE: Final = 500  # names in one statement


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """One that waits to be handled."""

    source: str
    event_id: str
    kind: str
    body: str
    tries: int


class SqlInbox:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def keep(self, source: str, event: ProcessorEvent) -> bool:
        """Durably; false: it is there already.

        Raises:
            ChargingUnavailable: the database is away.
        """
        now = datetime.now(UTC)
        row = {
            "source": source,
            "event_id": event.event_id,
            "kind": event.kind[:80],
            "happened_at": event.at,
            "received_at": now,
            "due_at": min(now, event.at),
            "body": event.body,
        }

        def insert(writer: Connection) -> bool:
            statement = _insert_into(writer).values(**row).on_conflict_do_nothing()
            kept = writer.execute(statement.returning(processor_events.c.event_id))
            return kept.first() is not None  # PostgreSQL's driver does not count such rows

        return await asyncio.to_thread(write_to, self._engine, insert)

    async def missing(self, source: str, event_ids: Sequence[str]) -> frozenset[str]:
        """Which of them are not there; read alone, so that nobody waits for it.

        Raises:
            ChargingUnavailable: the database is away.
        """

        def read(reader: Connection) -> frozenset[str]:
            known: set[str] = set()
            for first in range(0, len(event_ids), ASKED_AT_ONCE):
                query = select(processor_events.c.event_id).where(
                    processor_events.c.source == source,
                    processor_events.c.event_id.in_(event_ids[first : first + ASKED_AT_ONCE]),
                )
                known.update(reader.scalars(query))
            return frozenset(event_ids) - known

        return await asyncio.to_thread(read_from, self._engine, read)

    async def due(self, now: datetime, limit: int) -> Sequence[KeptEvent]:
        query = (
            select(processor_events)
            .where(processor_events.c.due_at <= now)
            .order_by(processor_events.c.due_at, processor_events.c.event_id)
            .limit(limit)
        )

        def read(reader: Connection) -> list[KeptEvent]:
            return [
                KeptEvent(row.source, row.event_id, row.kind, row.body, row.tries)
                for row in reader.execute(query)
            ]

        return await asyncio.to_thread(read_from, self._engine, read)

    async def finish_all(self, events: Sequence[KeptEvent]) -> None:
        """They are handled, each without a problem; in one transaction."""
        names = [(event.source, event.event_id) for event in events]
        statement = (
            update(processor_events)
            .where(tuple_(processor_events.c.source, processor_events.c.event_id).in_(names))
            .values(due_at=None, problem="")
        )
        if names:
            await asyncio.to_thread(
                write_to, self._engine, lambda writer: writer.execute(statement).rowcount
            )

    async def finish(self, event: KeptEvent, *, problem: str = "") -> None:
        """It is handled; a problem that stays is for the operator to read."""
        await self._set(event, due_at=None, problem=problem)

    async def postpone(self, event: KeptEvent, until: datetime, *, problem: str) -> None:
        await self._set(event, due_at=until, problem=problem, tries=event.tries + 1)

    async def _set(self, event: KeptEvent, **values: Any) -> None:
        statement = (
            update(processor_events)
            .where(
                processor_events.c.source == event.source,
                processor_events.c.event_id == event.event_id,
            )
            .values(**values)
        )
        await asyncio.to_thread(
            write_to, self._engine, lambda writer: writer.execute(statement).rowcount
        )


def events_with_problems(reader: Connection) -> Sequence[tuple[str, str, str]]:
    """Source, event and what is the matter, of what could not be handled."""
    query = select(
        processor_events.c.source, processor_events.c.event_id, processor_events.c.problem
    ).where(processor_events.c.problem != "")
    return [(row.source, row.event_id, row.problem) for row in reader.execute(query)]


def unhandled_before(reader: Connection, moment: datetime) -> int:
    """How many events have waited since then."""
    query = (
        select(func.count())
        .select_from(processor_events)
        .where(processor_events.c.due_at <= moment, processor_events.c.received_at <= moment)
    )
    return reader.scalar(query) or 0


def _insert_into(connection: Connection) -> Any:
    on_sqlite = connection.dialect.name == "sqlite"
    return sqlite_insert(processor_events) if on_sqlite else postgresql_insert(processor_events)
