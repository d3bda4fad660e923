"""PostgreSQL's own pg_dump and pg_restore, found on PATH; no password stands in a command."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from backups.archive import MODE
from backups.errors import BackupError
from backups.marks import Examined, examine
from db.engine import open_reader

TIME_LIMIT_S: Final = 6 * 60 * 60
LEAVING_S: Final = 5.0  # as long as PostgreSQL's own DROP DATABASE waits for them
LOOK_EVERY_S: Final = 0.1
SAID_MAX: Final = 300  # characters of what a program complains of
_SCHEMA: Final = "public"


def dump_ledger(url: str, target: Path) -> Examined:
    """Dump what one snapshot of the database holds, and examine the same snapshot.

    Raises:
        BackupError: pg_dump is not there, too old, or fails; or the database is away.
    """
    program = _program("pg_dump")
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))
    engine = open_reader(url)
    try:
        with (
            engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader,
            reader.begin(),
        ):
            reader.execute(text("SET LOCAL statement_timeout = 0"))  # a large ledger takes its time
            snapshot = reader.scalar(text("SELECT pg_export_snapshot()"))
            run(
                program,
                url,
                ["--format=custom", "--no-owner", "--no-privileges", f"--schema={_SCHEMA}"],
                [f"--snapshot={snapshot}", f"--file={target}"],
            )
            examined = examine(reader)
    except DBAPIError as error:
        raise BackupError(f"the ledger cannot be read: {_first_line(error)}") from error
    finally:
        engine.dispose()
    read_through(target)
    return examined


def read_through(dump: Path) -> None:
    """Have pg_restore read every byte, and write it nowhere.

    Raises:
        BackupError: it cannot.
    """
    _run([_program("pg_restore"), f"--file={os.devnull}", str(dump)], {})


def load_dump(url: str, dump: Path) -> None:
    """Make the tables from a dump, all or none, in a database that has none.

    Raises:
        BackupError: pg_restore is not there, or fails.
    """
    run(
        _program("pg_restore"),
        url,
        ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"],
        [str(dump)],
    )


def has_tables(engine: Engine) -> bool:
    query = text("SELECT count(*) FROM pg_tables WHERE schemaname = :schema")
    with _told_in_a_sentence(), engine.connect() as reader:
        return bool(reader.scalar(query, {"schema": _SCHEMA}))


def move_aside(engine: Engine, name: str) -> None:
    """What is there stays, under another schema.

    Raises:
        BackupError: somebody is connected to the database, or may not be moved.
    """
    with _told_in_a_sentence():
        if others := _others_connected(engine):
            raise BackupError(
                f"others are connected to the database ({', '.join(others)}):"
                " stop `tollgate serve` first"
            )
        with engine.begin() as writer:
            writer.execute(text(f'ALTER SCHEMA {_SCHEMA} RENAME TO "{name}"'))


def _others_connected(engine: Engine) -> list[str]:
    """Who still is after LEAVING_S: a client that has just ended may be listed for a moment."""
    query = text(
        "SELECT coalesce(nullif(application_name, ''), 'a program without a name')"
        " || ', process ' || pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY pid"
    )
    until_s = time.monotonic() + LEAVING_S
    while True:
        with engine.begin() as reader:  # one reading to a transaction: it sees one state
            others = list(reader.scalars(query))
        if not others or time.monotonic() >= until_s:
            return others
        time.sleep(LOOK_EVERY_S)  # PostgreSQL tells nobody that a client has gone


def move_back(engine: Engine, name: str) -> None:
    """What could not be restored goes, and what was there before is there again.

    Raises:
        BackupError: it cannot be; it still is under the name that it was given.
    """
    with _told_in_a_sentence(), engine.begin() as writer:
        writer.execute(text(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE"))
        writer.execute(text(f'ALTER SCHEMA "{name}" RENAME TO {_SCHEMA}'))


def drop_empty_schema(engine: Engine) -> None:
    """pg_restore makes it.

    Raises:
        BackupError: it is not empty, or not this user's.
    """
    with _told_in_a_sentence(), engine.begin() as writer:
        writer.execute(text(f"DROP SCHEMA IF EXISTS {_SCHEMA}"))


def run(program: str, url: str, *arguments: Sequence[str]) -> None:
    """Run one of PostgreSQL's programs on a database.

    Raises:
        BackupError: with what it said.
    """
    address, environment = _address(make_url(url))
    _run(
        [program, f"--dbname={address}", *(each for part in arguments for each in part)],
        environment,
    )


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, our arguments
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIME_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackupError(f"{command[0]} did not run: {error}") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:SAID_MAX]
        raise BackupError(f"{Path(command[0]).name} failed: {said}")


def _address(url: URL) -> tuple[str, Mapping[str, str]]:
    """Whoever lists the processes of this machine reads the arguments, but not the environment."""
    environment = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    bare = URL.create(  # `set` takes no password for "leave it as it is"
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=url.query,
    )
    return bare.render_as_string(hide_password=False), environment


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is not found: install PostgreSQL's client programs (postgresql-client), of the"
            " server's version or newer"
        )
    return found


@contextlib.contextmanager
def _told_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise BackupError(f"the database cannot be used: {_first_line(error)}") from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
