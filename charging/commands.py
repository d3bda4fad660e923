"""What can be done to the ledger: authorise, answer, reserve, debit, settle, top up, cancel.

Each command is decided by pure code; `charging.ledger.LedgerSnapshot` carries it out.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from charging.debts import owed_by
from charging.entries import (
    REVENUE,
    Account,
    EntryKey,
    EntryKind,
    FundingSource,
    LedgerEntry,
    Posting,
    available,
    extension_actor,
    funding,
    reserved,
)
from charging.entry_keys import cancel_key, require_top_up_key, top_up_key
from charging.errors import (
    CallSettled,
    EntryKeyReused,
    InsufficientBalance,
    IntervalNotReserved,
    LimitReached,
    PaidByCard,
    TopUpSpent,
    UnknownTopUp,
)
from charging.evidence import EndUnproved
from charging.ledger import (
    Balances,
    CallRecord,
    Decision,
    LedgerCommand,
    LedgerSnapshot,
    limited_scopes,
)
from charging.money import MICROS_PER_UNIT, Money
from charging.plain_text import require_plain
from charging.rates import billable_seconds, charge_for, funded_s, interval_price

TOP_UP_MAX = 1_000_000  # of any currency, at once: more is a slip of the hand
TOP_UP_MAX_MICROS = TOP_UP_MAX * MICROS_PER_UNIT

# --- results ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAuthorised:
    call: CallRecord
    reserved: Money
    available_before: Money  # what the caller hears


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    interval: int
    amount: Money
    funded_s: int  # all paid seconds, from answer, once this interval is debited
    available: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Debited:
    interval: int
    amount: Money
    funded_s: int  # all paid seconds, from answer
    available: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    charged: Money  # for the whole call
    released: Money
    talk_s: int
    billable_s: int
    increments: int  # blocks billed, the first one included
    available: Money
    already: bool  # it had been settled before; nothing was changed now


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpCancelled:
    amount: Money  # what was unspent, and has been taken out again
    balances: Balances


# --- commands --------------------------------------------------------------------------------


class AuthoriseCall(LedgerCommand[CallAuthorised]):
    """Record a call and reserve its interval 0. Key: call:<id>:reserve:0."""

    urgent = True
    spends = True

    def __init__(self, call: CallRecord, *, calls_at_once: int | None) -> None:
        """Take a record with nothing reserved yet; calls_at_once limits its extension."""
        self.call_id = call.call_id
        self.office_id = call.office_id
        self.new_call = call
        self.at = call.authorised_at
        self.counts_open_calls = calls_at_once is not None
        self._call = call
        self._calls_at_once = calls_at_once

    def decide(self, snapshot: LedgerSnapshot) -> Decision[CallAuthorised]:
        before = snapshot.find_call(self._call.call_id)
        if before is not None:
            return Decision(result=self._repeated(before, snapshot))
        self._require_a_free_line(snapshot)
        call, amount, entries = _reserve_next(self._call, snapshot, at=self._call.authorised_at)
        balance = snapshot.balance(available(call.office_id), call.rate.currency)
        result = CallAuthorised(call=call, reserved=amount, available_before=balance)
        return Decision(result=result, entries=entries, call=call)

    def _repeated(self, before: CallRecord, snapshot: LedgerSnapshot) -> CallAuthorised:
        if _request_of(before) != _request_of(self._call):
            raise EntryKeyReused(_key(before, "reserve:0"))
        if before.settled_at is not None:
            raise CallSettled(before.call_id)
        balance = snapshot.balance(available(before.office_id), before.rate.currency)
        return CallAuthorised(
            call=before,
            reserved=interval_price(0, before.rate),
            available_before=balance + before.committed,
        )

    def _require_a_free_line(self, snapshot: LedgerSnapshot) -> None:
        limit = self._calls_at_once
        if limit is not None and snapshot.open_calls_of(self._call) >= limit:
            raise LimitReached("calls_at_once", f"{limit} paid calls at once")


@dataclass(frozen=True, kw_only=True)
class AnswerCall(LedgerCommand[Debited]):
    """Record the carrier leg that answered, and debit interval 0. Key: call:<id>:debit:0."""

    call_id: str
    leg: str
    answered_at: datetime

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Debited]:
        call = snapshot.call(self.call_id)
        if call.leg is not None and call.leg != self.leg:  # a second leg is not paid for
            raise EntryKeyReused(_key(call, "debit:0"))
        if call.leg is not None:
            return Decision(result=_debited(0, call, snapshot))
        if call.settled_at is not None:
            raise CallSettled(call.call_id)
        answered = replace(call, leg=self.leg, answered_at=self.answered_at)
        if call.debited_intervals:  # debited before the answer was recorded
            return Decision(result=_debited(0, answered, snapshot), call=answered)
        after, entries = _debit_next(answered, at=self.answered_at)
        return Decision(result=_debited(0, after, snapshot), entries=entries, call=after)


@dataclass(frozen=True, kw_only=True)
class ReserveInterval(LedgerCommand[Reserved]):
    """Set money aside for the next interval of a call. Key: call:<id>:reserve:<n>."""

    call_id: str
    interval: int
    at: datetime
    spends = True

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Reserved]:
        call = snapshot.call(self.call_id)
        if self.interval < call.reserved_intervals:
            return Decision(result=_reserved(self.interval, call, snapshot, taken=0))
        if call.settled_at is not None:
            raise CallSettled(call.call_id)
        if self.interval != call.reserved_intervals:
            raise IntervalNotReserved(call.call_id, self.interval)
        after, amount, entries = _reserve_next(call, snapshot, at=self.at)
        result = _reserved(self.interval, after, snapshot, taken=amount.micros)
        return Decision(result=result, entries=entries, call=after)


@dataclass(frozen=True, kw_only=True)
class DebitInterval(LedgerCommand[Debited]):
    """Turn the reservation of an interval into a debit. Key: call:<id>:debit:<n>.

    Where an interval begins, those before it have begun, too: one whose debit could not be
    written when it was due is debited with it.
    """

    call_id: str
    interval: int
    at: datetime

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Debited]:
        call = snapshot.call(self.call_id)
        if self.interval < call.debited_intervals:
            return Decision(result=_debited(self.interval, call, snapshot))
        if call.settled_at is not None:
            raise CallSettled(call.call_id)
        if self.interval >= call.reserved_intervals:
            raise IntervalNotReserved(call.call_id, self.interval)
        entries: tuple[LedgerEntry, ...] = ()
        while call.debited_intervals <= self.interval:
            call, entry = _debit_next(call, at=self.at)
            entries += entry
        return Decision(result=_debited(self.interval, call, snapshot), entries=entries, call=call)


@dataclass(frozen=True, kw_only=True)
class SettleCall(LedgerCommand[Settlement]):
    """Price the whole call, debit or correct the difference, release the rest, exactly once."""

    call_id: str
    talk_s: int
    ended_at: datetime
    hangup_cause: int
    at: datetime
    unproved: EndUnproved | None = None

    def __post_init__(self) -> None:
        if self.talk_s < 0:
            raise ValueError(f"talk_s is {self.talk_s}")

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Settlement]:
        call = snapshot.call(self.call_id)
        if call.settled_at is not None:
            return Decision(result=_settlement(call, snapshot, moved=0, already=True))
        answered = call.answered_at is not None or self.talk_s > 0
        talk_s = max(self.talk_s, 1) if answered else 0
        owed = charge_for(talk_s, call.rate) - call.debited
        parts = _settle_parts(call, owed=owed, snapshot=snapshot)
        settled = self._settled(call, talk_s, parts)
        moved = parts.released.micros + parts.refunded.micros - parts.from_available.micros
        result = _settlement(settled, snapshot, moved=moved, already=False)
        return Decision(result=result, entries=_settle_entries(settled, parts), call=settled)

    def _settled(self, call: CallRecord, talk_s: int, parts: "_SettleParts") -> CallRecord:
        return replace(
            call,
            talk_s=talk_s,
            ended_at=self.ended_at,
            hangup_cause=self.hangup_cause,
            end_unproved=self.unproved,
            settled_at=self.at,
            debited=call.debited + parts.from_reserved + parts.from_available - parts.refunded,
            held=Money(0, call.rate.currency),
            released=parts.released,
        )


class TopUp(LedgerCommand[Balances]):
    """Put money into an office's account. Key: top-up:<office>:<key>."""

    def __init__(  # noqa: PLR0913 - what is written into the entry
        self,
        *,
        office_id: str,
        amount: Money,
        key: str,
        actor: str,
        reason: str,
        at: datetime,
        source: FundingSource = FundingSource.MANUAL,
    ) -> None:
        """Raises ValueError unless the amount is positive, not too large, and the key is one."""
        require_top_up_key(key)
        require_plain(reason, "the reason")
        if amount.micros > TOP_UP_MAX_MICROS:
            raise ValueError(f"{amount} is more than {TOP_UP_MAX} at once")
        self.office_id = office_id
        self.at = at
        self._amount = amount
        self._entry = LedgerEntry(
            key=top_up_key(office_id, key),
            kind=EntryKind.TOP_UP,
            office_id=office_id,
            actor=actor,
            postings=(Posting(source=funding(source), target=available(office_id), amount=amount),),
            at=at,
            reason=reason,
        )
        self.entry_keys = (self._entry.key,)

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Balances]:
        posted = snapshot.find_entry(self._entry.key)
        if posted is None:
            result = _balances(self._entry.office_id, snapshot, added=self._amount)
            return Decision(result=result, entries=(self._entry,))
        if posted.postings != self._entry.postings:
            raise EntryKeyReused(posted.key)
        nothing = Money(0, self._amount.currency)
        return Decision(result=_balances(posted.office_id, snapshot, added=nothing))


