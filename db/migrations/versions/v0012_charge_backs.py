"""How often a bank has taken a payment back, so that each time has an entry of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payments", sa.Column("charge_backs", sa.Integer(), nullable=False, server_default="0")
    )
    # Whatever was disputed before has used the first name; one too many leaves a name unused.
    op.execute(
        "UPDATE payments SET charge_backs = 1 WHERE state = 'disputed' OR closed_dispute <> ''"
        " OR payment_id IN (SELECT payment_id FROM entries"
        " WHERE kind = 'chargeback' AND payment_id IS NOT NULL)"
    )


def downgrade() -> None:
    """A second time would be refused again."""
    op.drop_column("payments", "charge_backs")
