"""Copy the postings of the first version into entries and postings of their own, in batches.

Postings were only ever added, so they can be copied while others are still being written. Each
batch is a transaction of its own and remembers how far it came: a copy that was killed goes on
there. The tables that it fills take the names of the old ones in migration 0004. Everything is
written down here as it was then; nothing of it changes with the code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.bulk import Insert
from db.schema import MigrationRefusedError

BATCH = 5_000  # postings: a fraction of a second, for which a writer waits on SQLite
NOT_RECORDED = "not recorded"  # who acted, before entries said so

Row = dict[str, Any]
Tell = Callable[[int, int], None]  # postings copied, of how many

_MOMENT = sa.DateTime(timezone=True)
_KEY = sa.String(length=240, collation="C").with_variant(sa.String(length=240), "sqlite")
_AFTER = (
    "CASE {0} WHEN 'owed' THEN coalesce({0}_after_micros, 1) <= 0"
    " WHEN 'available' THEN coalesce({0}_after_micros, -1) >= 0"
    " WHEN 'reserved' THEN coalesce({0}_after_micros, -1) >= 0"
    " ELSE {0}_after_micros IS NULL END"
)

old_postings = sa.table(
    "postings",
    *(sa.column(name) for name in ("id", "entry_key", "line", "office_id", "call_id", "source")),
    *(sa.column(name) for name in ("target", "micros", "currency", "note")),
    sa.column("posted_at", _MOMENT),
)
old_balances = sa.table("balances", sa.column("account"), sa.column("micros"))
calls = sa.table("calls", sa.column("call_id"), sa.column("endpoint"))

_metadata = sa.MetaData()
entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("office_id", sa.String(64), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("key", _KEY, nullable=False),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("call_id", sa.String(64)),
    sa.Column("actor", sa.String(120), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("payment_id", sa.String(64)),
    sa.Column("reverses", _KEY),
    sa.Column("posted_at", _MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("office_id", "number", name="pk_entries"),
    sa.UniqueConstraint("key", name="uq_entries_key"),
    sa.ForeignKeyConstraint(["reverses"], ["entries.key"], name="fk_entries_reverses"),
    sa.CheckConstraint("number > 0", name="ck_entries_numbered"),
    sa.CheckConstraint("actor <> ''", name="ck_entries_somebody"),
    sa.CheckConstraint(
        "(call_id IS NOT NULL) = (kind IN ('reserve', 'debit', 'settle', 'correct', 'release'))",
        name="ck_entries_kind_of_call",
    ),
    sa.CheckConstraint(
        "CASE WHEN call_id IS NULL"
        " THEN substr(key, 1, length(kind) + length(office_id) + 2)"
        " = kind || ':' || office_id || ':'"
        " ELSE substr(key, 1, length(call_id) + 6) = 'call:' || call_id || ':' END",
        name="ck_entries_name_space",
    ),
    sa.Index(
        "ix_entries_reverses",
        "reverses",
        unique=True,
        sqlite_where=sa.text("reverses IS NOT NULL"),
        postgresql_where=sa.text("reverses IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
postings = sa.Table(
    "postings_next",
    _metadata,
    sa.Column("office_id", sa.String(64), nullable=False),
    sa.Column("entry_number", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("line", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("target", sa.String(40), nullable=False),
    sa.Column("micros", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("source_after_micros", sa.BigInteger),
    sa.Column("target_after_micros", sa.BigInteger),
    sa.PrimaryKeyConstraint("office_id", "entry_number", "line", name="pk_postings_next"),
    sa.ForeignKeyConstraint(
        ["office_id", "entry_number"],
        ["entries.office_id", "entries.number"],
        name="fk_postings_office_id_entry_number",
    ),
    sa.CheckConstraint("micros > 0", name="ck_postings_positive"),
    sa.CheckConstraint("source <> target", name="ck_postings_moves"),
    sa.CheckConstraint(_AFTER.format("source"), name="ck_postings_source_after"),
    sa.CheckConstraint(_AFTER.format("target"), name="ck_postings_target_after"),
    sqlite_with_rowid=False,
)
balances = sa.Table(
    "balances_next",
    _metadata,
    sa.Column("office_id", sa.String(64), nullable=False),
    sa.Column("account", sa.String(40), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("micros", sa.BigInteger, nullable=False),
    sa.Column("entry_number", sa.BigInteger, nullable=False),
    sa.Column("posted_at", _MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("office_id", "account", name="pk_balances_next"),
    sa.ForeignKeyConstraint(
        ["office_id", "entry_number"],
        ["entries.office_id", "entries.number"],
        name="fk_balances_office_id_entry_number",
    ),
    sa.CheckConstraint(
        "CASE account WHEN 'owed' THEN micros <= 0 ELSE micros >= 0 END",
        name="ck_balances_not_negative",
    ),
    sa.CheckConstraint(
        "account IN ('available', 'owed', 'reserved')", name="ck_balances_of_an_office"
    ),
    sqlite_with_rowid=False,
)
progress = sa.Table("entry_copy", _metadata, sa.Column("posting_id", sa.BigInteger, nullable=False))


@dataclass(slots=True)
class _Office:
    """Where the entries of an office have come to, and its balances."""

    number: int = 0
    posted_at: datetime | None = None
    balances: dict[str, Row] = field(default_factory=dict)


# --- what migration 0004 and db.schema call --------------------------------------------------


def is_wanted(connection: sa.Connection) -> bool:
    """Whether the postings are still those of the first version."""
    inspector = sa.inspect(connection)
    return inspector.has_table("postings") and any(
        column["name"] == "entry_key" for column in inspector.get_columns("postings")
    )


def begin(connection: sa.Connection) -> None:
    """Create what is copied into, unless an earlier attempt did."""
    if not sa.inspect(connection).has_table(progress.name):
        _metadata.create_all(connection)
        connection.execute(sa.insert(progress).values(posting_id=0))


def last_posting(connection: sa.Connection) -> int:
    """The last posting before which no other will appear: what is being written is waited for."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE postings IN SHARE MODE"))
    return connection.scalar(sa.select(sa.func.max(old_postings.c.id))) or 0


