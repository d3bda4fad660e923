"""Carry out a command and write nothing: what would happen."""

from typing import TypeVar

from sqlalchemy import Connection, Engine

from charging.ledger import LedgerCommand
from db.ledger import read_from
from db.snapshot_store import load_snapshot

Result = TypeVar("Result")


def try_out(engine: Engine, command: LedgerCommand[Result]) -> Result:
    """The result the command would have now.

    Raises:
        Refusal, LedgerFault: what the command would raise.
        ChargingUnavailable: the database is away.
    """

    def query(reader: Connection) -> Result:
        return load_snapshot(reader, [command]).carry_out(command)

    return read_from(engine, query)