class CancelTopUp(LedgerCommand[TopUpCancelled]):
    """Take a mistaken top-up out again, as far as it is unspent.

    Key: top-up-cancel:<office>:<key>. The key may be one of an earlier version, of any alphabet.
    """

    def __init__(self, *, office_id: str, key: str, actor: str, reason: str, at: datetime) -> None:
        """Raises ValueError: the reason cannot be shown as it is."""
        require_plain(reason, "the reason")
        self.office_id: str = office_id
        self.at: datetime = at
        self._key = key
        self._top_up_key = top_up_key(office_id, key)
        self._cancel_key = cancel_key(office_id, key)
        self._actor = actor
        self._reason = reason
        self.entry_keys = (self._top_up_key, self._cancel_key)

    def decide(self, snapshot: LedgerSnapshot) -> Decision[TopUpCancelled]:
        topped_up = snapshot.find_entry(self._top_up_key)
        if topped_up is None:
            raise UnknownTopUp(self._key)
        if topped_up.payment_id is not None:
            raise PaidByCard(self._key, topped_up.payment_id)
        cancelled = snapshot.find_entry(self._cancel_key)
        if cancelled is not None:
            amount = cancelled.postings[0].amount
            nothing = Money(0, amount.currency)
            balances = _balances(self.office_id, snapshot, added=nothing)
            return Decision(result=TopUpCancelled(amount=amount, balances=balances))
        return self._cancel(topped_up.postings[0], snapshot)

    def _cancel(self, topped_up: Posting, snapshot: LedgerSnapshot) -> Decision[TopUpCancelled]:
        """The money goes back to where it came from."""
        currency = topped_up.amount.currency
        unspent = min(topped_up.amount, snapshot.balance(topped_up.target, currency))
        if not unspent:
            raise TopUpSpent(self._key)
        entry = LedgerEntry(
            key=self._cancel_key,
            kind=EntryKind.TOP_UP_CANCEL,
            office_id=self.office_id,
            actor=self._actor,
            postings=(Posting(source=topped_up.target, target=topped_up.source, amount=unspent),),
            at=self.at,
            reverses=self._top_up_key,
            reason=self._reason,
        )
        balances = _balances(self.office_id, snapshot, added=Money(0, currency) - unspent)
        result = TopUpCancelled(amount=unspent, balances=balances)
        return Decision(result=result, entries=(entry,))


