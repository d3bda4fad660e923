"""Who says what a setting is: a file of the admin, a manager, a plan, or nobody.

What is set is kept as text, as one would type it, so that files, database, command line and portal
are read by the same rules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class FromFile:
    place: str  # "/etc/tollgate/tollgate.toml, [offices.nice]"

    def __str__(self) -> str:
        return self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class FromManager:
    """Kept in the database."""

    actor: str  # "cli:root", "portal:anne"
    at: datetime
    reason: str = ""

    def __str__(self) -> str:
        return f"manager {self.actor} on {self.at.date().isoformat()}"


@dataclass(frozen=True, slots=True)
class FromPlan:
    plan: str

    def __str__(self) -> str:
        return f"plan {self.plan}"


@dataclass(frozen=True, slots=True)
class Default:
    def __str__(self) -> str:
        return "default"


Origin = FromFile | FromManager | FromPlan | Default


@dataclass(frozen=True, slots=True)
class Sourced:
    """A setting and who says it. None: nobody does, and nobody need."""

    text: str | None
    origin: Origin


Layer = Mapping[str, Sourced]  # by the name of the setting
NOBODY: Final = Sourced(None, Default())


def merged(names: Iterable[str], layers: Sequence[Layer]) -> dict[str, Sourced]:
    """What is in force: of each name what the first layer says that knows it."""
    return {
        name: next((layer[name] for layer in layers if name in layer), NOBODY) for name in names
    }


def layer_of(values: Mapping[str, str | None], origin: Origin) -> Layer:
    """Everything that one origin says; what is None it leaves to others."""
    return {name: Sourced(text, origin) for name, text in values.items() if text is not None}


# From what was typed to the one way of writing it. Raises ValueError: nothing that can be meant.
Rule = Callable[[str], str]


def checked(rules: Mapping[str, Rule], name: str, text: str) -> str:
    """What a setting of that name may be, written in one way.

    Raises:
        ValueError: nothing that can be meant; the message begins with the name.
    """
    try:
        return rules[name](text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
