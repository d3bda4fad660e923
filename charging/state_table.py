"""A table of what becomes of every state at every event, for the documents that are made of it."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

State = TypeVar("State")
Event = TypeVar("Event")

NOTHING = ""  # the outcome that no document tells


def lines_of(
    states: Iterable[State],
    events: Mapping[str, Event],
    outcome: Callable[[State, Event], str],
) -> list[str]:
    """One line per state and outcome, with every event that leads to it."""
    lines = []
    for state in states:
        events_by_outcome: dict[str, list[str]] = {}
        for name, event in events.items():
            events_by_outcome.setdefault(outcome(state, event), []).append(name)
        events_by_outcome.pop(NOTHING, None)
        lines += [
            f"| {state} | {'; '.join(names)} | {told} |"
            for told, names in events_by_outcome.items()
        ]
    return lines


def words_of(command: object) -> str:
    """A class's name as words: `ContinueInDialplan` as "continue in dialplan"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(command).__name__).lower()
