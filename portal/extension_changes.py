"""What somebody wants to set of an extension, looked at whole before any of it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charging.extension_settings import EXTENSION_RULES
from charging.provenance import FromFile, Sourced, checked


def is_fixed(setting: Sourced) -> bool:
    """Whether a file says it, so that nobody else may."""
    return isinstance(setting.origin, FromFile)


@dataclass(frozen=True, slots=True)
class WantedChanges:
    """By the name of each setting."""

    changes: Mapping[str, str | None] = field(default_factory=dict)  # None: as nobody sets it
    wrong: frozenset[str] = frozenset()  # nothing that can be meant


def look_at(said: Mapping[str, Sourced], wanted: Mapping[str, str | None]) -> WantedChanges:
    """What would change of what is in force; what a file says is left out."""
    changes: dict[str, str | None] = {}
    wrong: set[str] = set()
    for name, text in wanted.items():
        if is_fixed(said[name]):
            continue
        try:
            value = None if text is None else checked(EXTENSION_RULES, name, text)
        except ValueError:
            wrong.add(name)
            continue
        if value != said[name].text:
            changes[name] = value
    return WantedChanges(changes, frozenset(wrong))
