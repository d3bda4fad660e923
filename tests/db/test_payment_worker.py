"""The worker over a real database, with a processor in memory that can be made to lie."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from charging.card_processor import (
    CardOnFile,
    Changed,
    ChargeRequest,
    FindCardAnswer,
    RefundRequest,
    SaveCardAnswer,
    SaveCardRequest,
    Succeeded,
)
from charging.errors import InsufficientBalance
from charging.money_state import Payment
from charging.refill import State
from charging.refill_rules import PolicyState
from charging.usecases import Charging
from db.audit import audit
from db.card_forms import CardFormRow, ask_for_form, change_form, find_form
from db.inbox import SqlInbox, events_with_problems
from db.leases import acquire, release
from db.ledger import SqlLedger, read_from
from db.restorations import Restoration, write_down
from db.writing import write_to
from payments.card_forms import CardForms
from payments.worker import POLL_AGAIN, POLL_EVERY, Worker
from tests.db.money import SELLER_TERMS, Office
from tests.fakes.card_processor import MemoryProcessor
from tests.fakes.charging import gbp, request
from tests.fakes.clock import START, ManualClock
from tests.payments.persons import new


@pytest.fixture
def processor(clock: ManualClock) -> MemoryProcessor:
    return MemoryProcessor(clock)


@pytest.fixture
def office(ledger: SqlLedger, engine: Engine, clock: ManualClock) -> Office:
    return Office(ledger, engine, clock)


@pytest.fixture
def worker(
    processor: MemoryProcessor, ledger: SqlLedger, engine: Engine, clock: ManualClock
) -> Worker:
    return a_worker(processor, ledger, engine, clock)


@pytest.fixture(autouse=True)
def sound(engine: Engine) -> Iterator[None]:
    yield
    assert read_from(engine, audit).problems == ()


def a_worker(
    processor: MemoryProcessor, ledger: SqlLedger, engine: Engine, clock: ManualClock
) -> Worker:
    return Worker(
        processor=processor,
        ledger=ledger,
        engine=engine,
        inbox=SqlInbox(engine),
        terms_of=lambda _office_id: SELLER_TERMS,
        is_office=lambda _: True,
        clock=clock,
    )


async def enter_card(
    office: Office, worker: Worker, processor: MemoryProcessor, method: str = "succeeds"
) -> CardFormRow:
    """As a person does: the page asks for a form, the worker opens it, the processor tells."""
    name = await ask_for_card(office)
    await worker.settle()
    opened = form_of(office, name)
    assert opened.page_url == f"https://memory/{opened.setup_id}"
    processor.enter(opened.setup_id, method)
    office.clock.advance(61)  # a poll finds it; a webhook would be sooner
    await worker.settle()
    await worker.settle()
    return form_of(office, name)


async def ask_for_card(office: Office) -> str:
    now = office.clock.now()
    form = CardFormRow(
        form_id=new("form"),
        office_id="main",
        asked_by="user:anna",
        asked_at=now,
        return_url="https://portal/back",
        cancel_url="https://portal",
        language="en",
        currency="GBP",
        due_at=now,
    )
    await asyncio.to_thread(write_to, office.engine, lambda writer: ask_for_form(writer, form))
    return form.form_id


def form_of(office: Office, form_id: str) -> CardFormRow:
    found = read_from(office.engine, lambda reader: find_form(reader, form_id))
    assert found is not None
    return found


async def test_a_card_is_saved_and_charged_and_replaced(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    assert (await enter_card(office, worker, processor)).state == "saved"
    payment = await office.buy("20")
    await worker.settle()
    assert await office.available() == gbp("20")
    assert len(processor.charges_of(payment.payment_id)) == 1
    assert office.receipt(payment).total == gbp("20")
    await enter_card(office, worker, processor, "refund_fails")
    status = await office.money_in.status("main")
    assert status.card is not None
    assert status.card.card.method_id.startswith("pm_refund_fails")


async def card_on_file(office: Office) -> CardOnFile:
    card = (await office.money_in.status("main")).card
    assert card is not None
    return card.card


async def test_a_card_with_which_money_may_have_been_taken_is_asked_again_though_it_was_replaced(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    """Its payment has no answer yet, and the same question has one only with the same card."""
    await enter_card(office, worker, processor)
    old = await card_on_file(office)
    processor.lie = lambda what: "lost_before" if what == "charge" else ""
    payment = await office.buy("20")
    await worker.settle()
    assert (await office.payment(payment)).state is State.UNKNOWN
    await enter_card(office, worker, processor, "refund_fails")
    assert old.method_id not in processor.removed
    processor.lie = lambda _: ""
    office.clock.advance(5)
    await worker.settle()
    assert (await office.payment(payment)).state is State.CREDITED
    office.clock.advance(61)
    await worker.settle()
    assert old.method_id in processor.removed


async def test_a_card_that_could_not_be_removed_at_the_processor_is_removed_later(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor)
    old = await card_on_file(office)
    processor.lie = lambda what: "lost_before" if what == "remove_card" else ""
    await enter_card(office, worker, processor, "refund_fails")
    assert old.method_id not in processor.removed
    processor.lie = lambda _: ""
    office.clock.advance(61)
    await worker.settle()
    assert processor.removed == {old.method_id}


async def test_a_form_that_was_listed_as_due_and_opened_meanwhile_is_not_opened_again(
    office: Office, processor: MemoryProcessor, ledger: SqlLedger
) -> None:
    """The person has the first one before them, and enters a card there."""
    forms = card_forms(office, processor, ledger)
    name = await ask_for_card(office)
    await forms.go_on(name)
    opened = form_of(office, name)
    await forms.go_on(name)
    assert form_of(office, name) == opened
    assert len(processor.forms) == 1


async def test_of_two_workers_that_open_one_form_whoever_was_slower_has_no_say(
    office: Office, processor: MemoryProcessor, ledger: SqlLedger
) -> None:
    """A worker that was stopped for longer than its lease wakes up."""
    forms = card_forms(office, processor, ledger)
    name = await ask_for_card(office)
    stopped, goes_on = asyncio.Event(), asyncio.Event()
    begin_card = processor.begin_card

    async def slow(request: SaveCardRequest) -> SaveCardAnswer:
        stopped.set()
        await goes_on.wait()
        return await begin_card(request)

    processor.begin_card = slow  # type: ignore[method-assign]
    slower = asyncio.create_task(forms.go_on(name))
    await stopped.wait()
    processor.begin_card = begin_card  # type: ignore[method-assign]
    await forms.go_on(name)
    opened = form_of(office, name)
    goes_on.set()
    await slower
    assert form_of(office, name) == opened
    assert len(processor.forms) == 2


async def test_a_form_that_a_webhook_wants_looked_at_now_is_not_put_off(
    office: Office, worker: Worker, processor: MemoryProcessor, engine: Engine
) -> None:
    """The processor answered "not entered", and then it was, before the answer was written."""
    name = await ask_for_card(office)
    await worker.settle()
    opened = form_of(office, name)
    office.clock.advance(21)
    find_card = processor.find_card

    async def entered_meanwhile(setup_id: str) -> FindCardAnswer:
        answer = await find_card(setup_id)
        processor.enter(setup_id)
        write_to(engine, lambda writer: change_form(writer, opened, due_at=office.clock.now()))
        return answer

    processor.find_card = entered_meanwhile  # type: ignore[method-assign]
    await worker.settle()
    processor.find_card = find_card  # type: ignore[method-assign]
    await worker.settle()
    assert form_of(office, name).state == "saved"


def card_forms(office: Office, processor: MemoryProcessor, ledger: SqlLedger) -> CardForms:
    return CardForms(processor=processor, ledger=ledger, engine=office.engine, clock=office.clock)


async def test_several_workers_at_once_charge_each_payment_once(
    office: Office, worker: Worker, processor: MemoryProcessor, ledger: SqlLedger, engine: Engine
) -> None:
    await enter_card(office, worker, processor)
    bought = [await office.buy("10", key=f"k{n}", confirmed=True) for n in range(6)]
    others = [a_worker(processor, ledger, engine, office.clock) for _ in range(3)]
    await asyncio.gather(*(each.settle() for each in (worker, *others)))
    assert await office.available() == gbp("60")
    assert {len(processor.charges_of(payment.payment_id)) for payment in bought} == {1}
    asked = [key for key in processor.answered if key.startswith("top-up:")]
    assert len(asked) == 6


@pytest.mark.parametrize("lie", ["lost_before", "lost_after"])
async def test_a_lost_reply_is_asked_for_again_under_the_same_key(
    office: Office, worker: Worker, processor: MemoryProcessor, lie: str
) -> None:
    await enter_card(office, worker, processor)
    processor.lie = lambda what: lie if what == "charge" else ""
    payment = await office.buy("20")
    await worker.settle()
    assert (await office.payment(payment)).state is State.UNKNOWN
    processor.lie = lambda _: ""
    office.clock.advance(5)
    await worker.settle()
    assert await office.available() == gbp("20")
    assert len(processor.charges_of(payment.payment_id)) == 1


async def test_a_success_that_only_the_list_of_events_tells_is_credited(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor, "decides_later")
    payment = await office.buy("20")
    await worker.settle()
    (intent,) = processor.intents
    processor.succeed(intent)
    processor.lie = lambda what: "" if what == "changed" else "lost_before"
    office.clock.advance(round(POLL_EVERY.total_seconds()))
    await worker.settle()
    await worker.settle()
    assert await office.available() == gbp("20")
    assert (await office.payment(payment)).state is State.CREDITED


async def test_a_list_of_events_without_an_answer_is_asked_for_again_sooner(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor, "decides_later")
    payment = await office.buy("20")
    await worker.settle()
    (intent,) = processor.intents
    processor.succeed(intent)
    processor.lie = lambda _: "lost_before"
    office.clock.advance(round(POLL_EVERY.total_seconds()))
    await worker.settle()
    processor.lie = lambda what: "" if what == "changed" else "lost_before"
    office.clock.advance(round(POLL_AGAIN.total_seconds()))
    await worker.settle()
    await worker.settle()
    assert (await office.payment(payment)).state is State.CREDITED


async def test_every_event_told_again_and_again_in_any_order_changes_nothing(
    office: Office, worker: Worker, processor: MemoryProcessor, engine: Engine
) -> None:
    await enter_card(office, worker, processor)
    payment = await office.buy("20")
    await worker.settle()
    (intent,) = processor.intents
    processor.dispute(intent)
    processor.close_dispute(intent, won=True)
    inbox = SqlInbox(engine)
    told = await processor.changed(since=START, until=office.clock.now())
    assert isinstance(told, Changed)
    kept = [await inbox.keep("memory", event) for event in [*reversed(told.events), *told.events]]
    assert sum(kept) <= len(told.events)
    await worker.settle()
    assert await office.available() == gbp("20")
    assert office.owed() == 0
    assert (await office.payment(payment)).state is State.CREDITED


async def test_a_success_of_a_payment_that_nobody_knows_is_told_to_the_operator(
    office: Office, worker: Worker, processor: MemoryProcessor, engine: Engine
) -> None:
    await enter_card(office, worker, processor)
    payment = await office.buy("20")
    await worker.settle()
    (event,) = [each for each in processor.events if "succeeded" in each.kind]
    forged = event.body.replace(payment.payment_id, "nothing-of-ours").replace("evt_", "evt_x")
    await SqlInbox(engine).keep("memory", processor.read_event(forged))
    await worker.settle()
    ((_, _, problem),) = read_from(engine, events_with_problems)
    assert "nothing-of-ours" in problem
    assert await office.available() == gbp("20")


async def test_a_refill_is_carried_out_and_a_caller_may_call_again(
    office: Office, worker: Worker, processor: MemoryProcessor, charging: Charging
) -> None:
    await enter_card(office, worker, processor)
    await office.fill("5.05")
    await office.arm("10", "5")
    await charging.authorise(request("c1"))
    await worker.settle()
    assert await office.available() == gbp("14.95")
    assert (await office.policy()).state is PolicyState.ARMED


async def test_a_card_that_is_removed_at_the_processor_pauses_the_refill(
    office: Office, worker: Worker, processor: MemoryProcessor, charging: Charging
) -> None:
    await enter_card(office, worker, processor)
    await office.fill("6")
    await office.arm("10", "5")
    status = await office.money_in.status("main")
    assert status.card is not None
    await processor.remove_card(status.card.card.method_id)
    office.clock.advance(61)
    await worker.settle()
    await worker.settle()
    assert (await office.policy()).paused_for == "card"
    await office.spend_all(key="rest")
    with pytest.raises(InsufficientBalance):
        await charging.authorise(request("c1"))
    assert await office.refills() == []


async def test_a_cancelled_payment_goes_back_to_the_card(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor)
    payment = await office.buy("20")
    await worker.settle()
    await office.spend("14")
    await office.cancel(payment)
    await worker.settle()
    found = await office.payment(payment)
    assert (found.state, found.attempt.taken_back) == (State.REFUNDED, gbp("6"))


async def test_a_refund_that_fails_comes_back_to_the_account(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor, "refund_pends")
    payment = await office.buy("20")
    await worker.settle()
    await office.cancel(payment)
    await worker.settle()
    assert (await office.payment(payment)).state is State.REFUNDING
    (intent,) = processor.intents.values()
    (refund_id,) = intent.refunds
    processor.fail_refund(refund_id)
    office.clock.advance(3601)
    await worker.settle()
    assert await office.available() == gbp("20")
    assert (await office.payment(payment)).state is State.CREDITED


@pytest.mark.parametrize(
    ("fate", "disputed"),
    [("lost_before", "20"), ("lost_after", "14")],  # never made, and made before the dispute
)
async def test_a_dispute_of_a_payment_whose_refund_has_no_answer_does_not_wait(
    office: Office, worker: Worker, processor: MemoryProcessor, fate: str, disputed: str
) -> None:
    await enter_card(office, worker, processor)
    payment = await office.buy("20")
    await worker.settle()
    await office.spend("14")
    processor.lie = lambda what: fate if what == "refund" else ""
    await office.cancel(payment)
    await worker.settle()
    (intent,) = processor.intents
    processor.dispute(intent)
    for _ in range(4):
        office.clock.advance(31)
        await worker.settle()
    found = await office.payment(payment)
    assert (found.state, found.attempt.taken_back) == (State.DISPUTED, gbp("20"))
    assert [each.amount for each in found.attempt.charge_backs] == [gbp(disputed)]
    assert (await office.available(), office.owed()) == (gbp("0"), -gbp("14").micros)


async def test_a_processor_that_stalls_holds_up_no_other_payment(
    office: Office, worker: Worker, processor: MemoryProcessor
) -> None:
    await enter_card(office, worker, processor)
    stalled = await office.buy("10", key="stalled")
    release_it = asyncio.Event()
    charge = processor.charge

    async def slow(asked: object) -> object:
        if getattr(asked, "payment_id", "") == stalled.payment_id:
            await release_it.wait()
        return await charge(asked)  # type: ignore[arg-type]

    processor.charge = slow  # type: ignore[assignment, method-assign]
    waiting = asyncio.create_task(worker.settle())
    other = await office.buy("20", key="other")
    await worker._look_once()  # noqa: SLF001 - what its loop does four times a second
    await wait_until_credited(office, other)
    assert (await office.payment(stalled)).state is State.SENT
    release_it.set()
    await waiting
    assert await office.available() == gbp("30")


async def wait_until_credited(office: Office, payment: Payment) -> None:
    """Each look at it lets the worker's tasks run."""
    async with asyncio.timeout(30):
        state = payment.state
        while state is not State.CREDITED:
            state = (await office.payment(payment)).state


