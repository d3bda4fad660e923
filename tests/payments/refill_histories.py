"""Histories of an office whose card is charged by a processor that lies, loses and repeats itself.

`python -m tests.payments.refill_histories 10000` runs as many; the test suite runs 2,000.
"""

import sys
from collections.abc import Coroutine
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from charging.bookkeeping import signed_of
from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile, Invalid, Pending, Succeeded
from charging.entries import FundingSource, available, funding
from charging.errors import ChargingError
from charging.ledger import LedgerCommand
from charging.money import Money
from charging.money_state import Issue, MoneyState, Payment, StoredCard
from charging.orders import Consent, TopUpOrder, refill_rule
from charging.payment_commands import (
    BeginTopUp,
    CancelPayment,
    ConfirmPayment,
    RecordFact,
    StartWork,
)
from charging.receipts import vat_within
from charging.refill import (
    TOOK_NOTHING,
    Charge,
    Confirm,
    Event,
    PaymentKind,
    State,
)
from charging.refill_commands import DisableRefill, LookAgain, SetRefill, TryAgain
from charging.refill_rules import DAY, MONTH, Policy, PolicyState
from payments.facts import PaymentFact, as_told
from payments.requests import ask
from tests.db.money import SELLER_TERMS, Spend
from tests.fakes.card_processor import MemoryProcessor
from tests.fakes.charging import gbp
from tests.fakes.clock import ManualClock
from tests.fakes.ledger import MemoryLedger

STEPS = 14
CARDS_ACCOUNT = funding(FundingSource.CARD)
OFFICE = "main"
RULE = refill_rule(amount=gbp("10"), threshold=gbp("15"), day_max=gbp("20"), month_max=gbp("40"))
CARDS = (
    "succeeds",
    "succeeds",
    "decides_later",
    "insufficient_funds",
    "lost_card",
    "authenticates",
    "refund_pends",
)
BEGUN = ("", "bought", "cancelled")
PAUSES_S = (1, 61, 3_601, 24 * 3_600)
FATES = ("", "", "lost_before", "lost_after", "crash_before", "crash_after")
MONEY_IN_ACCOUNT = frozenset({State.CREDITED, State.REFUNDING, State.REFUNDED, State.DISPUTED})

_numbers = count()
_Result = TypeVar("_Result")


