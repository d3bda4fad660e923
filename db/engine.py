"""Connections. SQLite by default, PostgreSQL where there is more than one machine.

Engines are synchronous and used from threads of their own: driving SQLite through asyncio costs
three times the processor time per command (docs/adr/0002-double-entry-ledger.md).
"""

import contextlib
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

LOCK_TIMEOUT_S = 5  # how long a transaction waits for another one
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30

# A writer takes SQLite's one write lock at once, instead of failing when it first writes.
WRITER: dict[str, Any] = {"sqlite_begin": "BEGIN IMMEDIATE"}


class DatabaseUrlError(Exception):
    """The database's address cannot be used; the message says why."""


def open_engine(url: str) -> Engine:
    """Open `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; nothing connects yet.

    Raises:
        DatabaseUrlError: neither of the two.
    """
    try:
        address = make_url(url)
    except ArgumentError as error:
        # It is not repeated: it may hold a password.
        raise DatabaseUrlError("[database] url is not the address of a database") from error
    match address.get_backend_name():
        case "sqlite":
            return _open_sqlite(address)
        case "postgresql":
            return _open_postgresql(address)
        case name:
            raise DatabaseUrlError(f"{name} is neither sqlite nor postgresql")


def _open_sqlite(address: URL) -> Engine:
    if not address.database or address.database == ":memory:":
        raise DatabaseUrlError("the ledger needs a file: sqlite:///FILE")
    with contextlib.suppress(OSError):  # SQLite says what is wrong as soon as it connects
        Path(address.database).parent.mkdir(mode=0o700, exist_ok=True)
    engine = create_engine(
        address.set(drivername="sqlite"), connect_args={"timeout": LOCK_TIMEOUT_S}
    )
    event.listen(engine, "connect", _make_sqlite_durable)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_sqlite_durable(connection: Any, record: Any) -> None:
    """FULL syncs every commit; NORMAL could lose acknowledged ones when the power fails."""
    del record
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    connection.exec_driver_sql(statement)


def _open_postgresql(address: URL) -> Engine:
    options = (
        f"-c lock_timeout={LOCK_TIMEOUT_S}s -c statement_timeout={STATEMENT_TIMEOUT_S}s"
        " -c synchronous_commit=on -c timezone=UTC"
    )
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        # Locks taken FOR UPDATE must see what was committed while they waited.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a server that was restarted has forgotten the pool's connections
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": options,
            "tcp_user_timeout": STATEMENT_TIMEOUT_S * 1000,  # a host that vanished is noticed
        },
    )
