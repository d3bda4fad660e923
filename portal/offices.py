"""The offices as the portal's pages see them: as they are in force when a page is asked for."""

from collections.abc import Sequence

from charging import ports
from charging.extensions import Extension
from charging.offices import Office


class Offices:
    def __init__(self, known: ports.Offices) -> None:
        self._known = known

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
