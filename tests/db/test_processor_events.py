"""The inbox of the card processor's events, and what comes before we know whose it is."""

from dataclasses import replace
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from structlog.testing import capture_logs

import db
from charging.card_processor import DisputeOpened, Invalid
from charging.refill import SendRefund, State
from db.engine import WRITER
from db.inbox import ASKED_AT_ONCE, SqlInbox
from db.ledger import SqlLedger
from db.schema import upgrade
from payments.facts import STILL_TOO_EARLY_AGAIN, TOO_EARLY_AGAIN, TRIES_MAX, FactHandler
from payments.outcomes import read_event
from payments.requests import ask
from tests.db.money import Office
from tests.fakes.card_processor import MemoryProcessor
from tests.fakes.charging import gbp
from tests.fakes.clock import ManualClock
from tests.payments.events import succeeded


async def test_an_event_is_new_once_whoever_tells_it(engine: Engine) -> None:
    inbox = SqlInbox(engine)
    event = read_event(succeeded("evt_1", payment_id="p1"))
    assert [await inbox.keep("sandbox", event) for _ in range(3)] == [True, False, False]
    assert await inbox.keep("stripe", event)


async def test_of_many_events_those_that_are_not_there_are_named(engine: Engine) -> None:
    inbox = SqlInbox(engine)
    names = [f"evt_{n}" for n in range(2 * ASKED_AT_ONCE + 1)]
    await inbox.keep("sandbox", read_event(succeeded(names[0], payment_id="p1")))
    await inbox.keep("sandbox", read_event(succeeded(names[-1], payment_id="p2")))
    await inbox.keep("stripe", read_event(succeeded(names[1], payment_id="p3")))
    assert await inbox.missing("sandbox", names) == set(names[1:-1])
    assert await inbox.missing("sandbox", []) == set()


async def test_a_dispute_that_comes_before_the_reply_is_not_forgotten(
    engine: Engine, ledger: SqlLedger, clock: ManualClock
) -> None:
    """It names the intent alone, which we know when the reply or its webhook has come."""
    processor, inbox = MemoryProcessor(clock), SqlInbox(engine)
    office = Office(ledger, engine, clock)
    handler = handler_of(office, processor, inbox)
    await office.save_card(method_id="pm_succeeds")
    payment = await office.buy("20")
    await _charge_without_a_reply(office, processor)
    (intent_id,) = processor.intents
    processor.dispute(intent_id)
    paid, disputed = processor.events
    await inbox.keep("memory", disputed)
    processor.lie = lambda what: "lost_before" if what == "find_intent" else ""
    await handler.handle_due()  # the processor does not answer either
    processor.lie = lambda _: ""
    await _handle_later(handler, clock)
    assert (await office.payment(payment)).state is State.SENT
    await inbox.keep("memory", paid)
    with capture_logs() as lines:
        for _ in range(2):  # in whatever order the two are handled
            await _handle_later(handler, clock)
    assert (await office.payment(payment)).state is State.DISPUTED
    told = [(line["told"], line["state"]) for line in lines if line["event"] == "payment_told"]
    assert {("Succeeded", "credited"), ("DisputeOpened", "disputed")} <= set(told)
    assert await office.available() == gbp("0")


async def test_a_dispute_of_somebody_elses_payment_is_let_go(
    engine: Engine, ledger: SqlLedger, clock: ManualClock
) -> None:
    processor, inbox = MemoryProcessor(clock), SqlInbox(engine)
    office = Office(ledger, engine, clock)
    handler = handler_of(office, processor, inbox)
    await office.save_card(method_id="pm_succeeds")
    await office.buy("20")
    await _charge_without_a_reply(office, processor)
    (intent_id,) = processor.intents
    processor.dispute(intent_id)
    del processor.intents[intent_id]  # made by hand at the processor, and not there any more
    await inbox.keep("memory", processor.events[-1])
    await handler.handle_due()
    assert await inbox.due(clock.now(), 10) == []
    clock.advance(3600)
    assert await inbox.due(clock.now(), 10) == []


async def test_a_dispute_that_comes_while_a_refund_is_under_way_is_told_again(
    engine: Engine, ledger: SqlLedger, clock: ManualClock
) -> None:
    """The bank was faster: the refund is refused, and only then the dispute can be recorded."""
    office = Office(ledger, engine, clock)
    payment = await office.bought("20")
    await office.cancel(payment)
    dispute = DisputeOpened(
        dispute_id="dp_1",
        intent_id=payment.attempt.intent_id,
        payment_id="",
        amount=gbp("20"),
        reason="fraudulent",
    )
    assert not (await office.tell(payment, dispute)).handled
    await office.tell(payment, Invalid("charge_disputed", "the bank has taken it back"))
    assert await office.available() == gbp("20")
    told = await office.tell(payment, dispute)
    assert told.handled
    assert told.payment.state is State.DISPUTED
    assert await office.available() == gbp("0")


