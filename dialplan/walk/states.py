"""What is known of a channel between two priorities of a walk.

Tuples and frozen sets, for every state is looked up among all those that were reached before.
"""

from collections.abc import Collection, Mapping
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

    def changed(self, changes: Mapping[str, str]) -> "Variables":
        """Itself, where nothing changes."""
        known = self.known
        return self if changes.items() <= known.items() else Variables.of({**known, **changes})

    def of_names(self, names: Collection[str]) -> "Variables":
        return Variables(each for each in self if each[0] in names)


NONE = Variables()
ARGUMENT = "ARG"  # how the names begin that Gosub gives, and takes away again: ARG1 and so on


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
    variables: Variables = NONE  # without arguments
    arguments: Variables = NONE
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
        # The quickest that Python has: a walk makes every state with it.
        return tuple.__new__(State, (context, extension, priority, *self[3:]))

    def get(self, name: str) -> str | None:
        known = self.arguments if name.startswith(ARGUMENT) else self.variables
        return known.known.get(name)

    def with_variable(self, name: str, value: str) -> "State":
        if name.startswith(ARGUMENT):
            return self._replace(arguments=self.arguments.changed({name: value}))
        variables = self.variables.changed({name: value})
        if variables is self.variables:
            return self
        return tuple.__new__(State, (*self[:3], variables, *self[4:]))

    def inside(self, stack: tuple[Frame, ...], arguments: Variables) -> "State":
        """In a subroutine, or out of it again."""
        return tuple.__new__(State, (*self[:4], arguments, self.inherited, stack, *self[7:]))


Event = State | Leg | Doubt | Place  # a Place: the application is asked there
