"""The way that one number takes, as a tree: every priority, and what becomes of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialplan.walk.lookup import Dialplan
from dialplan.walk.reached import Doubt, Leg, Place, Ran, Start
from dialplan.walk.states import State
from dialplan.walk.walker import Taken, Walker

DEPTH_MAX = 60  # of branches in branches; a dialplan whose tree is deeper is read in parts
SHOWN_MAX = 100  # characters of what an application is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Priorities one after the other, and then what they come to, or where they part."""

    steps: tuple[Ran, ...]
    ends: tuple[str, ...] = ()
    branches: tuple["Branch", ...] = ()


def trace(walker: Walker, start: Start) -> Branch:
    """Where the same state was shown before, it is not shown again."""
    first, taken = walker.recorded(start)
    seen: set[State] = set()

    def branch(state: State, depth: int) -> Branch:
        steps: list[Ran] = []
        while True:
            if state in seen:
                return Branch(steps=tuple(steps), ends=(f"goes on as above at {state.place}",))
            seen.add(state)
            here = taken.get(state, Taken())
            steps += here.ran
            states = [each for each in here.events if isinstance(each, State)]
            ends = tuple(_said(each) for each in here.events if not isinstance(each, State))
            if not states and not ends:
                ends = (_end(walker.dialplan, state, steps),)
            if len(states) == 1 and not ends:
                state = states[0]
                continue
            if depth >= DEPTH_MAX:
                return Branch(steps=tuple(steps), ends=(*ends, "…"))
            inner = tuple(branch(each, depth + 1) for each in states)
            return Branch(steps=tuple(steps), ends=ends, branches=inner)

    return branch(first, 0)


def lines_of(
    branch: Branch, *, where: Callable[[Ran], str] = lambda _ran: "", indent: str = ""
) -> Iterator[str]:
    """For a terminal; `where` names the file and line of a priority."""
    for ran in branch.steps:
        data = ran.data.replace("\uffff", "…")
        data = data if len(data) <= SHOWN_MAX else f"{data[:SHOWN_MAX]}…"
        written = "" if ran.extension == ran.place.extension else f" as {ran.extension}"
        inside = "" if ran.context == ran.place.context else f" in [{ran.context}]"
        yield f"{indent}{ran.place}{inside}{written}  {ran.application}({data}){where(ran)}"
    for end in branch.ends:
        yield f"{indent}► {end}"
    for index, each in enumerate(branch.branches):
        last = index == len(branch.branches) - 1
        begin, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
        for number, line in enumerate(lines_of(each, where=where)):
            yield f"{indent}{rest if number else begin}{line}"


def fields_of(branch: Branch, *, where: Callable[[Ran], str]) -> Mapping[str, Any]:
    """For `--json`."""
    return {
        "steps": [
            {
                "context": ran.place.context,
                "extension": ran.place.extension,
                "priority": ran.place.priority,
                "written": {"context": ran.context, "extension": ran.extension},
                "application": ran.application,
                "data": ran.data.replace("\uffff", "…"),
                "line": where(ran),
            }
            for ran in branch.steps
        ],
        "ends": list(branch.ends),
        "branches": [fields_of(each, where=where) for each in branch.branches],
    }


def _said(event: Leg | Doubt | Place) -> str:
    match event:
        case Leg():
            resource = event.resource.replace("\uffff", "…")
            away = ", while the application is away" if event.without_application else ""
            return f"dials {resource}{away}"
        case Doubt():
            return f"cannot be told: {event.why}".replace("\uffff", "…")
        case _:
            return "asks the application, which sends the call on or ends it"


def _end(dialplan: Dialplan, state: State, steps: Sequence[Ran]) -> str:
    if not dialplan.find(state.context, state.extension, state.priority):
        return f"there is no {state.place}: the call ends" if not steps else "the call ends"
    return "the call ends"
