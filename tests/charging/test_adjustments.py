"""What customer care adds and takes: the rules of that money, in memory."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.adjustments import REASON_MAX, Adjust, Adjusted, Adjustment
from charging.commands import TOP_UP_MAX, TopUp
from charging.entries import available
from charging.errors import CurrencyMismatch, EntryKeyReused, InsufficientBalance
from charging.ledger import LedgerCommand
from charging.money import Money
from charging.money_state import Record
from tests.fakes.charging import charging_with, eur, gbp, request
from tests.fakes.clock import START
from tests.fakes.ledger import MemoryLedger, Result

GRANT, DEDUCT = Adjustment.GRANT, Adjustment.DEDUCT


class Account:
    def __init__(self, balance: str = "20.00") -> None:
        self.ledger = MemoryLedger()
        if balance != "0":
            self.do(
                TopUp(
                    office_id="main",
                    amount=gbp(balance),
                    key="k",
                    actor="test",
                    reason="",
                    at=START,
                )
            )

    def do(self, command: LedgerCommand[Result]) -> Result:
        return self.ledger.carry_out_now(command)

    def adjust(
        self, adjustment: Adjustment, amount: Money, *, key: str = "a", reason: str = "why"
    ) -> Adjusted:
        return self.do(adjusting(adjustment, amount, key=key, reason=reason))

    @property
    def balance(self) -> Money:
        return self.ledger.stored[available("main")]

    @property
    def recorded(self) -> list[Record]:
        return [each for each in self.ledger.told if isinstance(each, Record)]


def adjusting(
    adjustment: Adjustment,
    amount: Money,
    *,
    key: str = "a",
    reason: str = "why",
    at: datetime = START,
) -> Adjust:
    return Adjust(
        office_id="main",
        adjustment=adjustment,
        amount=amount,
        key=key,
        actor="user:carol@example.com",
        reason=reason,
        at=at,
    )


def test_a_grant_is_posted_with_who_and_why_and_recorded_with_it() -> None:
    account = Account()
    done = account.adjust(GRANT, gbp("5.00"), reason=" an outage ")
    assert done.balances.available == account.balance == gbp("25.00")
    entry = account.ledger.posted[-1].entry
    assert (entry.key, entry.kind) == ("grant:main:a", "grant")
    assert (entry.actor, entry.reason) == ("user:carol@example.com", "an outage")
    [recorded] = account.recorded
    change = recorded.change
    assert (change.action, change.subject) == ("balance.grant", "grant:main:a")
    assert (change.actor, change.after, change.reason) == (
        "user:carol@example.com",
        "5.00 GBP",
        "an outage",
    )


def test_a_deduction_takes_all_that_is_free_and_never_more() -> None:
    account = Account()
    with pytest.raises(InsufficientBalance) as refused:
        account.adjust(DEDUCT, gbp("20.000001"))
    assert refused.value.available == gbp("20")
    assert account.recorded == []
    assert account.adjust(DEDUCT, gbp("20")).balances.available == gbp("0")
    with pytest.raises(InsufficientBalance):
        account.adjust(DEDUCT, gbp("0.000001"), key="b")


async def test_what_a_call_has_reserved_is_not_free() -> None:
    account = Account("1.00")
    await charging_with(account.ledger).authorise(request("c1"))
    free = account.balance
    assert free < gbp("1.00")
    with pytest.raises(InsufficientBalance):
        account.adjust(DEDUCT, gbp("1.00"))
    account.adjust(DEDUCT, free)
    assert account.balance == gbp("0")


def test_the_same_again_changes_nothing_and_says_the_same() -> None:
    account = Account()
    first = account.adjust(GRANT, gbp("5.00"))
    assert account.adjust(GRANT, gbp("5.00"), reason="another word") == first
    assert account.balance == gbp("25.00")
    assert len(account.recorded) == 1


@pytest.mark.parametrize(
    ("adjustment", "amount"), [(GRANT, gbp("5.01")), (DEDUCT, gbp("5.00")), (DEDUCT, gbp("1"))]
)
def test_a_key_is_of_one_adjustment(adjustment: Adjustment, amount: Money) -> None:
    account = Account()
    account.adjust(GRANT, gbp("5.00"))
    with pytest.raises(EntryKeyReused):
        account.adjust(adjustment, amount)
    assert account.balance == gbp("25.00")


def test_an_account_is_adjusted_in_its_own_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        Account().adjust(GRANT, eur("1"))


@pytest.mark.parametrize("amount", [gbp("0"), gbp("-1"), gbp(f"{TOP_UP_MAX}.01")])
def test_an_amount_is_positive_and_no_slip_of_the_hand(amount: Money) -> None:
    with pytest.raises(ValueError, match=r"positive|more than"):
        adjusting(GRANT, amount)


@pytest.mark.parametrize("reason", ["", "  ", "a\u202eb", "a\nb", "x" * (REASON_MAX + 1)])
def test_a_reason_is_there_and_can_be_read(reason: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        adjusting(GRANT, gbp("1"), reason=reason)


@pytest.mark.parametrize("key", ["", "a:b", "é", "x" * 65])
def test_a_key_cannot_pass_for_another(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        adjusting(GRANT, gbp("1"), key=key)


@given(
    st.lists(
        st.tuples(st.sampled_from(Adjustment), st.integers(1, 30_000_000), st.integers(0, 5)),
        max_size=12,
    )
)
def test_no_history_of_adjustments_leaves_less_than_nothing(
    history: list[tuple[Adjustment, int, int]],
) -> None:
    account, expected, done = Account("10.00"), 10_000_000, dict[int, tuple[Adjustment, int]]()
    for adjustment, micros, key in history:
        change = micros if adjustment is GRANT else -micros
        try:
            account.adjust(adjustment, Money(micros, "GBP"), key=f"k{key}")
        except EntryKeyReused:
            assert done[key] != (adjustment, micros)
        except InsufficientBalance:
            assert expected + change < 0
        else:
            expected += 0 if key in done else change
            done[key] = (adjustment, micros)
        assert account.balance.micros == expected >= 0
