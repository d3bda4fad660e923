"""Tables of calls beside the ledger: what is not charged, requests about calls, and what is masked.

Nothing here is money, and nothing here is about an emergency call: a CHECK refuses the category,
and whoever writes refuses the number.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from db.models import UtcDateTime, metadata

OPEN_REQUEST = "outcome IS NULL"
REFUSED = "refusal IS NOT NULL"

# Calls and attempts that moved no money: refused ones, and what a plan includes or has for free.
# A paid call that nobody answered is a call of the ledger.
unpaid_calls = Table(
    "unpaid_calls",
    metadata,
    # A refused attempt has the application's id; an included or free call the one that follows
    # from its channel and number, so that whoever tells of it first and again means one row.
    Column("call_id", String(64), primary_key=True),
    Column("office_id", String(64), nullable=False),  # "": of an endpoint that nobody knows
    Column("endpoint", String(120), nullable=False),
    Column("extension", String(120), nullable=False),
    Column("asterisk", String(64), nullable=False),
    Column("caller_channel", String(150), nullable=False),
    Column("dialled", String(32), nullable=False),
    Column("number", String(32), nullable=False),  # digits of E.164 or a short code; "": none
    Column("country", String(3), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("category", String(16), nullable=False),  # "": what was dialled is no number here
    Column("refusal", String(32)),  # charging.errors: Refusal.code; None: it was connected
    Column("refusal_detail", String(40), nullable=False, server_default=""),
    Column("started_at", UtcDateTime, nullable=False),
    Column("day", String(10), nullable=False),  # in the office's time zone
    # By Asterisk's log of legs. None: not yet, or the log does not say.
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("talk_s", Integer),
    Column("hangup_cause", Integer),  # Q.850
    CheckConstraint(
        "category IN ('', 'free', 'barred', 'included', 'paid', 'invalid')", name="no_emergency"
    ),
    CheckConstraint("refusal IS NULL OR answered_at IS NULL", name="refused_is_unanswered"),
    CheckConstraint(
        "refusal IS NOT NULL OR category IN ('free', 'included')", name="connected_costs_nothing"
    ),
    CheckConstraint("talk_s >= 0", name="not_negative"),
    # A filter by extension or country is decided in the index.
    Index(
        "ix_unpaid_calls_office_id_started_at",
        *("office_id", "started_at", "call_id", "endpoint", "country"),
    ),
    Index(
        "ix_unpaid_calls_refused",
        *("office_id", "started_at", "call_id"),
        sqlite_where=text(REFUSED),
        postgresql_where=text(REFUSED),
    ),
    Index("ix_unpaid_calls_office_id_day", "office_id", "day"),
)

# What somebody asks of a call under way; the application that carries it looks every second.
call_requests = Table(
    "call_requests",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("asterisk", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("actor", String(320), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("outcome", String(16)),
    Column("done_at", UtcDateTime),
    CheckConstraint("action IN ('hang_up')", name="action"),
    CheckConstraint("actor <> ''", name="somebody"),
    CheckConstraint("outcome IN ('hung_up', 'over')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (done_at IS NULL)", name="done_once"),
    Index(
        "ix_call_requests_open",
        *("asterisk", "call_id"),
        unique=True,  # a call is asked to be hung up once
        sqlite_where=text(OPEN_REQUEST),
        postgresql_where=text(OPEN_REQUEST),
    ),
    Index("ix_call_requests_call_id", "call_id"),
)

# How far the log of legs of an Asterisk is in `unpaid_calls`.
leg_log_positions = Table(
    "leg_log_positions",
    metadata,
    Column("asterisk", String(64), primary_key=True),
    Column("read_until", UtcDateTime, nullable=False),
)

# Up to which moment the numbers of an office are masked, in each table that has some.
masked_numbers = Table(
    "masked_numbers",
    metadata,
    Column("table_name", String(24), primary_key=True),
    Column("office_id", String(64), primary_key=True),
    Column("masked_before", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)
