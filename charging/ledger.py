"""Calls, commands, and the snapshot of the ledger that a batch of commands works on.

Nothing here stores anything. `db` loads what a batch of commands touches into a `LedgerSnapshot`,
lets the commands change it, and writes the changes in one transaction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from charging.entries import (
    Account,
    BalancesAfter,
    EntryKey,
    EntryKind,
    LedgerEntry,
    PostedEntry,
    Posting,
    available,
    has_balance,
)
from charging.errors import (
    CurrencyMismatch,
    InsufficientBalance,
    NothingOwed,
    ReservationMissing,
    UnknownCall,
)
from charging.evidence import EndUnproved
from charging.money import NO_CURRENCY, Money
from charging.money_state import (
    NO_WATCH,
    MoneyState,
    MoneyWanted,
    MoneyWrite,
    SavePolicy,
    Watch,
    office_of,
)
from charging.rates import Rate, funded_s
from charging.refill_watch import Reasons, most, react, watch_of

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    available: Money
    reserved: Money
    owed: Money  # of payments that the bank took back: a positive amount


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimits:
    """What may be spent, as a call found it when it was authorised. None: no limit."""

    extension_day: Money | None = None
    extension_month: Money | None = None
    office_day: Money | None = None


NO_LIMITS = SpendingLimits()

# After which a refill may be wanted once more, and a low balance is worth telling again.
MONEY_CAME_IN = frozenset(
    {EntryKind.TOP_UP, EntryKind.REFILL, EntryKind.TOP_UP_RESTORE, EntryKind.GRANT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One paid call, from its authorisation to its settlement. Included calls have none."""

    call_id: str
    office_id: str
    endpoint: str
    extension: str  # its name
    language: str
    dialled: str
    number: str  # E.164 digits or short code
    dial_string: str
    country: str
    kind: str
    destination: str
    reason: str
    rate: Rate  # as it was when the call was authorised: a running call keeps its price
    limits: SpendingLimits
    caller_channel: str
    asterisk: str
    authorised_at: datetime
    spending_day: str  # "2026-11-21" in the office's time zone; the whole call counts to this day
    reserved_intervals: int = 0  # intervals 0 to this less one are reserved or debited
    debited_intervals: int = 0
    held: Money  # reserved for this call now
    debited: Money  # debited so far; when settled, the price of the call
    leg: str | None = None  # the carrier leg that answered
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    talk_s: int | None = None
    released: Money | None = None  # what settlement released
    hangup_cause: int | None = None  # Q.850
    settled_at: datetime | None = None
    end_unproved: EndUnproved | None = None  # why it is charged for no more than can be proved

    @property
    def committed(self) -> Money:
        """What this call has taken from its limits."""
        return self.held + self.debited

    @property
    def funded_s(self) -> int:
        """Talk time, from answer, that everything reserved so far pays for."""
        return funded_s(self.reserved_intervals - 1, self.rate)


@dataclass(frozen=True, slots=True)
class SpendingScope:
    """Whose spending of which day ("2026-11-21") or month ("2026-11"); None: the whole office's."""

    office_id: str
    endpoint: str | None
    period: str


