"""Calls by when they were settled: a period's sums ask which were under way at its beginning."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEX = "ix_calls_office_id_settled_at"


def upgrade() -> None:
    op.create_index(_INDEX, "calls", ["office_id", "settled_at", "authorised_at"], unique=False)


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="calls")
