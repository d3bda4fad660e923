"""The ledger on SQLite or PostgreSQL: charging.ports.Ledger."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from charging.errors import ChargingError, ChargingUnavailable, ConstraintBroken
from charging.ledger import Balances, CallRecord, Command, available, reserved
from charging.money import Money
from db.book_store import BalanceChanged, load_books, write_changes
from db.call_rows import call_of
from db.engine import WRITER
from db.group_commit import GroupCommit, Outcome
from db.models import balances, calls

Result = TypeVar("Result")

ATTEMPTS = 3  # of a command that collided with another process, alone
READERS = 2  # threads; SQLite's readers do not wait for its writer


class SqlLedger:
    """One per process. Reads and writes run in threads of their own, never in the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer: Connection | None = None
        self._commit = GroupCommit(self._run_batch)
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
        self._drop_writer()
        self._engine.dispose()

    async def carry_out(self, command: Command[Result]) -> Result:
        return await self._commit.carry_out(command)

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        query = (
            select(calls)
            .where(calls.c.asterisk == asterisk, calls.c.settled_at.is_(None))
            .order_by(calls.c.authorised_at)
        )
        return await self.read(lambda reader: [call_of(row) for row in reader.execute(query)])

    async def balances(self, office_id: str, currency: str) -> Balances:
        accounts = (available(office_id), reserved(office_id))
        query = select(balances).where(balances.c.account.in_(accounts))
        rows = await self.read(lambda reader: reader.execute(query).all())
        found = {row.account: Money(row.micros, row.currency) for row in rows}
        nothing = Money(0, currency)
        return Balances(
            available=found.get(accounts[0], nothing), reserved=found.get(accounts[1], nothing)
        )

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

    def _run_batch(self, commands: Sequence[Command[Any]]) -> Sequence[Outcome]:
        """One transaction for all; where they collide with another process, one for each."""
        try:
            return self._in_one_transaction(commands)
        except (IntegrityError, DataError, BalanceChanged):
            return [self._alone(command) for command in commands]
        except DBAPIError as error:
            return [_unavailable(error)] * len(commands)

    def _alone(self, command: Command[Any]) -> Outcome:
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._in_one_transaction([command])[0]
            except (IntegrityError, DataError, BalanceChanged) as error:
                problem = error
            except DBAPIError as error:
                return _unavailable(error)
        return ConstraintBroken(str(problem))

    def _in_one_transaction(self, commands: Sequence[Command[Any]]) -> list[Outcome]:
        try:
            writer = self._open_writer()
            with writer.begin():
                books = load_books(writer, commands)
                outcomes = [_outcome(books.carry_out, command) for command in commands]
                write_changes(writer, books)
        except (DBAPIError, BalanceChanged):
            self._drop_writer()
            raise
        return outcomes

    def _open_writer(self) -> Connection:
        """Keep one connection: taking it from the pool anew costs as much as a small batch."""
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(**WRITER)
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_from(engine: Engine, query: Callable[[Connection], Result]) -> Result:
    """Run a query in a read transaction.

    Raises:
        ChargingUnavailable: the database is away.
    """
    try:
        with engine.connect() as reader, reader.begin():
            return query(reader)
    except DBAPIError as error:
        raise _unavailable(error) from error


def _outcome(carry_out: Callable[[Command[Any]], Any], command: Command[Any]) -> Outcome:
    """A refused command says so to whoever sent it, and to nobody else."""
    try:
        return carry_out(command)
    except ChargingError as error:
        return error


def _unavailable(error: DBAPIError) -> ChargingUnavailable:
    return ChargingUnavailable(str(error.orig))
