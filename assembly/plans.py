"""The plans that the settings name. Quick to load: commands that only read use it."""

from collections.abc import Callable

from charging.plan import Plan
from plans.files import SHIPPED_PLANS, PlanFileError, PlanFiles
from settings import SharedSections


class OfficePlans:
    """The plan in force of each office: charging.ports.Plans."""

    def __init__(self, settings: SharedSections, files: PlanFiles) -> None:
        self._names = {office_id: office.plan for office_id, office in settings.offices.items()}
        self._files = files

    def plan_of(self, office_id: str) -> Plan:
        return self._files.plan(self._names[office_id])

    def refresh(self) -> None:
        """Read what was changed; never in an event loop."""
        self._files.refresh()


def plan_files(settings: SharedSections, report: Callable[[PlanFileError], None]) -> PlanFiles:
    return PlanFiles(settings.site.plans_folder or SHIPPED_PLANS, report=report)


def currencies_of(plans: OfficePlans, settings: SharedSections) -> dict[str, str]:
    """Of every office; a wrong plan file stops the start, and not the first call."""
    return {office_id: plans.plan_of(office_id).currency for office_id in settings.offices}
