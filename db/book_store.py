"""Load what a batch of commands touches, and write what it changed, in one transaction.

Locks are taken in one order by everybody: calls by id, then balances by name. So two processes
never wait for each other. SQLite has one writer at a time and ignores FOR UPDATE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, bindparam, func, insert, select, update

from charging.ledger import (
    Account,
    Books,
    CallRecord,
    Command,
    EntryKey,
    LedgerEntry,
    Posting,
    SpendingScope,
    available,
    limited_scopes,
    reserved,
)
from charging.money import Money
from db.call_rows import CHANGING_COLUMNS, COLUMNS, call_of, changing_columns, row_of
from db.models import balances, calls, postings
from db.statements import Cursor, Row, Shape, Statement, moment_of

POSTING_COLUMNS = tuple(column.name for column in postings.columns if column.name != "id")


class BalanceChanged(Exception):  # noqa: N818 - what happened, and the batch is tried again
    """A balance was not what it was when it was read."""


class BookStore:
    """Reads and writes books through a cursor whose transaction is the caller's."""

    def __init__(self, dialect: Dialect) -> None:
        self._shape = Shape(dialect)
        self._statements = _statements_for(dialect)

    def load(self, cursor: Cursor, commands: Sequence[Command[Any]]) -> Books:
        """Lock and read what the commands touch."""
        found = self._calls_of(cursor, commands)
        offices = {
            office for command in commands if (office := _office_of(command, found)) is not None
        }
        return Books(
            calls=found,
            balances=self._lock_balances(cursor, offices),
            entries=self._entries_of(cursor, commands),
            spending=self._spending(cursor, commands, found),
            open_calls=self._open_calls(cursor, commands),
        )

    def write(self, cursor: Cursor, books: Books) -> None:
        """Write what the commands changed.

        Raises:
            BalanceChanged: somebody else changed a balance meanwhile; nothing may be committed.
        """
        to, shape = self._statements, self._shape
        if books.new_calls:
            new = [row_of(call, shape) for call in books.new_calls.values()]
            to.insert_calls.change(cursor, new)
        if books.changed_calls:
            changed = [
                changing_columns(call, shape) | {"of_call": call.call_id}
                for call in books.changed_calls.values()
            ]
            to.update_calls.change(cursor, changed)
        if books.new_entries:
            to.insert_postings.change(cursor, _posting_rows(books.new_entries, shape))
        self._write_balances(cursor, books)

    def _calls_of(self, cursor: Cursor, commands: Iterable[Command[Any]]) -> dict[str, CallRecord]:
        call_ids = {command.call_id for command in commands if command.call_id is not None}
        if not call_ids:
            return {}
        wanted = {"call_ids": self._shape.among(call_ids)}
        rows = self._statements.select_calls.query(cursor, wanted)
        return {row[0]: call_of(row) for row in rows}

    def _lock_balances(self, cursor: Cursor, offices: Iterable[str]) -> dict[Account, Money]:
        accounts = [
            account for office in offices for account in (available(office), reserved(office))
        ]
        if not accounts:
            return {}
        wanted = {"accounts": self._shape.among(accounts)}
        rows = self._statements.select_balances.query(cursor, wanted)
        return {Account(account): Money(micros, currency) for account, currency, micros in rows}

    def _entries_of(
        self, cursor: Cursor, commands: Iterable[Command[Any]]
    ) -> dict[EntryKey, LedgerEntry]:
        keys = [key for command in commands for key in command.entry_keys]
        if not keys:
            return {}
        wanted = {"keys": self._shape.among(keys)}
        return entries_from(self._statements.select_entries.query(cursor, wanted))

    def _open_calls(
        self, cursor: Cursor, commands: Iterable[Command[Any]]
    ) -> dict[tuple[str, str], int]:
        asking = [
            call
            for command in commands
            if command.counts_open_calls and (call := command.new_call) is not None
        ]
        if not asking:
            return {}
        wanted = self._phones((call.office_id, call.endpoint) for call in asking)
        rows = self._statements.count_open.query(cursor, wanted)
        return {(office, endpoint): count for office, endpoint, count in rows}

    def _spending(
        self,
        cursor: Cursor,
        commands: Iterable[Command[Any]],
        found: Mapping[str, CallRecord],
    ) -> dict[SpendingScope, int]:
        """What counts to every limit that a command may reach."""
        scopes = {
            scope
            for command in commands
            if command.spends and (call := command.new_call or found.get(command.call_id or ""))
            for _, scope, _ in limited_scopes(call)
        }
        spent = dict.fromkeys(scopes, 0)
        self._add_extensions(cursor, spent, [s for s in scopes if s.endpoint is not None])
        self._add_offices(cursor, spent, [s for s in scopes if s.endpoint is None])
        return spent

    def _add_extensions(
        self,
        cursor: Cursor,
        spent: dict[SpendingScope, int],
        scopes: Collection[SpendingScope],
    ) -> None:
        if not scopes:
            return
        wanted = self._phones((scope.office_id, scope.endpoint or "") for scope in scopes)
        rows = self._statements.sum_extensions.query(cursor, wanted | _days(scopes))
        for office, endpoint, day, micros in rows:
            for period in (day, day[:7]):
                _add(spent, SpendingScope(office, endpoint, period), micros)

    def _add_offices(
        self,
        cursor: Cursor,
        spent: dict[SpendingScope, int],
        scopes: Collection[SpendingScope],
    ) -> None:
        if not scopes:
            return
        wanted = {"offices": self._shape.among({scope.office_id for scope in scopes})}
        rows = self._statements.sum_offices.query(cursor, wanted | _days(scopes))
        for office, day, micros in rows:
            _add(spent, SpendingScope(office, None, day), micros)

    def _phones(self, phones: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Offices and endpoints apart: a phone more than asked for does no harm."""
        offices, endpoints = zip(*phones, strict=True)
        return {
            "offices": self._shape.among(set(offices)),
            "endpoints": self._shape.among(set(endpoints)),
        }

    def _write_balances(self, cursor: Cursor, books: Books) -> None:
        known, new = [], []
        for account, after in books.changed_balances.items():
            before = books.balances_before.get(account)
            if before is None:
                row = {"account": account, "currency": after.currency, "micros": after.micros}
                new.append(row)
            elif before != after:
                micros = {"before": before.micros, "after": after.micros}
                known.append({"of_account": account} | micros)
        if new:
            self._statements.insert_balances.change(cursor, new)
        if known:
            changed = self._statements.update_balances.change(cursor, known)
            if changed != len(known):
                raise BalanceChanged(f"{len(known) - changed} of {len(known)} balances")


class _Statements:
    """Everything that the ledger says to the database while a call goes on."""

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        committed = func.sum(calls.c.debited_micros + calls.c.held_micros)
        of_phone = (calls.c.office_id, calls.c.endpoint)
        phones = (
            shape.is_among(calls.c.office_id, "offices"),
            shape.is_among(calls.c.endpoint, "endpoints"),
        )
        days = calls.c.spending_day.between(bindparam("first_day"), bindparam("last_day"))
        self.select_calls = Statement(
            select(calls)
            .where(shape.is_among(calls.c.call_id, "call_ids"))
            .order_by(calls.c.call_id)
            .with_for_update(),
            dialect,
        )
        self.select_balances = Statement(
            select(balances.c.account, balances.c.currency, balances.c.micros)
            .where(shape.is_among(balances.c.account, "accounts"))
            .order_by(balances.c.account)
            .with_for_update(),
            dialect,
        )
        self.select_entries = Statement(
            select(*(postings.c[name] for name in POSTING_COLUMNS))
            .where(shape.is_among(postings.c.entry_key, "keys"))
            .order_by(postings.c.id),
            dialect,
        )
        self.count_open = Statement(
            select(*of_phone, func.count())
            .where(calls.c.settled_at.is_(None), *phones)
            .group_by(*of_phone),
            dialect,
        )
        self.sum_extensions = Statement(
            select(*of_phone, calls.c.spending_day, committed)
            .where(days, *phones)
            .group_by(*of_phone, calls.c.spending_day),
            dialect,
        )
        self.sum_offices = Statement(
            select(calls.c.office_id, calls.c.spending_day, committed)
            .where(days, shape.is_among(calls.c.office_id, "offices"))
            .group_by(calls.c.office_id, calls.c.spending_day),
            dialect,
        )
        self.insert_calls = Statement(insert(calls).values(_named(COLUMNS)), dialect)
        self.update_calls = Statement(
            update(calls)
            .where(calls.c.call_id == bindparam("of_call"))
            .values(_named(CHANGING_COLUMNS)),
            dialect,
        )
        self.insert_postings = Statement(insert(postings).values(_named(POSTING_COLUMNS)), dialect)
        self.insert_balances = Statement(
            insert(balances).values(_named(("account", "currency", "micros"))), dialect
        )
        # Conditional, although the row is locked: a balance that is not the one we read is never
        # overwritten.
        self.update_balances = Statement(
            update(balances)
            .where(
                balances.c.account == bindparam("of_account"),
                balances.c.micros == bindparam("before"),
            )
            .values(micros=bindparam("after")),
            dialect,
        )


@lru_cache(maxsize=4)
def _statements_for(dialect: Dialect) -> _Statements:
    """Compiling them takes longer than a hundred calls."""
    return _Statements(dialect, Shape(dialect))


def _named(columns: Iterable[str]) -> dict[str, Any]:
    return {name: bindparam(name) for name in columns}


def _office_of(command: Command[Any], found: Mapping[str, CallRecord]) -> str | None:
    if command.office_id is not None:
        return command.office_id
    call = found.get(command.call_id or "")
    return None if call is None else call.office_id


def entries_from(rows: Iterable[Row]) -> dict[EntryKey, LedgerEntry]:
    """Gather rows of POSTING_COLUMNS, in the order of posting, into entries."""
    lines: dict[EntryKey, list[dict[str, Any]]] = {}
    for row in rows:
        line = dict(zip(POSTING_COLUMNS, row, strict=True))
        lines.setdefault(EntryKey(line["entry_key"]), []).append(line)
    return {key: _entry_from(key, of_key) for key, of_key in lines.items()}


def _entry_from(key: EntryKey, lines: Sequence[Mapping[str, Any]]) -> LedgerEntry:
    first = lines[0]
    posted_at = moment_of(first["posted_at"])
    if posted_at is None:
        raise ValueError(f"{key} was never posted")
    return LedgerEntry(
        key=key,
        office_id=first["office_id"],
        postings=tuple(
            Posting(
                source=Account(line["source"]),
                target=Account(line["target"]),
                amount=Money(line["micros"], line["currency"]),
            )
            for line in lines
        ),
        posted_at=posted_at,
        call_id=first["call_id"],
        note=first["note"],
    )


def _posting_rows(entries: Iterable[LedgerEntry], shape: Shape) -> Iterable[dict[str, Any]]:
    for entry in entries:
        posted_at = shape.stored(entry.posted_at)
        for line, posting in enumerate(entry.postings):
            yield {
                "entry_key": entry.key,
                "line": line,
                "office_id": entry.office_id,
                "call_id": entry.call_id,
                "source": posting.source,
                "target": posting.target,
                "micros": posting.amount.micros,
                "currency": posting.amount.currency,
                "posted_at": posted_at,
                "note": entry.note,
            }


def _add(spent: dict[SpendingScope, int], scope: SpendingScope, micros: Any) -> None:
    if scope in spent:
        spent[scope] += int(micros)


def _days(scopes: Iterable[SpendingScope]) -> dict[str, str]:
    """From the first to the last day of all periods; "2026-11" sorts before its days."""
    periods = sorted(scope.period for scope in scopes)
    return {"first_day": periods[0], "last_day": f"{periods[-1][:7]}-31"}
