"""What managers set of their office and extensions, where the files leave it to them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from charging.errors import SettingRefused
from charging.extension_settings import EXTENSION_RULES
from charging.office_settings import OFFICE_RULES
from charging.provenance import Layer, Rule, checked

# What they set, by office and endpoint; "" where it is the office's own.
ManagersSettings = Mapping[tuple[str, str], Layer]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One setting as somebody wants it."""

    office_id: str
    endpoint: str = ""  # "": of the office itself
    name: str
    value: str | None  # None: as it is where no manager sets it
    actor: str
    reason: str = ""
    at: datetime

    @property
    def subject(self) -> str:
        """As the trail of changes has it."""
        return f"{self.endpoint}.{self.name}" if self.endpoint else self.name


def allowed_change(change: SettingChange, *, fixed: Layer) -> SettingChange:
    """The change as it is kept, its value written in one way.

    Args:
        change: what somebody wants.
        fixed: what files say of this office or extension alone: nobody else may.

    Raises:
        SettingRefused: there is no such setting, a file says it, or it cannot be so.
    """
    rules = rules_of(change.endpoint)
    if change.name not in rules:
        known = ", ".join(rules)
        raise SettingRefused("unknown_setting", f"{change.name} is none of {known}")
    if change.name in fixed:
        origin = fixed[change.name].origin
        raise SettingRefused("set_by_file", f"{change.name} is set by {origin}: change it there")
    if change.value is None:
        return change
    try:
        return replace(change, value=checked(rules, change.name, change.value))
    except ValueError as error:
        raise SettingRefused("invalid_setting", str(error)) from None


def rules_of(endpoint: str) -> Mapping[str, Rule]:
    """What can be set of an extension, or with "" of an office."""
    return EXTENSION_RULES if endpoint else OFFICE_RULES
