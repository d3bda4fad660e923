"""Commands about money in, in memory: what is refused, what is repeated, what was not the case."""

from datetime import timedelta

import pytest

from charging.card_commands import ForgetCard, ReplaceCard
from charging.card_processor import (
    AuthenticationRequired,
    CardOnFile,
    Declined,
    Pending,
    Refunded,
    Succeeded,
)
from charging.commands import TopUp
from charging.entries import available
from charging.errors import RefillNotAllowed
from charging.ledger import LedgerCommand
from charging.money_in import MoneyIn
from charging.money_state import MoneyState, Payment, StoredCard
from charging.orders import Consent, TopUpOrder, offer_of, refill_rule
from charging.payment_commands import (
    AdoptPayment,
    BeginTopUp,
    CancelPayment,
    CloseUnknown,
    ConfirmPayment,
    RecordFact,
    StartWork,
)
from charging.refill import Event, State
from charging.refill_commands import (
    DisableRefill,
    LookAgain,
    RefillNow,
    SetNoticeLevel,
    SetRefill,
    TryAgain,
)
from charging.refill_rules import COOL_DOWN, PolicyState
from tests.db.money import SELLER_TERMS, Spend
from tests.fakes.charging import gbp
from tests.fakes.clock import START, ManualClock
from tests.fakes.ledger import MemoryLedger, Result

RULE = refill_rule(amount=gbp("10"), threshold=gbp("5"))


