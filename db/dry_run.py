"""Carry out a command and write nothing: what would happen."""

from typing import TypeVar

from sqlalchemy import Connection, Engine

from charging.ledger import Command
from db.book_store import load_books
from db.ledger import read_from

Result = TypeVar("Result")


def try_out(engine: Engine, command: Command[Result]) -> Result:
    """The result the command would have now.

    Raises:
        Refusal, LedgerFault: what the command would raise.
        ChargingUnavailable: the database is away.
    """

    def query(reader: Connection) -> Result:
        return load_books(reader, [command]).carry_out(command)

    return read_from(engine, query)
