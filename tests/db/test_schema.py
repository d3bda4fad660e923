from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

import db
from db.api_tables import api_tokens
from db.call_tables import unpaid_calls
from db.engine import WRITER, DatabaseUrlError, open_engine
from db.models import metadata
from db.money_tables import payments
from db.people_tables import users
from db.restorations import restorations
from db.schema import HEAD, SchemaVersionError, require_version, upgrade, version_of

MIGRATIONS = Path(db.__file__).parent / "migrations"


def test_the_code_knows_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    # One that nobody imports is not compared.
    for of_a_module in (users, unpaid_calls, payments, api_tokens, restorations):
        assert of_a_module.name in metadata.tables
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_upgrade_of_what_is_up_to_date_does_nothing(engine: Engine) -> None:
    assert version_of(engine) == HEAD
    upgrade(engine)
    assert version_of(engine) == HEAD


def test_an_empty_database_has_no_version(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert version_of(engine) is None
    engine.dispose()


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "sqlite://", "nonsense"])
def test_another_database_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(DatabaseUrlError):
        open_engine(url)


def test_tables_of_this_version_are_taken(engine: Engine) -> None:
    require_version(engine)


@pytest.mark.parametrize(("version", "said"), [("0001", "older than"), ("9999", "newer than")])
def test_tables_of_another_version_are_refused(engine: Engine, version: str, said: str) -> None:
    with engine.connect().execution_options(**WRITER) as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    with pytest.raises(SchemaVersionError, match=f"of version {version}, {said}"):
        require_version(engine)
    if version > HEAD:
        with pytest.raises(SchemaVersionError, match="run the Tollgate that made them"):
            upgrade(engine)


def test_where_there_is_no_ledger_none_is_made(tmp_path: Path) -> None:
    file = tmp_path / "new.sqlite"
    engine = open_engine(f"sqlite:///{file}")
    with pytest.raises(SchemaVersionError, match="there is no ledger in"):
        require_version(engine)
    assert not file.exists()
    file.touch()
    with pytest.raises(SchemaVersionError, match="there is no ledger in"):
        require_version(engine)
    engine.dispose()
