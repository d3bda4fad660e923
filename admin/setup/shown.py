"""A plan as the admin reads it before anything is written."""

import difflib
from collections.abc import Iterator, Sequence

from admin.setup.carry_out import Change, said_of
from admin.setup.items import PutFile
from admin.setup.machine import ABSENT, Machine

SECRET = "    (holds a secret, and is not shown)"  # noqa: S105 - says that there is one
CONTEXT_LINES = 1
LINES_MAX = 30  # of one file


def lines_of(machine: Machine, to_do: Sequence[Change], *, whole: bool) -> Iterator[str]:
    """Each change with its reason, and how the file differs; `whole`: all of it."""
    for change in to_do:
        yield from said_of(change)
        if isinstance(change.item, PutFile):
            yield from _difference(machine, change, change.item, whole=whole)


def _difference(machine: Machine, change: Change, item: PutFile, *, whole: bool) -> Iterator[str]:
    if item.secret:
        yield SECRET
        return
    before = "" if change.now == ABSENT else machine.text(item.path) or ""
    lines = list(
        difflib.unified_diff(
            before.splitlines(), item.text.splitlines(), lineterm="", n=CONTEXT_LINES
        )
    )[2:]
    if not lines:
        yield "    (only its owner or its rights change)"
    shown = lines if whole or len(lines) <= LINES_MAX else lines[:LINES_MAX]
    yield from (f"    {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"    … and {len(lines) - len(shown)} more lines: --whole shows them"