def test_a_lease_has_one_holder_until_it_ends(engine: Engine) -> None:
    minute = timedelta(minutes=1)

    def take(holder: str, seconds: int) -> bool:
        now = START + timedelta(seconds=seconds)
        return write_to(engine, lambda w: acquire(w, "work", holder=holder, now=now, lasts=minute))

    assert take("one", 0)
    assert not take("other", 59)
    assert take("one", 59)  # prolonged
    assert not take("other", 60)
    assert take("other", 119)
    write_to(engine, lambda writer: release(writer, "work", holder="one"))  # not its any more
    assert not take("one", 120)
    write_to(engine, lambda writer: release(writer, "work", holder="other"))
    assert take("one", 121)


# --- a ledger that was restored ------------------------------------------------------------------


def forget(office: Office, *, since: datetime, until: datetime) -> None:
    """As if the ledger were of a backup: the row that says so, in one without the payments."""
    restored = Restoration(taken_at=since, restored_at=until, actor="cli:root")
    write_to(office.engine, lambda writer: write_down(writer, restored))


async def charged_elsewhere(
    processor: MemoryProcessor, clock: ManualClock, *, payment_id: str = "lost-1"
) -> str:
    """What the processor knows of the time that the ledger has lost."""
    answer = await processor.charge(
        ChargeRequest(
            key=f"top-up:{payment_id}:1",
            payment_id=payment_id,
            office_id="main",
            amount=gbp("20"),
            customer_id="cus",
            method_id="pm_succeeds",
            off_session=True,
        )
    )
    assert isinstance(answer, Succeeded)
    clock.advance(1)
    return answer.intent_id


