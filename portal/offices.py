"""The offices as the portal's pages see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from charging.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    id: str
    plan: Plan

    @property
    def currency(self) -> str:
        return self.plan.currency

    @property
    def time_zone(self) -> tzinfo:
        return self.plan.timezone

    @property
    def language(self) -> str:
        return self.plan.language


class Offices:
    """Of the plans in force at the moment of asking."""

    def __init__(self, plans: Mapping[str, Callable[[], Plan]]) -> None:
        self._plans = plans

    def names(self) -> tuple[str, ...]:
        return tuple(self._plans)

    def office(self, office_id: str) -> Office:
        """Raises KeyError: the settings have no such office."""
        return Office(id=office_id, plan=self._plans[office_id]())
