"""The database as the portal uses it: short transactions in threads, never in the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from db.batches import unavailable
from db.engine import WRITER
from db.ledger import read_one_moment

Result = TypeVar("Result")

THREADS = 8  # more requests than these wait; calls have threads and a process of their own


class Store:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="portal")

    def close(self) -> None:
        self._threads.shutdown()

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run a query in a read transaction of its own, which sees one moment.

        Raises:
            ChargingUnavailable: the database is away.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, read_one_moment, self._engine, query)

    async def call(self, use: Callable[[Engine], Result]) -> Result:
        """For what makes its own transactions; in a thread as everything here."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, use, self._engine)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run a change in a transaction of its own: all of it happens, or nothing.

        Raises:
            ChargingUnavailable: the database is away.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._write, change)

    def _write(self, change: Callable[[Connection], Result]) -> Result:
        try:
            with self._engine.connect().execution_options(**WRITER) as writer, writer.begin():
                return change(writer)
        except DBAPIError as error:
            raise unavailable(error) from error
