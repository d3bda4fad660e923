"""Tables of money in: payments, rules of refill, cards on file, receipts, notices.

A payment is a row before the card processor is asked. What the rules of `charging.refill` never do,
the database refuses: a second open refill of an office, a second credit of a payment, a credit of
another amount, a receipt out of number. The triggers are in the migration.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from db.models import ROW_ID, UtcDateTime, metadata

_ENTRY_KEY = 240
OPEN = "('claimed', 'sent', 'unknown', 'declined', 'authentication')"
CREDITED = "('credited', 'refunding', 'refunded', 'disputed')"
_OPEN_REFILL = f"kind = 'refill' AND state IN {OPEN}"

payments = Table(
    "payments",
    metadata,
    Column("payment_id", String(64), primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("key", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("actor", String(320), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("processor", String(16), nullable=False),
    Column("customer_id", String(255), nullable=False),
    Column("method_id", String(255), nullable=False),
    Column("card", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("return_url", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("declines", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("due_at", UtcDateTime),
    Column("intent_id", String(255), nullable=False),
    Column("page_url", Text, nullable=False),
    Column("code", String(200), nullable=False),
    Column("by_look_up", Boolean, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("taken_back_micros", BigInteger),  # refunded, being refunded, or charged back
    Column("refund_micros", BigInteger),  # of that, what we sent back or are sending
    Column("refund_id", String(255), nullable=False, server_default=""),
    Column("refund_failed", Boolean, nullable=False),
    # JSON: who took it, the processor's name for it, micros, whether it was returned
    Column("charged_back", Text, nullable=False, server_default="[]"),
    Column("entry_key", String(_ENTRY_KEY), ForeignKey("entries.key")),
    CheckConstraint("micros > 0", name="positive"),
    CheckConstraint("kind IN ('top-up', 'refill')", name="kind"),
    CheckConstraint(
        f"state IN {OPEN} OR state IN {CREDITED} OR state IN ('refused', 'cancelled')", name="state"
    ),
    CheckConstraint(
        f"(entry_key IS NOT NULL) = (state IN {CREDITED})", name="credited_by_an_entry"
    ),
    CheckConstraint(
        "taken_back_micros IS NULL OR taken_back_micros BETWEEN 1 AND micros", name="taken_back"
    ),
    CheckConstraint("actor <> ''", name="somebody"),
    Index("ix_payments_key", "office_id", "key", unique=True),
    Index("ix_payments_created_at", "office_id", "created_at"),
    Index(
        "ix_payments_open_refill",  # at most one for each office
        "office_id",
        unique=True,
        sqlite_where=text(_OPEN_REFILL),
        postgresql_where=text(_OPEN_REFILL),
    ),
    Index(
        "ix_payments_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_payments_intent_id",
        *("processor", "intent_id"),
        unique=True,
        sqlite_where=text("intent_id <> ''"),
        postgresql_where=text("intent_id <> ''"),
    ),
)

refill_policies = Table(
    "refill_policies",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("paused_for", String(16)),
    Column("currency", String(3)),
    Column("amount_micros", BigInteger),
    Column("threshold_micros", BigInteger),
    Column("day_max_micros", BigInteger),
    Column("month_max_micros", BigInteger),
    Column("consent_by", String(320)),
    Column("consent_at", UtcDateTime),
    Column("consent_words", Text),
    Column("look_at", UtcDateTime),
    Column("notice_below_micros", BigInteger),
    CheckConstraint("state IN ('off', 'armed', 'held', 'paused')", name="state"),
    CheckConstraint("(state = 'paused') = (paused_for IS NOT NULL)", name="paused"),
    CheckConstraint(
        "state = 'off' OR (amount_micros IS NOT NULL AND consent_by IS NOT NULL"
        " AND consent_at IS NOT NULL AND consent_words <> '')",
        name="by_consent",
    ),
    CheckConstraint(
        "amount_micros IS NULL OR (amount_micros > 0 AND threshold_micros > 0"
        " AND day_max_micros >= amount_micros AND month_max_micros >= day_max_micros)",
        name="rule",
    ),
    CheckConstraint(
        "currency IS NOT NULL OR (amount_micros IS NULL AND notice_below_micros IS NULL)",
        name="currency",
    ),
    Index(
        "ix_refill_policies_look_at",
        "look_at",
        sqlite_where=text("look_at IS NOT NULL"),
        postgresql_where=text("look_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

# No number of a card, which nobody here has ever seen.
cards = Table(
    "cards",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("processor", String(16), nullable=False),
    Column("customer_id", String(255), nullable=False),
    Column("method_id", String(255), nullable=False),
    Column("brand", String(30), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("expiry_month", Integer, nullable=False),
    Column("expiry_year", Integer, nullable=False),
    Column("added_by", String(320), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    CheckConstraint("length(last_four) = 4", name="last_four"),
    CheckConstraint("expiry_month BETWEEN 1 AND 12", name="expiry"),
    Index(
        "ix_cards_on_file",
        "office_id",
        unique=True,
        sqlite_where=text("removed_at IS NULL"),
        postgresql_where=text("removed_at IS NULL"),
    ),
    Index("ix_cards_office_id", "office_id", "id"),
)

# A person wants to enter a card: the worker opens a form at the processor, and sees what becomes of
# it.
card_forms = Table(
    "card_forms",
    metadata,
    Column("form_id", String(64), primary_key=True),
    Column("office_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by", String(320), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("return_url", Text, nullable=False),
    Column("cancel_url", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("setup_id", String(255), nullable=False, server_default=""),
    Column("page_url", Text, nullable=False, server_default=""),
    Column("code", String(200), nullable=False, server_default=""),
    Column("due_at", UtcDateTime),
    CheckConstraint("state IN ('asked', 'open', 'saved', 'not_saved')", name="state"),
    Index("ix_card_forms_setup_id", "setup_id"),
    Index(
        "ix_card_forms_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

# The inbox: what a webhook or a poll told, once, until it is handled.
processor_events = Table(
    "processor_events",
    metadata,
    Column("source", String(16), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    Column("kind", String(80), nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),
    Column("due_at", UtcDateTime),  # None: it is handled
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Index(
        "ix_processor_events_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

receipts = Table(
    "receipts",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("kind", String(16), nullable=False),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("total_micros", BigInteger, nullable=False),
    Column("vat_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("vat_basis_points", Integer),
    Column("of_number", BigInteger),
    Column("content", Text, nullable=False),  # JSON: seller and buyer as they were
    CheckConstraint("number > 0", name="numbered"),
    CheckConstraint("kind IN ('receipt', 'credit_note', 'debit_note')", name="kind"),
    CheckConstraint("(kind <> 'receipt') = (of_number IS NOT NULL)", name="of_number"),
    CheckConstraint(
        "total_micros > 0 AND vat_micros >= 0 AND vat_micros < total_micros", name="amounts"
    ),
    Index("ix_receipts_payment_id", "payment_id", "kind"),
    Index(
        "ix_receipts_one",  # of each payment; notes there may be more of
        "payment_id",
        unique=True,
        sqlite_where=text("kind = 'receipt'"),
        postgresql_where=text("kind = 'receipt'"),
    ),
    sqlite_with_rowid=False,
)

# The outbox: mails that are to be sent, written in the transaction of what they are about.
notices = Table(
    "notices",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("office_id", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("facts", Text, nullable=False),  # JSON
    Column("due_at", UtcDateTime),  # None: it is sent, or given up
    Column("sent_at", UtcDateTime),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Index("ix_notices_office_id", "office_id", "id"),
    Index(
        "ix_notices_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

notice_addresses = Table(
    "notice_addresses",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("language", String(8), nullable=False),
    Column("added_by", String(320), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    CheckConstraint("address = lower(address) AND address <> ''", name="address"),
    sqlite_with_rowid=False,
)

# Whom receipts are made out to.
buyers = Table(
    "buyers",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("address", Text, nullable=False),  # lines
    Column("vat_number", String(40), nullable=False),
    Column("registration", String(40), nullable=False),
    Column("language", String(8), nullable=False),
    CheckConstraint("name <> ''", name="named"),
    sqlite_with_rowid=False,
)

# Who works at something, so that several workers may run.
leases = Table(
    "leases",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)
