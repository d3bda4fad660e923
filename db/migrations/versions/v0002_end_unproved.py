"""Why nobody can say when a call ended, where that is so."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("end_unproved", sa.String(length=24), nullable=True))


def downgrade() -> None:
    op.drop_column("calls", "end_unproved")
