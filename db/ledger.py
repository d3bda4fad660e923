"""The ledger on SQLite or PostgreSQL: charging.ports.Ledger."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from charging.ledger import Balances, CallRecord, LedgerCommand, MoneyNews
from charging.money import Money
from db.batches import BatchRunner, unavailable
from db.call_rows import call_of
from db.group_commit import Committed, GroupCommit, tell_nobody
from db.models import balances, calls
from db.money_news import money_news

Result = TypeVar("Result")

READERS = 2  # threads; SQLite's readers do not wait for its writer


class SqlLedger:
    """One per process. Reads and writes run in threads of their own, never in the event loop."""

    def __init__(self, engine: Engine, *, committed: Committed = tell_nobody) -> None:
        """`committed` is told of each batch of commands: how many, and how long it took."""
        self._engine = engine
        self._batches = BatchRunner(engine)
        self._commit = GroupCommit(self._batches.run, committed=committed)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-reader")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Carry out what is waiting, then let go of the database."""
        await self._commit.close()
        self._readers.shutdown()
        self._batches.close()
        self._engine.dispose()

    async def carry_out(self, command: LedgerCommand[Result]) -> Result:
        return await self._commit.carry_out(command)

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        query = (
            select(calls)
            .where(calls.c.asterisk == asterisk, calls.c.settled_at.is_(None))
            .order_by(calls.c.authorised_at)
        )
        return await self.read(lambda reader: [call_of(row) for row in reader.execute(query)])

    async def balances(self, office_id: str, currency: str) -> Balances:
        return await self.read(lambda reader: balances_of(reader, office_id, currency))

    async def money_news(self, office_id: str, currency: str, now: datetime) -> MoneyNews:
        return await self.read(lambda reader: money_news(reader, office_id, currency, now))

    async def last_call(self, office_id: str, endpoint: str) -> CallRecord | None:
        query = (
            select(calls)
            .where(
                calls.c.office_id == office_id,
                calls.c.endpoint == endpoint,
                calls.c.settled_at.is_not(None),
                calls.c.talk_s > 0,
            )
            # The day first: the index of an office's days is then walked from its end.
            .order_by(calls.c.spending_day.desc(), calls.c.authorised_at.desc())
            .limit(1)
        )
        row = await self.read(lambda reader: reader.execute(query).first())
        return None if row is None else call_of(row)

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run a query in a read transaction of its own.

        Raises:
            ChargingUnavailable: the database is away.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, read_from, self._engine, query)


def balances_of(reader: Connection, office_id: str, currency: str) -> Balances:
    """The balances of an office; zero if it never had money."""
    query = select(balances).where(balances.c.office_id == office_id)
    found = {row.account: Money(row.micros, row.currency) for row in reader.execute(query)}
    nothing = Money(0, currency)
    return Balances(
        available=found.get("available", nothing),
        reserved=found.get("reserved", nothing),
        owed=nothing - found.get("owed", nothing),
    )


def read_from(engine: Engine, query: Callable[[Connection], Result]) -> Result:
    """Run a query in a read transaction.

    Raises:
        ChargingUnavailable: the database is away.
    """
    try:
        with engine.connect() as reader, reader.begin():
            return query(reader)
    except DBAPIError as error:
        raise unavailable(error) from error


def read_one_moment(engine: Engine, query: Callable[[Connection], Result]) -> Result:
    """Several statements that see the same ledger, whoever posts meanwhile.

    Raises:
        ChargingUnavailable: the database is away.
    """
    on_postgresql = engine.dialect.name == "postgresql"  # SQLite's transactions are so anyway
    isolated = engine.execution_options(isolation_level="REPEATABLE READ")
    return read_from(isolated if on_postgresql else engine, query)
