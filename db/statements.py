"""Core statements, compiled once for a database and run on the driver's own cursor.

For statements as small as the ledger's, SQLAlchemy's execution costs ten times the driver's: 35 µs
against 4 for reading two balances. What is written is still Core; only the way to the driver is
short, and moments are converted here, since SQLite stores them as text.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, String, any_, bindparam, func, select
from sqlalchemy.sql.elements import ClauseElement

Cursor = Any  # a DB-API cursor; the drivers share no type
Row = tuple[Any, ...]


class Statement:
    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup  # None: the driver takes names

    def query(self, cursor: Cursor, values: Mapping[str, Any]) -> list[Row]:
        cursor.execute(self._sql, self._bound(values))
        rows: list[Row] = cursor.fetchall()
        return rows

    def change(self, cursor: Cursor, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run once for each of `rows`; how many rows of the table were changed."""
        cursor.executemany(self._sql, [self._bound(row) for row in rows])
        changed: int = cursor.rowcount
        return changed

    def _bound(self, values: Mapping[str, Any]) -> Any:
        if self._order is None:
            return values
        return [values[name] for name in self._order]


class Shape:
    """In what a database differs from the other one, as far as the ledger's statements go."""

    def __init__(self, dialect: Dialect) -> None:
        self._is_sqlite = dialect.name == "sqlite"

    def is_among(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """`column IN (…)`, in words that do not depend on how many there are."""
        if self._is_sqlite:
            values = func.json_each(bindparam(name, type_=String)).table_valued("value")
            return column.in_(select(values.c.value))
        return column == any_(bindparam(name, type_=ARRAY(String)))

    def among(self, values: Iterable[str]) -> Any:
        """The values that `is_among` looks for."""
        return json.dumps([*values]) if self._is_sqlite else [*values]

    def stored(self, moment: datetime | None) -> Any:
        if moment is None or not self._is_sqlite:
            return moment
        utc = moment.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(sep=" ", timespec="microseconds")


def moment_of(stored: Any) -> datetime | None:
    """A moment from a row of either database."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    moment: datetime | None = stored
    return moment
