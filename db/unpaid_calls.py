"""Calls that are not charged, as rows: written in batches off the path of calls."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from charging.errors import ConstraintBroken
from charging.unpaid_calls import UnpaidCall
from db.batches import unavailable
from db.call_tables import leg_log_positions, unpaid_calls
from db.engine import WRITER

_IDENTITY = (
    *("office_id", "endpoint", "extension", "dialled"),
    *("number", "country", "kind", "category"),
)
_TIMES = ("answered_at", "ended_at", "talk_s", "hangup_cause")
_COLUMNS = (
    *("call_id", *_IDENTITY, "asterisk", "caller_channel", "refusal", "refusal_detail"),
    *("started_at", "day", *_TIMES),
)


class UnpaidCalls:
    """The rows of one database; several processes may write the same row, in any order."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(
        self,
        *,
        known: Collection[UnpaidCall] = (),
        seen: Collection[UnpaidCall] = (),
        asterisk: str = "",
        read_until: datetime | None = None,
    ) -> None:
        """Write rows in one transaction; writing them again changes nothing.

        Args:
            known: what the application decided, which says whose call it was.
            seen: what the log of legs says, which says how it went.
            asterisk: whose log of legs that is.
            read_until: how far that log is read, once these rows are written.

        Raises:
            ChargingUnavailable: the database is away. Nothing was written.
            ConstraintBroken: one of the rows is none. Nothing was written.
        """
        try:
            with self._engine.connect().execution_options(**WRITER) as writer, writer.begin():
                _upsert(writer, known, changes=_IDENTITY)
                _upsert(writer, seen, changes=_TIMES)
                if read_until is not None:
                    _move_on(writer, asterisk, read_until)
        except (IntegrityError, DataError) as error:
            raise ConstraintBroken(str(error.orig)) from error
        except DBAPIError as error:
            raise unavailable(error) from error

    def read_until(self, asterisk: str) -> datetime | None:
        """How far the log of legs was read; None: never.

        Raises:
            ChargingUnavailable: the database is away.
        """
        query = select(leg_log_positions.c.read_until).where(
            leg_log_positions.c.asterisk == asterisk
        )
        try:
            with self._engine.connect() as reader:
                found: datetime | None = reader.scalar(query)
        except DBAPIError as error:
            raise unavailable(error) from error
        return found


def _insert(writer: Connection, table: Any) -> Any:
    dialect = sqlite if writer.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def _upsert(writer: Connection, calls: Iterable[UnpaidCall], *, changes: Sequence[str]) -> None:
    """What an earlier row knew and this one does not stays as it is."""
    rows = [{name: getattr(call, name) for name in _COLUMNS} for call in calls]
    if not rows:
        return
    insertion = _insert(writer, unpaid_calls)
    kept = {name: func.coalesce(insertion.excluded[name], unpaid_calls.c[name]) for name in changes}
    writer.execute(insertion.on_conflict_do_update(index_elements=["call_id"], set_=kept), rows)


def _move_on(writer: Connection, asterisk: str, read_until: datetime) -> None:
    insertion = _insert(writer, leg_log_positions)
    writer.execute(
        insertion.on_conflict_do_update(
            index_elements=["asterisk"], set_={"read_until": insertion.excluded.read_until}
        ),
        [{"asterisk": asterisk, "read_until": read_until}],
    )


def unpaid_call_of(row: Row[Any]) -> UnpaidCall:
    """Read one from a row of all columns."""
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for it
    return UnpaidCall(**{name: columns[name] for name in _COLUMNS})
