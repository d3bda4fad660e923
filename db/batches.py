"""Carry out a batch of commands in one transaction."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from charging.errors import ChargingUnavailable, ConstraintBroken
from charging.ledger import Command
from db.book_store import BalanceChanged, BookStore

Outcome = Any  # a command's result, or the error it ends with

ATTEMPTS = 3  # of a command that collided with another process, alone


class BatchRunner:
    """One connection, used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = BookStore(engine.dialect)
        self._writer: PoolProxiedConnection | None = None
        driver: Any = engine.dialect.loaded_dbapi
        # What may be the matter with one command of a batch; the others must not suffer for it.
        self._of_one: tuple[type[Exception], ...] = (
            *(driver.IntegrityError, driver.DataError, OverflowError, BalanceChanged),
        )
        self._of_database: tuple[type[Exception], ...] = (driver.Error, DBAPIError)

    def close(self) -> None:
        """Give the connection back."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def run(self, commands: Sequence[Command[Any]]) -> Sequence[Outcome]:
        """One transaction for all; where they collide with another process, one for each."""
        try:
            return self._on_a_live_connection(commands)
        except self._of_one:
            return [self._alone(command) for command in commands]
        except self._of_database as error:
            return [unavailable(error)] * len(commands)

    def _on_a_live_connection(self, commands: Sequence[Command[Any]]) -> list[Outcome]:
        """Where the connection was lost, try once more on a new one: repeating is always safe."""
        kept = None if self._writer is None else self._writer.dbapi_connection
        try:
            return self._in_one_transaction(commands)
        except self._of_database as error:
            if not self._is_lost(kept, error):
                raise
            return self._in_one_transaction(commands)

    def _is_lost(self, connection: Any, error: Any) -> bool:
        if connection is None:  # it was a new one
            return False
        return self._engine.dialect.is_disconnect(error, connection, None)

    def _alone(self, command: Command[Any]) -> Outcome:
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._in_one_transaction([command])[0]
            except self._of_one as error:
                problem = error
            except self._of_database as error:
                return unavailable(error)
        return ConstraintBroken(str(problem))

    def _in_one_transaction(self, commands: Sequence[Command[Any]]) -> list[Outcome]:
        try:
            writer = self._open_writer()
            cursor = writer.cursor()
            if self._engine.dialect.name == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")  # the write lock at once, not at the first write
            books = self._store.load(cursor, commands)
            outcomes = [_outcome(books.carry_out, command) for command in commands]
            self._store.write(cursor, books)
            cursor.close()
            self._engine.dialect.do_commit(writer)
        except BaseException:
            self._drop_writer()  # and with it everything that is not committed
            raise
        return outcomes

    def _open_writer(self) -> PoolProxiedConnection:
        """Keep one connection: taking it from the pool anew costs as much as a small batch."""
        if self._writer is None:
            self._writer = self._engine.raw_connection()
        return self._writer

    def _drop_writer(self) -> None:
        """Close it for good: a connection that failed in a transaction is not worth keeping."""
        if self._writer is None:
            return
        with suppress(*self._of_database):  # a lost one cannot roll back, and need not
            self._writer.rollback()
        self._writer.invalidate()
        self._writer = None


def _outcome(carry_out: Callable[[Command[Any]], Any], command: Command[Any]) -> Outcome:
    """Whatever is wrong with a command is told to its sender, and to nobody else in the batch."""
    try:
        return carry_out(command)
    except Exception as error:  # noqa: BLE001 - deciding leaves no trace, so the batch can go on
        return error


def unavailable(error: Exception) -> ChargingUnavailable:
    return ChargingUnavailable(str(error.orig if isinstance(error, DBAPIError) else error))
