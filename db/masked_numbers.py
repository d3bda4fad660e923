"""Numbers that were kept long enough are masked: in the end it is nobody's matter who was called.

Of paid calls, too: what was dialled is no part of the ledger's proof, and money, times, country and
kind stay. Every office is remembered by how far it was masked, so a day's work is one day's calls.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Table,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from charging.masking import HIDDEN, SHOWN_MIN, masked
from db.batches import unavailable
from db.call_tables import masked_numbers, unpaid_calls
from db.engine import WRITER
from db.ledger import read_from
from db.models import UtcDateTime, calls
from db.office_ids import office_ids

AT_ONCE = 500  # rows of one transaction, which calls wait for
_HIDDEN = "x" * HIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """A table, when its rows began, which of its columns hold a number, and which rows are over."""

    table: Table
    moment: Column[Any]
    columns: tuple[str, ...]
    is_over: ColumnElement[bool]


_TABLES = (
    _Numbers(
        table=unpaid_calls,
        moment=unpaid_calls.c.started_at,
        columns=("dialled", "number"),
        is_over=true(),
    ),
    _Numbers(
        table=calls,
        moment=calls.c.authorised_at,
        columns=("dialled", "number", "dial_string"),
        is_over=calls.c.settled_at.is_not(None),
    ),
)


class _Place(NamedTuple):
    at: datetime
    call_id: str


def to_be_masked(reader: Connection, before: datetime) -> Mapping[str, int]:
    """How many rows of each table a purge would change."""
    counts = {}
    for numbers in _TABLES:
        counts[numbers.table.name] = sum(
            reader.scalar(_counting(numbers, office_id, since, before)) or 0
            for office_id, since in _offices(reader, numbers)
        )
    return counts


def mask_numbers(engine: Engine, before: datetime) -> Iterator[Mapping[str, int]]:
    """Mask the numbers of calls that began before a moment, a transaction at a time.

    Whoever iterates may wait between the steps, each of which says how many rows it changed. What
    was done stands; doing it again changes nothing.

    Raises:
        ChargingUnavailable: the database is away.
    """
    for numbers in _TABLES:
        offices = read_from(engine, partial(_offices, numbers=numbers))
        for office_id, since in offices:
            place: _Place | None = None
            while True:
                place, changed = _step(engine, numbers, office_id, since, before, place)
                yield {numbers.table.name: changed}
                if place is None:
                    break


def _step(  # noqa: PLR0913, PLR0917 - where it is, and how far it goes
    engine: Engine,
    numbers: _Numbers,
    office_id: str,
    since: datetime | None,
    before: datetime,
    place: _Place | None,
) -> tuple[_Place | None, int]:
    """The next rows of an office; None: it has no more of them."""
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            query = _next_rows(numbers, office_id, since, before, place)
            rows = writer.execute(query).all()
            changed = _mask(writer, numbers, rows)
            if len(rows) == AT_ONCE:
                return _Place(rows[-1].at, rows[-1].call_id), changed
            _remember(writer, numbers, office_id, before)
    except DBAPIError as error:
        raise unavailable(error) from error
    return None, changed


def _next_rows(
    numbers: _Numbers,
    office_id: str,
    since: datetime | None,
    before: datetime,
    place: _Place | None,
) -> Any:
    columns = numbers.table.c
    query = (
        select(
            columns.call_id,
            numbers.moment.label("at"),
            *(columns[name] for name in numbers.columns),
        )
        .where(*_range(numbers, office_id, since, before), numbers.is_over)
        .order_by(numbers.moment, columns.call_id)
        .limit(AT_ONCE)
    )
    if place is None:
        return query
    after = tuple_(literal(place.at, UtcDateTime), place.call_id)
    return query.where(numbers.moment >= place.at, tuple_(numbers.moment, columns.call_id) > after)


def _mask(writer: Connection, numbers: _Numbers, rows: Sequence[Row[Any]]) -> int:
    changes = []
    for row in rows:
        before = [getattr(row, name) for name in numbers.columns]
        after = [masked(number) for number in before]
        if after != before:
            new = {
                f"new_{name}": number for name, number in zip(numbers.columns, after, strict=True)
            }
            changes.append({"of_call": row.call_id, **new})
    if changes:
        writer.execute(
            update(numbers.table)
            .where(numbers.table.c.call_id == bindparam("of_call"))
            .values({name: bindparam(f"new_{name}") for name in numbers.columns}),
            changes,
        )
    return len(changes)


def _remember(writer: Connection, numbers: _Numbers, office_id: str, before: datetime) -> None:
    """As far as it is masked: not beyond a call that is not over."""
    oldest = select(func.min(numbers.moment)).where(
        *_range(numbers, office_id, None, before), ~numbers.is_over
    )
    not_over: datetime | None = writer.scalar(oldest) if numbers.table is calls else None
    insertion = (sqlite if writer.dialect.name == "sqlite" else postgresql).insert(masked_numbers)
    writer.execute(
        insertion.on_conflict_do_update(
            index_elements=["table_name", "office_id"],
            set_={"masked_before": insertion.excluded.masked_before},
        ),
        {
            "table_name": numbers.table.name,
            "office_id": office_id,
            "masked_before": min(before, not_over or before),
        },
    )


def _offices(reader: Connection, numbers: _Numbers) -> Sequence[tuple[str, datetime | None]]:
    """Whoever has rows, be they in the settings or not, and how far each is masked."""
    column = numbers.table.c.office_id
    known = {
        row.office_id: row.masked_before
        for row in reader.execute(
            select(masked_numbers).where(masked_numbers.c.table_name == numbers.table.name)
        )
    }
    return [(office_id, known.get(office_id)) for office_id in office_ids(reader, column)]


def _counting(numbers: _Numbers, office_id: str, since: datetime | None, before: datetime) -> Any:
    can_be = or_(
        *(
            and_(
                func.length(numbers.table.c[name]) >= HIDDEN + SHOWN_MIN,
                numbers.table.c[name].not_like(f"%{_HIDDEN}"),
            )
            for name in numbers.columns
        )
    )
    return (
        select(func.count())
        .select_from(numbers.table)
        .where(*_range(numbers, office_id, since, before), numbers.is_over, can_be)
    )


def _range(
    numbers: _Numbers, office_id: str, since: datetime | None, before: datetime
) -> tuple[ColumnElement[bool], ...]:
    conditions = (numbers.table.c.office_id == office_id, numbers.moment < before)
    return conditions if since is None else (*conditions, numbers.moment >= since)
