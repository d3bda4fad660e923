"""What the database itself refuses of entries, postings and balances, beyond CHECKs.

A kind of entry that is added is a migration that replaces `allowed`: triggers, unlike a CHECK of
SQLite, are replaced without writing the table anew.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

_FUNDS = ("manual", "card", "voucher", "adjustment")

# Which kind moves money from where to where, as "kind source target".
MOVEMENTS = (
    "reserve available reserved",
    "debit reserved revenue",
    "settle reserved revenue",
    "settle available revenue",
    "correct revenue available",
    "release reserved available",
    *(f"top-up funding:{fund} available" for fund in _FUNDS),
    "refill funding:card available",
    *(f"top-up-cancel available funding:{fund}" for fund in _FUNDS),
    *(f"top-up-restore funding:{fund} available" for fund in _FUNDS),
    "chargeback available funding:card",
    "chargeback owed funding:card",
    "repay available owed",
    "grant funding:adjustment available",
    "deduct available funding:adjustment",
)
_ALLOWED = ", ".join(f"'{movement}'" for movement in MOVEMENTS)

# The conditions are the same SQL on both databases.
_FOLLOWS = (
    "NEW.number = 1 OR EXISTS (SELECT 1 FROM entries WHERE office_id = NEW.office_id"
    " AND number = NEW.number - 1 AND posted_at <= NEW.posted_at)"
)
_OF_ITS_KIND = (
    "EXISTS (SELECT 1 FROM entries WHERE office_id = NEW.office_id AND number = NEW.entry_number"
    " AND kind || ' ' || NEW.source || ' ' || NEW.target IN (THE_MOVEMENTS))"
).replace("THE_MOVEMENTS", _ALLOWED)
_POSTED = (
    "EXISTS (SELECT 1 FROM postings WHERE office_id = NEW.office_id"
    " AND entry_number = NEW.entry_number AND currency = NEW.currency AND"
    " (source = NEW.account AND source_after_micros = NEW.micros"
    " OR target = NEW.account AND target_after_micros = NEW.micros))"
)
_INSERTED = ("INSERT",)
_WRITTEN = ("INSERT", "UPDATE")

# Table, actions, what must hold of the new row, and what is said where it does not.
_RULES = (
    ("entries", _INSERTED, _FOLLOWS, "entries are numbered without gaps, in the order of time"),
    ("postings", _INSERTED, _OF_ITS_KIND, "its kind of entry moves nothing between these accounts"),
    ("balances", _WRITTEN, _POSTED, "a balance is what a posting left"),
)
_APPEND_ONLY = ("entries", "postings")


def create(connection: Connection) -> None:
    on_sqlite = connection.dialect.name == "sqlite"
    for statement in _for_sqlite() if on_sqlite else _for_postgresql():
        # As they are: a colon in them is no parameter.
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _for_sqlite() -> Iterator[str]:
    for table, actions, holds, message in _RULES:
        for action in actions:
            yield (
                f"CREATE TRIGGER {table}_rule_{action.lower()} BEFORE {action} ON {table}"
                f" WHEN NOT ({holds}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
    for table in (*_APPEND_ONLY, "balances"):
        for action in ("UPDATE", "DELETE") if table in _APPEND_ONLY else ("DELETE",):
            yield (
                f"CREATE TRIGGER {table}_refuse_{action.lower()} BEFORE {action} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            )


def _for_postgresql() -> Iterator[str]:
    for table, actions, holds, message in _RULES:
        yield (
            f"CREATE FUNCTION {table}_rule() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN IF {holds} THEN RETURN NEW; END IF;"
            f" RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        yield (
            f"CREATE TRIGGER {table}_rule BEFORE {' OR '.join(actions)} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_rule()"
        )
    yield (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END $$"
    )
    for table in (*_APPEND_ONLY, "balances"):
        what = "UPDATE OR DELETE" if table in _APPEND_ONLY else "DELETE"
        yield (
            f"CREATE TRIGGER {table}_refuse_change BEFORE {what} OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
