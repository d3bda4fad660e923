"""What a priority's text is when it is carried out: variables and functions put in."""

from collections.abc import Callable, Mapping, Sequence

from dialplan.walk import values
from dialplan.walk.known import Known
from dialplan.walk.states import ARGUMENT, State
from dialplan.walk.values import UNKNOWN, Function

CHANNEL_ID = "tollgate-1.1"  # of any channel; no dialplan goes anywhere by it
NOT_SET_YET = frozenset({"DIALSTATUS", "STASISSTATUS"})
_OF_THE_CHANNEL: Mapping[str, Callable[[State], str]] = {
    "EXTEN": lambda state: state.extension,
    "CONTEXT": lambda state: state.context,
    "PRIORITY": lambda state: str(state.priority),
    "UNIQUEID": lambda _state: CHANNEL_ID,
    "LINKEDID": lambda _state: CHANNEL_ID,
}


class Expansion:
    """Of one walk: what is put in depends on the state that is at hand.

    CHANNEL() is not among the functions: phones that are walked as one may differ in it.
    """

    def __init__(self, known: Known, first: State) -> None:
        self._known = known
        self._state = first

    def of(self, state: State, text: str) -> tuple[str, State]:
        """The text as it is carried out, and what `${SET(name=value)}` in it has set."""
        if "$" not in text:
            return text, state
        self._state = state
        return values.expand(text, self.variable, self._function), self._state

    def _function(self, name: str, given: Sequence[str]) -> str:
        own = _OF_THE_WALK.get(name)
        if own is not None:
            return own(self, given)
        function = _OF_TEXTS.get(name)
        return UNKNOWN if function is None else function(given)

    def variable(self, name: str) -> str:
        """Set on the way here, or for all channels, or by Asterisk; else nobody set it."""
        own = _OF_THE_CHANNEL.get(name)
        if own is not None:
            return own(self._state)
        value = self._state.get(name)
        if value is not None:
            return value
        if name in self._known.variables or name in self._known.changing:
            return self.of_all(name)
        self._known.names_wanted.add(name)
        # What the dialplan sets is its own: before that, nobody has set it.
        return "" if name in self._known.names_set or name in NOT_SET_YET else UNKNOWN

    def of_all(self, name: str) -> str:
        """What some priority changes for all channels is not what it is now."""
        if name in self._known.changing:
            return UNKNOWN
        self._known.names_wanted.add(name)
        return self._known.variables.get(name, "")

    def set_inline(self, given: Sequence[str]) -> str:
        name, _, value = ",".join(given).partition("=")
        self._state = self._state.with_variable(name.strip(), value)
        return value

    def peek(self, given: Sequence[str]) -> str:
        """LOCAL_PEEK(n,ARG2): as it was so many calls of Gosub before; of arguments alone."""
        levels, name = (*given, "", "")[:2]
        if not levels.isdigit() or not name.startswith(ARGUMENT):
            return UNKNOWN
        depth = int(levels)
        if depth == 0:
            return self._state.get(name) or ""
        if depth > len(self._state.stack):
            return ""
        return self._state.stack[-depth].arguments.known.get(name, "")

    def cut(self, given: Sequence[str]) -> str:
        name, delimiter, fields = (*given, "", "", "")[:3]
        return values.cut(self.variable(name), delimiter, fields)

    def exists(self, given: Sequence[str]) -> str:
        context, extension, priority = (*given, "", "", "1")[:3]
        wanted = int(priority) if priority.isdigit() else priority or 1
        return str(int(self._known.dialplan.exists(context, extension, wanted)))


_OF_TEXTS: Mapping[str, Function] = {
    "LEN": values.known_only(values.length_of),
    "FILTER": values.known_only(values.filtered),
    "IF": values.chosen,
    "REGEX": values.known_only(values.matches),
    "TOUPPER": values.known_only(lambda given: ",".join(given).upper()),
    "TOLOWER": values.known_only(lambda given: ",".join(given).lower()),
    "ISNULL": values.known_only(lambda given: str(int(not ",".join(given)))),
    "EXISTS": values.known_only(lambda given: str(int(bool(",".join(given))))),
}
_OF_THE_WALK: Mapping[str, Callable[[Expansion, Sequence[str]], str]] = {
    "SET": Expansion.set_inline,
    "REPLACE": lambda of, given: values.replaced(of.variable(given[0]), given[1:]),
    "STRREPLACE": lambda of, given: values.string_replaced(of.variable(given[0]), given[1:]),
    "GLOBAL": lambda of, given: of.of_all(given[0]),
    "LOCAL_PEEK": Expansion.peek,
    "CUT": Expansion.cut,
    "FIELDQTY": lambda of, given: values.field_count(of.variable(given[0]), given[1]),
    "DIALPLAN_EXISTS": lambda of, given: values.known_only(of.exists)(given),
}
