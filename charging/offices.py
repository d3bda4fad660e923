"""An office as one thing, and all offices with their extensions as they are at one moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from charging.errors import UnknownExtension, UnknownOffice
from charging.extensions import Extension
from charging.language import first_spoken
from charging.numbering import Number, Site, find_emergency, parse_number
from charging.plan import Plan
from charging.rate_deck import STANDARD_DECK, DeckKey

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What decides its calls: plan, prices, and how one dials where its phones stand."""

    id: str
    plan: Plan
    site: Site
    time_zone: tzinfo  # when its days and months begin, for limits and effective dates
    language: str  # of a phone that says nothing else
    deck: str = STANDARD_DECK  # of the plan's currency
    _elsewhere: tuple[Site, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Whoever moved into another country than the plan's still knows the numbers of that one.
        of_the_plan = replace(self.site, country=self.plan.country)
        elsewhere = () if of_the_plan == self.site else (of_the_plan,)
        object.__setattr__(self, "_elsewhere", elsewhere)

    @property
    def currency(self) -> str:
        """Of its account, fixed by its first posting."""
        return self.plan.currency

    @property
    def deck_key(self) -> DeckKey:
        return DeckKey(self.plan.currency, self.deck)

    @property
    def emergency_sites(self) -> tuple[Site, ...]:
        """Whose emergency numbers connect: those of its own country and of its plan's."""
        return (self.site, *self._elsewhere)

    def parse(self, dialled: str) -> Number:
        """Make sense of what was dialled at one of its phones.

        Raises:
            InvalidNumber: not a number, or no number that could exist.
        """
        return find_emergency(dialled, self._elsewhere) or parse_number(dialled, self.site)

    def day_of(self, moment: datetime) -> date:
        """The day that it is there."""
        return moment.astimezone(self.time_zone).date()


class OfficesSnapshot:
    """All offices and extensions at one moment. Never changed: a call is decided by one of these.

    Raises:
        ValueError: two extensions share an endpoint, or two of an office a number.
        UnknownOffice: an extension is of an office that is not there.
    """

    def __init__(self, offices: Iterable[Office], extensions: Iterable[Extension] = ()) -> None:
        self._offices = {office.id: office for office in offices}
        self._extensions: dict[str, Extension] = {}
        self._numbers: dict[tuple[str, str], Extension] = {}
        for extension in extensions:
            self.office(extension.office_id)
            _add(self._extensions, extension.endpoint, extension)
            _add(self._numbers, (extension.office_id, extension.number), extension)
        sites = chain.from_iterable(office.emergency_sites for office in self.offices)
        self._emergency_sites = tuple(dict.fromkeys(sites))

    @property
    def offices(self) -> Sequence[Office]:
        return tuple(self._offices.values())

    @property
    def extensions(self) -> Mapping[str, Extension]:
        """By endpoint."""
        return MappingProxyType(self._extensions)

    @property
    def emergency_sites(self) -> tuple[Site, ...]:
        """Whose emergency numbers connect for somebody of whom nothing is known."""
        return self._emergency_sites

    def office(self, office_id: str) -> Office:
        """Raises UnknownOffice."""
        try:
            return self._offices[office_id]
        except KeyError:
            raise UnknownOffice(office_id) from None

    def extension(self, endpoint: str) -> Extension:
        """Who is calling, by the PJSIP endpoint.

        Raises:
            UnknownExtension: no such endpoint.
        """
        try:
            return self._extensions[endpoint]
        except KeyError:
            raise UnknownExtension(endpoint) from None

    def extension_at(self, office_id: str, number: str) -> Extension:
        """Whom a colleague of that office reaches.

        Raises:
            UnknownExtension: no phone of the office has the number.
        """
        try:
            return self._numbers[office_id, number]
        except KeyError:
            raise UnknownExtension(f"{number} of {office_id}") from None

    def office_at(self, endpoint: str) -> Office:
        """The office of a phone.

        Raises:
            UnknownExtension: no such endpoint.
        """
        return self._offices[self.extension(endpoint).office_id]

    def language_for(self, endpoint: str, *, chosen: str | None, asterisk: str = "") -> str:
        """What somebody is spoken to in. This alone decides it, for calls and feature codes.

        Args:
            endpoint: who is calling.
            chosen: at the phone, by the feature code.
            asterisk: what the channel says: for somebody of whom nothing is known.
        """
        extension = self._extensions.get(endpoint)
        if extension is None:
            return first_spoken(chosen, asterisk)
        office = self._offices[extension.office_id]
        return first_spoken(chosen, extension.language, office.language)


def _add(known: dict[_Key, Extension], key: _Key, extension: Extension) -> None:
    if key in known:
        other = known[key].endpoint
        raise ValueError(f"the extensions {other} and {extension.endpoint} are both {key}")
    known[key] = extension
