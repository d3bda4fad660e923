"""When the ledger was restored from a backup."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = "restorations"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.CheckConstraint("taken_at <= restored_at", name=op.f("ck_restorations_backwards")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_restorations_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restorations")),
    )


def downgrade() -> None:
    """Payments that a restored ledger lacks are not found any more."""
    op.drop_table(_TABLE)