class LedgerCommand(ABC, Generic[Result_co]):
    """One change of the ledger, decided by pure code inside a transaction.

    Repeating a command that was carried out changes nothing and gives the same result.
    """

    call_id: str | None = None
    office_id: str | None = None  # None: the office of the call
    new_call: "CallRecord | None" = None
    entry_keys: tuple[EntryKey, ...] = ()  # entries to look up; a call's own record is enough
    spends: bool = False  # whether the limits of the call apply
    counts_open_calls: bool = False
    urgent: bool = False  # a caller waits for this: do not wait for others
    at: datetime | None = None  # when it was asked for
    money_wanted: MoneyWanted | None = None  # None: it reads nothing about money in

    @abstractmethod
    def decide(self, snapshot: "LedgerSnapshot") -> "Decision[Result_co]":
        """Say what is to be changed, without changing anything.

        Raises:
            Refusal: what the rules do not allow.
            LedgerFault: what makes no sense.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Generic[Result_co]):
    result: Result_co
    entries: tuple[LedgerEntry, ...] = ()
    call: CallRecord | None = None  # as it is to be from now on
    money: tuple[MoneyWrite, ...] = ()
    refill_wanted: bool = False  # whether a refill may be begun now, as things stand afterwards
    refill_needed: Money | None = None  # the balance that it has to reach, above the threshold


class MoneyNews(NamedTuple):
    """What a caller who waits for a refill has to know."""

    available: Money
    under_way: bool  # money may still come in


class Place(NamedTuple):
    """Where the entries of an office have come to."""

    number: int
    posted_at: datetime


class LedgerSnapshot:
    """What one batch of commands may read, and what it has changed so far.

    A command sees the changes of the commands before it. A refused one leaves no trace. Entries
    are numbered here, and carry the balances they leave: whoever writes them holds the locks.
    """

    def __init__(  # noqa: PLR0913 - everything that a batch may read
        self,
        *,
        calls: Mapping[str, CallRecord],
        balances: Mapping[Account, Money],
        places: Mapping[str, Place] | None = None,
        entries: Mapping[EntryKey, LedgerEntry] | None = None,
        spending: Mapping[SpendingScope, int] | None = None,
        open_calls: Mapping[tuple[str, str], int] | None = None,
        money: Mapping[str, MoneyState] | None = None,
        watches: Mapping[str, Watch] | None = None,
    ) -> None:
        self.balances_before: Mapping[Account, Money] = balances
        self._calls = dict(calls)
        self._balances = dict(balances)
        self._places = dict(places or {})
        self._entries = dict(entries or {})
        self._spending = dict(spending or {})
        self._open_calls = dict(open_calls or {})
        self._money = dict(money or {})
        self._watches = dict(watches or {})  # of offices whose balance has a level to watch
        self.new_entries: list[PostedEntry] = []
        self.new_calls: dict[str, CallRecord] = {}
        self.changed_calls: dict[str, CallRecord] = {}
        self.changed_balances: dict[Account, Money] = {}
        self.changed_in: dict[Account, Place] = {}  # the last entry that changed it
        self.money_writes: list[MoneyWrite] = []
        self.changed_watches: dict[str, Watch] = {}
        self._reasons: dict[str, Reasons] = {}  # to look at money in, by office

    def carry_out(self, command: LedgerCommand[Result]) -> Result:
        """Decide, check every floor, then change the snapshot.

        Raises:
            Refusal, LedgerFault: nothing was changed.
        """
        try:
            decision = command.decide(self)
            self._post(decision.entries)
        except InsufficientBalance as refusal:
            self._note_shortage(command, refusal)
            raise
        if decision.call is not None:
            self._save(decision.call)
        for write in decision.money:
            self._write(write)
        if decision.refill_wanted and command.office_id is not None and command.at is not None:
            reasons = self._reasons_of(command.office_id, command.at)
            reasons.wanted = reasons.money_came_in = True
            reasons.needed = most((reasons.needed, decision.refill_needed))
        return decision.result

    # --- money in, once every command is decided -----------------------------------------

    def money_lacking(self) -> Mapping[str, datetime]:
        """Offices whose money in is to be looked at and is not loaded; and as of when."""
        return {
            office_id: reasons.at
            for office_id, reasons in self._reasons.items()
            if office_id not in self._money
        }

    def add_money(self, states: Mapping[str, MoneyState]) -> None:
        self._money |= states

    def look_at_money_in(self) -> None:
        """Begin refills, tell of low balances, and bring the levels that are watched up to date.

        Call it once, when everything that `money_lacking` names was added.
        """
        for office_id, reasons in self._reasons.items():
            state = self._money[office_id]
            balance = self._balance_in_its_currency(state, reasons)
            for write in react(state, reasons, balance):
                self._write(write)
        changed = {office_of(w) for w in self.money_writes if isinstance(w, SavePolicy)}
        for office_id in changed | self._reasons.keys():
            self._watch(office_id)

    def money_of(self, office_id: str) -> MoneyState:
        """Of an office that a command asked for by `money_wanted`."""
        return self._money[office_id]

    def _watch(self, office_id: str) -> None:
        state, reasons = self._money[office_id], self._reasons.get(office_id)
        before = self._watches.get(office_id, NO_WATCH)
        balance = self._balance_in_its_currency(state, reasons)
        watch = watch_of(state, before, reasons, balance)
        if watch != before:
            self.changed_watches[office_id] = watch

    def _balance_in_its_currency(self, state: MoneyState, reasons: Reasons | None) -> Money:
        """Where an office never had money, its currency is that of what it wants."""
        account = available(state.policy.office_id)
        stored = self._balances.get(account)
        if stored is not None:
            return stored
        rule = None if state.policy.rule is None else state.policy.rule.amount
        needed = None if reasons is None else reasons.needed
        known = most((needed, rule, state.policy.notice_below))
        return Money(0, NO_CURRENCY if known is None else known.currency)

    def _write(self, write: MoneyWrite) -> None:
        self.money_writes.append(write)
        office_id = office_of(write)
        if office_id in self._money:
            self._money[office_id] = self._money[office_id].with_write(write)

    def _reasons_of(self, office_id: str, at: datetime) -> Reasons:
        reasons = self._reasons.setdefault(office_id, Reasons(at))
        reasons.at = max(reasons.at, at)
        return reasons

    def _note_shortage(self, command: LedgerCommand[Any], refusal: InsufficientBalance) -> None:
        """A call lacks money. It matters where a refill may help, or the office never had any."""
        call = command.new_call or self._calls.get(command.call_id or "")
        if call is None or command.at is None:
            return
        refusal.office_id = call.office_id
        watched = self._watches.get(call.office_id, NO_WATCH).refill_below is not None
        if not watched and available(call.office_id) in self._balances:
            return
        reasons = self._reasons_of(call.office_id, command.at)
        reasons.wanted = True
        reasons.needed = most((reasons.needed, refusal.needed))
        reasons.short.append(refusal)

    def _note_crossings(
        self, posted: Iterable[PostedEntry], before: Mapping[Account, Money]
    ) -> None:
        """Before the balances of the snapshot are those that the entries left."""
        for each in posted:
            office_id = each.entry.office_id
            if each.entry.kind in MONEY_CAME_IN:
                reasons = self._reasons_of(office_id, each.posted_at)
                reasons.wanted = reasons.money_came_in = True
            watch = self._watches.get(office_id)
            if watch is None:
                continue
            account = available(office_id)
            left, had = each.balance_after(account), before.get(account)
            if left is None or had is None or left >= had:
                continue
            if watch.refill_below is not None and had >= watch.refill_below > left:
                self._reasons_of(office_id, each.posted_at).wanted = True
            if watch.notice_below is not None and had >= watch.notice_below > left:
                self._reasons_of(office_id, each.posted_at).low = (each.number, left)

    def call(self, call_id: str) -> CallRecord:
        """Raises UnknownCall."""
        found = self._calls.get(call_id)
        if found is None:
            raise UnknownCall(call_id)
        return found

    def find_call(self, call_id: str) -> CallRecord | None:
        return self._calls.get(call_id)

    def find_entry(self, key: EntryKey) -> LedgerEntry | None:
        return self._entries.get(key)

    def balance(self, account: Account, currency: str) -> Money:
        found = self._balances.get(account)
        return Money(0, currency) if found is None else found

    def spent(self, scope: SpendingScope, currency: str) -> Money:
        return Money(self._spending.get(scope, 0), currency)

    def open_calls_of(self, call: CallRecord) -> int:
        return self._open_calls.get((call.office_id, call.endpoint), 0)

    def _post(self, entries: tuple[LedgerEntry, ...]) -> None:
        """Check all before changing any."""
        if not entries:
            return
        draft = _Draft(self._balances, self._places)
        posted = [draft.post(entry) for entry in entries]
        if self._watches or entries[0].kind in MONEY_CAME_IN:
            self._note_crossings(posted, self._balances)
        self._balances.update(draft.balances)
        self._places.update(draft.places)
        self._entries.update((each.entry.key, each.entry) for each in posted)
        self.new_entries.extend(posted)
        self.changed_balances.update(draft.balances)
        self.changed_in.update(draft.changed_in)

    def _save(self, call: CallRecord) -> None:
        before = self._calls.get(call.call_id)
        self._count_open(before, call)
        self._count_spending(before, call)
        self._calls[call.call_id] = call
        if before is None or call.call_id in self.new_calls:
            self.new_calls[call.call_id] = call
        else:
            self.changed_calls[call.call_id] = call

    def _count_open(self, before: CallRecord | None, call: CallRecord) -> None:
        opened = int(before is None) - int(call.settled_at is not None)
        phone = (call.office_id, call.endpoint)
        self._open_calls[phone] = self._open_calls.get(phone, 0) + opened

    def _count_spending(self, before: CallRecord | None, call: CallRecord) -> None:
        if not self._spending:  # nothing is limited
            return
        change = call.committed.micros - (before.committed.micros if before else 0)
        for scope in every_scope(call):
            if scope in self._spending:
                self._spending[scope] += change


class _Draft:
    """Entries that are not in the snapshot yet, until every one of them is allowed."""

    def __init__(self, balances: Mapping[Account, Money], places: Mapping[str, Place]) -> None:
        self._balances_before = balances
        self._places_before = places
        self.balances: dict[Account, Money] = {}
        self.places: dict[str, Place] = {}
        self.changed_in: dict[Account, Place] = {}

    def post(self, entry: LedgerEntry) -> PostedEntry:
        place = self._next_place(entry)
        self.places[entry.office_id] = place
        return PostedEntry(
            entry=entry,
            number=place.number,
            posted_at=place.posted_at,
            balances_after=tuple(self._move(posting, place) for posting in entry.postings),
        )

    def _next_place(self, entry: LedgerEntry) -> Place:
        """A clock that goes back, or one of another machine, never turns the order round."""
        office = entry.office_id
        last = self.places.get(office) or self._places_before.get(office)
        if last is None:
            return Place(1, entry.at)
        return Place(last.number + 1, max(last.posted_at, entry.at))

    def _move(self, posting: Posting, place: Place) -> BalancesAfter:
        amount = posting.amount
        return BalancesAfter(
            source=self._change(posting.source, -amount.micros, amount.currency, place),
            target=self._change(posting.target, amount.micros, amount.currency, place),
        )

    def _change(self, account: Account, micros: int, currency: str, place: Place) -> Money | None:
        if not has_balance(account):
            return None
        before = self.balances.get(account, self._balances_before.get(account))
        if before is None:
            before = Money(0, currency)
        elif before.currency != currency:
            raise CurrencyMismatch(before.currency, currency)
        after = Money(before.micros + micros, currency)
        _require_within_bounds(account, before=before, after=after)
        self.balances[account] = after
        self.changed_in[account] = place
        return after


def _require_within_bounds(account: Account, *, before: Money, after: Money) -> None:
    if account.endswith(":owed"):
        if after.micros > 0:
            raise NothingOwed(account)
    elif after.micros < 0 and account.endswith(":available"):
        raise InsufficientBalance(available=before, needed=before - after)
    elif after.micros < 0:
        raise ReservationMissing(account)


def every_scope(call: CallRecord) -> tuple[SpendingScope, ...]:
    """The scopes a call's spending counts to, in the order of SpendingLimits."""
    day, month = call.spending_day, call.spending_day[:7]
    return (
        SpendingScope(call.office_id, call.endpoint, day),
        SpendingScope(call.office_id, call.endpoint, month),
        SpendingScope(call.office_id, None, day),
    )


def limited_scopes(call: CallRecord) -> tuple[tuple[str, SpendingScope, Money], ...]:
    """The limits that apply to a call: their name, what counts to them, and their amount."""
    limits = call.limits
    if limits == NO_LIMITS:  # the usual case, and every increment of every call asks
        return ()
    named = zip(
        ("extension_day", "extension_month", "office_day"),
        every_scope(call),
        (limits.extension_day, limits.extension_month, limits.office_day),
        strict=True,
    )
    return tuple((name, scope, limit) for name, scope, limit in named if limit is not None)
