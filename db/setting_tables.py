"""The table of what managers set: append-only, so the last row of a setting is in force."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    String,
    Table,
    Text,
)

from db.models import ROW_ID, UtcDateTime, metadata

setting_changes = Table(
    "setting_changes",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False, server_default=""),  # "": of the office itself
    Column("name", String(40), nullable=False),
    Column("value", Text),  # as it is typed; NULL: no manager sets it any more
    Column("actor", String(320), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("changed_at", UtcDateTime, nullable=False),
    CheckConstraint("actor <> '' AND name <> ''", name="somebody"),
    Index("ix_setting_changes_of", "office_id", "endpoint", "name", "id"),
)
