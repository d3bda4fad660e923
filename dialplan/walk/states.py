"""What is known of a channel between two priorities of a walk.

Tuples and frozen sets, for every state is looked up among all those that were reached before.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from dialplan.walk.reached import Doubt, Leg, Place


class Variables(frozenset[tuple[str, str]]):
    """A channel's variables, shared by all states in which they are the same."""

    @classmethod
    def of(cls, known: Mapping[str, str]) -> "Variables":
        found = cls(known.items())
        found.known = known
        return found

    @cached_property
    def known(self) -> Mapping[str, str]:
        return dict(self)

    @cached_property
    def arguments(self) -> "Variables":
        """Those that Gosub gives and takes away again: ARG1 and so on."""
        return Variables([each for each in self if each[0].startswith("ARG")])


class Frame(NamedTuple):
    """Where Gosub goes back to, with the arguments that were in force there."""

    context: str
    extension: str
    priority: int
    arguments: Variables


class State(NamedTuple):
    context: str
    extension: str
    priority: int
    variables: Variables
    inherited: frozenset[str] = frozenset()
    stack: tuple[Frame, ...] = ()
    application_away: bool = False
    authorised: bool = False
    hung_up: bool = False  # only what `h` says is left to do

    @property
    def place(self) -> Place:
        return Place(self.context, self.extension, self.priority)

    def next(self) -> "State":
        return self.at(self.context, self.extension, self.priority + 1)

    def at(self, context: str, extension: str, priority: int) -> "State":
        return State(context, extension, priority, *self[3:])

    def get(self, name: str) -> str | None:
        return self.variables.known.get(name)

    def with_variables(self, **changes: str) -> "State":
        known = self.variables.known
        if changes.items() <= known.items():
            return self
        return self.having(Variables.of({**known, **changes}))

    def having(self, variables: Variables) -> "State":
        return State(self.context, self.extension, self.priority, variables, *self[4:])

    def inside(self, stack: tuple[Frame, ...]) -> "State":
        return State(*self[:5], stack, *self[6:])


Event = State | Leg | Doubt | Place  # a Place: the application is asked there