class Account:
    """One office in memory, with 20.00 and a card."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.now = START
        self.do(
            TopUp(office_id="main", amount=gbp("20"), key="k", actor="test", reason="", at=START)
        )
        self.save_card("pm")

    def do(self, command: LedgerCommand[Result]) -> Result:
        return self.ledger.carry_out_now(command)

    def save_card(self, method_id: str) -> None:
        card = CardOnFile(
            customer_id="cus",
            method_id=method_id,
            brand="visa",
            last_four="4242",
            expiry_month=1,
            expiry_year=2031,
        )
        stored = StoredCard(
            office_id="main", processor="memory", card=card, added_by="anna", added_at=self.now
        )
        self.do(ReplaceCard(card=stored, at=self.now))

    def arm(self) -> None:
        consent = Consent(by="anna", at=self.now, words="yes")
        self.do(SetRefill(office_id="main", rule=RULE, consent=consent, at=self.now))

    def spend(self, amount: str, key: str = "s") -> None:
        self.do(Spend("main", gbp(amount), key=key, at=self.now))

    def buy(self) -> Payment:
        order = TopUpOrder(amount=gbp("10"))
        return self.do(
            BeginTopUp(
                office_id="main", payment_id="p1", order=order, key="f", by="anna", at=self.now
            )
        )

    def work(self, payment: Payment) -> None:
        self.do(StartWork(office_id="main", payment_id=payment.payment_id, at=self.now))

    def tell(self, payment: Payment, fact: Event) -> Payment:
        told = RecordFact(office_id="main", payment_id=payment.payment_id, fact=fact, at=self.now)
        return self.do(told).payment

    def cancel(self, payment: Payment) -> Payment:
        return self.do(
            CancelPayment(
                office_id="main", payment_id=payment.payment_id, by="cli", at=self.now, reason=""
            )
        )

    @property
    def state(self) -> MoneyState:
        return self.ledger.money["main"]

    def wait(self, past: timedelta) -> None:
        self.now += past
        self.do(LookAgain(office_id="main", at=self.now))


@pytest.fixture
def account() -> Account:
    return Account()


def succeeded(payment: Payment) -> Succeeded:
    return Succeeded(
        intent_id="i", payment_id=payment.payment_id, office_id="main", amount=payment.amount
    )


def test_what_is_off_is_neither_tried_again_nor_refilled_now(account: Account) -> None:
    account.do(DisableRefill(office_id="main", by="anna", at=START))  # nothing was on
    with pytest.raises(RefillNotAllowed):
        account.do(TryAgain(office_id="main", by="cli", at=START, operator=True))
    with pytest.raises(RefillNotAllowed):
        account.do(RefillNow(office_id="main", by="cli", at=START))


def test_what_is_paused_is_not_refilled_now(account: Account) -> None:
    account.arm()
    account.do(ForgetCard(office_id="main", method_id="pm", by="processor", at=START))
    assert account.state.policy.state is PolicyState.PAUSED
    assert account.state.card is None
    with pytest.raises(RefillNotAllowed):
        account.do(RefillNow(office_id="main", by="cli", at=START))
    account.do(ForgetCard(office_id="main", method_id="pm", by="processor", at=START))


def test_a_card_that_was_replaced_before_may_be_forgotten(account: Account) -> None:
    account.save_card("pm_new")
    account.do(ForgetCard(office_id="main", method_id="pm", by="processor", at=START))
    assert account.state.card is not None
    account.do(ForgetCard(office_id="main", method_id="pm_new", by="processor", at=START))
    assert account.state.policy.state is PolicyState.OFF  # what is off is not paused


def test_the_same_card_saved_again_changes_nothing(account: Account) -> None:
    told = len(account.ledger.told)
    account.save_card("pm")
    assert len(account.ledger.told) == told


def test_no_balance_is_low_below_zero() -> None:
    with pytest.raises(ValueError, match="never below"):
        SetNoticeLevel(office_id="main", level=gbp("-1"), by="anna", at=START)


def test_two_refills_in_a_minute_are_one_and_another_when_the_minute_is_over(
    account: Account,
) -> None:
    account.arm()
    account.spend("16")
    (refill,) = account.state.payments.values()
    account.work(refill)
    account.tell(refill, succeeded(refill))
    account.spend("14", "more")
    assert account.state.policy.look_at == START + COOL_DOWN
    account.wait(COOL_DOWN)
    assert len(account.state.payments) == 2
    assert account.state.policy.look_at is None


def test_a_refill_that_had_to_wait_is_not_wanted_any_more_when_money_came_in(
    account: Account,
) -> None:
    account.arm()
    account.spend("16")
    (refill,) = account.state.payments.values()
    account.work(refill)
    account.tell(refill, succeeded(refill))
    account.spend("14", "more")
    account.do(
        TopUp(
            office_id="main", amount=gbp("50"), key="cash", actor="test", reason="", at=account.now
        )
    )
    assert account.state.policy.look_at is None
    account.wait(COOL_DOWN)
    assert len(account.state.payments) == 1


def test_a_policy_that_waits_without_a_card_waits_for_the_card(account: Account) -> None:
    account.arm()
    account.spend("16")
    (refill,) = account.state.payments.values()
    account.work(refill)
    account.tell(refill, succeeded(refill))
    account.spend("14", "more")
    account.do(ForgetCard(office_id="main", method_id="pm", by="processor", at=account.now))
    account.now += COOL_DOWN
    account.save_card("pm_new")
    assert len(account.state.payments) == 2


def test_only_what_waits_for_a_person_is_confirmed(account: Account) -> None:
    payment = account.buy()
    confirm = ConfirmPayment(
        office_id="main", payment_id="p1", return_url="https://x", by="anna", at=START
    )
    assert account.do(confirm) == payment
    account.work(payment)
    account.tell(payment, AuthenticationRequired(intent_id="i", payment_id="p1"))
    assert account.do(confirm).state is State.SENT


def test_what_is_not_charged_yet_is_cancelled_without_a_refund(account: Account) -> None:
    payment = account.buy()
    assert account.cancel(payment).state is State.CANCELLED
    assert account.cancel(payment).state is State.CANCELLED


def test_the_operator_closes_an_unknown_payment(account: Account) -> None:
    payment = account.buy()
    account.work(payment)
    account.tell(payment, Pending(intent_id="i", payment_id="p1"))
    close = CloseUnknown(office_id="main", payment_id="p1", by="cli", at=START, reason="looked")
    assert account.do(close).state is State.CANCELLED
    assert account.tell(payment, succeeded(payment)).state is State.CREDITED  # it had after all


def test_without_a_receipt_there_is_no_credit_note(account: Account) -> None:
    payment = account.buy()
    account.work(payment)
    account.tell(payment, succeeded(payment))
    account.cancel(payment)
    refunded = Refunded(
        refund_id="r", intent_id="i", payment_id="p1", amount=gbp("10"), key="refund:p1"
    )
    assert account.tell(payment, refunded).state is State.REFUNDED
    assert account.state.receipts == {}


def test_a_payment_that_a_restored_ledger_lost_is_entered_and_credited_once(
    account: Account,
) -> None:
    told = Succeeded(intent_id="i", payment_id="lost", office_id="main", amount=gbp("10"))
    adopt = AdoptPayment(
        fact=told, processor="memory", charged_at=START, by="card processor", at=START
    )
    adopted = account.do(adopt)
    assert adopted.state is State.CREDITED
    assert adopted.card == "visa 4242"
    changes = len(account.ledger.told)
    assert account.do(adopt) == adopted
    assert len(account.ledger.told) == changes
    assert account.ledger.stored[available("main")] == gbp("30")


def test_work_that_another_worker_began_is_not_begun_again(account: Account) -> None:
    payment = account.buy()
    account.work(payment)
    again = StartWork(office_id="main", payment_id="p1", at=START)
    assert account.do(again).request is None


def test_a_declined_refill_is_charged_to_the_new_card_and_paused_ones_are_armed(
    account: Account,
) -> None:
    account.arm()
    account.spend("16")
    (refill,) = account.state.payments.values()
    account.work(refill)
    soft = Declined(intent_id="i", payment_id=refill.payment_id, final=False, code="later")
    account.tell(refill, soft)
    account.save_card("pm_new")
    (moved,) = account.state.payments.values()
    assert (moved.method_id, moved.attempt.due_at) == ("pm_new", START)


async def test_what_pages_ask_is_answered_from_one_place(account: Account) -> None:
    class Nobody:
        """No reader is asked here."""

    money_in = MoneyIn(
        ledger=account.ledger,
        reader=Nobody(),  # type: ignore[arg-type]
        clock=ManualClock(),
        offer_of=lambda _: offer_of("GBP"),
        new_id=lambda: "p1",
        terms_of=lambda _: SELLER_TERMS,
    )
    assert money_in.offer("main").currency == "GBP"
    assert (await money_in.balances("main")).available == gbp("20")
    payment = await money_in.begin_top_up("main", TopUpOrder(amount=gbp("10")), by="a", key="f")
    account.work(payment)
    closed = await money_in.close_unknown("main", "p1", by="cli", reason="looked")
    assert closed.state is State.CANCELLED
