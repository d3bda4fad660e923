"""Sums of past days, and what drops them when a call is written for such a day later."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_Moment = sa.DateTime(timezone=True)
_SUMMED = (
    *("paid_calls", "answered_calls", "paid_talk_s", "spent_micros"),
    *("unpaid_calls", "unpaid_talk_s", "refused_calls"),
)
_PARTS = "('country', 'extension', 'both')"
_COUNTED = "office_id, day, endpoint, extension, country, refusal, talk_s"
# What happens to a row, and which days it belonged to.
_EVENTS = (
    ("insert", "INSERT", ("NEW",)),
    ("update", f"UPDATE OF {_COUNTED}", ("OLD", "NEW")),
    ("delete", "DELETE", ("OLD",)),
)


def upgrade() -> None:
    op.create_table(
        "summed_days",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("summed_at", _Moment, nullable=True),
        *_sums(),
        sa.Column("first_at", _Moment, nullable=True),
        sa.Column("last_at", _Moment, nullable=True),
        sa.Column("settled_at", _Moment, nullable=True),
        sa.PrimaryKeyConstraint("office_id", "day", name=op.f("pk_summed_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "day_sums",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("part", sa.String(length=10), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("endpoint", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=3), nullable=False),
        sa.Column("extension", sa.String(length=120), nullable=False),
        *_sums(),
        sa.CheckConstraint(f"part IN {_PARTS}", name=op.f("ck_day_sums_part")),
        sa.PrimaryKeyConstraint(
            *("office_id", "part", "day", "endpoint", "country"), name=op.f("pk_day_sums")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sum_positions",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("entry_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office_id", name=op.f("pk_sum_positions")),
    )
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _for_sqlite() if on_sqlite else _for_postgresql():
        op.execute(statement)


def downgrade() -> None:
    """Nothing is lost: the calls are there."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, _, _ in _EVENTS:
        of_table = "" if on_sqlite else " ON unpaid_calls"
        op.execute(f"DROP TRIGGER unpaid_calls_{name}_drops_sums{of_table}")
    if not on_sqlite:
        op.execute("DROP FUNCTION drop_day_sums")
    for table in ("sum_positions", "day_sums", "summed_days"):
        op.drop_table(table)


def _sums() -> list[sa.Column[int]]:
    return [
        sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _SUMMED
    ]


def _drop(row: str) -> str:
    of_day = f"office_id = {row}.office_id AND day = {row}.day"
    return (
        f"DELETE FROM day_sums WHERE {of_day} AND part IN {_PARTS};"  # noqa: S608 - ours
        f" DELETE FROM summed_days WHERE {of_day};"
    )


def _for_sqlite() -> Iterator[str]:
    for name, event, rows in _EVENTS:
        is_summed = " OR ".join(
            f"EXISTS (SELECT 1 FROM summed_days WHERE office_id = {row}.office_id"  # noqa: S608
            f" AND day = {row}.day)"
            for row in rows
        )
        yield (
            f"CREATE TRIGGER unpaid_calls_{name}_drops_sums AFTER {event} ON unpaid_calls"
            f" WHEN {is_summed} BEGIN {' '.join(map(_drop, rows))} END"
        )


def _for_postgresql() -> Iterator[str]:
    yield (
        "CREATE FUNCTION drop_day_sums() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP <> 'INSERT' THEN {_drop('OLD')} END IF;"
        f" IF TG_OP <> 'DELETE' THEN {_drop('NEW')} END IF; RETURN NULL; END $$"
    )
    for name, event, _ in _EVENTS:
        yield (
            f"CREATE TRIGGER unpaid_calls_{name}_drops_sums AFTER {event} ON unpaid_calls"
            " FOR EACH ROW EXECUTE FUNCTION drop_day_sums()"
        )
