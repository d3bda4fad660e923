"""The version of the tables: find it out, insist on it, and bring it up to date when asked to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from charging.errors import ChargingUnavailable
from db.engine import WRITER, shown

HEAD = "0017"  # the last file of db/migrations/versions; a test compares
_ADVISORY_LOCK = 8_655_428  # on PostgreSQL: one process migrates, the others wait


Tell = Callable[[int, int], None]  # how much is done, of how much


class SchemaVersionError(Exception):
    """The tables are of another version than this Tollgate's, or there are none; one sentence."""


class MigrationRefusedError(ChargingUnavailable):
    """The ledger does not add up, so its tables are left as they are; the message says where."""


def upgrade(engine: Engine, *, tell: Tell = lambda _done, _of: None, to: str = "head") -> None:
    """Bring the tables up to date; does nothing if they are.

    What takes long is done in steps of their own: whoever is killed meanwhile goes on where he was.

    Raises:
        ChargingUnavailable: the database is away.
        MigrationRefusedError: what is copied would not be what there was.
        SchemaVersionError: a newer Tollgate made the tables.
    """
    try:
        version = version_of(engine)
        if version != (HEAD if to == "head" else to):
            if to == "head":
                _refuse_newer(version, engine)
                _copy_entries(engine, tell)
            _migrate(engine, to)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error


def version_of(engine: Engine) -> str | None:
    """The version of the tables; None for an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def require_version(engine: Engine) -> None:
    """Take the tables as they are, or not at all: nobody but `upgrade` changes them.

    Raises:
        SchemaVersionError: they are older or newer, or there are none.
        ChargingUnavailable: the database is away.
    """
    version = None if _lacks_file(engine) else read_version(engine)
    if version is None:
        raise SchemaVersionError(
            f"there is no ledger in {_place(engine)}: `tollgate ledger prepare` makes one"
        )
    _refuse_newer(version, engine)
    if version != HEAD:
        raise SchemaVersionError(
            f"the tables of {_place(engine)} are of version {version}, older than this Tollgate's"
            f" {HEAD}: stop what uses them, copy the database, then `tollgate ledger prepare`"
        )


def _refuse_newer(version: str | None, engine: Engine) -> None:
    if version is not None and version > HEAD:
        raise SchemaVersionError(
            f"the tables of {_place(engine)} are of version {version}, newer than this Tollgate's"
            f" {HEAD}: run the Tollgate that made them"
        )


def _place(engine: Engine) -> str:
    return shown(engine.url.set(drivername=engine.dialect.name).render_as_string())


def _lacks_file(engine: Engine) -> bool:
    """To connect would make it."""
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return file is not None and not Path(file).exists()


def read_version(engine: Engine) -> str | None:
    """As version_of.

    Raises:
        ChargingUnavailable: the database is away.
    """
    try:
        return version_of(engine)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error


def _copy_entries(engine: Engine, tell: Tell) -> None:
    """The long part of migration 0004, before it: batch by batch, beside whoever still posts."""
    from db.migrations import entry_copy  # noqa: PLC0415 - seldom needed

    with _alone(engine) as connection:
        if not entry_copy.is_wanted(connection):
            return
        entry_copy.begin(connection)
    with _alone(engine) as connection:
        last = entry_copy.last_posting(connection)
    copied = -1
    while copied:
        with _alone(engine) as connection:
            if not entry_copy.is_wanted(connection):  # another process was faster
                return
            copied = entry_copy.copy_batch(connection, last)
            done = entry_copy.copied_up_to(connection)
        tell(done, last)


def _migrate(engine: Engine, to: str) -> None:
    # Seldom needed and slow to load: a command that only reads a balance does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else migrates."""
    with engine.connect().execution_options(**WRITER) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:lock)")
            connection.execute(lock, {"lock": _ADVISORY_LOCK})
        yield connection
