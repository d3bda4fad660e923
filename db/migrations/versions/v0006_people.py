"""People who use the portal, their sessions and links, and the trail of what they change."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)
_NEW = (
    "audit_trail",
    "support_codes",
    "sign_in_attempts",
    "user_links",
    "user_sessions",
    "office_users",
    "users",
)


def upgrade() -> None:
    _users()
    _sessions_and_links()
    _attempts_and_codes()
    _audit_trail()


def downgrade() -> None:
    """Who could sign in, and what they changed, is lost; the ledger stays as it is."""
    for table in _NEW:
        op.drop_table(table)


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", _RowId, nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("disabled_at", _Moment, nullable=True),
        sa.CheckConstraint(
            "address = lower(address) AND address <> ''", name=op.f("ck_users_address")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("address", name=op.f("uq_users_address")),
    )
    op.create_table(
        "office_users",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", _RowId, nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.CheckConstraint(
            "role IN ('viewer', 'manager', 'customer_care')", name=op.f("ck_office_users_role")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_office_users_user_id")
        ),
        sa.PrimaryKeyConstraint("office_id", "user_id", name=op.f("pk_office_users")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_office_users_user_id"), "office_users", ["user_id"], unique=False)


def _sessions_and_links() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", _RowId, nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("seen_at", _Moment, nullable=False),
        sa.Column("proved_at", _Moment, nullable=False),
        sa.Column("revoked_at", _Moment, nullable=True),
        sa.Column("client_address", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_user_sessions_user_id")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_user_sessions")),
        sqlite_with_rowid=False,
    )
    for column in ("user_id", "created_at"):
        op.create_index(op.f(f"ix_user_sessions_{column}"), "user_sessions", [column])
    op.create_table(
        "user_links",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", _RowId, nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("expires_at", _Moment, nullable=False),
        sa.Column("used_at", _Moment, nullable=True),
        sa.CheckConstraint(
            "purpose IN ('invitation', 'reset')", name=op.f("ck_user_links_purpose")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_user_links_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_user_links")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_user_links_user_id"), "user_links", ["user_id"], unique=False)


def _attempts_and_codes() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", _RowId, nullable=False),
        sa.Column("attempted_at", _Moment, nullable=False),
        sa.Column("account", sa.String(length=254), nullable=False),
        sa.Column("client_address", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    for columns in (["account", "attempted_at"], ["client_address", "attempted_at"]):
        name = op.f(f"ix_sign_in_attempts_{'_'.join(columns)}")
        op.create_index(name, "sign_in_attempts", columns)
    op.create_index(op.f("ix_sign_in_attempts_attempted_at"), "sign_in_attempts", ["attempted_at"])
    op.create_table(
        "support_codes",
        sa.Column("code_sha256", sa.String(length=64), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=320), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("expires_at", _Moment, nullable=False),
        sa.Column("used_at", _Moment, nullable=True),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_support_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_support_codes_office_id"), "support_codes", ["office_id"])


def _audit_trail() -> None:
    op.create_table(
        "audit_trail",
        sa.Column("id", _RowId, nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("changed_at", _Moment, nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=320), nullable=False),
        sa.Column("before", sa.Text(), nullable=False, server_default=""),
        sa.Column("after", sa.Text(), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("client_address", sa.String(length=64), nullable=False, server_default=""),
        sa.CheckConstraint("actor <> '' AND action <> ''", name=op.f("ck_audit_trail_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_trail")),
    )
    op.create_index(op.f("ix_audit_trail_office_id_id"), "audit_trail", ["office_id", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_trail_refuse_{action.lower()} BEFORE {action} ON audit_trail"
                " BEGIN SELECT RAISE(ABORT, 'audit_trail is append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER audit_trail_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON audit_trail FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
