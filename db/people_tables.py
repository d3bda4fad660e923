"""Tables of the portal's people: users, sessions, links, and the audit trail.

Tokens are stored as their SHA-256, so that who can read the database cannot sign in with it.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
)

from db.models import ROW_ID, UtcDateTime, metadata

_ROLES = "('viewer', 'manager', 'customer_care')"

users = Table(
    "users",
    metadata,
    Column("user_id", ROW_ID, primary_key=True),
    Column("address", String(254), nullable=False, unique=True),
    Column("name", String(80), nullable=False),
    Column("language", String(8)),
    Column("password_hash", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    CheckConstraint("address = lower(address) AND address <> ''", name="address"),
)

office_users = Table(
    "office_users",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.user_id"), primary_key=True),
    Column("role", String(24), nullable=False),
    CheckConstraint(f"role IN {_ROLES}", name="role"),
    Index(None, "user_id"),
    sqlite_with_rowid=False,
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("office_id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("proved_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("client_address", String(64), nullable=False),
    Column("browser", String(200), nullable=False),
    Index(None, "user_id"),
    Index(None, "created_at"),
    sqlite_with_rowid=False,
)

# What was mailed: it works once.
user_links = Table(
    "user_links",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    # What a link of the purpose "access" offers.
    Column("office_id", String(64)),
    Column("role", String(24)),
    CheckConstraint("purpose IN ('invitation', 'reset', 'access')", name="purpose"),
    CheckConstraint(
        "CASE purpose WHEN 'access' THEN office_id IS NOT NULL AND role IS NOT NULL"
        " ELSE office_id IS NULL AND role IS NULL END",
        name="offered",
    ),
    Index(None, "user_id"),
    sqlite_with_rowid=False,
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("attempted_at", UtcDateTime, nullable=False),
    Column("account", String(254), nullable=False),
    Column("client_address", String(64), nullable=False),
    Index(None, "account", "attempted_at"),
    Index(None, "client_address", "attempted_at"),
    Index(None, "attempted_at"),
)

# What an office reads out to customer care, who may then cancel one top-up.
support_codes = Table(
    "support_codes",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("made_by", String(320), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Index(None, "office_id"),
    sqlite_with_rowid=False,
)

audit_trail = Table(
    "audit_trail",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("actor", String(320), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(320), nullable=False),
    Column("before", Text, nullable=False, server_default=""),
    Column("after", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("client_address", String(64), nullable=False, server_default=""),
    CheckConstraint("actor <> '' AND action <> ''", name="somebody"),
    Index(None, "office_id", "id"),
)
