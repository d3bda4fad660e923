"""Load what a batch of commands touches, and write what it changed, in one transaction.

Locks are taken in one order by everybody: calls by id, then balances by name. So two processes
never wait for each other. SQLite has one writer at a time and ignores FOR UPDATE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
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

from charging.entries import Account, EntryKey, LedgerEntry, account_of, owner_and_name
from charging.ledger import (
    CallRecord,
    LedgerCommand,
    LedgerSnapshot,
    Place,
    SpendingScope,
    limited_scopes,
)
from charging.money import Money
from charging.money_state import NOTHING_WANTED, MoneyState, MoneyWanted, Watch
from db.call_rows import call_of, insert_calls, update_calls
from db.entry_rows import POSTED, insert_entries, posted_from
from db.models import balances, calls, entries
from db.money_rows import both, load_money, write_money, write_watches

# Built once: building a statement costs more than running it.
_SELECT_CALLS = (
    select(calls)
    .where(calls.c.call_id.in_(bindparam("call_ids", expanding=True)))
    .order_by(calls.c.call_id)
    .with_for_update()
)
_SELECT_BALANCES = (
    select(balances)
    .where(balances.c.office_id.in_(bindparam("offices", expanding=True)))
    .order_by(balances.c.office_id, balances.c.account)
    .with_for_update()
)
_SELECT_ENTRIES = POSTED.where(entries.c.key.in_(bindparam("keys", expanding=True)))
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
_INSERT_BALANCES = insert(balances)
# Conditional, although the row is locked: a balance that is not the one we read is never
# overwritten.
_UPDATE_BALANCES = (
    update(balances)
    .where(
        balances.c.office_id == bindparam("of_office"),
        balances.c.account == bindparam("of_account"),
        balances.c.micros == bindparam("before"),
    )
    .values(
        micros=bindparam("after"),
        entry_number=bindparam("changed_in"),
        posted_at=bindparam("changed_at"),
    )
)


class BalanceChanged(Exception):  # noqa: N818 - what happened, and the batch is tried again
    """A balance was not what it was when it was read."""


def load_snapshot(connection: Connection, commands: Sequence[LedgerCommand[Any]]) -> LedgerSnapshot:
    found = _calls_of(connection, commands)
    offices = {office for command in commands if (office := _office_of(command, found)) is not None}
    stored, places, watches = _lock_balances(connection, offices)
    return LedgerSnapshot(
        calls=found,
        balances=stored,
        places=places,
        watches=watches,
        money=_money_of(connection, commands),
        entries=_entries_of(connection, commands),
        spending=_spending(connection, commands, found),
        open_calls=_open_calls(connection, commands),
    )


def look_at_money_in(connection: Connection, snapshot: LedgerSnapshot) -> None:
    """Once every command is decided: what crossings, refusals and money that came in bring about.

    Most batches read nothing here.
    """
    lacking = snapshot.money_lacking()
    if lacking:
        wanted = dict.fromkeys(lacking, NOTHING_WANTED)
        snapshot.add_money(load_money(connection, wanted, lacking))
    snapshot.look_at_money_in()


def write_changes(connection: Connection, snapshot: LedgerSnapshot) -> None:
    """Write what the commands changed.

    Raises:
        BalanceChanged: somebody else changed a balance meanwhile; nothing may be committed.
    """
    if snapshot.new_calls:
        insert_calls(connection, snapshot.new_calls.values())
    if snapshot.changed_calls:
        update_calls(connection, snapshot.changed_calls.values())
    if snapshot.new_entries:
        insert_entries(connection, snapshot.new_entries)
    _write_balances(connection, snapshot)
    if snapshot.money_writes:
        write_money(connection, snapshot.money_writes)
    if snapshot.changed_watches:
        write_watches(connection, snapshot.changed_watches)


def _money_of(
    connection: Connection, commands: Iterable[LedgerCommand[Any]]
) -> dict[str, MoneyState]:
    wanted: dict[str, MoneyWanted] = {}
    moments: dict[str, datetime] = {}
    for command in commands:
        office_id, asked, at = command.office_id, command.money_wanted, command.at
        if asked is None or office_id is None or at is None:
            continue
        wanted[office_id] = both(wanted.get(office_id, NOTHING_WANTED), asked)
        moments[office_id] = max(at, moments.get(office_id, at))
    return load_money(connection, wanted, moments) if wanted else {}


def _calls_of(
    connection: Connection, commands: Iterable[LedgerCommand[Any]]
) -> dict[str, CallRecord]:
    call_ids = {command.call_id for command in commands if command.call_id is not None}
    if not call_ids:
        return {}
    rows = connection.execute(_SELECT_CALLS, {"call_ids": sorted(call_ids)})
    return {row.call_id: call_of(row) for row in rows}


def _office_of(command: LedgerCommand[Any], found: Mapping[str, CallRecord]) -> str | None:
    if command.office_id is not None:
        return command.office_id
    call = found.get(command.call_id or "")
    return None if call is None else call.office_id


def _lock_balances(
    connection: Connection, offices: Iterable[str]
) -> tuple[dict[Account, Money], dict[str, Place], dict[str, Watch]]:
    """The balances of offices, the last entry of each (it changed one of them), and its levels."""
    stored: dict[Account, Money] = {}
    places: dict[str, Place] = {}
    watches: dict[str, Watch] = {}
    wanted = sorted(offices)
    for row in connection.execute(_SELECT_BALANCES, {"offices": wanted}) if wanted else ():
        stored[account_of(row.account, row.office_id)] = Money(row.micros, row.currency)
        place = Place(row.entry_number, row.posted_at)
        places[row.office_id] = max(place, places.get(row.office_id, place))
        if row.refill_below_micros is not None or row.notice_below_micros is not None:
            watches[row.office_id] = _watch_of(row)
    return stored, places, watches


def _watch_of(row: Row[Any]) -> Watch:
    return Watch(
        refill_below=_money(row.refill_below_micros, row.currency),
        notice_below=_money(row.notice_below_micros, row.currency),
    )


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money(micros, currency)


def _entries_of(
    connection: Connection, commands: Iterable[LedgerCommand[Any]]
) -> dict[EntryKey, LedgerEntry]:
    keys = [key for command in commands for key in command.entry_keys]
    if not keys:
        return {}
    found = posted_from(connection.execute(_SELECT_ENTRIES, {"keys": keys}).all())
    return {posted.entry.key: posted.entry for posted in found}


def _open_calls(
    connection: Connection, commands: Iterable[LedgerCommand[Any]]
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
    connection: Connection, commands: Iterable[LedgerCommand[Any]], found: Mapping[str, CallRecord]
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


def _write_balances(connection: Connection, snapshot: LedgerSnapshot) -> None:
    known, new = [], []
    for account, after in snapshot.changed_balances.items():
        office_id, name = owner_and_name(account)
        place = snapshot.changed_in[account]
        before = snapshot.balances_before.get(account)
        if before is None:
            new.append(
                {
                    "office_id": office_id,
                    "account": name,
                    "currency": after.currency,
                    "micros": after.micros,
                    "entry_number": place.number,
                    "posted_at": place.posted_at,
                }
            )
        else:
            known.append(
                {
                    "of_office": office_id,
                    "of_account": name,
                    "before": before.micros,
                    "after": after.micros,
                    "changed_in": place.number,
                    "changed_at": place.posted_at,
                }
            )
    if new:
        connection.execute(_INSERT_BALANCES, new)
    if known:
        updated = connection.execute(_UPDATE_BALANCES, known).rowcount
        if updated != len(known):
            raise BalanceChanged(f"{len(known) - updated} of {len(known)} balances")