# --- what commands are made of ---------------------------------------------------------------


def _reserve_next(
    call: CallRecord, snapshot: LedgerSnapshot, *, at: datetime
) -> tuple[CallRecord, Money, tuple[LedgerEntry, ...]]:
    interval = call.reserved_intervals
    amount = interval_price(interval, call.rate)
    _require_within_limits(call, amount, snapshot)
    balance = snapshot.balance(available(call.office_id), amount.currency)
    if balance < amount:
        raise InsufficientBalance(available=balance, needed=amount)
    after = replace(call, reserved_intervals=interval + 1, held=call.held + amount)
    movement = (available(call.office_id), reserved(call.office_id), amount)
    entries = _entries(call, EntryKind.RESERVE, f"reserve:{interval}", at, movement)
    return after, amount, entries


def _require_within_limits(call: CallRecord, amount: Money, snapshot: LedgerSnapshot) -> None:
    for name, scope, limit in limited_scopes(call):
        spent = snapshot.spent(scope, amount.currency)
        if spent + amount > limit:
            raise LimitReached(name, f"spent {spent} of {limit}, needed {amount}")


def _debit_next(call: CallRecord, *, at: datetime) -> tuple[CallRecord, tuple[LedgerEntry, ...]]:
    interval = call.debited_intervals
    amount = interval_price(interval, call.rate)
    after = replace(
        call,
        debited_intervals=interval + 1,
        held=call.held - amount,
        debited=call.debited + amount,
    )
    movement = (reserved(call.office_id), REVENUE, amount)
    return after, _entries(call, EntryKind.DEBIT, f"debit:{interval}", at, movement)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SettleParts:
    """How a settlement is paid: out of the reservation first, then out of what is available."""

    from_reserved: Money
    from_available: Money
    refunded: Money
    released: Money


