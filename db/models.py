"""Tables. Column names carry units; amounts are whole micro-units, never Numeric.

An entry of the ledger is a row of `entries` and a row of `postings` for each movement. Both belong
to an office and are numbered in it, so offices share no rows. Accounts are named within their
office ("available", "revenue"): no posting can move money from one office to another. Triggers,
which are in the migrations, refuse what is no CHECK: entries and postings are never changed, a
posting moves what its entry's kind may move, and a balance is what a posting left.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. SQLite stores no zone, so everything is UTC before it is stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# Integer on SQLite, where only INTEGER PRIMARY KEY counts up by itself.
ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # counted up by either database

# By code point on both databases: a deck arrives in the order its lookup wants.
_Prefix = String(24, collation="C").with_variant(String(24), "sqlite")

# By code point on both databases: the keys of one call lie between "call:<id>:" and "call:<id>;".
_EntryKey = String(240, collation="C").with_variant(String(240), "sqlite")

_OF_CALLS = "('reserve', 'debit', 'settle', 'correct', 'release')"
# Every call has entries of these kinds, so they are found by walking; the others by an index.
SELDOM = "kind NOT IN ('reserve', 'debit')"
CREDIT_OF_PAYMENT = "payment_id IS NOT NULL AND kind IN ('top-up', 'refill')"

entries = Table(
    "entries",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("key", _EntryKey, nullable=False, unique=True),
    Column("kind", String(24), nullable=False),
    Column("call_id", String(64)),
    Column("actor", String(120), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("payment_id", String(64)),
    Column("reverses", ForeignKey("entries.key")),
    # Never earlier than that of the number before: the number finds a moment, and the other way.
    Column("posted_at", UtcDateTime, nullable=False),
    CheckConstraint("number > 0", name="numbered"),
    CheckConstraint("actor <> ''", name="somebody"),
    CheckConstraint(f"(call_id IS NOT NULL) = (kind IN {_OF_CALLS})", name="kind_of_call"),
    CheckConstraint(
        "CASE WHEN call_id IS NULL"
        " THEN substr(key, 1, length(kind) + length(office_id) + 2)"
        " = kind || ':' || office_id || ':'"
        " ELSE substr(key, 1, length(call_id) + 6) = 'call:' || call_id || ':' END",
        name="name_space",
    ),
    Index(
        "ix_entries_seldom",
        *("office_id", "kind", "number"),
        sqlite_where=text(SELDOM),
        postgresql_where=text(SELDOM),
    ),
    Index(
        "ix_entries_reverses",  # an entry is reversed at most once
        "reverses",
        unique=True,
        sqlite_where=text("reverses IS NOT NULL"),
        postgresql_where=text("reverses IS NOT NULL"),
    ),
    Index(
        "ix_entries_payment_id",
        "payment_id",
        sqlite_where=text("payment_id IS NOT NULL"),
        postgresql_where=text("payment_id IS NOT NULL"),
    ),
    Index(
        "ix_entries_credit",  # a payment is credited at most once
        "payment_id",
        unique=True,
        sqlite_where=text(CREDIT_OF_PAYMENT),
        postgresql_where=text(CREDIT_OF_PAYMENT),
    ),
    sqlite_with_rowid=False,
)

postings = Table(
    "postings",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("entry_number", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("source", String(40), nullable=False),
    Column("target", String(40), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    # What it left in the accounts that have a balance.
    Column("source_after_micros", BigInteger),
    Column("target_after_micros", BigInteger),
    ForeignKeyConstraint(["office_id", "entry_number"], ["entries.office_id", "entries.number"]),
    CheckConstraint("micros > 0", name="positive"),
    CheckConstraint("source <> target", name="moves"),
    *(
        CheckConstraint(
            f"CASE {side} WHEN 'owed' THEN coalesce({side}_after_micros, 1) <= 0"
            f" WHEN 'available' THEN coalesce({side}_after_micros, -1) >= 0"
            f" WHEN 'reserved' THEN coalesce({side}_after_micros, -1) >= 0"
            f" ELSE {side}_after_micros IS NULL END",
            name=f"{side}_after",
        )
        for side in ("source", "target")
    ),
    sqlite_with_rowid=False,
)

balances = Table(
    "balances",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("account", String(40), primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("entry_number", BigInteger, nullable=False),  # the last that changed it
    Column("posted_at", UtcDateTime, nullable=False),  # and when that was
    # Of what is available: levels whose crossing downwards matters to somebody. They stand here so
    # that a debit, which reads this row anyway, sees a crossing without reading anything else.
    Column("refill_below_micros", BigInteger),
    Column("notice_below_micros", BigInteger),
    ForeignKeyConstraint(["office_id", "entry_number"], ["entries.office_id", "entries.number"]),
    # The last line of defence: whatever the code believes, no balance falls below zero, and nobody
    # owes less than nothing.
    CheckConstraint(
        "CASE account WHEN 'owed' THEN micros <= 0 ELSE micros >= 0 END", name="not_negative"
    ),
    CheckConstraint("account IN ('available', 'owed', 'reserved')", name="of_an_office"),
    sqlite_with_rowid=False,
)

calls = Table(
    "calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("extension", String(120), nullable=False),
    Column("language", String(8), nullable=False),
    Column("dialled", String(32), nullable=False),
    Column("number", String(32), nullable=False),
    Column("dial_string", String(40), nullable=False),
    Column("country", String(3), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("destination", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("currency", String(3), nullable=False),
    # The rate as it was when the call was authorised: a running call keeps its price.
    Column("per_minute_micros", BigInteger, nullable=False),
    Column("connection_micros", BigInteger, nullable=False),
    Column("per_call_micros", BigInteger, nullable=False),
    Column("initial_s", Integer, nullable=False),
    Column("increment_s", Integer, nullable=False),
    Column("extension_day_limit_micros", BigInteger),
    Column("extension_month_limit_micros", BigInteger),
    Column("office_day_limit_micros", BigInteger),
    Column("caller_channel", String(150), nullable=False),
    Column("asterisk", String(64), nullable=False),
    Column("authorised_at", UtcDateTime, nullable=False),
    Column("spending_day", String(10), nullable=False),
    Column("reserved_intervals", Integer, nullable=False),
    Column("debited_intervals", Integer, nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    Column("debited_micros", BigInteger, nullable=False),
    Column("leg", String(150)),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("talk_s", Integer),
    Column("released_micros", BigInteger),
    Column("hangup_cause", Integer),
    Column("settled_at", UtcDateTime),
    Column("end_unproved", String(24)),
    CheckConstraint("held_micros >= 0 AND debited_micros >= 0", name="not_negative"),
    CheckConstraint("debited_intervals <= reserved_intervals", name="reserved_first"),
    CheckConstraint("settled_at IS NULL OR held_micros = 0", name="settled_holds_nothing"),
    # Limits add up what an extension, or an office, has committed on a day or in a month.
    Index(None, "caller_channel"),
    Index("ix_calls_office_id_spending_day_endpoint", "office_id", "spending_day", "endpoint"),
    # The list of calls, newest first; a filter by extension or country is decided in the index.
    # No column of it ever changes, so that metering does not pay for it.
    Index(
        "ix_calls_office_id_authorised_at",
        *("office_id", "authorised_at", "call_id", "endpoint", "country"),
    ),
    # Calls that were under way at a moment: settled later, and authorised before.
    Index("ix_calls_office_id_settled_at", "office_id", "settled_at", "authorised_at"),
    Index(
        "ix_calls_open",
        "asterisk",
        "authorised_at",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
)

# What Asterisk's log of legs shows and neither ledger nor plan explains: somebody dialled past the
# gate. The number is masked.
ungated_legs = Table(
    "ungated_legs",
    metadata,
    Column("channel", String(150), primary_key=True),
    Column("asterisk", String(64), nullable=False),
    Column("endpoint", String(120), nullable=False),
    Column("number", String(40), nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Index(None, "answered_at"),
)

rate_decks = Table(
    "rate_decks",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("name", String(40), nullable=False, server_default="standard"),  # offices name theirs
    Column("source", Text, nullable=False),  # the file's name, as a help to memory
    Column("sha256", String(64), nullable=False),
    Column("imported_at", UtcDateTime, nullable=False),
)

rates = Table(
    "rates",
    metadata,
    Column("deck_id", ForeignKey("rate_decks.id"), primary_key=True),
    Column(
        "prefix", String(24, collation="C").with_variant(String(24), "sqlite"), primary_key=True
    ),
    Column("effective", Date, primary_key=True),
    Column("destination", String(200), nullable=False),
    Column("per_minute_micros", BigInteger, nullable=False),
    Column("connection_micros", BigInteger, nullable=False),
    Column("per_call_micros", BigInteger, nullable=False),
    Column("initial_s", Integer, nullable=False),
    Column("increment_s", Integer, nullable=False),
    CheckConstraint(
        "per_minute_micros >= 0 AND connection_micros >= 0 AND per_call_micros >= 0",
        name="not_negative",
    ),
    CheckConstraint("initial_s > 0 AND increment_s > 0", name="increments"),
    sqlite_with_rowid=False,
)

# Which deck is in force: the last change of a currency and name. Rolling back is a change, too.
deck_changes = Table(
    "deck_changes",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("deck_id", ForeignKey("rate_decks.id"), nullable=False),
    Column("action", String(16), nullable=False),  # import, rollback
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_deck_changes_currency", "currency", "id"),
)
