"""What the database itself refuses of payments and receipts, beyond CHECKs."""

from collections.abc import Collection, Iterator

from sqlalchemy import Connection

# The conditions are the same SQL on both databases.
_CREDITED_AS_IT_IS = (
    "NEW.entry_key IS NULL OR EXISTS (SELECT 1 FROM entries JOIN postings"
    " ON postings.office_id = entries.office_id AND postings.entry_number = entries.number"
    " WHERE entries.key = NEW.entry_key AND entries.office_id = NEW.office_id"
    " AND entries.payment_id = NEW.payment_id AND entries.kind = NEW.kind"
    " AND postings.micros = NEW.micros AND postings.currency = NEW.currency)"
)
_THE_SAME = " AND ".join(
    f"NEW.{name} = OLD.{name}"
    for name in ("payment_id", "office_id", "key", "kind", "micros", "currency", "created_at")
)
_FOLLOWS = (
    "NEW.number = 1 OR EXISTS (SELECT 1 FROM receipts WHERE office_id = NEW.office_id"
    " AND number = NEW.number - 1)"
)

# Table, name, action, what must hold of the row, and what is said where it does not.
_RULES = (
    ("payments", "credit", "INSERT", _CREDITED_AS_IT_IS, "a payment is credited as it is"),
    ("payments", "credit", "UPDATE", _CREDITED_AS_IT_IS, "a payment is credited as it is"),
    ("payments", "identity", "UPDATE", _THE_SAME, "a payment stays what it is"),
    ("receipts", "number", "INSERT", _FOLLOWS, "receipts are numbered without gaps"),
)
_REFUSED = (("payments", "DELETE"), ("receipts", "UPDATE"), ("receipts", "DELETE"))


def create(connection: Connection, tables: Collection[str] = ("payments", "receipts")) -> None:
    on_sqlite = connection.dialect.name == "sqlite"
    for statement in _for_sqlite(tables) if on_sqlite else _for_postgresql(tables):
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _rules_of(tables: Collection[str]) -> list[tuple[str, str, str, str, str]]:
    return [rule for rule in _RULES if rule[0] in tables]


def _refused_of(tables: Collection[str]) -> list[tuple[str, str]]:
    return [refused for refused in _REFUSED if refused[0] in tables]


def drop(connection: Connection) -> None:
    """Triggers go with their tables; PostgreSQL's functions do not."""
    if connection.dialect.name == "postgresql":
        for table, name, action, _, _ in _RULES:
            connection.exec_driver_sql(f"DROP FUNCTION {table}_{name}_{action.lower()}()")


def _for_sqlite(tables: Collection[str]) -> Iterator[str]:
    for table, name, action, holds, message in _rules_of(tables):
        yield (
            f"CREATE TRIGGER {table}_{name}_{action.lower()} BEFORE {action} ON {table}"
            f" WHEN NOT ({holds}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
    for table, action in _refused_of(tables):
        yield (
            f"CREATE TRIGGER {table}_refuse_{action.lower()} BEFORE {action} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} are kept as they are'); END"
        )


def _for_postgresql(tables: Collection[str]) -> Iterator[str]:
    for table, name, action, holds, message in _rules_of(tables):
        rule = f"{table}_{name}_{action.lower()}"
        yield (
            f"CREATE FUNCTION {rule}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN IF {holds} THEN RETURN NEW; END IF;"
            f" RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        yield (
            f"CREATE TRIGGER {rule} BEFORE {action} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {rule}()"
        )
    for table, action in _refused_of(tables):
        yield (
            f"CREATE TRIGGER {table}_refuse_{action.lower()} BEFORE {action} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
