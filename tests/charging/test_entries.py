"""Entries that cannot be wrong, and snapshots whose floors hold whatever a command decides."""

from dataclasses import replace
from datetime import timedelta

import pytest

from charging.commands import ReserveInterval
from charging.entries import (
    DIRECTIONS,
    MOVEMENTS,
    OFFICE_ACCOUNTS,
    REVENUE,
    Account,
    Direction,
    EntryKey,
    EntryKind,
    FundingSource,
    LedgerEntry,
    Posting,
    account_of,
    available,
    funding,
    owed,
    reserved,
)
from charging.errors import (
    CurrencyMismatch,
    InsufficientBalance,
    NothingOwed,
    ReservationMissing,
)
from charging.ledger import Decision, LedgerCommand, LedgerSnapshot, Place
from charging.money import Money
from tests.fakes.charging import charging_with, eur, gbp, request
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger

AVAILABLE, RESERVED, OWED = available("main"), reserved("main"), owed("main")
CARD = funding(FundingSource.CARD)
ALL_ACCOUNTS = (*OFFICE_ACCOUNTS, "revenue", *(f"funding:{source}" for source in FundingSource))


def entry(
    kind: EntryKind, source: Account, target: Account, amount: Money, *, key: str = "k"
) -> LedgerEntry:
    call_id = "c1" if kind in {"reserve", "debit", "settle", "correct", "release"} else None
    return LedgerEntry(
        key=EntryKey(f"call:c1:{key}" if call_id else f"{kind}:main:{key}"),
        kind=kind,
        office_id="main",
        actor="test",
        postings=(Posting(source=source, target=target, amount=amount),),
        at=START,
        call_id=call_id,
    )


class Move(LedgerCommand[None]):
    """Moves money without asking whether it is there."""

    def __init__(self, *entries: LedgerEntry) -> None:
        self._entries = entries

    def decide(self, snapshot: LedgerSnapshot) -> Decision[None]:
        del snapshot
        return Decision(result=None, entries=self._entries)


def snapshot() -> LedgerSnapshot:
    return LedgerSnapshot(
        calls={},
        balances={AVAILABLE: gbp("1"), RESERVED: gbp("0.5")},
        places={"main": Place(7, START)},
    )


# --- one entry -------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [gbp("0"), Money(-1, "GBP")])
def test_a_posting_moves_a_positive_amount(amount: Money) -> None:
    with pytest.raises(ValueError, match="positive"):
        Posting(source=AVAILABLE, target=REVENUE, amount=amount)


@pytest.mark.parametrize("kind", EntryKind)
def test_a_kind_moves_what_it_may_move_and_nothing_else(kind: EntryKind) -> None:
    for source in ALL_ACCOUNTS:
        for target in ALL_ACCOUNTS:
            accounts = account_of(source, "main"), account_of(target, "main")
            if (source, target) in MOVEMENTS[kind]:
                entry(kind, *accounts, gbp("1"))
                continue
            with pytest.raises(ValueError, match="moves nothing"):
                entry(kind, *accounts, gbp("1"))


@pytest.mark.parametrize("kind", EntryKind)
def test_a_kind_goes_in_one_direction(kind: EntryKind) -> None:
    """In: from the operator to the office. Out: the other way, or out of what it can spend."""
    for source, target in MOVEMENTS[kind]:
        theirs = source in OFFICE_ACCOUNTS, target in OFFICE_ACCOUNTS
        match DIRECTIONS[kind]:
            case Direction.IN:
                assert theirs == (False, True)
            case Direction.OUT:
                assert theirs == (True, False) or target == "owed"
            case Direction.WITHIN:
                assert theirs == (True, True)


def test_money_of_one_office_never_reaches_another() -> None:
    with pytest.raises(ValueError, match="no account of office main"):
        entry(EntryKind.RESERVE, AVAILABLE, reserved("branch"), gbp("1"))


def test_an_entry_moves_something_in_one_currency() -> None:
    whole = entry(EntryKind.SETTLE, RESERVED, REVENUE, gbp("1"))
    with pytest.raises(ValueError, match="moves nothing"):
        replace(whole, postings=())
    foreign = Posting(source=AVAILABLE, target=REVENUE, amount=eur("1"))
    with pytest.raises(CurrencyMismatch):
        replace(whole, postings=(*whole.postings, foreign))


@pytest.mark.parametrize("key", ["k", "call:c2:k", "top-up:branch:k", "refill:main:k", "top-up:k"])
def test_a_key_is_of_the_name_space_of_its_kind_and_office(key: str) -> None:
    for some in (
        entry(EntryKind.TOP_UP, CARD, AVAILABLE, gbp("1")),
        entry(EntryKind.RESERVE, AVAILABLE, RESERVED, gbp("1")),
    ):
        with pytest.raises(ValueError, match="begins with"):
            replace(some, key=EntryKey(key))


