"""What managers set, as rows: every change, and what is in force of each setting."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import DBAPIError

from charging.changes import Change
from charging.managers_settings import ManagersSettings, SettingChange
from charging.provenance import FromManager, Sourced
from db.audit_trail import record
from db.batches import unavailable
from db.engine import WRITER
from db.models import balances
from db.setting_tables import setting_changes

_LAST = select(func.max(setting_changes.c.id)).group_by(
    setting_changes.c.office_id, setting_changes.c.endpoint, setting_changes.c.name
)
_IN_FORCE = select(setting_changes).where(
    setting_changes.c.id.in_(_LAST), setting_changes.c.value.is_not(None)
)


def store_setting(engine: Engine, change: SettingChange, *, client_address: str = "") -> None:
    """Keep a change durably.

    Raises:
        ChargingUnavailable: the database is away; nothing was changed.
    """
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            write_setting(writer, change, client_address=client_address)
    except DBAPIError as error:
        raise unavailable(error) from error


def write_setting(writer: Connection, change: SettingChange, *, client_address: str = "") -> None:
    """Keep a change, and who made it, in the caller's transaction; what changes nothing is none."""
    before = _value_of(writer, change)
    if before == change.value:
        return
    writer.execute(
        insert(setting_changes).values(
            office_id=change.office_id,
            endpoint=change.endpoint,
            name=change.name,
            value=change.value,
            actor=change.actor,
            reason=change.reason,
            changed_at=change.at,
        )
    )
    record(
        writer,
        Change(
            office_id=change.office_id,
            at=change.at,
            actor=change.actor,
            action="extension.set" if change.endpoint else "office.set",
            subject=change.subject,
            before=before or "",
            after=change.value or "",
            reason=change.reason,
            client_address=client_address,
        ),
    )


def read_settings(reader: Connection) -> ManagersSettings:
    """Everything that managers have set and not unset since."""
    found: dict[tuple[str, str], dict[str, Sourced]] = defaultdict(dict)
    for row in reader.execute(_IN_FORCE):
        origin = FromManager(actor=row.actor, at=row.changed_at, reason=row.reason)
        found[row.office_id, row.endpoint][row.name] = Sourced(row.value, origin)
    return dict(found)


def read_history(
    reader: Connection, office_id: str, *, endpoint: str = "", limit: int
) -> Sequence[SettingChange]:
    """What was set of an office or of an extension of it, the last first."""
    query = (
        select(setting_changes)
        .where(setting_changes.c.office_id == office_id, setting_changes.c.endpoint == endpoint)
        .order_by(setting_changes.c.id.desc())
        .limit(limit)
    )
    return [
        SettingChange(
            office_id=row.office_id,
            endpoint=row.endpoint,
            name=row.name,
            value=row.value,
            actor=row.actor,
            reason=row.reason,
            at=row.changed_at,
        )
        for row in reader.execute(query)
    ]


def read_currencies(reader: Connection) -> Mapping[str, str]:
    """Of every office that has an account: its first posting fixed it."""
    query = select(balances.c.office_id, balances.c.currency).distinct()
    return {row.office_id: row.currency for row in reader.execute(query)}


def _value_of(reader: Connection, change: SettingChange) -> str | None:
    query = (
        select(setting_changes.c.value)
        .where(
            setting_changes.c.office_id == change.office_id,
            setting_changes.c.endpoint == change.endpoint,
            setting_changes.c.name == change.name,
        )
        .order_by(setting_changes.c.id.desc())
        .limit(1)
    )
    value: str | None = reader.scalar(query)
    return value
