"""The offices as the portal's pages see them: as they are in force when a page is asked for."""

from charging import ports
from charging.offices import Office


class Offices:
    def __init__(self, known: ports.Offices) -> None:
        self._known = known

    def names(self) -> tuple[str, ...]:
        return tuple(office.id for office in self._known.snapshot().offices)

    def office(self, office_id: str) -> Office:
        """Raises UnknownOffice: the settings have no such office."""
        return self._known.snapshot().office(office_id)