async def test_a_dispute_waits_for_days_while_nobody_knows_of_the_refund(
    engine: Engine, ledger: SqlLedger, clock: ManualClock
) -> None:
    processor, inbox = MemoryProcessor(clock), SqlInbox(engine)
    office = Office(ledger, engine, clock)
    handler = handler_of(office, processor, inbox)
    await office.save_card(method_id="pm_succeeds")
    payment = await office.buy("20")
    await _charge_without_a_reply(office, processor)
    (intent_id,) = processor.intents
    await inbox.keep("memory", processor.events[-1])
    await handler.handle_due()
    await office.cancel(payment)
    processor.dispute(intent_id)
    await inbox.keep("memory", processor.events[-1])
    for _ in range(TRIES_MAX + 3):
        await _handle_later(handler, clock)
    clock.advance(int(STILL_TOO_EARLY_AGAIN.total_seconds()))
    await handler.handle_due()
    assert (await office.payment(payment)).state is State.REFUNDING
    await office.tell(payment, Invalid("charge_disputed", "the bank has taken it back"))
    assert await office.available() == gbp("20")
    clock.advance(int(STILL_TOO_EARLY_AGAIN.total_seconds()) + 1)
    await handler.handle_due()
    assert (await office.payment(payment)).state is State.DISPUTED
    assert await office.available() == gbp("0")


async def test_what_was_taken_of_a_payment_is_known_by_name_after_an_upgrade(
    engine: Engine, ledger: SqlLedger, clock: ManualClock
) -> None:
    """The tables of before knew only how often it was, and which dispute was closed last."""
    processor, inbox = MemoryProcessor(clock), SqlInbox(engine)
    office = Office(ledger, engine, clock)
    handler = handler_of(office, processor, inbox)
    await office.save_card(method_id="pm_succeeds")
    payments = []
    for key in ("desk", "disputed", "won", "ours"):
        payments.append(await office.buy("20", key=key))
        await _charge_without_a_reply(office, processor)
        await _hear_of_all(handler, processor, inbox)
        clock.advance(61)
    desk, disputed, won, ours = processor.intents
    for amount in ("5", "6"):
        processor.refund_at_desk(desk, gbp(amount))
        await _hear_of_all(handler, processor, inbox)
        clock.advance(1)
    processor.fail_refund(next(iter(processor.intents[desk].refunds)))
    processor.dispute(disputed)
    processor.close_dispute(won, won=True)
    await _hear_of_all(handler, processor, inbox)
    await office.spend("48")
    await office.cancel(payments[3])
    (work,) = await office.work()
    await office.tell(payments[3], await ask(processor, work.payment, SendRefund()))
    processor.dispute(ours)
    await _hear_of_all(handler, processor, inbox)
    before = [(await office.payment(payment)).attempt for payment in payments]
    assert [len(each.charge_backs) for each in before] == [2, 1, 1, 1]
    assert [each.taken_back for each in before] == [gbp("6"), gbp("20"), None, gbp("20")]
    _move_tables(engine, "0015")
    upgrade(engine)
    after = [(await office.payment(payment)).attempt for payment in payments]
    assert [replace(each, refund_id="") for each in before] == after
    processor.fail_refund(list(processor.intents[desk].refunds)[1])
    processor.close_dispute(disputed, won=True)
    await _hear_of_all(handler, processor, inbox)
    assert (await office.available(), office.owed()) == (gbp("12"), 0)  # 14 were owed of "ours"


def _move_tables(engine: Engine, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(db.__file__).parent / "migrations"))
    with engine.execution_options(**WRITER).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, version)


async def _hear_of_all(handler: FactHandler, processor: MemoryProcessor, inbox: SqlInbox) -> None:
    for event in processor.events:
        await inbox.keep("memory", event)
    await handler.handle_due()


def handler_of(office: Office, processor: MemoryProcessor, inbox: SqlInbox) -> FactHandler:
    return FactHandler(
        processor=processor,
        ledger=office.ledger,
        engine=office.engine,
        inbox=inbox,
        terms_of=lambda _office_id: None,
        is_office=lambda _: True,
        clock=office.clock,
    )


async def _charge_without_a_reply(office: Office, processor: MemoryProcessor) -> None:
    """The processor was asked, and nobody heard its reply."""
    (work,) = await office.work()
    assert work.request is not None
    await ask(processor, work.payment, work.request)


async def _handle_later(handler: FactHandler, clock: ManualClock) -> None:
    clock.advance(int(TOO_EARLY_AGAIN.total_seconds()) + 1)
    await handler.handle_due()