async def test_what_a_restored_ledger_lost_is_found_and_credited_once(
    office: Office, worker: Worker, processor: MemoryProcessor, clock: ManualClock
) -> None:
    taken_at = clock.now()
    clock.advance(7 * 24 * 3600)  # longer ago than a poll looks back by itself
    await charged_elsewhere(processor, clock)
    clock.advance(5 * 24 * 3600)
    forget(office, since=taken_at, until=clock.now())
    for _ in range(3):
        await worker.settle()
        clock.advance(61)
    again = a_worker(processor, office.ledger, office.engine, clock)
    await again.settle()
    await again.settle()
    assert await office.available() == gbp("20")
    (payment,) = await office.money_in.payments("main", limit=10)
    assert (payment.state, payment.payment_id) == (State.CREDITED, "lost-1")
    assert office.receipt(payment).total == gbp("20")
    assert ("payment.adopt", "card processor", payment.reason) in office.changes()
    assert read_from(office.engine, events_with_problems) == []


async def test_what_was_charged_outside_of_the_lost_time_is_nobodys(
    office: Office, worker: Worker, processor: MemoryProcessor, clock: ManualClock
) -> None:
    """Another Tollgate may share the account at the processor."""
    await charged_elsewhere(processor, clock, payment_id="before")
    clock.advance(3600)
    forget(office, since=clock.now(), until=clock.now() + timedelta(hours=1))
    clock.advance(2 * 3600)
    await charged_elsewhere(processor, clock, payment_id="after")
    await worker.settle()
    clock.advance(61)
    await worker.settle()
    assert await office.available() == gbp("0")
    assert {why for _, _, why in read_from(office.engine, events_with_problems)} == {
        "not ours: no payment before",
        "not ours: no payment after",
    }


