"""A processor that refuses our key, errs, or whose clock is another: what is told and done."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from charging.card_processor import Cancelled, Declined, Unknown
from charging.refill import State
from charging.refill_rules import PolicyState
from db.card_forms import CardFormRow, ask_for_form, find_form
from db.engine import open_engine
from db.inbox import SqlInbox
from db.ledger import SqlLedger, read_from
from db.writing import write_to
from lab.sandbox import Sandbox
from payments import sandbox
from payments.__main__ import CLOCKS_AGREE_WITHIN, clock_trouble
from payments.stripe import StripeProcessor
from payments.worker import Worker
from tests.db.money import Office
from tests.fakes.charging import gbp
from tests.fakes.clock import ManualClock
from tests.payments.persons import BACK, card_of, charge_of
from tests.payments.servers import running
from tests.programs import make_ledger

DECLINED_CARD = "4000000000000341"  # it can be saved


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox.in_folder(tmp_path_factory.mktemp("sandbox"))
    with running(made):
        yield made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{make_ledger(tmp_path)}")
    yield opened
    opened.dispose()


@pytest.fixture
async def office(engine: Engine) -> AsyncIterator[Office]:
    async with SqlLedger(engine) as ledger:
        yield Office(ledger, engine, ManualClock(datetime.now(UTC)))


def worker_of(office: Office, processor: StripeProcessor) -> Worker:
    return Worker(
        processor=processor,
        ledger=office.ledger,
        engine=office.engine,
        inbox=SqlInbox(office.engine),
        terms_of=lambda _: None,
        is_office=lambda _: True,
        clock=office.clock,
    )


async def test_a_key_that_is_not_accepted_is_told_and_is_no_decline(
    server: Sandbox, office: Office, tmp_path: Path
) -> None:
    """What the operator's runbook says: nothing is charged, the refill waits for the operator."""
    strange = server.payments.model_copy(update={"sandbox_folder": tmp_path / "another key"})
    await office.refill_is_due()
    async with sandbox.connected(strange) as stranger:
        worker = worker_of(office, stranger)
        await worker.settle()
    assert worker.trouble is not None
    assert worker.trouble.startswith("it refuses to answer: api_key_invalid")
    (refill,) = await office.refills()
    assert (refill.state, refill.attempt.declines) == (State.REFUSED, 0)
    policy = await office.policy()
    assert (policy.state, policy.paused_for) == (PolicyState.PAUSED, "operator")
    async with sandbox.connected(server.payments) as known:
        worker = worker_of(office, known)
        await worker.settle()
    assert worker.trouble is None
    assert await office.available() == gbp("4")


async def test_a_processor_that_is_away_is_told(office: Office, tmp_path: Path) -> None:
    nobody = Sandbox.in_folder(tmp_path / "nobody", request_timeout_s=1)
    async with sandbox.connected(nobody.payments) as processor:
        worker = worker_of(office, processor)
        await worker.settle()
    assert worker.trouble is not None
    assert worker.trouble.startswith("it does not answer")


async def test_an_answer_says_what_time_it_is_there(server: Sandbox) -> None:
    async with sandbox.connected(server.payments) as processor:
        before = processor.clock_ahead
        now = datetime.now(UTC)
        await processor.changed(since=now - timedelta(hours=1), until=now)
        ahead = processor.clock_ahead
    assert before is None
    assert ahead is not None
    assert abs(ahead) < CLOCKS_AGREE_WITHIN
    assert clock_trouble(ahead) is None


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (None, None),
        (-59, None),
        (61, "this machine's clock is 61 s behind it"),
        (-300, "this machine's clock is 300 s ahead of it"),
    ],
)
def test_clocks_that_differ_are_told(ahead_s: int | None, said: str | None) -> None:
    assert clock_trouble(None if ahead_s is None else timedelta(seconds=ahead_s)) == said


async def state_of_form(office: Office) -> str:
    form = await asyncio.to_thread(read_from, office.engine, lambda r: find_form(r, "form"))
    assert form is not None
    return form.state


async def test_a_form_for_a_card_is_opened_after_an_error_that_a_key_would_repeat(
    server: Sandbox, office: Office
) -> None:
    """A processor replays its own error to whoever asks under the same key, for a day."""
    now = office.clock.now()
    form = CardFormRow(
        form_id="form",
        office_id="main",
        asked_by="user:anna",
        asked_at=now,
        return_url=BACK,
        cancel_url=BACK,
        language="en",
        currency="GBP",
        due_at=now,
    )
    await asyncio.to_thread(write_to, office.engine, lambda writer: ask_for_form(writer, form))
    await server.order("fault", kind="error", path="/v1/checkout/sessions")
    async with sandbox.connected(server.payments) as processor:
        worker = worker_of(office, processor)
        await worker.settle()
        assert await state_of_form(office) == "asked"
        office.clock.advance(6)
        await worker.settle()
    assert await state_of_form(office) == "open"


async def test_an_intent_is_closed_after_an_error_that_a_key_would_repeat(server: Sandbox) -> None:
    async with sandbox.connected(server.payments) as processor:
        card = await card_of(processor, DECLINED_CARD)
        declined = await processor.charge(charge_of(card))
        assert isinstance(declined, Declined)
        await server.order("fault", kind="error", path=f"/v1/payment_intents/{declined.intent_id}")
        assert isinstance(await processor.cancel(declined.intent_id), Unknown)
        assert isinstance(await processor.cancel(declined.intent_id), Cancelled)
