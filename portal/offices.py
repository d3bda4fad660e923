"""The offices as the portal's pages see them: as they are in force when a page is asked for."""

from collections.abc import Callable, Sequence
from typing import Protocol

from charging import ports
from charging.extensions import Extension
from charging.offices import Office
from charging.provenance import Sourced


class SettingSources(Protocol):
    """Who says what a setting is."""

    def in_force(self, office_id: str, endpoint: str = "") -> dict[str, Sourced]:
        """Of an extension, or with "" of the office itself.

        Raises:
            UnknownExtension: the office has none.
        """
        ...


class Offices:
    def __init__(self, known: ports.Offices, sources: Callable[[], SettingSources]) -> None:
        self._known = known
        self.sources = sources  # as they are at the moment of asking

    def names(self) -> tuple[str, ...]:
        return tuple(office.id for office in self._known.snapshot().offices)

    def office(self, office_id: str) -> Office:
        """Raises UnknownOffice: the settings have no such office."""
        return self._known.snapshot().office(office_id)

    def extensions(self, office_id: str) -> Sequence[Extension]:
        """Of one office, by the numbers that colleagues dial."""
        every = self._known.snapshot().extensions.values()
        of_office = [each for each in every if each.office_id == office_id]
        return sorted(of_office, key=lambda extension: extension.number)


def extension_choices(offices: Offices, office_id: str) -> list[tuple[str, str]]:
    """Of a drop-down: the endpoint, and what people call it."""
    return [(each.endpoint, f"{each.number} {each.name}") for each in offices.extensions(office_id)]
