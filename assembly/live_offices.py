"""Offices that stay as fresh as their files and the database: charging.ports.Offices.

What is wrong is refused in one sentence, and what was last good stays in force. Whatever changes
takes effect in one step: a call sees all of it or nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from assembly.offices import (
    FileMissingError,
    OfficesError,
    Sources,
    phones_file,
    plan_file,
    plan_names,
)
from charging.managers_settings import ManagersSettings
from charging.offices import Office, OfficesSnapshot
from charging.plan import Plan
from dialplan.phones import Phone, PhonesError, load_phones
from plans.files import PlanFileError, read_plan
from settings import SettingsError, SharedSections, load_sections
from settings.toml_file import version_of

T = TypeVar("T")


class LiveOffices:
    """The offices as they were when everything was last good: charging.ports.Offices."""

    def __init__(
        self,
        settings: SharedSections,
        *,
        report: Callable[[str], None],
        changed: Callable[[OfficesSnapshot], None] = lambda _: None,
    ) -> None:
        """Read every file.

        Args:
            settings: name the others, and are read again where they are a file.
            report: told once of everything that is refused later.
            changed: told of whatever takes effect later.

        Raises:
            OfficesError: something cannot be used.
        """
        self._changed = changed
        self._files = _Files(settings)
        self._managers: ManagersSettings = {}
        self._currencies: Mapping[str, str] = {}
        self._report = report
        self._told: set[str] = set()
        self._lock = Lock()
        self._files.look()
        for problem in self._files.problems():
            raise OfficesError(problem)
        self._sources = self._tried = self._files.sources(self._managers)
        self._snapshot = self._sources.snapshot()
        self._refused: tuple[str, ...] = ()

    def snapshot(self) -> OfficesSnapshot:
        return self._snapshot

    @property
    def sources(self) -> Sources:
        """What the offices in force were made of."""
        return self._sources

    def refresh(self) -> None:
        """Read the files that were changed; never in an event loop."""
        with self._lock:
            self._files.look()
            self._advance()

    def take(self, managers: ManagersSettings, currencies: Mapping[str, str]) -> None:
        """What the database says: the managers' settings, and of which currency accounts are."""
        with self._lock:
            self._managers = managers
            if currencies != self._currencies:
                self._currencies, self._tried = currencies, self._sources
            self._advance()

    def _advance(self) -> None:
        latest, before = self._files.sources(self._managers), self._snapshot
        if latest != self._tried:
            self._tried = latest
            self._sources, self._snapshot, self._refused = advance(
                self._sources, self._snapshot, latest, self._currencies
            )
        if self._snapshot is not before:
            self._changed(self._snapshot)
        self._tell({*self._files.problems(), *self._refused, *self._wrong_currencies()})

    def _wrong_currencies(self) -> Iterator[str]:
        """Of offices that were started with while nobody could say what their accounts are in."""
        return wrong_currencies(self._snapshot.offices, self._currencies)

    def _tell(self, problems: set[str]) -> None:
        for problem in sorted(problems - self._told):
            self._report(problem)
        self._told = problems


Step = Callable[[Sources], Sources]


def advance(
    before: Sources, in_force: OfficesSnapshot, latest: Sources, currencies: Mapping[str, str]
) -> tuple[Sources, OfficesSnapshot, tuple[str, ...]]:
    """As much of what is latest as makes offices together, and why the rest is refused.

    All of it at once if that can be; else what can be without the others, in any order that works.

    Args:
        before: what is in force.
        in_force: the offices that it makes.
        latest: what should be.
        currencies: of the offices that have an account, which no plan changes any more.
    """
    with suppress(OfficesError):
        return latest, _allowed(latest, in_force, currencies), ()
    sources, waiting = before, list(_steps(before, latest))
    while True:
        refused: list[tuple[Step, OfficesError]] = []
        for step in waiting:
            attempt = step(sources)
            try:
                in_force = _allowed(attempt, in_force, currencies)
            except OfficesError as error:
                refused.append((step, error))
            else:
                sources = attempt
        if len(refused) in {0, len(waiting)}:
            return sources, in_force, tuple(_sentences(error for _, error in refused))
        waiting = [step for step, _ in refused]


def _sentences(errors: Iterable[OfficesError]) -> Iterator[str]:
    return (str(error) for error in errors if not isinstance(error, FileMissingError))


