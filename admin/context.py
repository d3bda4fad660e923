"""What commands share: the settings, the ledger's database, and how a command fails."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NoReturn

import typer
from sqlalchemy import Engine

from admin.output import say
from assembly.offices import OfficesError, Sources, plan_file, read_managers, read_sources
from charging.errors import ChargingError, ChargingUnavailable
from charging.offices import OfficesSnapshot
from charging.plan import Plan
from charging.rate_deck import DeckKey
from db.engine import DatabaseUrlError, file_of, open_engine, open_reader, shown
from db.schema import SchemaVersionError, require_version, upgrade
from dialplan.phones import PhonesError
from plans.files import PlanFileError, read_plan
from settings import SETTINGS_VARIABLE, SettingsError, SharedSections, load_sections, settings_file

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
Office = Annotated[
    str | None, typer.Option("--office", help="Whose account, where the settings name several.")
]

_MAKE = "`tollgate ledger prepare` makes one"
_ELSEWHERE = (
    f"run this where tollgate.toml is, or name the file in {SETTINGS_VARIABLE};"
    " `tollgate ledger prepare` makes a new ledger here"
)
_DATABASE_VARIABLE = "TOLLGATE_DATABASE__URL"

_PROBLEMS = (
    ChargingError,
    DatabaseUrlError,
    OfficesError,
    PhonesError,
    PlanFileError,
    SchemaVersionError,
    SettingsError,
)


@dataclass(frozen=True)
class Context:
    """Everything is read when it is first asked for: `price` needs no database."""

    settings: SharedSections

    def plan(self, name: str) -> Plan:
        return read_plan(plan_file(self.settings, name))

    def plan_of(self, office_id: str) -> Plan:
        """For what needs nothing else of the office."""
        return self.plan(self.settings.offices[office_id].plan)

    @cached_property
    def sources(self) -> Sources:
        return self.read_again()

    def read_again(self) -> Sources:
        """What makes the offices, as files and database are now."""
        try:
            managers = read_managers(self.settings)
        except ChargingUnavailable as error:
            say(f"what managers set cannot be read, so only the files count: {error}", err=True)
            managers = {}
        return read_sources(self.settings, managers)

    @cached_property
    def offices(self) -> OfficesSnapshot:
        return self.sources.snapshot()

    def deck_key(self, office_id: str) -> DeckKey:
        """Which deck an office is on."""
        return DeckKey(self.plan_of(office_id).currency, self.settings.offices[office_id].deck)

    @cached_property
    def engine(self) -> Engine:
        """The ledger, to write to; `tollgate ledger prepare` alone makes one."""
        self.require_ledger()
        return _of_this_version(open_engine(self.settings.database.url))

    @cached_property
    def reader(self) -> Engine:
        """The ledger, to read; nothing is made or changed."""
        self.require_ledger()
        return _of_this_version(open_reader(self.settings.database.url))

    def require_ledger(self) -> None:
        """A command that is given in a wrong folder says so, and leaves no ledger there."""
        if self.lacks_ledger:
            cure = _MAKE if _database_is_named() else _ELSEWHERE
            fail(f"there is no ledger in {self.place}: {cure}")

    def prepared(self) -> Engine:
        """The ledger as it should be, made if it is not there."""
        engine = open_engine(self.settings.database.url)
        upgrade(engine, tell=_say_progress)
        return engine

    @cached_property
    def lacks_ledger(self) -> bool:
        """Whether there is no file; a database of PostgreSQL is looked for when it is read."""
        file = file_of(self.settings.database.url)
        return file is not None and not file.exists()

    @property
    def place(self) -> str:
        return shown(self.settings.database.url)

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
        context = Context(load_sections(SharedSections))
        yield context
    except ChargingUnavailable as error:
        if context is None:
            fail_with(error)
        fail(f"the ledger {context.place} cannot be used: {error}; {_cure(context.settings)}")
    except _PROBLEMS as error:
        fail_with(error)
    finally:
        for opened in ("engine", "reader"):
            if context is not None and opened in context.__dict__:
                getattr(context, opened).dispose()


def _of_this_version(engine: Engine) -> Engine:
    try:
        require_version(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _database_is_named() -> bool:
    return settings_file() is not None or _DATABASE_VARIABLE in os.environ


def _cure(settings: SharedSections) -> str:
    if file_of(settings.database.url) is None:
        return "start PostgreSQL, or correct [database] url"
    return "see that it is the ledger, that this user may read and write it and its folder"


def _say_progress(done: int, of: int) -> None:
    say(f"the ledger is brought up to date: {done:,} of {of:,} postings", err=True)


def actor() -> str:
    """Who changes something, as entries keep it."""
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:  # a container may run as a user without a name
        return f"cli:{uid}"


def fail_with(error: Exception) -> NoReturn:
    fail(str(error))


def fail(sentence: str) -> NoReturn:
    say(sentence, err=True)
    raise typer.Exit(1)
