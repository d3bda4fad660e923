"""Legs to a carrier that nobody pays for; and calls, found by the channel that made them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ungated_legs",
        sa.Column("channel", sa.String(length=150), nullable=False),
        sa.Column("asterisk", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=120), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_ungated_legs")),
    )
    op.create_index(
        op.f("ix_ungated_legs_answered_at"), "ungated_legs", ["answered_at"], unique=False
    )
    op.create_index(op.f("ix_calls_caller_channel"), "calls", ["caller_channel"], unique=False)


def downgrade() -> None:
    """What was found is lost; calls stay as they are."""
    op.drop_index(op.f("ix_calls_caller_channel"), table_name="calls")
    op.drop_table("ungated_legs")
