"""Where a number can get to: every way through the dialplan, without calling anybody.

What only a call decides is walked both ways. What cannot be followed (a script, another engine) is
a doubt with its place, never silence: nothing is said to be closed that was not walked to its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from dialplan.office_routes import PHONE_CONTACTS
from dialplan.walk.applications import carried_out
from dialplan.walk.bounds import Bounds
from dialplan.walk.expansion import Expansion
from dialplan.walk.known import NOT_ANSWERED, Known
from dialplan.walk.lookup import Dialplan, Found, Switched
from dialplan.walk.moves import Moves
from dialplan.walk.reached import Doubt, Leg, Place, Ran, Start, Walked
from dialplan.walk.states import Event, State
from dialplan.walk.values import is_known

STATES_MAX = 20_000  # of one walk; then the rest is a doubt
# What a walk notes of the priorities that it goes through, for whoever asks what a phone may do.
WATCHED = frozenset(
    {
        *("dial", "retrydial", "disa", "park", "parkandannounce", "parkedcall"),
        *("chanspy", "extenspy", "spy", "incrementalspy"),
    }
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was carried out in one state, and what came of it."""

    ran: list[Ran] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Walker:
    """Walks one dialplan, from as many starts as are wanted."""

    def __init__(
        self,
        dialplan: Dialplan,
        *,
        app_name: str = "tollgate",
        variables: Mapping[str, str] | None = None,
        not_answered: Sequence[str] = NOT_ANSWERED,
        anything_happens: bool = True,
    ) -> None:
        """Take what is known beside the text: see `Known`."""
        self.dialplan = dialplan
        self._known = Known(
            dialplan=dialplan,
            app_name=app_name,
            variables=variables or {},
            not_answered=tuple(not_answered),
            anything_happens=anything_happens,
        )

    @property
    def names_wanted(self) -> AbstractSet[str]:
        """Global variables, perhaps, of which nothing is known."""
        return self._known.names_wanted

    def walk(self, start: Start) -> Walked:
        """Follow one number from one context, until every way has ended."""
        return _Walk(self._known, start).walked()

    def recorded(self, start: Start) -> tuple[State, Mapping[State, Taken]]:
        """The first state, and what each state that was reached leads to: for a trace."""
        walk = _Walk(self._known, start, recording=True)
        walk.walked()
        return walk.first, walk.taken


class _OnTheWay:
    """From which other one each state was reached first."""

    def __init__(self, first: State) -> None:
        self.parents: dict[State, State | None] = {first: None}
        self.at = first  # is looked at

    def places(self) -> tuple[Place, ...]:
        places: list[Place] = []
        at: State | None = self.at
        while at is not None:
            places.append(at.place)
            at = self.parents[at]
        return tuple(reversed(places))


class _Walk:
    """All states that one start leads to, each looked at once."""

    def __init__(self, known: Known, start: Start, *, recording: bool = False) -> None:
        first = State(start.context, start.dialled, start.priority)
        for name, value in start.variables.items():
            first = first.with_variable(name, value)
        self.first = first
        self.taken: dict[State, Taken] = {}
        self._recording = recording
        self._dialplan = known.dialplan
        self._by_invite = start.by_invite
        self._on_the_way = _OnTheWay(self.first)
        self._moves = Moves(known, start, self._on_the_way.places)
        self._expansion = Expansion(known, self.first)
        self._bounds = Bounds()
        self._parents = self._on_the_way.parents
        self._waiting: list[State] = []
        self._ran: dict[Ran, None] = {}

    def walked(self) -> Walked:
        first = self.first
        legs: dict[Leg, None] = {}
        asked: dict[Place, None] = {}
        phones: set[str] = set()
        doubts: dict[str, Doubt] = {}  # one of each kind is enough to look at
        if not self._by_invite or self._dialplan.exists(first.context, first.extension):
            self._waiting.append(first)
        while self._waiting:
            state = self._waiting.pop()
            if len(self._parents) > STATES_MAX:
                why = f"more than {STATES_MAX} ways lead on from here"
                doubts[why] = Doubt(state.place, why)
                break
            if state.context == PHONE_CONTACTS and state.priority == 1:
                phones.add(state.get("ARG1") or "")
            for event in self._events(state):
                if isinstance(event, State):
                    self._reach(event, state)
                elif isinstance(event, Leg):
                    legs[event] = None
                elif isinstance(event, Doubt):
                    doubts.setdefault(event.why, event)
                else:
                    asked[event] = None
                if self._recording and not isinstance(event, State):
                    self.taken[state].events.append(event)
        return Walked(
            places=frozenset(each.place for each in self._parents if not each.hung_up),
            places_hung_up=frozenset(each.place for each in self._parents if each.hung_up),
            legs=tuple(legs),
            asked=tuple(asked),
            phones=frozenset(filter(is_known, phones)),
            doubts=tuple(doubts.values()),
            ran=tuple(self._ran),
            hears=frozenset(self._moves.hears),
        )

    def _reach(self, state: State, before: State) -> None:
        found = state
        if state not in self._parents:
            found = self._bounds.bounded(state, self._parents)
            if found is state or found not in self._parents:
                self._parents[found] = before
                self._waiting.append(found)
        if self._recording:
            self.taken[before].events.append(found)

    def _events(self, state: State) -> Iterator[Event]:
        self._on_the_way.at = state
        if self._recording:
            self.taken[state] = Taken()
        outcomes = self._dialplan.find(state.context, state.extension, state.priority)
        for outcome in outcomes:
            if isinstance(outcome, Switched):
                why = f"[{outcome.context}] asks the switch {outcome.switch}"
                yield Doubt(state.place, why)
                continue
            step = outcome.step
            data, after = self._expansion.of(state, step.data)
            if self._recording or step.application.lower() in WATCHED:
                self._note(state, outcome, data)
            yield from carried_out(self._moves, after, step.application, data, outcome.extension)
        if not outcomes:
            yield from self._nowhere(state)

    def _nowhere(self, state: State) -> Iterator[State]:
        """An extension that ended is hung up; one that never was is `i`, then `e`."""
        exists = self._dialplan.exists
        handlers = [handler for handler in ("i", "e") if exists(state.context, handler)]
        if state.hung_up or exists(state.context, state.extension) or not handlers:
            yield from self._moves.hung_up(state)
        else:
            yield state.at(state.context, handlers[0], 1)

    def _note(self, state: State, found: Found, data: str) -> None:
        ran = Ran(
            place=state.place,
            context=found.context,
            extension=found.extension.name,
            application=found.step.application,
            data=data,
        )
        self._ran[ran] = None
        if self._recording:
            self.taken[state].ran.append(ran)