def copied_up_to(connection: sa.Connection) -> int:
    posting_id: int = connection.execute(sa.select(progress.c.posting_id)).scalar_one()
    return posting_id


def copy_batch(connection: sa.Connection, up_to: int | None = None) -> int:
    """Copy the next postings, at most to a given one; how many they were."""
    rows = _next_rows(connection, up_to)
    if rows:
        _Copy(connection, rows).write()
        connection.execute(sa.update(progress).values(posting_id=rows[-1].id))
    return len(rows)


def require_equal(connection: sa.Connection) -> None:
    """Compare what was copied with what there was: every posting, every balance.

    Raises:
        MigrationRefusedError: they differ.
    """
    sums = [
        tuple(connection.execute(sa.select(sa.func.count(), sa.func.sum(table.c.micros))).one())
        for table in (old_postings, postings)
    ]
    if sums[0] != sums[1]:
        raise MigrationRefusedError(f"postings and their sum: {sums[0]}, copied: {sums[1]}")
    before = {row.account: row.micros for row in connection.execute(sa.select(old_balances))}
    after = {
        f"office:{row.office_id}:{row.account}": row.micros
        for row in connection.execute(sa.select(balances))
    }
    differ = sorted(
        account
        for account in before.keys() | after.keys()
        if before.get(account, 0) != after.get(account, 0)
    )
    if differ:
        raise MigrationRefusedError(
            f"the postings of {', '.join(differ)} do not sum to the balance:"
            " `tollgate ledger verify` of the version before says more"
        )


# --- one batch -------------------------------------------------------------------------------


def _next_rows(connection: sa.Connection, up_to: int | None) -> Sequence[sa.Row[Any]]:
    query = (
        sa.select(old_postings, calls.c.endpoint)
        .outerjoin(calls, calls.c.call_id == old_postings.c.call_id)
        .where(old_postings.c.id > copied_up_to(connection))
        .order_by(old_postings.c.id)
        .limit(BATCH)
    )
    if up_to is not None:
        query = query.where(old_postings.c.id <= up_to)
    return connection.execute(query).all()


