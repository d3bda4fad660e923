"""Which offices have rows, be they in the settings or not."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, func, select


def office_ids(reader: Connection, column: Column[Any]) -> Iterator[str]:
    """In their order. An index that begins with the column is asked for the next one, not read."""
    office_id: str | None = reader.scalar(select(func.min(column)))
    while office_id is not None:
        yield office_id
        office_id = reader.scalar(select(func.min(column)).where(column > office_id))
