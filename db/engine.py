"""Connections. SQLite by default, PostgreSQL where there is more than one machine.

Engines are synchronous and used from threads of their own: driving SQLite through asyncio costs
three times the processor time per command (docs/adr/0002-double-entry-ledger.md).
"""

import contextlib
import os
import select
import sqlite3
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

LOCK_TIMEOUT_S = 5  # how long a transaction waits for another one
LOOK_EVERY_MS = 2  # whether the other one is over, on SQLite
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30
_PRIMARY_CODE = 0xFF  # of SQLite's error codes; what stands above it says more precisely why

LEDGER_MODE = 0o600  # who may read it knows whom the office calls; who may write it has money

# A writer takes SQLite's one write lock at once, instead of failing when it first writes.
WRITER: dict[str, Any] = {"sqlite_begin": "BEGIN IMMEDIATE"}


class DatabaseUrlError(Exception):
    """The database's address cannot be used; the message says why."""


def open_engine(url: str) -> Engine:
    """Open `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; nothing connects yet.

    A file that is not there is made when something first connects, for its owner alone.

    Raises:
        DatabaseUrlError: neither of the two.
    """
    return _open(url, reads_only=False)


def open_reader(url: str) -> Engine:
    """The same for what only reads: nothing is made, and no transaction can change anything.

    Raises:
        DatabaseUrlError: as open_engine.
    """
    return _open(url, reads_only=True)


def file_of(url: str) -> Path | None:
    """Where the ledger is, if it is a file."""
    try:
        address = make_url(url)
    except ArgumentError:
        return None
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    return Path(address.database)


def shown(url: str) -> str:
    """What may be told of it: its file, or its address without the password."""
    file = file_of(url)
    return make_url(url).render_as_string(hide_password=True) if file is None else str(file)


def _open(url: str, *, reads_only: bool) -> Engine:
    try:
        address = make_url(url)
    except ArgumentError as error:
        # It is not repeated: it may hold a password.
        raise DatabaseUrlError("[database] url is not the address of a database") from error
    match address.get_backend_name():
        case "sqlite":
            return _open_sqlite(address, reads_only=reads_only)
        case "postgresql":
            return _open_postgresql(address, reads_only=reads_only)
        case name:
            raise DatabaseUrlError(f"{name} is neither sqlite nor postgresql")


def _open_sqlite(address: URL, *, reads_only: bool) -> Engine:
    if not address.database or address.database == ":memory:":
        raise DatabaseUrlError("the ledger needs a file: sqlite:///FILE")
    file = Path(address.database)

    def connect() -> sqlite3.Connection:
        if not reads_only:
            _make_file(file)
        return sqlite3.connect(
            f"file:{quote(str(file))}?mode=rw",  # never made by SQLite, readable by everybody
            uri=True,
            timeout=LOCK_TIMEOUT_S,
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )

    engine = create_engine(address.set(drivername="sqlite"), creator=connect)
    event.listen(engine, "connect", _forbid_writing if reads_only else _make_sqlite_durable)
    begin = _begin_reading if reads_only else partial(_begin_sqlite, threading.Lock())
    event.listen(engine, "begin", begin)
    return engine


def _make_file(file: Path) -> None:
    with contextlib.suppress(OSError):  # SQLite says what is wrong as soon as it connects
        file.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, LEDGER_MODE))


def _forbid_writing(connection: Any, record: Any) -> None:
    del record
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _make_sqlite_durable(connection: Any, record: Any) -> None:
    """FULL syncs every commit; NORMAL could lose acknowledged ones when the power fails."""
    del record
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(turn: threading.Lock, connection: Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement == "BEGIN":
        connection.exec_driver_sql(statement)
    else:
        _begin_in_turn(connection, statement, turn)


def _begin_in_turn(connection: Connection, statement: str, turn: threading.Lock) -> None:
    """SQLite's own way to wait sleeps up to 0.1 s between two looks.

    Who writes without pause is back before that, again and again: a call's debit waited for
    seconds beside a worker with much to do (`make bench PART=turns`).

    Of an engine's threads only the first looks. Where all did, whoever looked at the right moment
    went first, and with slow commits some waited longer than LOCK_TIMEOUT_S.
    """
    driver: Any = connection.connection.dbapi_connection
    until_s = time.monotonic() + LOCK_TIMEOUT_S
    is_ours = turn.acquire(timeout=LOCK_TIMEOUT_S)
    try:
        driver.execute("PRAGMA busy_timeout = 0")
        while is_locked(driver, statement) and time.monotonic() < until_s:
            _wait_a_moment()
        if not driver.in_transaction:
            connection.exec_driver_sql(statement)  # what is wrong is told as SQLAlchemy tells it
    finally:
        if is_ours:
            turn.release()
        driver.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_S * 1000}")


def _wait_a_moment() -> None:
    """SQLite tells nobody that a transaction is over.

    `time.sleep` names the moment when it is to be woken. libfaketime, by which a program is given
    a clock of its own, refuses that on a clock that it was told to leave alone. This says how long.
    """
    select.select([], [], [], LOOK_EVERY_MS / 1000)


def is_locked(driver: sqlite3.Connection, statement: str) -> bool:
    """Whether another one writes, or recovers what a crash left.

    If not, the transaction has begun; or something else is wrong, which beginning again tells.
    """
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
    return False


def _open_postgresql(address: URL, *, reads_only: bool) -> Engine:
    options = (
        f"-c lock_timeout={LOCK_TIMEOUT_S}s -c statement_timeout={STATEMENT_TIMEOUT_S}s"
        " -c synchronous_commit=on -c timezone=UTC"
        f" -c default_transaction_read_only={'on' if reads_only else 'off'}"
    )
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        # Locks taken FOR UPDATE must see what was committed while they waited.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a server that was restarted has forgotten the pool's connections
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": options,
            "fallback_application_name": "tollgate",  # for whoever asks who is connected
            "tcp_user_timeout": STATEMENT_TIMEOUT_S * 1000,  # a host that vanished is noticed
        },
    )
