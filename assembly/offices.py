"""Offices, made of the settings, the plans, the phones and what managers set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from charging.errors import ChargingUnavailable, UnknownExtension, UnknownOffice
from charging.extension_settings import extension_of, extension_settings
from charging.extensions import Extension
from charging.managers_settings import ManagersSettings
from charging.office_settings import OFFICE_RULES, office_of, office_settings
from charging.offices import Office, OfficesSnapshot
from charging.plan import Plan
from charging.provenance import Default, FromFile, Layer, Sourced
from db.engine import DatabaseUrlError, file_of, open_reader
from db.ledger import read_from
from db.managers_settings import read_settings
from dialplan.phones import EXAMPLE, Phone, load_phones
from plans.files import SHIPPED_PLANS, read_plan
from settings import SharedSections


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

    def bought(self, office_id: str) -> dict[str, Sourced]:
        """Its plan and deck, which are the admin's alone to choose."""
        section = self.settings.offices[office_id]
        return {
            name: Sourced(
                getattr(section, name),
                FromFile(self.settings.place_of("offices", office_id, name))
                if name in section.model_fields_set
                else Default(),
            )
            for name in ("plan", "deck")
        }

    def extension_settings(self, phone: Phone) -> dict[str, Sourced]:
        """What is in force for an extension, and who says so."""
        manager = self.managers.get((phone.office, phone.endpoint), {})
        return extension_settings(phone.number, entry=self._entry(phone), manager=manager)

    def _entry(self, phone: Phone) -> Layer:
        place = FromFile(f"{phones_file(self.settings)}, [phones.{phone.endpoint}]")
        return {name: Sourced(text, place) for name, text in phone.said.items()}

    def phone(self, endpoint: str) -> Phone:
        """Raises UnknownExtension."""
        for phone in self.phones or ():
            if phone.endpoint == endpoint:
                return phone
        raise UnknownExtension(endpoint)

    def in_force(self, office_id: str, endpoint: str = "") -> dict[str, Sourced]:
        """Of an extension, or with "" of the office itself.

        Raises:
            UnknownOffice: there is none of that name.
            UnknownExtension: the office has none.
            OfficesError: its plan cannot be read.
        """
        phone = self._of_office(office_id, endpoint)
        return self.office_settings(office_id) if phone is None else self.extension_settings(phone)

    def fixed(self, office_id: str, endpoint: str = "") -> Layer:
        """What files say of it alone, so that no manager may.

        Raises:
            UnknownOffice, UnknownExtension: as in_force.
        """
        phone = self._of_office(office_id, endpoint)
        if phone is not None:
            return self._entry(phone)
        return _layer_of(self.settings, "offices", office_id)

    def _of_office(self, office_id: str, endpoint: str) -> Phone | None:
        if office_id not in self.settings.offices:
            raise UnknownOffice(office_id)
        if not endpoint:
            return None
        phone = self.phone(endpoint)
        if phone.office != office_id:
            raise UnknownExtension(endpoint)
        return phone

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

    Args:
        settings: name the files.
        managers: what managers set; without it, what the database says that can be read.

    Raises:
        PlanFileError, PhonesError: a file cannot be used.
    """
    return Sources(
        settings=settings,
        plans={name: read_plan(plan_file(settings, name)) for name in plan_names(settings)},
        phones=load_phones(phones_file(settings)),
        managers=known_managers(settings) if managers is None else managers,
    )


def read_offices(settings: SharedSections) -> Sequence[Office]:
    """The offices as they are now, for what has nothing to do with their phones.

    Raises:
        OfficesError: one of them cannot be made.
        PlanFileError: a plan cannot be used.
    """
    plans = {name: read_plan(plan_file(settings, name)) for name in plan_names(settings)}
    managers = known_managers(settings)
    sources = Sources(settings=settings, plans=plans, phones=(), managers=managers)
    return sources.snapshot().offices


def read_managers(settings: SharedSections) -> ManagersSettings:
    """What managers have set.

    Raises:
        ChargingUnavailable: the database cannot be read.
        DatabaseUrlError: it has no address.
    """
    file = file_of(settings.database.url)
    if file is not None and not file.exists():
        return {}
    engine = open_reader(settings.database.url)
    try:
        return read_from(engine, read_settings)
    finally:
        engine.dispose()


def known_managers(settings: SharedSections) -> ManagersSettings:
    """Nothing where the database cannot be read: the files decide alone."""
    try:
        return read_managers(settings)
    except (ChargingUnavailable, DatabaseUrlError):
        return {}


def plan_names(settings: SharedSections) -> Collection[str]:
    """Of every plan that an office is on, once."""
    return dict.fromkeys(office.plan for office in settings.offices.values())
