"""Money in: payments by card, rules of refill, cards on file, receipts, notices."""

import sqlalchemy as sa
from alembic import op

from db.migrations import money_rules

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Moment = sa.DateTime(timezone=True)
_NEW = (
    "leases",
    "buyers",
    "notice_addresses",
    "notices",
    "receipts",
    "processor_events",
    "card_forms",
    "cards",
    "refill_policies",
    "payments",
)


def upgrade() -> None:
    _levels_to_watch()
    _payments()
    _indexes_of_payments()
    _refill_policies()
    _cards()
    _card_forms()
    _processor_events()
    _receipts()
    _notices()
    _notice_addresses()
    _buyers()
    _leases()
    money_rules.create(op.get_bind())


def downgrade() -> None:
    """Only where nobody has paid by card: what the ledger says of payments would be left alone."""
    paid = sa.text("SELECT count(*) FROM payments")
    if op.get_bind().execute(paid).scalar():
        raise NotImplementedError("payments by card have no place in the tables of before")
    for table in _NEW:
        op.drop_table(table)
    money_rules.drop(op.get_bind())
    op.drop_index("ix_entries_credit", table_name="entries")
    for level in ("refill_below_micros", "notice_below_micros"):
        op.drop_column("balances", level)


def _levels_to_watch() -> None:
    op.add_column("balances", sa.Column("refill_below_micros", sa.BigInteger(), nullable=True))
    op.add_column("balances", sa.Column("notice_below_micros", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_entries_credit",
        "entries",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("payment_id IS NOT NULL AND kind IN ('top-up', 'refill')"),
        postgresql_where=sa.text("payment_id IS NOT NULL AND kind IN ('top-up', 'refill')"),
    )


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("processor", sa.String(length=16), nullable=False),
        sa.Column("customer_id", sa.String(length=255), nullable=False),
        sa.Column("method_id", sa.String(length=255), nullable=False),
        sa.Column("card", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("declines", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("sent_at", _Moment, nullable=True),
        sa.Column("due_at", _Moment, nullable=True),
        sa.Column("intent_id", sa.String(length=255), nullable=False),
        sa.Column("page_url", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("by_look_up", sa.Boolean(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("taken_back_micros", sa.BigInteger(), nullable=True),
        sa.Column("refund_failed", sa.Boolean(), nullable=False),
        sa.Column("closed_dispute", sa.String(length=255), nullable=False),
        sa.Column("entry_key", sa.String(length=240), nullable=True),
        sa.CheckConstraint(
            "(entry_key IS NOT NULL)"
            " = (state IN ('credited', 'refunding', 'refunded', 'disputed'))",
            name=op.f("ck_payments_credited_by_an_entry"),
        ),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_payments_somebody")),
        sa.CheckConstraint("kind IN ('top-up', 'refill')", name=op.f("ck_payments_kind")),
        sa.CheckConstraint(
            "state IN ('claimed', 'sent', 'unknown', 'declined', 'authentication')"
            " OR state IN ('credited', 'refunding', 'refunded', 'disputed')"
            " OR state IN ('refused', 'cancelled')",
            name=op.f("ck_payments_state"),
        ),
        sa.CheckConstraint("micros > 0", name=op.f("ck_payments_positive")),
        sa.CheckConstraint(
            "taken_back_micros IS NULL OR taken_back_micros BETWEEN 1 AND micros",
            name=op.f("ck_payments_taken_back"),
        ),
        sa.ForeignKeyConstraint(["entry_key"], ["entries.key"], name=op.f("fk_payments_entry_key")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
    )


def _indexes_of_payments() -> None:
    op.create_index("ix_payments_created_at", "payments", ["office_id", "created_at"], unique=False)
    op.create_index(
        "ix_payments_due_at",
        "payments",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_intent_id",
        "payments",
        ["processor", "intent_id"],
        unique=True,
        sqlite_where=sa.text("intent_id <> ''"),
        postgresql_where=sa.text("intent_id <> ''"),
    )
    op.create_index("ix_payments_key", "payments", ["office_id", "key"], unique=True)
    op.create_index(
        "ix_payments_open_refill",
        "payments",
        ["office_id"],
        unique=True,
        sqlite_where=sa.text(
            "kind = 'refill'"
            " AND state IN ('claimed', 'sent', 'unknown', 'declined', 'authentication')"
        ),
        postgresql_where=sa.text(
            "kind = 'refill'"
            " AND state IN ('claimed', 'sent', 'unknown', 'declined', 'authentication')"
        ),
    )


def _refill_policies() -> None:
    op.create_table(
        "refill_policies",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("paused_for", sa.String(length=16), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("threshold_micros", sa.BigInteger(), nullable=True),
        sa.Column("day_max_micros", sa.BigInteger(), nullable=True),
        sa.Column("month_max_micros", sa.BigInteger(), nullable=True),
        sa.Column("consent_by", sa.String(length=320), nullable=True),
        sa.Column("consent_at", _Moment, nullable=True),
        sa.Column("consent_words", sa.Text(), nullable=True),
        sa.Column("look_at", _Moment, nullable=True),
        sa.Column("notice_below_micros", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'paused') = (paused_for IS NOT NULL)", name=op.f("ck_refill_policies_paused")
        ),
        sa.CheckConstraint(
            "state = 'off' OR (amount_micros IS NOT NULL AND consent_by IS NOT NULL"
            " AND consent_at IS NOT NULL AND consent_words <> '')",
            name=op.f("ck_refill_policies_by_consent"),
        ),
        sa.CheckConstraint(
            "state IN ('off', 'armed', 'held', 'paused')", name=op.f("ck_refill_policies_state")
        ),
        sa.CheckConstraint(
            "amount_micros IS NULL OR (amount_micros > 0 AND threshold_micros > 0"
            " AND day_max_micros >= amount_micros AND month_max_micros >= day_max_micros)",
            name=op.f("ck_refill_policies_rule"),
        ),
        sa.CheckConstraint(
            "currency IS NOT NULL OR (amount_micros IS NULL AND notice_below_micros IS NULL)",
            name=op.f("ck_refill_policies_currency"),
        ),
        sa.PrimaryKeyConstraint("office_id", name=op.f("pk_refill_policies")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_refill_policies_look_at",
        "refill_policies",
        ["look_at"],
        unique=False,
        sqlite_where=sa.text("look_at IS NOT NULL"),
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("id", _RowId, nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("processor", sa.String(length=16), nullable=False),
        sa.Column("customer_id", sa.String(length=255), nullable=False),
        sa.Column("method_id", sa.String(length=255), nullable=False),
        sa.Column("brand", sa.String(length=30), nullable=False),
        sa.Column("last_four", sa.String(length=4), nullable=False),
        sa.Column("expiry_month", sa.Integer(), nullable=False),
        sa.Column("expiry_year", sa.Integer(), nullable=False),
        sa.Column("added_by", sa.String(length=320), nullable=False),
        sa.Column("added_at", _Moment, nullable=False),
        sa.Column("removed_at", _Moment, nullable=True),
        sa.CheckConstraint("expiry_month BETWEEN 1 AND 12", name=op.f("ck_cards_expiry")),
        sa.CheckConstraint("length(last_four) = 4", name=op.f("ck_cards_last_four")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cards")),
    )
    op.create_index("ix_cards_office_id", "cards", ["office_id", "id"], unique=False)
    op.create_index(
        "ix_cards_on_file",
        "cards",
        ["office_id"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def _card_forms() -> None:
    op.create_table(
        "card_forms",
        sa.Column("form_id", sa.String(length=64), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=320), nullable=False),
        sa.Column("asked_at", _Moment, nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("cancel_url", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("setup_id", sa.String(length=255), server_default="", nullable=False),
        sa.Column("page_url", sa.Text(), server_default="", nullable=False),
        sa.Column("code", sa.String(length=200), server_default="", nullable=False),
        sa.Column("due_at", _Moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'open', 'saved', 'not_saved')", name=op.f("ck_card_forms_state")
        ),
        sa.PrimaryKeyConstraint("form_id", name=op.f("pk_card_forms")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_card_forms_due_at",
        "card_forms",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_card_forms_setup_id", "card_forms", ["setup_id"], unique=False)


def _processor_events() -> None:
    op.create_table(
        "processor_events",
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("happened_at", _Moment, nullable=False),
        sa.Column("received_at", _Moment, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("due_at", _Moment, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", name=op.f("pk_processor_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_processor_events_due_at",
        "processor_events",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("payment_id", sa.String(length=64), nullable=False),
        sa.Column("issued_at", _Moment, nullable=False),
        sa.Column("total_micros", sa.BigInteger(), nullable=False),
        sa.Column("vat_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=True),
        sa.Column("of_number", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (of_number IS NOT NULL)", name=op.f("ck_receipts_of_number")
        ),
        sa.CheckConstraint("kind IN ('receipt', 'credit_note')", name=op.f("ck_receipts_kind")),
        sa.CheckConstraint("number > 0", name=op.f("ck_receipts_numbered")),
        sa.CheckConstraint(
            "total_micros > 0 AND vat_micros >= 0 AND vat_micros < total_micros",
            name=op.f("ck_receipts_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.payment_id"], name=op.f("fk_receipts_payment_id")
        ),
        sa.PrimaryKeyConstraint("office_id", "number", name=op.f("pk_receipts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_receipts_payment_id", "receipts", ["payment_id", "kind"], unique=True)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", _RowId, nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("created_at", _Moment, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("due_at", _Moment, nullable=True),
        sa.Column("sent_at", _Moment, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
    )
    op.create_index(
        "ix_notices_due_at",
        "notices",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_notices_office_id", "notices", ["office_id", "id"], unique=False)


def _notice_addresses() -> None:
    op.create_table(
        "notice_addresses",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("added_by", sa.String(length=320), nullable=False),
        sa.Column("added_at", _Moment, nullable=False),
        sa.CheckConstraint(
            "address = lower(address) AND address <> ''", name=op.f("ck_notice_addresses_address")
        ),
        sa.PrimaryKeyConstraint("office_id", "address", name=op.f("pk_notice_addresses")),
        sqlite_with_rowid=False,
    )


def _buyers() -> None:
    op.create_table(
        "buyers",
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("vat_number", sa.String(length=40), nullable=False),
        sa.Column("registration", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_buyers_named")),
        sa.PrimaryKeyConstraint("office_id", name=op.f("pk_buyers")),
        sqlite_with_rowid=False,
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=False),
        sa.Column("until", _Moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        sqlite_with_rowid=False,
    )
