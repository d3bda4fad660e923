"""What a walk begins with, and what it finds: places, legs, doubts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """Where a channel is: a tuple, for a walk makes hundreds of thousands of them."""

    context: str
    extension: str
    priority: int

    def __str__(self) -> str:
        return f"[{self.context}] {self.extension},{self.priority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A channel that enters the dialplan."""

    context: str
    dialled: str
    digits: str = ""  # that the caller dials on where a menu lets him; empty: the same number
    priority: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    by_invite: bool = True  # then an extension that does not exist is a 404, and never `i`
    paid_ms: int = 0  # what the application allows when it is asked; 0: it is not waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A Dial that was reached: whom it rings, with what options."""

    place: Place
    technology: str  # PJSIP
    endpoint: str  # trunk
    number: str  # as the endpoint is told it; empty: the endpoint itself is rung
    options: Mapping[str, str] = field(hash=False)
    without_application: bool  # after Stasis said that the application is away
    after_an_answer: bool  # of an earlier leg of this channel
    authorised: bool = False  # the application was asked before, and sent the caller on
    way: tuple[Place, ...] = field(hash=False, compare=False)

    @property
    def resource(self) -> str:
        middle = f"{self.number}@{self.endpoint}" if self.number else self.endpoint
        return f"{self.technology}/{middle}"


@dataclass(frozen=True, slots=True)
class Doubt:
    place: Place
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A priority that is carried out: where it is written, and what it then does."""

    place: Place
    context: str
    extension: str  # as written: `_9X.`
    application: str
    data: str

    @property
    def key(self) -> tuple[str, str, int]:
        return self.context, self.extension, self.place.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """Everything that one number can reach."""

    places: frozenset[Place]
    places_hung_up: frozenset[Place]  # where it may get to after the caller has hung up
    legs: tuple[Leg, ...]
    asked: tuple[Place, ...]  # where the application is asked
    phones: frozenset[str]  # whose Contacts are looked up, to be rung
    doubts: tuple[Doubt, ...]
    ran: tuple[Ran, ...] = ()  # of the applications that are watched
    hears: frozenset[tuple[str, str, int]] = frozenset()  # see Moves.hear
