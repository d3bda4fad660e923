"""What managers set of their office and extensions, where the files leave it to them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = "setting_changes"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=64), server_default="", nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("actor <> '' AND name <> ''", name=op.f("ck_setting_changes_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting_changes")),
    )
    op.create_index(
        "ix_setting_changes_of", _TABLE, ["office_id", "endpoint", "name", "id"], unique=False
    )
    for statement in _append_only(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """What managers set is lost; the files decide alone."""
    op.drop_table(_TABLE)


def _append_only(dialect: str) -> list[str]:
    """Nobody changes afterwards who set what; refuse_change is of migration 0004."""
    if dialect == "postgresql":
        every = "BEFORE UPDATE OR DELETE OR TRUNCATE"
        refuse = "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        return [f"CREATE TRIGGER {_TABLE}_refuse_change {every} ON {_TABLE} {refuse}"]
    return [
        f"CREATE TRIGGER {_TABLE}_refuse_{action.lower()} BEFORE {action} ON {_TABLE}"
        f" BEGIN SELECT RAISE(ABORT, '{_TABLE} is append-only'); END"
        for action in ("UPDATE", "DELETE")
    ]
