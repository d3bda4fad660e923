"""Links that offer a role in an office to somebody who is known already.

The table is made anew: a link works for a quarter of an hour, and one can ask for another.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_table("user_links")
    _make(
        ("invitation", "reset", "access"),
        sa.Column("office_id", sa.String(length=64), nullable=True),
        sa.Column("role", sa.String(length=24), nullable=True),
        sa.CheckConstraint(
            "CASE purpose WHEN 'access' THEN office_id IS NOT NULL AND role IS NOT NULL"
            " ELSE office_id IS NULL AND role IS NULL END",
            name=op.f("ck_user_links_offered"),
        ),
    )


def downgrade() -> None:
    """Links that were mailed no longer work."""
    op.drop_table("user_links")
    _make(("invitation", "reset"))


def _make(purposes: tuple[str, ...], *more: sa.Column[str] | sa.CheckConstraint) -> None:
    op.create_table(
        "user_links",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", _RowId, nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("expires_at", _Moment, nullable=False),
        sa.Column("used_at", _Moment, nullable=True),
        *more,
        sa.CheckConstraint(f"purpose IN {purposes}", name=op.f("ck_user_links_purpose")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_user_links_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_user_links")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_user_links_user_id"), "user_links", ["user_id"], unique=False)