class _Copy:
    """The entries, postings and balances that a batch of old postings makes."""

    def __init__(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> None:
        self._connection = connection
        self._offices: dict[str, _Office] = {}
        self._entries: list[Row] = []
        self._postings: list[Row] = []
        for row in rows:
            self._add(row)

    def write(self) -> None:
        for table, rows in ((entries, self._entries), (postings, self._postings)):
            if rows:
                insertion = Insert(table, *rows[0])
                insertion.run(self._connection, [tuple(row.values()) for row in rows])
        for office_id in self._offices:
            self._connection.execute(sa.delete(balances).where(balances.c.office_id == office_id))
        stored = [row for office in self._offices.values() for row in office.balances.values()]
        self._connection.execute(sa.insert(balances), stored)

    def _add(self, row: sa.Row[Any]) -> None:
        office = self._office(row.office_id)
        if row.line == 0:  # an office's postings follow one another: it was locked
            office.number += 1
            office.posted_at = max(row.posted_at, office.posted_at or row.posted_at)
            self._entries.append(_entry_of(row, office))
        source, target = (_name(account, row.office_id) for account in (row.source, row.target))
        self._postings.append(
            {
                "office_id": row.office_id,
                "entry_number": office.number,
                "line": row.line,
                "source": source,
                "target": target,
                "micros": row.micros,
                "currency": row.currency,
                "source_after_micros": _change(office, row, source, -row.micros),
                "target_after_micros": _change(office, row, target, row.micros),
            }
        )

    def _office(self, office_id: str) -> _Office:
        """What the batches before left of it."""
        if office_id not in self._offices:
            query = sa.select(balances).where(balances.c.office_id == office_id)
            stored = [dict(row._mapping) for row in self._connection.execute(query)]  # noqa: SLF001
            last = max(stored, key=lambda row: row["entry_number"], default=None)
            self._offices[office_id] = _Office(
                number=last["entry_number"] if last else 0,
                posted_at=last["posted_at"] if last else None,
                balances={row["account"]: row for row in stored},
            )
        return self._offices[office_id]


def _change(office: _Office, row: sa.Row[Any], name: str, micros: int) -> int | None:
    if name not in {"available", "reserved"}:
        return None
    before = office.balances[name]["micros"] if name in office.balances else 0
    office.balances[name] = {
        "office_id": row.office_id,
        "account": name,
        "currency": row.currency,
        "micros": before + micros,
        "entry_number": office.number,
        "posted_at": office.posted_at,
    }
    return int(before + micros)


def _entry_of(row: sa.Row[Any], office: _Office) -> Row:
    kind = _kind_of(row)
    return {
        "office_id": row.office_id,
        "number": office.number,
        "key": _key_of(row, kind),
        "kind": kind,
        "call_id": row.call_id,
        "actor": f"extension:{row.endpoint}" if row.endpoint else NOT_RECORDED,
        "reason": row.note,
        "payment_id": None,
        "reverses": _topped_up(row) if kind == "top-up-cancel" else None,
        "posted_at": office.posted_at,
    }


_KINDS = {
    ("available", "reserved"): "reserve",
    ("reserved", "available"): "release",
    ("available", "revenue"): "settle",
    ("revenue", "available"): "correct",
    ("funding:manual", "available"): "top-up",
    ("available", "funding:manual"): "top-up-cancel",
}


def _kind_of(row: sa.Row[Any]) -> str:
    """The first version named no kinds: what moved says it."""
    moved = _name(row.source, row.office_id), _name(row.target, row.office_id)
    if moved == ("reserved", "revenue"):
        return "debit" if ":debit:" in row.entry_key else "settle"
    if moved not in _KINDS:
        raise MigrationRefusedError(f"{row.entry_key} moves from {row.source} to {row.target}")
    return _KINDS[moved]


def _key_of(row: sa.Row[Any], kind: str) -> str:
    """Calls keep their keys. Others get one of the name space of their kind and office."""
    if row.call_id is not None:
        return str(row.entry_key)
    if kind == "top-up-cancel":
        return f"top-up-cancel:{row.office_id}:{_own_key(row).removesuffix(':cancel')}"
    return f"top-up:{row.office_id}:{_own_key(row)}"


def _topped_up(row: sa.Row[Any]) -> str:
    return f"top-up:{row.office_id}:{_own_key(row).removesuffix(':cancel')}"


def _own_key(row: sa.Row[Any]) -> str:
    """What the operator chose: of topup:<key>, top-up:<office>:<key>, and their cancellations."""
    key = str(row.entry_key)
    for name_space in (f"top-up-cancel:{row.office_id}:", f"top-up:{row.office_id}:"):
        if key.startswith(name_space):
            return key.removeprefix(name_space)
    return key.removeprefix("topup:")


def _name(account: str, office_id: str) -> str:
    if account == "operator:funding":
        return "funding:manual"
    return account.removeprefix(f"office:{office_id}:").removeprefix("operator:")
