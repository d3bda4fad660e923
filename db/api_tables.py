"""Tables of the API: tokens, and what was answered to requests that may be sent twice.

A token is stored as its SHA-256, so that who can read the database cannot use it.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from db.models import ROW_ID, UtcDateTime, metadata

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", ROW_ID, primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("name", String(40), nullable=False),
    Column("role", String(24), nullable=False),
    Column("token_sha256", String(64), nullable=False),
    Column("made_by", String(320), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    CheckConstraint("role IN ('viewer', 'manager', 'customer_care')", name="role"),
    CheckConstraint("name <> '' AND made_by <> ''", name="somebody"),
    Index("ix_api_tokens_token_sha256", "token_sha256", unique=True),
    Index("ix_api_tokens_name", "office_id", "name", unique=True),
)

# By the Idempotency-Key that came with a request: what was asked, and what was answered.
api_requests = Table(
    "api_requests",
    metadata,
    Column("token_id", ForeignKey("api_tokens.token_id"), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("status", Integer),  # None: it is being carried out
    Column("answer", Text),
    CheckConstraint("(status IS NULL) = (answer IS NULL)", name="answered"),
    Index("ix_api_requests_began_at", "began_at"),
    sqlite_with_rowid=False,
)
