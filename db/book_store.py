"""Load what a batch of commands touches, and write what it changed, in one transaction.

Locks are taken in one order by everybody: calls by id, then balances by name. So two processes
never wait for each other. SQLite has one writer at a time and ignores FOR UPDATE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    func,
    insert,
    select,
    tuple_,
    update,
)

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
from db.call_rows import call_of, changing_columns, row_of
from db.models import balances, calls, postings

# Built once: building a statement costs more than running it.
_SELECT_CALLS = (
    select(calls)
    .where(calls.c.call_id.in_(bindparam("call_ids", expanding=True)))
    .order_by(calls.c.call_id)
    .with_for_update()
)
_SELECT_BALANCES = (
    select(balances.c.account, balances.c.currency, balances.c.micros)
    .where(balances.c.account.in_(bindparam("accounts", expanding=True)))
    .order_by(balances.c.account)
    .with_for_update()
)
_SELECT_ENTRIES = (
    select(postings)
    .where(postings.c.entry_key.in_(bindparam("keys", expanding=True)))
    .order_by(postings.c.entry_key, postings.c.line)
)
_COUNT_OPEN = (
    select(calls.c.office_id, calls.c.endpoint, func.count())
    .where(
        calls.c.settled_at.is_(None),
        tuple_(calls.c.office_id, calls.c.endpoint).in_(bindparam("phones", expanding=True)),
    )
    .group_by(calls.c.office_id, calls.c.endpoint)
)
_COMMITTED = func.sum(calls.c.debited_micros + calls.c.held_micros)
_SUM_OF_EXTENSIONS = (
    select(calls.c.office_id, calls.c.endpoint, calls.c.spending_day, _COMMITTED)
    .where(
        calls.c.spending_day.between(bindparam("first_day"), bindparam("last_day")),
        tuple_(calls.c.office_id, calls.c.endpoint).in_(bindparam("phones", expanding=True)),
    )
    .group_by(calls.c.office_id, calls.c.endpoint, calls.c.spending_day)
)
_SUM_OF_OFFICES = (
    select(calls.c.office_id, calls.c.spending_day, _COMMITTED)
    .where(
        calls.c.spending_day.between(bindparam("first_day"), bindparam("last_day")),
        calls.c.office_id.in_(bindparam("offices", expanding=True)),
    )
    .group_by(calls.c.office_id, calls.c.spending_day)
)
_INSERT_CALLS = insert(calls)
_INSERT_POSTINGS = insert(postings)
_INSERT_BALANCES = insert(balances)
_UPDATE_CALLS = update(calls).where(calls.c.call_id == bindparam("of_call"))
# Conditional, although the row is locked: a balance that is not the one we read is never
# overwritten.
_UPDATE_BALANCES = (
    update(balances)
    .where(balances.c.account == bindparam("of_account"), balances.c.micros == bindparam("before"))
    .values(micros=bindparam("after"))
)


class BalanceChanged(Exception):  # noqa: N818 - what happened, and the batch is tried again
    """A balance was not what it was when it was read."""


def load_books(connection: Connection, commands: Sequence[Command[Any]]) -> Books:
    found = _calls_of(connection, commands)
    offices = {office for command in commands if (office := _office_of(command, found)) is not None}
    return Books(
        calls=found,
        balances=_lock_balances(connection, offices),
        entries=_entries_of(connection, commands),
        spending=_spending(connection, commands, found),
        open_calls=_open_calls(connection, commands),
    )


def write_changes(connection: Connection, books: Books) -> None:
    """Write what the commands changed.

    Raises:
        BalanceChanged: somebody else changed a balance meanwhile; nothing may be committed.
    """
    if books.new_calls:
        connection.execute(_INSERT_CALLS, [row_of(call) for call in books.new_calls.values()])
    if books.changed_calls:
        connection.execute(_UPDATE_CALLS, [_changes_of(c) for c in books.changed_calls.values()])
    if books.new_entries:
        connection.execute(_INSERT_POSTINGS, [*_posting_rows(books.new_entries)])
    _write_balances(connection, books)


def _calls_of(connection: Connection, commands: Iterable[Command[Any]]) -> dict[str, CallRecord]:
    call_ids = {command.call_id for command in commands if command.call_id is not None}
    if not call_ids:
        return {}
    rows = connection.execute(_SELECT_CALLS, {"call_ids": sorted(call_ids)})
    return {row.call_id: call_of(row) for row in rows}


def _office_of(command: Command[Any], found: Mapping[str, CallRecord]) -> str | None:
    if command.office_id is not None:
        return command.office_id
    call = found.get(command.call_id or "")
    return None if call is None else call.office_id


def _lock_balances(connection: Connection, offices: Iterable[str]) -> dict[Account, Money]:
    accounts = sorted(
        account for office in offices for account in (available(office), reserved(office))
    )
    if not accounts:
        return {}
    rows = connection.execute(_SELECT_BALANCES, {"accounts": accounts})
    return {Account(row.account): Money(row.micros, row.currency) for row in rows}


def _entries_of(
    connection: Connection, commands: Iterable[Command[Any]]
) -> dict[EntryKey, LedgerEntry]:
    keys = [key for command in commands for key in command.entry_keys]
    if not keys:
        return {}
    return entries_from(connection.execute(_SELECT_ENTRIES, {"keys": keys}).all())


def entries_from(rows: Sequence[Row[Any]]) -> dict[EntryKey, LedgerEntry]:
    """Gather rows of `postings`, ordered by key and line, into entries."""
    lines: dict[EntryKey, list[Row[Any]]] = {}
    for row in rows:
        lines.setdefault(EntryKey(row.entry_key), []).append(row)
    return {key: _entry_from(key, of_key) for key, of_key in lines.items()}


def _entry_from(key: EntryKey, rows: Sequence[Row[Any]]) -> LedgerEntry:
    return LedgerEntry(
        key=key,
        office_id=rows[0].office_id,
        postings=tuple(
            Posting(
                source=Account(row.source),
                target=Account(row.target),
                amount=Money(row.micros, row.currency),
            )
            for row in rows
        ),
        posted_at=rows[0].posted_at,
        call_id=rows[0].call_id,
        note=rows[0].note,
    )


def _open_calls(
    connection: Connection, commands: Iterable[Command[Any]]
) -> dict[tuple[str, str], int]:
    phones = {
        (call.office_id, call.endpoint)
        for command in commands
        if command.counts_open_calls and (call := command.new_call) is not None
    }
    if not phones:
        return {}
    rows = connection.execute(_COUNT_OPEN, {"phones": sorted(phones)})
    return {(office, endpoint): count for office, endpoint, count in rows}


def _spending(
    connection: Connection, commands: Iterable[Command[Any]], found: Mapping[str, CallRecord]
) -> dict[SpendingScope, int]:
    scopes = {
        scope
        for command in commands
        if command.spends and (call := command.new_call or found.get(command.call_id or ""))
        for _, scope, _ in limited_scopes(call)
    }
    spent = dict.fromkeys(scopes, 0)
    if scopes:
        _add_extensions(connection, spent, [s for s in scopes if s.endpoint is not None])
        _add_offices(connection, spent, [s for s in scopes if s.endpoint is None])
    return spent


def _add_extensions(
    connection: Connection, spent: dict[SpendingScope, int], scopes: Collection[SpendingScope]
) -> None:
    if not scopes:
        return
    phones = sorted({(scope.office_id, scope.endpoint) for scope in scopes})
    rows = connection.execute(_SUM_OF_EXTENSIONS, {"phones": phones} | _days(scopes))
    for office, endpoint, day, micros in rows:
        for period in (day, day[:7]):
            scope = SpendingScope(office, endpoint, period)
            if scope in spent:
                spent[scope] += int(micros)


def _add_offices(
    connection: Connection, spent: dict[SpendingScope, int], scopes: Collection[SpendingScope]
) -> None:
    if not scopes:
        return
    offices = sorted({scope.office_id for scope in scopes})
    for office, day, micros in connection.execute(
        _SUM_OF_OFFICES, {"offices": offices} | _days(scopes)
    ):
        scope = SpendingScope(office, None, day)
        if scope in spent:
            spent[scope] += int(micros)


def _days(scopes: Iterable[SpendingScope]) -> dict[str, str]:
    """From the first to the last day of all periods; "2026-11" sorts before its days."""
    periods = sorted(scope.period for scope in scopes)
    return {"first_day": periods[0], "last_day": f"{periods[-1][:7]}-31"}


def _changes_of(call: CallRecord) -> dict[str, Any]:
    return {"of_call": call.call_id} | changing_columns(call)


def _posting_rows(entries: Iterable[LedgerEntry]) -> Iterable[dict[str, Any]]:
    for entry in entries:
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
                "posted_at": entry.posted_at,
                "note": entry.note,
            }


def _write_balances(connection: Connection, books: Books) -> None:
    known, new = [], []
    for account, after in books.changed_balances.items():
        before = books.balances_before.get(account)
        if before is None:
            new.append({"account": account, "currency": after.currency, "micros": after.micros})
        elif before != after:
            known.append({"of_account": account, "before": before.micros, "after": after.micros})
    if new:
        connection.execute(_INSERT_BALANCES, new)
    if known:
        updated = connection.execute(_UPDATE_BALANCES, known).rowcount
        if updated != len(known):
            raise BalanceChanged(f"{len(known) - updated} of {len(known)} balances")