async def test_what_was_refunded_in_the_lost_time_is_taken_out_again(
    office: Office, worker: Worker, processor: MemoryProcessor, clock: ManualClock
) -> None:
    taken_at = clock.now()
    intent_id = await charged_elsewhere(processor, clock)
    await processor.refund(
        RefundRequest(
            key="refund:lost-1",
            intent_id=intent_id,
            payment_id="lost-1",
            office_id="main",
            amount=gbp("20"),
        )
    )
    clock.advance(60)
    forget(office, since=taken_at, until=clock.now())
    for _ in range(4):
        await worker.settle()
        clock.advance(61)
    assert await office.available() == gbp("0")
    (payment,) = await office.money_in.payments("main", limit=10)
    assert payment.state is State.REFUNDED
    assert read_from(office.engine, events_with_problems) == []


async def test_a_restored_ledger_charges_no_card_before_it_knows_what_it_lost(
    office: Office, worker: Worker, processor: MemoryProcessor, clock: ManualClock
) -> None:
    await enter_card(office, worker, processor)
    taken_at = clock.now()
    await charged_elsewhere(processor, clock)
    clock.advance(60)
    forget(office, since=taken_at, until=clock.now())
    bought = await office.buy("10", key="due at once")
    again = a_worker(processor, office.ledger, office.engine, clock)
    processor.lie = lambda what: "lost_before" if what == "changed" else ""
    await again.settle()
    assert processor.charges_of(bought.payment_id) == []
    processor.lie = lambda _: ""
    clock.advance(6)
    await again.settle()
    assert await office.available() == gbp("30")
