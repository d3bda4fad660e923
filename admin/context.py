"""What commands share: the settings, the ledger's database, and how a command fails."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy import Engine

from assembly.extensions import PhoneExtensions
from assembly.plans import plan_files
from charging.errors import ChargingError
from charging.extensions import Extension
from charging.plan import Plan
from db.engine import DatabaseUrlError, open_engine
from db.schema import upgrade
from dialplan.phones import EXAMPLE, PhonesError, load_phones
from dialplan.plan_files import PlanFileError, PlanFiles
from settings import Settings, SettingsError, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
Office = Annotated[
    str | None, typer.Option("--office", help="Whose account, where the settings name several.")
]

_PROBLEMS = (
    ChargingError,
    DatabaseUrlError,
    PhonesError,
    PlanFileError,
    SettingsError,
)


@dataclass(frozen=True)
class Context:
    """Everything is read when it is first asked for: `price` needs no database."""

    settings: Settings

    @cached_property
    def plan_files(self) -> PlanFiles:
        """Each file is read once, so none is ever refused in favour of an earlier version."""
        return plan_files(self.settings, fail_with)

    def plan_of(self, office_id: str) -> Plan:
        return self.plan_files.plan(self.settings.offices[office_id].plan)

    @cached_property
    def engine(self) -> Engine:
        """The ledger's database, with its tables up to date."""
        engine = open_engine(self.settings.database.url)
        upgrade(engine)
        return engine

    def extension(self, endpoint: str) -> Extension:
        phones = load_phones(self.settings.site.phones_file or EXAMPLE)
        currencies = {office: self.plan_of(office).currency for office in self.settings.offices}
        return PhoneExtensions(phones, currencies).find(endpoint)

    def office(self, wanted: str | None) -> str:
        """The office asked for, or else the only one, or `main`."""
        offices = self.settings.offices
        name = wanted or (next(iter(offices)) if len(offices) == 1 else "main")
        if name not in offices:
            fail(f"the settings have no office {name!r}")
        return name


@contextmanager
def command() -> Iterator[Context]:
    """What a command works with; whatever goes wrong is one sentence and exit status 1."""
    context: Context | None = None
    try:
        context = Context(load_settings())
        yield context
    except _PROBLEMS as error:
        fail_with(error)
    finally:
        if context is not None and "engine" in context.__dict__:
            context.engine.dispose()


def fail_with(error: Exception) -> NoReturn:
    fail(str(error))


def fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
