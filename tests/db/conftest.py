"""Every test here runs on SQLite and on PostgreSQL."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from charging.usecases import Charging
from db.engine import open_engine
from db.ledger import SqlLedger
from db.schema import upgrade
from lab.postgresql import Server, running_server
from tests.fakes.charging import charging_with
from tests.fakes.clock import ManualClock
from tests.programs import make_ledger

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL server for all tests, with a migrated database as template."""
    with running_server(durable=False) as started:
        _create_database(started, "template_tollgate")
        template = open_engine(started.url("template_tollgate"))
        upgrade(template)
        template.dispose()
        yield started


def _create_database(server: Server, name: str, template: str = "template1") -> None:
    engine = open_engine(server.url()).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()


@pytest.fixture(scope="session")
def create_database() -> Callable[[Server, str], None]:
    """Makes a database without tables."""
    return _create_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database of this test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{make_ledger(tmp_path)}"
    postgresql: str = request.getfixturevalue("empty_postgresql")
    return postgresql


@pytest.fixture
def empty_postgresql(server: Server) -> str:
    name = f"test_{next(_numbers)}"
    _create_database(server, name, "template_tollgate")
    return server.url(name)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
async def ledger(engine: Engine) -> AsyncIterator[SqlLedger]:
    async with SqlLedger(engine) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def charging(ledger: SqlLedger, clock: ManualClock) -> Charging:
    return charging_with(ledger, clock=clock)
