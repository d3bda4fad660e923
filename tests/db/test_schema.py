from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import db
from db.call_tables import unpaid_calls
from db.engine import DatabaseUrlError, open_engine
from db.models import metadata
from db.money_tables import payments
from db.people_tables import users
from db.schema import HEAD, upgrade, version_of

MIGRATIONS = Path(db.__file__).parent / "migrations"


def test_the_code_knows_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    for of_a_module in (users, unpaid_calls, payments):  # one that nobody imports is not compared
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