def _settle_parts(call: CallRecord, *, owed: Money, snapshot: LedgerSnapshot) -> _SettleParts:
    """Never takes more than there is: talk that nothing was reserved for may stay unpaid."""
    nothing = Money(0, call.rate.currency)
    if owed < nothing:  # the last debited increment had not begun after all
        return _SettleParts(
            from_reserved=nothing,
            from_available=nothing,
            refunded=nothing - owed,
            released=call.held,
        )
    from_reserved = min(owed, call.held)
    balance = snapshot.balance(available(call.office_id), call.rate.currency)
    return _SettleParts(
        from_reserved=from_reserved,
        from_available=min(owed - from_reserved, balance),
        refunded=nothing,
        released=call.held - from_reserved,
    )


def _settle_entries(call: CallRecord, parts: _SettleParts) -> tuple[LedgerEntry, ...]:
    at = call.settled_at or call.authorised_at
    ready, set_aside = available(call.office_id), reserved(call.office_id)
    return (
        *_entries(
            call,
            EntryKind.SETTLE,
            "settle",
            at,
            (set_aside, REVENUE, parts.from_reserved),
            (ready, REVENUE, parts.from_available),
        ),
        *_entries(call, EntryKind.CORRECT, "correct", at, (REVENUE, ready, parts.refunded)),
        *_entries(call, EntryKind.RELEASE, "release", at, (set_aside, ready, parts.released)),
    )


def _entries(
    call: CallRecord,
    kind: EntryKind,
    name: str,
    at: datetime,
    *movements: tuple[Account, Account, Money],
) -> tuple[LedgerEntry, ...]:
    """One entry, or none where nothing moves: a posting is of a positive amount."""
    postings = tuple(
        Posting(source=source, target=target, amount=amount)
        for source, target, amount in movements
        if amount
    )
    if not postings:
        return ()
    return (
        LedgerEntry(
            key=_key(call, name),
            kind=kind,
            office_id=call.office_id,
            actor=extension_actor(call.endpoint),
            postings=postings,
            at=at,
            call_id=call.call_id,
        ),
    )


def _key(call: CallRecord, name: str) -> EntryKey:
    return EntryKey(f"call:{call.call_id}:{name}")


def _request_of(call: CallRecord) -> tuple[str, ...]:
    return (call.office_id, call.endpoint, call.dialled, call.caller_channel, call.asterisk)


def _reserved(interval: int, call: CallRecord, snapshot: LedgerSnapshot, *, taken: int) -> Reserved:
    balance = snapshot.balance(available(call.office_id), call.rate.currency)
    return Reserved(
        interval=interval,
        amount=interval_price(interval, call.rate),
        funded_s=funded_s(interval, call.rate),
        available=Money(balance.micros - taken, balance.currency),
    )


def _debited(interval: int, call: CallRecord, snapshot: LedgerSnapshot) -> Debited:
    return Debited(
        interval=interval,
        amount=interval_price(interval, call.rate),
        funded_s=funded_s(interval, call.rate),
        available=snapshot.balance(available(call.office_id), call.rate.currency),
    )


def _settlement(
    call: CallRecord, snapshot: LedgerSnapshot, *, moved: int, already: bool
) -> Settlement:
    balance = snapshot.balance(available(call.office_id), call.rate.currency)
    talk_s = call.talk_s or 0
    billable_s = billable_seconds(talk_s, call.rate)
    further_s = max(0, billable_s - call.rate.initial_s)
    return Settlement(
        charged=call.debited,
        released=call.released or Money(0, call.rate.currency),
        talk_s=talk_s,
        billable_s=billable_s,
        increments=further_s // call.rate.increment_s + 1 if talk_s else 0,
        available=Money(balance.micros + moved, balance.currency),
        already=already,
    )


def _balances(office_id: str, snapshot: LedgerSnapshot, *, added: Money) -> Balances:
    return Balances(
        available=snapshot.balance(available(office_id), added.currency) + added,
        reserved=snapshot.balance(reserved(office_id), added.currency),
        owed=owed_by(office_id, snapshot, added.currency),
    )
