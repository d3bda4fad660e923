"""The books themselves: a floor that holds whatever a command decides."""

import pytest

from charging.commands import ReserveInterval
from charging.errors import CurrencyMismatch, InsufficientBalance, ReservationMissing
from charging.ledger import (
    REVENUE,
    Account,
    Books,
    Command,
    Decision,
    EntryKey,
    LedgerEntry,
    Posting,
    available,
    reserved,
)
from charging.money import Money
from tests.fakes.charging import charging_with, eur, gbp, request
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger

AVAILABLE, RESERVED = available("main"), reserved("main")


class Move(Command[None]):
    """Moves money without asking whether it is there."""

    def __init__(self, *movements: tuple[Account, Account, Money]) -> None:
        self._entries = tuple(
            LedgerEntry(
                key=EntryKey(f"k{number}"),
                office_id="main",
                postings=(Posting(source=source, target=target, amount=amount),),
                posted_at=START,
            )
            for number, (source, target, amount) in enumerate(movements)
        )

    def decide(self, books: Books) -> Decision[None]:
        del books
        return Decision(result=None, entries=self._entries)


def books() -> Books:
    return Books(calls={}, balances={AVAILABLE: gbp("1"), RESERVED: gbp("0.5")})


def test_a_command_that_overdraws_is_refused_and_leaves_no_trace() -> None:
    some = books()
    with pytest.raises(InsufficientBalance) as refusal:
        some.carry_out(Move((AVAILABLE, REVENUE, gbp("0.7")), (AVAILABLE, REVENUE, gbp("0.7"))))
    assert (refusal.value.available, refusal.value.needed) == (gbp("1"), gbp("1.4"))
    assert not some.new_entries
    assert not some.changed_balances
    assert some.balance(AVAILABLE, "GBP") == gbp("1")


def test_a_reservation_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(ReservationMissing) as fault:
        books().carry_out(Move((RESERVED, REVENUE, gbp("0.6"))))
    assert fault.value.code == "reservation_missing"


def test_what_is_moved_in_and_out_by_one_command_counts_net() -> None:
    some = books()
    some.carry_out(Move((AVAILABLE, REVENUE, gbp("1.2")), (RESERVED, AVAILABLE, gbp("0.5"))))
    assert some.balance(AVAILABLE, "GBP") == gbp("0.3")
    assert some.balance(RESERVED, "GBP") == gbp("0")
    assert len(some.new_entries) == 2


def test_an_account_holds_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        books().carry_out(Move((REVENUE, AVAILABLE, eur("1"))))


@pytest.mark.parametrize("amount", [gbp("0"), Money(-1, "GBP")])
def test_a_posting_moves_a_positive_amount(amount: Money) -> None:
    with pytest.raises(ValueError, match="positive"):
        Posting(source=AVAILABLE, target=REVENUE, amount=amount)


async def test_books_without_limits_need_no_sums_of_spending() -> None:
    ledger = MemoryLedger()
    charging = charging_with(ledger)
    await charging.top_up("main", amount=gbp("1"), key="k", note="")
    await charging.authorise(request("c1"))
    some = Books(calls=ledger.calls, balances=ledger.stored)
    some.carry_out(ReserveInterval(call_id="c1", interval=1, at=START))
    assert some.balance(AVAILABLE, "GBP") == gbp("0.80")
