"""Every test here runs on SQLite and on PostgreSQL."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from charging.usecases import Charging
from db.engine import open_engine
from db.ledger import SqlLedger
from lab.postgresql import Server
from tests.conftest import TEMPLATE, CreateDatabase
from tests.fakes.charging import charging_with
from tests.fakes.clock import ManualClock
from tests.programs import make_ledger

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database of this test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{make_ledger(tmp_path)}"
    postgresql: str = request.getfixturevalue("empty_postgresql")
    return postgresql


@pytest.fixture
def empty_postgresql(server: Server, create_database: CreateDatabase) -> str:
    name = f"test_{next(_numbers)}"
    create_database(server, name, TEMPLATE)
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
