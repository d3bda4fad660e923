"""Rate decks have names, so that offices of one currency may pay different prices."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    name = sa.Column("name", sa.String(length=40), nullable=False, server_default="standard")
    op.add_column("rate_decks", name)


def downgrade() -> None:
    others = sa.text("SELECT count(*) FROM rate_decks WHERE name <> 'standard'")
    if op.get_bind().execute(others).scalar():
        raise NotImplementedError("without names several decks of one currency would be in force")
    op.drop_column("rate_decks", "name")
