"""How far a ledger is, and whether it is sound, in one moment of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from backups.errors import BackupError
from backups.manifest import Marks, OfficeMark
from db.audit import audit
from db.models import balances, entries
from db.people_tables import audit_trail

TOLD_MAX = 3  # problems of an unsound ledger in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    marks: Marks
    problems: Sequence[str]

    def require_sound(self, what: str) -> None:
        """Raises BackupError."""
        if self.problems:
            told = "; ".join(self.problems[:TOLD_MAX])
            raise BackupError(f"{what} is not sound: {len(self.problems)} problems: {told}")


def examine(reader: Connection) -> Examined:
    """What `tollgate ledger verify` says, and how far each account is."""
    found = audit(reader)
    return Examined(
        marks=Marks(
            accounts=found.accounts,
            entries=found.entries,
            calls=found.calls,
            changes=reader.scalar(select(func.max(audit_trail.c.id))) or 0,
            offices=_offices(reader),
        ),
        problems=found.problems,
    )


def marks_of(reader: Connection) -> Marks:
    """Only how far it is: a damaged ledger is compared, too."""
    counted = {
        table.name: reader.scalar(select(func.count()).select_from(table)) or 0
        for table in (balances, entries)
    }
    return Marks(
        accounts=counted["balances"],
        entries=counted["entries"],
        calls=0,
        changes=reader.scalar(select(func.max(audit_trail.c.id))) or 0,
        offices=_offices(reader),
    )


def _offices(reader: Connection) -> dict[str, OfficeMark]:
    last = (
        select(entries.c.office_id, func.max(entries.c.number).label("number"))
        .group_by(entries.c.office_id)
        .subquery()
    )
    query = (
        select(entries, balances.c.micros, balances.c.currency)
        .join(last, (entries.c.office_id == last.c.office_id) & (entries.c.number == last.c.number))
        .outerjoin(
            balances,
            (balances.c.office_id == entries.c.office_id) & (balances.c.account == "available"),
        )
    )
    return {
        row.office_id: OfficeMark(
            entries=row.number,
            key=row.key,
            posted_at=row.posted_at,
            available_micros=row.micros or 0,
            currency=row.currency or "",
        )
        for row in reader.execute(query)
    }
