"""The version of the tables: find it out, and bring it up to date."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from charging.errors import ChargingUnavailable
from db.engine import WRITER

HEAD = "0003"  # the last file of db/migrations/versions; a test compares
_ADVISORY_LOCK = 8_655_428  # on PostgreSQL: one process migrates, the others wait


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date; does nothing if they are.

    Raises:
        ChargingUnavailable: the database is away.
    """
    try:
        if version_of(engine) != HEAD:
            _migrate(engine)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error


def version_of(engine: Engine) -> str | None:
    """The version of the tables; None for an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def read_version(engine: Engine) -> str | None:
    """As version_of.

    Raises:
        ChargingUnavailable: the database is away.
    """
    try:
        return version_of(engine)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error


def _migrate(engine: Engine) -> None:
    # Seldom needed and slow to load: a command that only reads a balance does without.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect().execution_options(**WRITER) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:lock)")
            connection.execute(lock, {"lock": _ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
