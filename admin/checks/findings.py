"""What a check says: that all is well, or what is not, and what to do about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from settings import Settings

NAMED_MAX = 5


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"  # calls go on; somebody should look at it by daylight
    PROBLEM = "problem"  # calls fail, or money or secrets are at risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    status: Status
    message: str
    remedy: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def ok(message: str) -> Finding:
    return Finding(status=Status.OK, message=message)


def warning(message: str, remedy: str) -> Finding:
    return Finding(status=Status.WARNING, message=message, remedy=remedy)


def problem(message: str, remedy: str) -> Finding:
    return Finding(status=Status.PROBLEM, message=message, remedy=remedy)


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more: "a, b, c, d, e and 7 more"."""
    rest = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")
