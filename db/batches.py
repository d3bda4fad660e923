"""Carry out a batch of commands in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from charging.errors import ChargingUnavailable, ConstraintBroken
from charging.ledger import LedgerCommand
from db.engine import WRITER
from db.snapshot_store import BalanceChanged, load_snapshot, look_at_money_in, write_changes

Outcome = Any  # a command's result, or the error it ends with

ATTEMPTS = 3  # of a command that collided with another process, alone

# What may be the matter with one command of a batch; the others must not suffer for it.
_OF_ONE = (IntegrityError, DataError, OverflowError, BalanceChanged)


class BatchRunner:
    """One connection, used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer: Connection | None = None

    def close(self) -> None:
        self._drop_writer()

    def run(self, commands: Sequence[LedgerCommand[Any]]) -> Sequence[Outcome]:
        """One transaction for all; where they collide with another process, one for each."""
        try:
            return self._on_a_live_connection(commands)
        except _OF_ONE:
            return [self._alone(command) for command in commands]
        except DBAPIError as error:
            return [unavailable(error)] * len(commands)

    def _on_a_live_connection(self, commands: Sequence[LedgerCommand[Any]]) -> list[Outcome]:
        """Where the connection was lost, try once more on a new one: repeating is always safe."""
        try:
            return self._in_one_transaction(commands)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._in_one_transaction(commands)

    def _alone(self, command: LedgerCommand[Any]) -> Outcome:
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._in_one_transaction([command])[0]
            except _OF_ONE as error:
                problem = error
            except DBAPIError as error:
                return unavailable(error)
        return ConstraintBroken(str(problem))

    def _in_one_transaction(self, commands: Sequence[LedgerCommand[Any]]) -> list[Outcome]:
        try:
            writer = self._open_writer()
            with writer.begin():
                snapshot = load_snapshot(writer, commands)
                outcomes = [_outcome(snapshot.carry_out, command) for command in commands]
                look_at_money_in(writer, snapshot)
                write_changes(writer, snapshot)
        except (DBAPIError, *_OF_ONE):
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


def _outcome(
    carry_out: Callable[[LedgerCommand[Any]], Any], command: LedgerCommand[Any]
) -> Outcome:
    """Whatever is wrong with a command is told to its sender, and to nobody else in the batch."""
    try:
        return carry_out(command)
    except Exception as error:  # noqa: BLE001 - deciding leaves no trace, so the batch can go on
        return error


def unavailable(error: DBAPIError) -> ChargingUnavailable:
    return ChargingUnavailable(str(error.orig))
