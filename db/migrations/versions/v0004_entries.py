"""Entries as records of their own, numbered in their office, with the balances they left.

What the first version wrote is copied in batches before this runs (db.migrations.entry_copy), while
that version may still be posting; here the rest is copied, everything is compared, and the new
tables take the place of the old ones, in one transaction.
"""

import sqlalchemy as sa
from alembic import op

from db.migrations import entry_copy, entry_rules

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    entry_copy.begin(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text("LOCK TABLE postings, balances IN ACCESS EXCLUSIVE MODE"))
    while entry_copy.copy_batch(connection):
        pass
    entry_copy.require_equal(connection)
    _take_the_place_of_the_old_tables(connection)
    entry_rules.create(connection)


def downgrade() -> None:
    raise NotImplementedError(
        "entries are numbered and carry balances, which the first version has no room for:"
        " restore the copy that was made before"
    )


def _take_the_place_of_the_old_tables(connection: sa.Connection) -> None:
    for table in ("postings", "balances"):
        op.drop_table(table)
        op.rename_table(f"{table}_next", table)
        if connection.dialect.name == "postgresql":
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{table}_next TO pk_{table}")
    op.drop_table("entry_copy")
    op.create_index(
        "ix_entries_seldom",
        "entries",
        ["office_id", "kind", "number"],
        sqlite_where=sa.text("kind NOT IN ('reserve', 'debit')"),
        postgresql_where=sa.text("kind NOT IN ('reserve', 'debit')"),
    )
    op.create_index(
        "ix_entries_payment_id",
        "entries",
        ["payment_id"],
        sqlite_where=sa.text("payment_id IS NOT NULL"),
        postgresql_where=sa.text("payment_id IS NOT NULL"),
    )
