"""The offices in force: settings, plans, phones and what managers set, read again when it changes.

What is wrong is refused in one sentence, and what was last good stays in force. Whatever changes
takes effect in one step: a call sees all of it or nothing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from charging.extension_settings import extension_of, extension_settings
from charging.extensions import Extension
from charging.office_settings import OFFICE_RULES, office_of, office_settings
from charging.offices import Office, OfficesSnapshot
from charging.plan import Plan
from charging.provenance import FromFile, Layer, Sourced
from dialplan.phones import EXAMPLE, Phone, PhonesError, load_phones
from plans.files import SHIPPED_PLANS, PlanFileError, read_plan
from settings import SettingsError, SharedSections, load_sections
from settings.toml_file import version_of

T = TypeVar("T")
# What managers set, by office and endpoint; "" where it is the office's own.
ManagersSettings = Mapping[tuple[str, str], Layer]


class OfficesError(Exception):
    """What the files say makes no offices; the message is one sentence."""


class FileMissingError(OfficesError):
    """The settings name a file that was never good; why is told where it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that offices are made of, at one moment."""

    settings: SharedSections
    plans: Mapping[str, Plan]  # by name
    phones: tuple[Phone, ...] | None  # None: the file that lists them was never good
    managers: ManagersSettings = field(default_factory=dict)

    def office_settings(self, office_id: str) -> dict[str, Sourced]:
        """What is in force for an office, and who says so.

        Raises:
            OfficesError: its plan cannot be read.
        """
        return office_settings(
            self.plan_of(office_id),
            office=_layer_of(self.settings, "offices", office_id),
            manager=self.managers.get((office_id, ""), {}),
            every_office=_layer_of(self.settings, "site"),
        )

    def extension_settings(self, phone: Phone) -> dict[str, Sourced]:
        """What is in force for an extension, and who says so."""
        place = f"{phones_file(self.settings)}, [phones.{phone.endpoint}]"
        entry = {name: Sourced(text, FromFile(place)) for name, text in phone.said.items()}
        manager = self.managers.get((phone.office, phone.endpoint), {})
        return extension_settings(phone.number, entry=entry, manager=manager)

    def plan_of(self, office_id: str) -> Plan:
        name = self.settings.offices[office_id].plan
        try:
            return self.plans[name]
        except KeyError:
            raise FileMissingError(f"office {office_id}: its plan {name} cannot be read") from None

    def office(self, office_id: str) -> Office:
        """Raises OfficesError."""
        plan, deck = self.plan_of(office_id), self.settings.offices[office_id].deck
        try:
            return office_of(office_id, plan, self.office_settings(office_id), deck=deck)
        except ValueError as error:
            raise OfficesError(f"office {office_id}: {error}") from None

    def snapshot(self) -> OfficesSnapshot:
        """Raises OfficesError: something is not as something else says."""
        offices = {office_id: self.office(office_id) for office_id in self.settings.offices}
        if self.phones is None:
            raise FileMissingError(f"{phones_file(self.settings)} cannot be read")
        extensions = [self._extension(phone, offices) for phone in self.phones]
        try:
            return OfficesSnapshot(offices.values(), extensions)
        except ValueError as error:
            raise OfficesError(str(error)) from None

    def _extension(self, phone: Phone, offices: Mapping[str, Office]) -> Extension:
        office = offices.get(phone.office)
        if office is None:
            raise OfficesError(
                f"{phones_file(self.settings)}: [phones.{phone.endpoint}] is of the office"
                f" {phone.office!r}, which the settings lack"
            )
        try:
            return extension_of(
                self.extension_settings(phone),
                endpoint=phone.endpoint,
                number=phone.number,
                office_id=phone.office,
                currency=office.currency,
                enabled=phone.enabled,
            )
        except ValueError as error:
            raise OfficesError(f"extension {phone.endpoint}: {error}") from None


def _layer_of(settings: SharedSections, *path: str) -> Layer:
    """What one section of the settings says; what it leaves out it leaves to others."""
    section = settings.site if path == ("site",) else settings.offices[path[-1]]
    texts = {name: getattr(section, name) for name in OFFICE_RULES}
    return {
        name: Sourced(text, FromFile(settings.place_of(*path, name)))
        for name, text in texts.items()
        if text is not None
    }


def phones_file(settings: SharedSections) -> Path:
    return settings.site.phones_file or EXAMPLE


def plan_file(settings: SharedSections, name: str) -> Path:
    return (settings.site.plans_folder or SHIPPED_PLANS) / f"{name}.toml"


def read_sources(settings: SharedSections, managers: ManagersSettings | None = None) -> Sources:
    """Everything as it is now, for what lives no longer than one question.

    Raises:
        PlanFileError, PhonesError: a file cannot be used.
    """
    return Sources(
        settings=settings,
        plans={name: read_plan(plan_file(settings, name)) for name in plan_names(settings)},
        phones=load_phones(phones_file(settings)),
        managers=managers or {},
    )


def read_offices(
    settings: SharedSections, managers: ManagersSettings | None = None
) -> Sequence[Office]:
    """The offices as they are now, for what has nothing to do with their phones.

    Raises:
        OfficesError: one of them cannot be made.
        PlanFileError: a plan cannot be used.
    """
    plans = {name: read_plan(plan_file(settings, name)) for name in plan_names(settings)}
    sources = Sources(settings=settings, plans=plans, phones=(), managers=managers or {})
    return sources.snapshot().offices


def plan_names(settings: SharedSections) -> Collection[str]:
    """Of every plan that an office is on, once."""
    return dict.fromkeys(office.plan for office in settings.offices.values())


# --- as they change --------------------------------------------------------------------------


class LiveOffices:
    """The offices as they were when everything was last good: charging.ports.Offices."""

    def __init__(self, settings: SharedSections, *, report: Callable[[str], None]) -> None:
        """Read every file. `report` is told once of everything that is refused later.

        Raises:
            OfficesError: something cannot be used.
        """
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
        latest = self._files.sources(self._managers)
        if latest != self._tried:
            self._tried = latest
            self._sources, self._snapshot, self._refused = advance(
                self._sources, self._snapshot, latest, self._currencies
            )
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
