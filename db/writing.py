"""Transactions of their own, for what is no entry of the ledger."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from db.batches import unavailable
from db.engine import WRITER

Result = TypeVar("Result")


def write_to(engine: Engine, change: Callable[[Connection], Result]) -> Result:
    """Run a change in a transaction of its own; never in an event loop.

    Raises:
        ChargingUnavailable: the database is away. Nothing is known to be changed.
    """
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            return change(writer)
    except DBAPIError as error:
        raise unavailable(error) from error