def _steps(before: Sources, latest: Sources) -> Iterator[Step]:
    """Of what has changed each part."""
    if latest.settings != before.settings:
        yield partial(_with_settings, latest)
    for name, plan in latest.plans.items():
        if before.plans.get(name, plan) != plan:
            yield partial(_with_plan, name, plan)
    if latest.phones != before.phones:
        yield lambda sources: replace(sources, phones=latest.phones)
    if latest.managers != before.managers:
        yield lambda sources: replace(sources, managers=latest.managers)


def _with_settings(latest: Sources, sources: Sources) -> Sources:
    """With whatever they name anew; a file that they named before changes in a step of its own."""
    before, after = sources.settings, latest.settings
    plans = {
        name: plan if plan_file(before, name) != plan_file(after, name) else sources.plans[name]
        for name, plan in latest.plans.items()
        if name in sources.plans
    }
    moved = phones_file(before) != phones_file(after)
    return replace(
        sources,
        settings=after,
        plans={**latest.plans, **plans},
        phones=latest.phones if moved else sources.phones,
    )


def _with_plan(name: str, plan: Plan, sources: Sources) -> Sources:
    return replace(sources, plans={**sources.plans, name: plan})


def _allowed(
    attempt: Sources, in_force: OfficesSnapshot, currencies: Mapping[str, str]
) -> OfficesSnapshot:
    """The offices that it makes.

    Raises:
        OfficesError: it makes none, or changes the currency of an account.
    """
    made = attempt.snapshot()
    had = {office.id: office.currency for office in in_force.offices}
    changed = [office for office in made.offices if had.get(office.id) != office.currency]
    for problem in wrong_currencies(changed, currencies):
        raise OfficesError(problem)
    return made


def wrong_currencies(offices: Iterable[Office], currencies: Mapping[str, str]) -> Iterator[str]:
    """An office's currency is that of its first posting, whatever its plan says later."""
    for office in offices:
        account = currencies.get(office.id, office.currency)
        if account != office.currency:
            yield (
                f"office {office.id} has an account in {account}, and its plan"
                f" {office.plan.name} is in {office.currency}"
            )


class _Watched(Generic[T]):
    """One file as it was last good, and what is wrong with it now."""

    def __init__(self, file: Path, read: Callable[[Path], T]) -> None:
        self._file = file
        self._read = read
        self._seen: tuple[int, ...] | None = None
        self.good: T | None = None
        self.problem: str | None = None

    def look(self) -> None:
        version = version_of(self._file)  # before it is read, so that no later one is missed
        if version == self._seen:
            return
        self._seen = version
        try:
            self.good, self.problem = self._read(self._file), None
        except (PhonesError, PlanFileError, SettingsError) as error:
            self.problem = str(error)


def _load(file: Path) -> SharedSections:
    return load_sections(SharedSections, file)


class _Files:
    """The files that the settings name, the settings' own among them."""

    def __init__(self, settings: SharedSections) -> None:
        self._settings = settings
        self._own = None if settings.file is None else _Watched(settings.file, _load)
        self._watched_phones: dict[Path, _Watched[tuple[Phone, ...]]] = {}
        self._watched_plans: dict[Path, _Watched[Plan]] = {}

    def look(self) -> None:
        if self._own is not None:
            self._own.look()
            self._settings = self._own.good or self._settings
        for plan in self._plans().values():
            plan.look()
        self._listed().look()

    def problems(self) -> list[str]:
        """What is wrong with each as it is now."""
        known = (self._own, *self._plans().values(), self._listed())
        return [each.problem for each in known if each is not None and each.problem is not None]

    def sources(self, managers: ManagersSettings) -> Sources:
        """Each as it was last good; a plan that never was is missing."""
        plans = {name: each.good for name, each in self._plans().items() if each.good is not None}
        phones = self._listed().good
        return Sources(settings=self._settings, plans=plans, phones=phones, managers=managers)

    def _plans(self) -> dict[str, _Watched[Plan]]:
        files = {name: plan_file(self._settings, name) for name in plan_names(self._settings)}
        return {
            name: self._watched_plans.setdefault(file, _Watched(file, read_plan))
            for name, file in files.items()
        }

    def _listed(self) -> _Watched[tuple[Phone, ...]]:
        file = phones_file(self._settings)
        return self._watched_phones.setdefault(file, _Watched(file, load_phones))
