"""A ledger in memory: the same rules, one command at a time, and nothing on disk.

tests/db replays everything that is claimed of it against SQLite and PostgreSQL.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from charging.entries import Account, EntryKey, LedgerEntry, PostedEntry, available, owed, reserved
from charging.errors import ChargingUnavailable
from charging.ledger import (
    Balances,
    CallRecord,
    LedgerCommand,
    LedgerSnapshot,
    MoneyNews,
    Place,
    SpendingScope,
    every_scope,
)
from charging.money import Money
from charging.money_state import MoneyState, MoneyWrite, Watch, office_of
from charging.refill_rules import Policy

Result = TypeVar("Result")


class MemoryLedger:
    def __init__(self) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.entries: dict[EntryKey, LedgerEntry] = {}
        self.posted: list[PostedEntry] = []
        self.stored: dict[Account, Money] = {}
        self.money: dict[str, MoneyState] = {}  # of offices that were asked about
        self.watches: dict[str, Watch] = {}
        self.told: list[MoneyWrite] = []  # everything that was written about money in
        self.away = False  # True: as if the database were locked or gone

    async def carry_out(self, command: LedgerCommand[Result]) -> Result:
        self._require_database()
        return self.carry_out_now(command)

    def carry_out_now(self, command: LedgerCommand[Result]) -> Result:
        snapshot = LedgerSnapshot(
            calls=self.calls,
            balances=self.stored,
            places={p.entry.office_id: Place(p.number, p.posted_at) for p in self.posted},
            entries=self.entries,
            spending=self._spending(command),
            open_calls=self._open_calls(),
            money=self._money_for(command),
            watches=self.watches,
        )
        try:
            result = snapshot.carry_out(command)
        finally:  # also where a call is refused for lack of money
            self._look_at_money_in(snapshot)
        self.calls |= snapshot.new_calls | snapshot.changed_calls
        self.entries |= {posted.entry.key: posted.entry for posted in snapshot.new_entries}
        self.posted += snapshot.new_entries
        self.stored |= snapshot.changed_balances
        return result

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        self._require_database()
        calls = [call for call in self.calls.values() if call.settled_at is None]
        here = [call for call in calls if call.asterisk == asterisk]
        return sorted(here, key=lambda call: call.authorised_at)

    async def balances(self, office_id: str, currency: str) -> Balances:
        self._require_database()
        nothing = Money(0, currency)
        return Balances(
            available=self.stored.get(available(office_id), nothing),
            reserved=self.stored.get(reserved(office_id), nothing),
            owed=nothing - self.stored.get(owed(office_id), nothing),
        )

    async def money_news(self, office_id: str, currency: str, now: datetime) -> MoneyNews:
        found = (await self.balances(office_id, currency)).available
        state = self.money.get(office_id)
        return MoneyNews(found, under_way=state is not None and state.under_way(now))

    async def last_call(self, office_id: str, endpoint: str) -> CallRecord | None:
        self._require_database()
        over = [
            call
            for call in self.calls.values()
            if (call.office_id, call.endpoint) == (office_id, endpoint)
            and call.settled_at is not None
            and call.talk_s
        ]
        return max(over, key=lambda call: call.authorised_at, default=None)

    def _money_for(self, command: LedgerCommand[Result]) -> dict[str, MoneyState]:
        if command.money_wanted is not None and command.office_id is not None:
            self._know(command.office_id)
        return self.money

    def _look_at_money_in(self, snapshot: LedgerSnapshot) -> None:
        lacking = snapshot.money_lacking()
        for office_id in lacking:
            self._know(office_id)
        snapshot.add_money({office_id: self.money[office_id] for office_id in lacking})
        snapshot.look_at_money_in()
        for write in snapshot.money_writes:
            self.money[office_of(write)] = self.money[office_of(write)].with_write(write)
        self.told += snapshot.money_writes
        self.watches |= snapshot.changed_watches

    def _know(self, office_id: str) -> None:
        nothing = MoneyState(policy=Policy(office_id=office_id))
        self.money.setdefault(office_id, nothing)

    def _require_database(self) -> None:
        if self.away:
            raise ChargingUnavailable("database is locked")

    def _open_calls(self) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        for call in self.calls.values():
            if call.settled_at is None:
                phone = (call.office_id, call.endpoint)
                counts[phone] = counts.get(phone, 0) + 1
        return counts

    def _spending(self, command: LedgerCommand[Result]) -> dict[SpendingScope, int]:
        spending: dict[SpendingScope, int] = {}
        if command.new_call is not None:
            spending |= dict.fromkeys(every_scope(command.new_call), 0)
        for call in self.calls.values():
            for scope in every_scope(call):
                spending[scope] = spending.get(scope, 0) + call.committed.micros
        return spending
