"""What holds for every test, and the PostgreSQL server that tests share."""

from collections.abc import Iterator
from typing import Final, Protocol

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from db.engine import open_engine
from db.schema import upgrade
from lab.postgresql import Server, running_server

# A shared machine is slow at times, and slow is not wrong.
settings.register_profile("tollgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollgate")

# As where nothing is configured; but to draw a frame around a trace takes longer than most tests.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

TEMPLATE: Final = "template_tollgate"  # a database with all tables, and nothing in them


class CreateDatabase(Protocol):
    def __call__(self, server: Server, name: str, template: str = ...) -> None: ...


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL server for all tests of a process."""
    with running_server(durable=False) as started:
        _create_database(started, TEMPLATE)
        template = open_engine(started.url(TEMPLATE))
        upgrade(template)
        template.dispose()
        yield started


def _create_database(server: Server, name: str, template: str = "template1") -> None:
    engine = open_engine(server.url()).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()


@pytest.fixture(scope="session")
def create_database() -> CreateDatabase:
    """Makes a database without tables, or a copy of another one."""
    return _create_database
