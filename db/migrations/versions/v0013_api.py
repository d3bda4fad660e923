"""Tokens of programs that use the API, and the answers to requests that may be sent twice."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("token_id", _RowId, nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=320), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("expires_at", _Moment, nullable=False),
        sa.Column("revoked_at", _Moment, nullable=True),
        sa.Column("last_used_at", _Moment, nullable=True),
        sa.CheckConstraint(
            "role IN ('viewer', 'manager', 'customer_care')", name=op.f("ck_api_tokens_role")
        ),
        sa.CheckConstraint("name <> '' AND made_by <> ''", name=op.f("ck_api_tokens_somebody")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_api_tokens")),
    )
    op.create_index("ix_api_tokens_token_sha256", "api_tokens", ["token_sha256"], unique=True)
    op.create_index("ix_api_tokens_name", "api_tokens", ["office_id", "name"], unique=True)
    op.create_table(
        "api_requests",
        sa.Column("token_id", _RowId, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("began_at", _Moment, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status IS NULL) = (answer IS NULL)", name=op.f("ck_api_requests_answered")
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["api_tokens.token_id"], name=op.f("fk_api_requests_token_id")
        ),
        sa.PrimaryKeyConstraint("token_id", "key", name=op.f("pk_api_requests")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_api_requests_began_at", "api_requests", ["began_at"], unique=False)


def downgrade() -> None:
    """Every program needs a new token; the ledger stays as it is."""
    op.drop_table("api_requests")
    op.drop_table("api_tokens")
