"""Debit notes: a refund that a credit note tells of did not arrive."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.migrations import money_rules

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_Moment = sa.DateTime(timezone=True)
_COLUMNS = (
    "office_id, number, kind, payment_id, issued_at, total_micros, vat_micros, currency,"
    " vat_basis_points, of_number, content"
)
_WITH = (
    ("of_number", "(kind <> 'receipt') = (of_number IS NOT NULL)"),
    ("kind", "kind IN ('receipt', 'credit_note', 'debit_note')"),
)
_WITHOUT = (
    ("of_number", "(kind = 'credit_note') = (of_number IS NOT NULL)"),
    ("kind", "kind IN ('receipt', 'credit_note')"),
)


def upgrade() -> None:
    _require(_WITH)


def downgrade() -> None:
    """Refused where a debit note was issued: it cannot be taken back."""
    _require(_WITHOUT)


def _require(rules: Sequence[tuple[str, str]]) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name, rule in rules:
            op.drop_constraint(op.f(f"ck_receipts_{name}"), "receipts")
            op.create_check_constraint(op.f(f"ck_receipts_{name}"), "receipts", rule)
    else:  # SQLite changes no constraint of a table that is there
        _make_anew(rules)


def _make_anew(rules: Sequence[tuple[str, str]]) -> None:
    op.create_table(
        "receipts_next",
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
        *(sa.CheckConstraint(rule, name=op.f(f"ck_receipts_{name}")) for name, rule in rules),
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
    op.execute(f"INSERT INTO receipts_next ({_COLUMNS}) SELECT {_COLUMNS} FROM receipts")  # noqa: S608 - names of ours
    op.drop_table("receipts")
    op.rename_table("receipts_next", "receipts")
    op.create_index("ix_receipts_payment_id", "receipts", ["payment_id", "kind"])
    op.create_index(
        "ix_receipts_one",
        "receipts",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'receipt'"),
    )
    money_rules.create(op.get_bind(), ["receipts"])  # triggers go with their table
