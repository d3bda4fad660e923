"""What keeps a walk finite: of a loop that counts, the counter is forgotten."""

from collections.abc import Collection

from dialplan.walk.reached import Place
from dialplan.walk.states import State, Variables
from dialplan.walk.values import UNKNOWN

VISITS_MAX = 40  # of one place, with ever other variables: a loop that counts
VALUES_MAX = 10  # of one variable at one place; more, and it is one that counts
FORGETS_ALL = 10 * VISITS_MAX


class _Everything(frozenset[str]):
    """Every name."""

    def __contains__(self, _name: object) -> bool:
        return True


class Bounds:
    """Of one walk: how often each place was reached anew."""

    def __init__(self) -> None:
        self._visits: dict[tuple[str, str, int], int] = {}
        self._changing: dict[Place, Collection[str]] = {}

    def bounded(self, state: State, reached: Collection[State]) -> State:
        """The state, or what of it does not change each time; `reached` are those before it."""
        place = state[:3]
        visits = self._visits[place] = self._visits.get(place, 0) + 1
        if visits <= VISITS_MAX:
            return state
        changing = self._changing_at(state.place, visits, reached)
        return state._replace(
            variables=_without(state.variables, changing),
            arguments=_without(state.arguments, changing),
            stack=state.stack[:VISITS_MAX],
        )

    def _changing_at(
        self, place: Place, visits: int, reached: Collection[State]
    ) -> Collection[str]:
        """What has had many values there; where that does not end it, every variable."""
        if visits > FORGETS_ALL:
            return _Everything()
        if place not in self._changing:
            values: dict[str, set[str]] = {}
            for state in reached:
                if state.place == place:
                    for name, value in (*state.variables, *state.arguments):
                        values.setdefault(name, set()).add(value)
            self._changing[place] = {n for n, seen in values.items() if len(seen) > VALUES_MAX}
        return self._changing[place]


def _without(variables: Variables, changing: Collection[str]) -> Variables:
    return Variables((name, UNKNOWN if name in changing else v) for name, v in variables)
