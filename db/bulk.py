"""Write many rows at once, at what the database itself costs.

SQLite's driver runs a statement again and again for next to nothing; a server wants one statement
for all rows, which come as an array for each column. Values are converted as SQLAlchemy does it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, DateTime, Dialect, Integer, Table, text

from db.models import UtcDateTime

_MOMENTS = (UtcDateTime, DateTime)

Values = tuple[Any, ...]  # of one row, in the order of the columns


class _Statement:
    def __init__(self, columns: Sequence[Column[Any]], *, by_row: str, by_column: str) -> None:
        self._names = [column.name for column in columns]
        self._moments = [
            (n, column) for n, column in enumerate(columns) if isinstance(column.type, _MOMENTS)
        ]
        self._by_row = by_row
        self._by_column = text(by_column)

    def run(self, connection: Connection, rows: Sequence[Values]) -> None:
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]
        if connection.dialect.name == "sqlite":
            for n, column in self._moments:
                columns[n] = list(map(_converter(column, connection.dialect), columns[n]))
            connection.exec_driver_sql(self._by_row, [*zip(*columns, strict=True)])
        else:
            connection.execute(self._by_column, dict(zip(self._names, columns, strict=True)))


def _converter(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any]:
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        raise TypeError(f"{dialect.name} stores moments as they are")
    return convert


class Insert(_Statement):
    def __init__(self, table: Table, *names: str) -> None:
        columns = [table.c[name] for name in names]
        into = f"INSERT INTO {table.name} ({', '.join(names)})"
        super().__init__(
            columns,
            by_row=f"{into} VALUES ({', '.join('?' for _ in names)})",
            by_column=f"{into} SELECT * FROM {_unnested(columns)}",  # noqa: S608 - of models
        )


class Update(_Statement):
    """The columns that are named after the key are set where the key, a text, is the row's."""

    def __init__(self, table: Table, *names: str, key: str) -> None:
        columns = [*(table.c[name] for name in names), table.c[key]]
        self_set = ", ".join(f"{name} = ?" for name in names)
        new_set = ", ".join(f"{name} = changed.{name}" for name in names)
        super().__init__(
            columns,
            by_row=f"UPDATE {table.name} SET {self_set} WHERE {key} = ?",  # noqa: S608 - of models
            by_column=f"UPDATE {table.name} SET {new_set} FROM {_unnested(columns)}"  # noqa: S608
            f" AS changed({', '.join((*names, key))}) WHERE {table.name}.{key} = changed.{key}",
        )


def _unnested(columns: Sequence[Column[Any]]) -> str:
    arrays = (f"CAST(:{column.name} AS {_array_type(column)})" for column in columns)
    return f"unnest({', '.join(arrays)})"


def _array_type(column: Column[Any]) -> str:
    match column.type:
        case BigInteger() | Integer():
            return "bigint[]"
        case UtcDateTime() | DateTime():
            return "timestamptz[]"
        case _:
            return "text[]"
