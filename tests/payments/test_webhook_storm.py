"""Webhooks in any order, repeated and forged: what is credited is what was paid, each once."""

from collections import Counter
from collections.abc import Sequence

import pytest

from charging.card_processor import AuthenticationRequired, Cancelled, Declined, Succeeded
from charging.money import Money
from charging.notices import NoticeKind
from charging.refill import Attempt as Charged
from charging.refill import (
    Credit,
    Mail,
    PaymentKind,
    State,
    Told,
    step,
)
from tests.fakes.charging import gbp
from tests.fakes.clock import START
from tests.fakes.event_inbox import MemoryInbox
from tests.payments.webhook_storm import Payment, Storm, drawn, weather


class InMemory:
    """The rules of payments without a database. Implements `webhook_storm.Crediting`."""

    def __init__(self, amount: Money) -> None:
        self.inbox = MemoryInbox()
        self._amount = amount
        self._attempts: dict[str, Charged] = {}
        self._credited: Counter[str] = Counter()
        self._told: set[str] = set()

    async def begin(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            self._attempts[payment.payment_id] = Charged(
                payment_id=payment.payment_id,
                office_id=payment.office_id,
                kind=PaymentKind.TOP_UP,
                amount=self._amount,
                state=State.SENT,
                tries=1,
            )

    async def handle(self) -> None:
        for event in self.inbox.events.values():
            match event.fact:
                case Succeeded(payment_id=name) as fact:
                    self._step(name, fact)
                case Declined() | AuthenticationRequired() | Cancelled() as fact:
                    self._step(fact.payment_id, Told(fact))

    def _step(self, name: str, event: Succeeded | Told) -> None:
        after, commands = step(self._attempts[name], event, now=START)
        self._attempts[name] = after
        self._credited[name] += sum(isinstance(each, Credit) for each in commands)
        if Mail(NoticeKind.OPERATOR) in commands:
            self._told.add(name)

    async def credits(self) -> Counter[str]:
        return +self._credited

    async def told_of(self) -> set[str]:
        return self._told


async def test_what_webhooks_credit_is_what_was_paid_each_once() -> None:
    storm = drawn(600, seed=1)
    assert await weather(storm, InMemory(gbp("20"))) == []


async def test_the_storm_is_as_it_says() -> None:
    storm = drawn(1000, seed=2)
    assert len(storm.webhooks) == 1000
    assert sum(not each.good for each in storm.webhooks) == 100
    distinct = {each.body for each in storm.webhooks if each.good}
    assert len(distinct) == 600
    assert len(storm.paid) > 200
    assert storm.differing - storm.paid
    assert {payment.payment_id for payment in storm.payments} - storm.paid - storm.differing


@pytest.mark.parametrize("fault", ["credits what differs", "credits twice", "credits nothing"])
async def test_the_storm_sees_what_is_wrong(fault: str) -> None:
    class Wrong(InMemory):
        async def credits(self) -> Counter[str]:
            right = await super().credits()
            match fault:
                case "credits what differs":
                    return right + Counter(storm.differing - storm.paid)
                case "credits twice":
                    return right + right
                case _:
                    return Counter()

    storm: Storm = drawn(200, seed=3)
    assert await weather(storm, Wrong(gbp("20")))