def test_kinds_of_calls_have_a_call_and_no_others_have() -> None:
    with pytest.raises(ValueError, match="of call"):
        replace(entry(EntryKind.TOP_UP, CARD, AVAILABLE, gbp("1")), call_id="c1")
    with pytest.raises(ValueError, match="of call"):
        replace(entry(EntryKind.DEBIT, RESERVED, REVENUE, gbp("1")), call_id=None)


# --- the snapshot -------------------------------------------------------------------------------


def settle(amount: str, key: str = "settle") -> LedgerEntry:
    return entry(EntryKind.SETTLE, AVAILABLE, REVENUE, gbp(amount), key=key)


def test_a_command_that_overdraws_is_refused_and_leaves_no_trace() -> None:
    some = snapshot()
    with pytest.raises(InsufficientBalance) as refusal:
        some.carry_out(Move(settle("0.7"), settle("0.7", "again")))
    assert (refusal.value.available, refusal.value.needed) == (gbp("0.3"), gbp("0.7"))
    assert not some.new_entries
    assert not some.changed_balances
    assert some.balance(AVAILABLE, "GBP") == gbp("1")
    some.carry_out(Move(settle("1")))
    assert some.new_entries[0].number == 8


def test_a_reservation_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(ReservationMissing) as fault:
        snapshot().carry_out(Move(entry(EntryKind.DEBIT, RESERVED, REVENUE, gbp("0.6"))))
    assert fault.value.code == "reservation_missing"


def test_an_entry_is_numbered_and_carries_what_it_left() -> None:
    some = snapshot()
    some.carry_out(
        Move(
            entry(EntryKind.RELEASE, RESERVED, AVAILABLE, gbp("0.5"), key="release"),
            settle("1.2"),
        )
    )
    released, settled = some.new_entries
    assert [released.number, settled.number] == [8, 9]
    assert released.balance_after(AVAILABLE) == gbp("1.5")
    assert released.balance_after(RESERVED) == gbp("0")
    assert settled.balance_after(AVAILABLE) == some.balance(AVAILABLE, "GBP") == gbp("0.3")
    assert settled.balance_after(RESERVED) is None
    assert some.changed_in == {AVAILABLE: Place(9, START), RESERVED: Place(8, START)}


def test_a_clock_that_goes_back_does_not_turn_the_order_round() -> None:
    some = snapshot()
    earlier = replace(settle("0.1"), at=START - timedelta(hours=1))
    later = replace(settle("0.1", "later"), at=START + timedelta(hours=1))
    some.carry_out(Move(earlier, later))
    assert [posted.posted_at for posted in some.new_entries] == [START, later.at]


def test_what_an_office_owes_is_recorded_and_paid_and_never_more() -> None:
    """The bank takes 3.00 back, of which 1.00 is left: the rest is owed."""
    some = snapshot()
    chargeback = LedgerEntry(
        key=EntryKey("chargeback:main:p1"),
        kind=EntryKind.CHARGEBACK,
        office_id="main",
        actor="test",
        postings=(
            Posting(source=AVAILABLE, target=CARD, amount=gbp("1")),
            Posting(source=OWED, target=CARD, amount=gbp("2")),
        ),
        at=START,
        payment_id="p1",
    )
    some.carry_out(Move(chargeback))
    assert some.balance(AVAILABLE, "GBP") == gbp("0")
    assert some.balance(OWED, "GBP") == Money(-2_000_000, "GBP")
    some.carry_out(
        Move(
            entry(EntryKind.TOP_UP, CARD, AVAILABLE, gbp("5")),
            entry(EntryKind.REPAY, AVAILABLE, OWED, gbp("2")),
        )
    )
    assert some.balance(OWED, "GBP") == gbp("0")
    with pytest.raises(NothingOwed):
        some.carry_out(Move(entry(EntryKind.REPAY, AVAILABLE, OWED, gbp("0.1"), key="more")))


def test_an_account_holds_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        snapshot().carry_out(Move(entry(EntryKind.TOP_UP, CARD, AVAILABLE, eur("1"))))


def test_an_empty_account_keeps_its_currency() -> None:
    empty = LedgerSnapshot(
        calls={}, balances={AVAILABLE: gbp("0")}, places={"main": Place(1, START)}
    )
    assert empty.balance(AVAILABLE, "EUR") == gbp("0")
    with pytest.raises(CurrencyMismatch):
        empty.carry_out(Move(entry(EntryKind.TOP_UP, CARD, AVAILABLE, eur("1"))))


async def test_books_without_limits_need_no_sums_of_spending() -> None:
    ledger = MemoryLedger()
    charging = charging_with(ledger)
    await charging.top_up("main", amount=gbp("1"), key="k", actor="test", reason="")
    await charging.authorise(request("c1"))
    some = LedgerSnapshot(calls=ledger.calls, balances=ledger.stored)
    some.carry_out(ReserveInterval(call_id="c1", interval=1, at=START))
    assert some.balance(AVAILABLE, "GBP") == gbp("0.80")