def now_of(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run what never really waits: the processor is in memory."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _Result = done.value
        return result
    raise AssertionError("it waited")


class RefillHistory(RuleBasedStateMachine):
    """One office, one worker at a time, and a processor whose own record is the judge."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.fate = ""
        self.processor = MemoryProcessor(self.clock, lie=self._lie)
        self.ledger = MemoryLedger()
        self.looks = 0  # at what must hold, which is looked at after each step
        self.begun: dict[str, int] = {}  # at which look each refill was first there
        self.counts_from: dict[str, int] = {}  # since when one that was refused may take money
        self.handled: set[int] = set()  # which events of the processor

    def _lie(self, what: str) -> str:
        del what
        return self.fate if self.fate.startswith("lost") else ""

    # --- what may happen -----------------------------------------------------------------

    @initialize(card=st.sampled_from(CARDS), begun=st.sampled_from(BEGUN))
    def an_office_has_a_card_and_a_rule(self, card: str, begun: str) -> None:
        """Some have come further already, so that refunds and disputes have time to happen."""
        self.a_card_is_saved(card)
        self.it_is_switched_on()
        if begun:
            self.somebody_buys(0)
            self._work("", 2)
        if begun == "cancelled":
            self.money_is_spent("9.99")
            self.a_payment_is_cancelled(0)

    @rule(card=st.sampled_from(CARDS))
    def a_card_is_saved(self, card: str) -> None:
        on_file = CardOnFile(
            customer_id="cus",
            method_id=f"pm_{card}.{next(_numbers)}",
            brand="visa",
            last_four="4242",
            expiry_month=1,
            expiry_year=2031,
        )
        now = self.clock.now()
        stored = StoredCard(
            office_id=OFFICE, processor="memory", card=on_file, added_by="anna", added_at=now
        )
        self._do(ReplaceCard(card=stored, at=now))

    @rule()
    def it_is_switched_on(self) -> None:
        now = self.clock.now()
        consent = Consent(by="anna", at=now, words="yes")
        self._do(SetRefill(office_id=OFFICE, rule=RULE, consent=consent, at=now))

    @rule()
    def it_is_switched_off(self) -> None:
        self._do(DisableRefill(office_id=OFFICE, by="anna", at=self.clock.now()))

    @rule()
    def somebody_says_try_again(self) -> None:
        again = TryAgain(office_id=OFFICE, by="cli", at=self.clock.now(), operator=True)
        self._do(again)

    @rule(amount=st.sampled_from(["1", "9.99", "30", "all"]))
    def money_is_spent(self, amount: str) -> None:
        spent = None if amount == "all" else gbp(amount)
        self._do(Spend(OFFICE, spent, key=f"s{next(_numbers)}", at=self.clock.now()))

    @rule(key=st.integers(0, 3))
    def somebody_buys(self, key: int) -> None:
        order = TopUpOrder(amount=gbp("20"), confirmed=True, return_url="https://portal")
        self._do(
            BeginTopUp(
                office_id=OFFICE,
                payment_id=f"p{next(_numbers)}",
                order=order,
                key=f"form-{key}",
                by="anna",
                at=self.clock.now(),
            )
        )

    @rule(choice=st.integers(0, 5))
    def a_payment_is_cancelled(self, choice: int) -> None:
        payment = self._choose(choice)
        if payment is not None:
            now = self.clock.now()
            self._do(
                CancelPayment(
                    office_id=OFFICE, payment_id=payment.payment_id, by="cli", at=now, reason=""
                )
            )

    @rule(choice=st.integers(0, 5))
    def a_person_answers_the_bank(self, choice: int) -> None:
        payment = self._choose(choice)
        if payment is None:
            return
        if payment.state is State.AUTHENTICATION and payment.attempt.off_session:
            self._do(
                ConfirmPayment(
                    office_id=OFFICE,
                    payment_id=payment.payment_id,
                    return_url="https://portal",
                    by="anna",
                    at=self.clock.now(),
                )
            )
        elif payment.attempt.intent_id in self.processor.intents:
            self.processor.succeed(payment.attempt.intent_id)

    @rule(choice=st.integers(0, 9))
    def the_processor_decides_at_last(self, choice: int) -> None:
        intents = sorted(self.processor.intents)
        if intents:
            self.processor.succeed(intents[choice % len(intents)])

    @rule(choice=st.integers(0, 9), won=st.sampled_from([None, True, False]))
    def a_payment_is_disputed(self, choice: int, won: bool | None) -> None:  # noqa: FBT001 - drawn
        paid = self._paid()
        if not paid:
            return
        if won is None:
            self.processor.dispute(paid[choice % len(paid)])
        else:
            self.processor.close_dispute(paid[choice % len(paid)], won=won)

    @rule(choice=st.integers(0, 9), amount=st.sampled_from(["5", "20"]))
    def money_is_sent_back_at_the_processors_desk(self, choice: int, amount: str) -> None:
        if paid := self._paid():
            self.processor.refund_at_desk(paid[choice % len(paid)], gbp(amount))

    @rule(choice=st.integers(0, 5), arrives=st.booleans())
    def a_refund_is_decided(self, choice: int, arrives: bool) -> None:  # noqa: FBT001 - drawn
        """A bank may send it back even after it had arrived."""
        refunds = [name for each in self.processor.intents.values() for name in each.refunds]
        if not refunds:
            return
        name = refunds[choice % len(refunds)]
        if arrives:
            self.processor.settle_refund(name)
        else:
            self.processor.fail_refund(name)

    @rule(seconds=st.sampled_from(PAUSES_S))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self._do(LookAgain(office_id=OFFICE, at=self.clock.now()))

    @rule(fate=st.sampled_from(FATES), at_most=st.integers(1, 3))
    def a_worker_works(self, fate: str, at_most: int) -> None:
        self._work(fate, at_most)

    @rule(order=st.randoms(use_true_random=False), part=st.integers(1, 8))
    def webhooks_come_doubled_and_shuffled(self, order: Any, part: int) -> None:
        """As the inbox has it: what was handled is told no more."""
        told = [n for n in range(len(self.processor.events)) if n not in self.handled] * 2
        order.shuffle(told)
        for number in told[:part]:
            self._tell(number)

    # --- what must hold ------------------------------------------------------------------

    @invariant()
    def at_most_one_refill_is_open(self) -> None:
        assert sum(each.attempt.open for each in self._refills()) <= 1

    @invariant()
    def no_payment_is_charged_twice_or_credited_without_a_charge(self) -> None:
        for payment in self._state.payments.values():
            charged = self.processor.charges_of(payment.payment_id)
            assert len(charged) <= 1
            if payment.state in MONEY_IN_ACCOUNT:
                assert [intent.request.amount for intent in charged] == [payment.amount]

    @invariant()
    def ceilings_hold(self) -> None:
        """When each was begun, with what was known then: a refusal may turn out to be none."""
        self.looks += 1
        refills = self._refills()
        for each in refills:
            self.begun.setdefault(each.payment_id, self.looks)
            if each.state in TOOK_NOTHING:
                self.counts_from[each.payment_id] = self.looks + 1
        for ceiling, window in ((RULE.day_max, DAY), (RULE.month_max, MONTH)):
            for last in refills:
                look = self.begun[last.payment_id]
                assert last.state in TOOK_NOTHING or ceiling.micros >= sum(
                    each.amount.micros
                    for each in refills
                    if last.created_at - window < each.created_at <= last.created_at
                    and self.begun[each.payment_id] <= look
                    and self.counts_from.get(each.payment_id, 0) <= look
                    and each.state not in TOOK_NOTHING
                )

    @invariant()
    def the_balance_is_the_sum_of_postings(self) -> None:
        balance = 0
        for posted in self.ledger.posted:
            for posting in posted.entry.postings:
                change = posting.amount.micros
                balance += change * (posting.target == available(OFFICE))
                balance -= change * (posting.source == available(OFFICE))
        stored = self.ledger.stored.get(available(OFFICE), Money(0, "GBP"))
        assert stored.micros == balance >= 0

    def teardown(self) -> None:
        """Everybody tells the truth from now on: what was charged is credited, and only that."""
        self._do(DisableRefill(office_id=OFFICE, by="anna", at=self.clock.now()))
        for _ in range(60):
            self._decide_what_is_pending()
            self._work("", 50)
            for number in range(len(self.processor.events)):
                self._tell(number)
            due = [p.attempt.due_at for p in self._state.payments.values() if p.attempt.due_at]
            if not due and len(self.handled) == len(self.processor.events):
                break
            self.clock.set(max([self.clock.now() + timedelta(minutes=1), *sorted(due)[:1]]))
        assert len(self.handled) == len(self.processor.events)
        for payment in self._state.payments.values():
            charged = len(self.processor.charges_of(payment.payment_id))
            assert charged == (payment.state in MONEY_IN_ACCOUNT), payment
        self.no_payment_is_charged_twice_or_credited_without_a_charge()
        self.the_balance_is_the_sum_of_postings()
        self.the_ledger_has_of_cards_what_the_processor_has()
        self.its_papers_say_what_the_processor_did()

    def the_ledger_has_of_cards_what_the_processor_has(self) -> None:
        kept = sum(intent.kept.micros for intent in self.processor.intents.values())
        postings = [each for posted in self.ledger.posted for each in posted.entry.postings]
        came = sum(each.amount.micros for each in postings if each.source == CARDS_ACCOUNT)
        went = sum(each.amount.micros for each in postings if each.target == CARDS_ACCOUNT)
        assert came - went == kept

    def its_papers_say_what_the_processor_did(self) -> None:
        """Receipts less notes: what was charged and not refunded, and its tax; no disputes."""
        papers = [each.receipt for each in self.ledger.told if isinstance(each, Issue)]
        assert [each.number for each in papers] == [*range(1, len(papers) + 1)]
        intents = self.processor.intents.values()
        for payment_id in self._state.payments:
            of_it = [each for each in intents if each.request.payment_id == payment_id]
            said = [signed_of(each) for each in papers if each.payment_id == payment_id]
            left = Money(sum((each.charged - each.refunded).micros for each in of_it), "GBP")
            assert sum(total.micros for _, _, total in said) == left.micros
            tax = vat_within(left, SELLER_TERMS.vat_basis_points)
            assert sum(each.micros for _, each, _ in said) == tax.micros

    # --- helpers -------------------------------------------------------------------------

    @property
    def _state(self) -> MoneyState:
        return self.ledger.money.get(OFFICE) or MoneyState(policy=Policy(office_id=OFFICE))

    def _refills(self) -> list[Payment]:
        payments = self._state.payments.values()
        return [each for each in payments if each.attempt.kind is PaymentKind.REFILL]

    def _choose(self, choice: int) -> Payment | None:
        payments = list(self._state.payments.values())
        return payments[choice % len(payments)] if payments else None

    def _do(self, command: LedgerCommand[_Result]) -> _Result | None:
        """A refusal is an answer like others."""
        try:
            return self.ledger.carry_out_now(command)
        except ChargingError:
            return None

    def _work(self, fate: str, at_most: int) -> None:
        now = self.clock.now()
        due = [
            payment
            for payment in self._state.payments.values()
            if payment.attempt.due_at is not None and payment.attempt.due_at <= now
        ]
        for payment in due[:at_most]:
            self._carry_out(payment, fate, now)

    def _carry_out(self, payment: Payment, fate: str, now: datetime) -> None:
        """As payments.worker does; a crash may come at each of its waits."""
        started = StartWork(
            office_id=OFFICE, payment_id=payment.payment_id, at=now, terms=SELLER_TERMS
        )
        work = self.ledger.carry_out_now(started)
        if work.request is None or fate == "crash_before":
            return
        off = self._state.policy.state is PolicyState.OFF
        if off and work.payment.attempt.kind is PaymentKind.REFILL:
            assert not isinstance(work.request, Charge | Confirm)  # off means off
        self.fate = fate
        answer = now_of(ask(self.processor, work.payment, work.request))
        self.fate = ""
        if not isinstance(work.request, Charge | Confirm):
            assert not isinstance(answer, Invalid) or answer.code != "idempotency_error"
        if fate == "crash_after":
            return
        self._record(payment.payment_id, answer)

    def _record(self, payment_id: str, fact: Event) -> bool:
        recorded = self._do(
            RecordFact(
                office_id=OFFICE,
                payment_id=payment_id,
                fact=fact,
                at=self.clock.now(),
                terms=SELLER_TERMS,
            )
        )
        assert recorded is not None
        return recorded.handled

    def _tell(self, number: int) -> None:
        """As payments.facts does: each event until it is handled."""
        fact = self.processor.events[number].fact
        if number in self.handled or not isinstance(fact, PaymentFact):
            self.handled.add(number)
            return
        name = getattr(fact, "payment_id", "")
        found = [
            payment
            for payment in self._state.payments.values()
            if payment.payment_id == name
            or (not name and payment.attempt.intent_id == fact.intent_id)
        ]
        if found and all(self._record(each.payment_id, as_told(fact)) for each in found):
            self.handled.add(number)

    def _paid(self) -> list[str]:
        intents = self.processor.intents.items()
        return [name for name, intent in intents if isinstance(intent.state, Succeeded)]

    def _decide_what_is_pending(self) -> None:
        for name, intent in self.processor.intents.items():
            if isinstance(intent.state, Pending):
                self.processor.succeed(name)
            for refund_id in intent.refunds:
                self.processor.settle_refund(refund_id)


def run_histories(
    histories: int,
    machine: type[RefillHistory] = RefillHistory,
    *,
    always_the_same: bool = False,
) -> None:
    """Raises AssertionError, with what was drawn, if anything was violated."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS,
            deadline=timedelta(seconds=20),
            database=None,
            derandomize=always_the_same,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


if __name__ == "__main__":
    run_histories(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
