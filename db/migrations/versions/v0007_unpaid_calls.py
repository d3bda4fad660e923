"""Calls that are not charged, requests about calls, and calls in the order of time."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    _unpaid_calls()
    _call_requests()
    op.create_table(
        "leg_log_positions",
        sa.Column("asterisk", sa.String(length=64), nullable=False),
        sa.Column("read_until", _Moment, nullable=False),
        sa.PrimaryKeyConstraint("asterisk", name=op.f("pk_leg_log_positions")),
    )
    op.create_table(
        "masked_numbers",
        sa.Column("table_name", sa.String(length=24), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("masked_before", _Moment, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "office_id", name=op.f("pk_masked_numbers")),
        sqlite_with_rowid=False,
    )
    in_order = ["office_id", "authorised_at", "call_id", "endpoint", "country"]
    op.create_index(op.f("ix_calls_office_id_authorised_at"), "calls", in_order)


def downgrade() -> None:
    """What was not charged is forgotten; the ledger stays as it is."""
    op.drop_index(op.f("ix_calls_office_id_authorised_at"), table_name="calls")
    for table in ("masked_numbers", "leg_log_positions", "call_requests", "unpaid_calls"):
        op.drop_table(table)


def _unpaid_calls() -> None:
    op.create_table(
        "unpaid_calls",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=120), nullable=False),
        sa.Column("extension", sa.String(length=120), nullable=False),
        sa.Column("asterisk", sa.String(length=64), nullable=False),
        sa.Column("caller_channel", sa.String(length=150), nullable=False),
        sa.Column("dialled", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("country", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("refusal", sa.String(length=32), nullable=True),
        sa.Column("refusal_detail", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("started_at", _Moment, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("answered_at", _Moment, nullable=True),
        sa.Column("ended_at", _Moment, nullable=True),
        sa.Column("talk_s", sa.Integer(), nullable=True),
        sa.Column("hangup_cause", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "category IN ('', 'free', 'barred', 'included', 'paid', 'invalid')",
            name=op.f("ck_unpaid_calls_no_emergency"),
        ),
        sa.CheckConstraint(
            "refusal IS NULL OR answered_at IS NULL",
            name=op.f("ck_unpaid_calls_refused_is_unanswered"),
        ),
        sa.CheckConstraint(
            "refusal IS NOT NULL OR category IN ('free', 'included')",
            name=op.f("ck_unpaid_calls_connected_costs_nothing"),
        ),
        sa.CheckConstraint("talk_s >= 0", name=op.f("ck_unpaid_calls_not_negative")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_unpaid_calls")),
    )
    in_order = ["office_id", "started_at", "call_id", "endpoint", "country"]
    op.create_index(op.f("ix_unpaid_calls_office_id_started_at"), "unpaid_calls", in_order)
    op.create_index(op.f("ix_unpaid_calls_office_id_day"), "unpaid_calls", ["office_id", "day"])
    refused = sa.text("refusal IS NOT NULL")
    op.create_index(
        op.f("ix_unpaid_calls_refused"),
        "unpaid_calls",
        in_order[:3],
        sqlite_where=refused,
        postgresql_where=refused,
    )


def _call_requests() -> None:
    op.create_table(
        "call_requests",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("asterisk", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("asked_at", _Moment, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("done_at", _Moment, nullable=True),
        sa.CheckConstraint("action IN ('hang_up')", name=op.f("ck_call_requests_action")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_call_requests_somebody")),
        sa.CheckConstraint("outcome IN ('hung_up', 'over')", name=op.f("ck_call_requests_outcome")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (done_at IS NULL)", name=op.f("ck_call_requests_done_once")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_call_requests")),
    )
    still_open = sa.text("outcome IS NULL")
    op.create_index(
        op.f("ix_call_requests_open"),
        "call_requests",
        ["asterisk", "call_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index(op.f("ix_call_requests_call_id"), "call_requests", ["call_id"])
