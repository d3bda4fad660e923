"""What calls add up to, by day, extension and country."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, FromClause, Label, Select, case, func, literal, select

from db.call_tables import unpaid_calls
from db.models import calls
from db.sum_tables import SUMMED


class Cell(NamedTuple):
    """The calls of one day, of one extension, to one country."""

    day: str
    endpoint: str
    country: str


class Summed(NamedTuple):
    """In the order of sum_tables.SUMMED; calls under way count with what they cost so far."""

    paid_calls: int = 0
    answered_calls: int = 0  # of the paid ones
    paid_talk_s: int = 0
    spent_micros: int = 0
    unpaid_calls: int = 0  # included and free
    unpaid_talk_s: int = 0
    refused_calls: int = 0

    def with_(self, other: "Summed") -> "Summed":
        return Summed(*(mine + others for mine, others in zip(self, other, strict=True)))


class Named(NamedTuple):
    """A sum, and what its extension was called; of several names the last in the alphabet."""

    extension: str
    sums: Summed

    def with_(self, other: "Named") -> "Named":
        return Named(max(self.extension, other.extension), self.sums.with_(other.sums))


def cells(reader: Connection, office_id: str, first: str, last: str) -> Mapping[Cell, Named]:
    """The calls of some days, both included, as they are stored at this moment."""
    found: dict[Cell, Named] = {}
    for query in (_paid(office_id, first, last), _unpaid(office_id, first, last)):
        for day, endpoint, country, extension, *sums in reader.execute(query):
            cell, named = Cell(day, endpoint, country), Named(extension, Summed(*map(int, sums)))
            found[cell] = named.with_(found[cell]) if cell in found else named
    return found


def rolled_up(key: Callable[[Cell], str], of: Iterable[tuple[Cell, Named]]) -> Mapping[str, Named]:
    found: dict[str, Named] = {}
    for cell, named in of:
        name = key(cell)
        found[name] = named.with_(found[name]) if name in found else named
    return found


def stored_sums(table: FromClause) -> Sequence[Label[int]]:
    """Columns of a table of sums added up, in the order of Summed."""
    return [func.sum(table.c[name]).label(name) for name in SUMMED]


def _paid(office_id: str, first: str, last: str) -> Select[Any]:
    columns, day = calls.c, calls.c.spending_day
    return (
        select(
            *(day, columns.endpoint, columns.country, func.max(columns.extension)),
            func.count(),
            func.sum(case((columns.talk_s > 0, 1), else_=0)),
            func.sum(func.coalesce(columns.talk_s, 0)),
            func.sum(columns.debited_micros),
            *(literal(0) for _ in range(3)),
        )
        .where(columns.office_id == office_id, day >= first, day <= last)
        .group_by(day, columns.endpoint, columns.country)
    )


def _unpaid(office_id: str, first: str, last: str) -> Select[Any]:
    columns, refused = unpaid_calls.c, unpaid_calls.c.refusal.is_not(None)
    return (
        select(
            *(columns.day, columns.endpoint, columns.country, func.max(columns.extension)),
            *(literal(0) for _ in range(4)),
            func.sum(case((refused, 0), else_=1)),
            func.sum(func.coalesce(columns.talk_s, 0)),
            func.sum(case((refused, 1), else_=0)),
        )
        .where(columns.office_id == office_id, columns.day >= first, columns.day <= last)
        .group_by(columns.day, columns.endpoint, columns.country)
    )
