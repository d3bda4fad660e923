"""The ledger, its calls, and the rate decks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PREFIX = sa.String(length=24, collation="C").with_variant(sa.String(length=24), "sqlite")


def upgrade() -> None:
    _create_ledger()
    _create_calls()
    _create_rates()
    if op.get_bind().dialect.name == "sqlite":
        _forbid_changes_on_sqlite()
    else:
        _forbid_changes_on_postgresql()


def downgrade() -> None:
    """Drop everything: only for a database that nobody needs any more."""
    for table in ("rates", "deck_changes", "rate_decks", "postings", "calls", "balances"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


def _create_ledger() -> None:
    op.create_table(
        "balances",
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("micros >= 0", name=op.f("ck_balances_not_negative")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_balances")),
    )
    op.create_table(
        "postings",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("entry_key", sa.String(length=160), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("target", sa.String(length=120), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("micros > 0", name=op.f("ck_postings_positive")),
        sa.CheckConstraint("source <> target", name=op.f("ck_postings_moves")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
        sa.UniqueConstraint("entry_key", "line", name=op.f("uq_postings_entry_key_line")),
    )
    op.create_index(op.f("ix_postings_call_id"), "postings", ["call_id"], unique=False)
    op.create_index(op.f("ix_postings_office_id_id"), "postings", ["office_id", "id"], unique=False)


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("office_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("extension", sa.String(length=120), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("dialled", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("dial_string", sa.String(length=40), nullable=False),
        sa.Column("country", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("destination", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("connection_micros", sa.BigInteger(), nullable=False),
        sa.Column("per_call_micros", sa.BigInteger(), nullable=False),
        sa.Column("initial_s", sa.Integer(), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.Column("extension_day_limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("extension_month_limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("office_day_limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("caller_channel", sa.String(length=150), nullable=False),
        sa.Column("asterisk", sa.String(length=64), nullable=False),
        sa.Column("authorised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spending_day", sa.String(length=10), nullable=False),
        sa.Column("reserved_intervals", sa.Integer(), nullable=False),
        sa.Column("debited_intervals", sa.Integer(), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("debited_micros", sa.BigInteger(), nullable=False),
        sa.Column("leg", sa.String(length=150), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_s", sa.Integer(), nullable=True),
        sa.Column("released_micros", sa.BigInteger(), nullable=True),
        sa.Column("hangup_cause", sa.Integer(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "debited_intervals <= reserved_intervals", name=op.f("ck_calls_reserved_first")
        ),
        sa.CheckConstraint(
            "held_micros >= 0 AND debited_micros >= 0", name=op.f("ck_calls_not_negative")
        ),
        sa.CheckConstraint(
            "settled_at IS NULL OR held_micros = 0", name=op.f("ck_calls_settled_holds_nothing")
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_calls")),
    )
    op.create_index(
        "ix_calls_office_id_spending_day_endpoint",
        "calls",
        ["office_id", "spending_day", "endpoint"],
        unique=False,
    )
    op.create_index(
        "ix_calls_open",
        "calls",
        ["asterisk", "authorised_at"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )


def _create_rates() -> None:
    op.create_table(
        "rate_decks",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_decks")),
    )
    op.create_table(
        "deck_changes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("deck_id", _ROW_ID, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["deck_id"], ["rate_decks.id"], name=op.f("fk_deck_changes_deck_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_changes")),
    )
    op.create_index("ix_deck_changes_currency", "deck_changes", ["currency", "id"], unique=False)
    op.create_table(
        "rates",
        sa.Column("deck_id", _ROW_ID, nullable=False),
        sa.Column("prefix", _PREFIX, nullable=False),
        sa.Column("effective", sa.Date(), nullable=False),
        sa.Column("destination", sa.String(length=200), nullable=False),
        sa.Column("per_minute_micros", sa.BigInteger(), nullable=False),
        sa.Column("connection_micros", sa.BigInteger(), nullable=False),
        sa.Column("per_call_micros", sa.BigInteger(), nullable=False),
        sa.Column("initial_s", sa.Integer(), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.CheckConstraint("initial_s > 0 AND increment_s > 0", name=op.f("ck_rates_increments")),
        sa.CheckConstraint(
            "per_minute_micros >= 0 AND connection_micros >= 0 AND per_call_micros >= 0",
            name=op.f("ck_rates_not_negative"),
        ),
        sa.ForeignKeyConstraint(["deck_id"], ["rate_decks.id"], name=op.f("fk_rates_deck_id")),
        sa.PrimaryKeyConstraint("deck_id", "prefix", "effective", name=op.f("pk_rates")),
        sqlite_with_rowid=False,
    )


def _forbid_changes_on_sqlite() -> None:
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER postings_refuse_{action.lower()} BEFORE {action} ON postings"
            " BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END"
        )


def _forbid_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'postings are append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER postings_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON postings"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
