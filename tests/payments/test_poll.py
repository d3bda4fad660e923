"""What no webhook told is found by asking."""

from datetime import timedelta

import pytest

from charging.card_processor import Succeeded, Unknown
from charging.errors import ChargingUnavailable
from payments.poll import LOOK_AGAIN, Poll
from tests.fakes.card_processor import MemoryProcessor
from tests.fakes.clock import START, ManualClock
from tests.fakes.event_inbox import MemoryInbox
from tests.payments.persons import charge_of
from tests.payments.test_contract import Memory, saved


class Told:
    """A processor in memory that has charged a card, and an inbox that heard of nothing."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lost = False
        self.person = Memory()
        self.person.processor = MemoryProcessor(
            self.clock, lie=lambda what: "lost_before" if self.lost and what == "changed" else ""
        )
        self.processor = self.person.processor
        self.inbox = MemoryInbox()
        self.poll = Poll(self.processor, self.inbox)

    async def charge(self) -> Succeeded:
        answer = await self.processor.charge(charge_of(await saved(self.person)))
        assert isinstance(answer, Succeeded)
        return answer

    def facts(self) -> list[object]:
        return [event.fact for event in self.inbox.events.values()]


async def test_every_webhook_lost_the_poll_finds_the_payment_once() -> None:
    told = Told()
    paid = await told.charge()
    assert await told.poll.ask(now=told.clock.now()) == 2  # the card's form, and the charge
    assert await told.poll.ask(now=told.clock.now()) == 0
    assert told.facts().count(paid) == 1


async def test_what_a_webhook_told_is_not_new_to_the_poll_and_not_written_again() -> None:
    """A worker that starts asks for three days, which may be thousands of events."""
    told = Told()
    await told.charge()
    for event in told.processor.events:
        await told.inbox.keep("memory", event)
    written = told.inbox.written
    assert await told.poll.ask(now=told.clock.now()) == 0
    assert told.inbox.written == written


async def test_a_poll_without_an_answer_asks_for_the_same_again() -> None:
    told = Told()
    await told.poll.ask(now=START)
    paid = await told.charge()
    told.lost = True
    told.clock.advance(3600)
    assert isinstance(await told.poll.ask(now=told.clock.now()), Unknown)
    told.lost = False
    told.clock.advance(3600)
    assert await told.poll.ask(now=told.clock.now()) == 2
    assert paid in told.facts()


async def test_a_poll_whose_inbox_was_away_asks_for_the_same_again() -> None:
    told = Told()
    paid = await told.charge()
    told.inbox.away = True
    with pytest.raises(ChargingUnavailable):
        await told.poll.ask(now=told.clock.now())
    told.inbox.away = False
    await told.poll.ask(now=told.clock.now() + timedelta(days=1))
    assert paid in told.facts()


async def test_what_the_processor_lists_late_is_still_found() -> None:
    told = Told()
    await told.poll.ask(now=START + LOOK_AGAIN)
    paid = await told.charge()  # dated before the time that was asked about
    await told.poll.ask(now=START + LOOK_AGAIN + timedelta(minutes=1))
    assert paid in told.facts()
