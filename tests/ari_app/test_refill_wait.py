"""A caller who lacks money while a card is charged waits, hears so, and connects or is refused."""

import asyncio
from dataclasses import replace

import pytest

from ari_app.call_task import CallTask
from ari_app.flow import Call, State, step
from ari_app.messages import (
    AuthoriseAgain,
    Authorised,
    AwaitRefill,
    ChannelEnded,
    Command,
    Event,
    MeteringSchedule,
    PlayBalance,
    PlayOneMoment,
    PlayRefusal,
    PromptFinished,
    RefillDue,
    RefillSettled,
    RefillUnderWay,
    Refused,
    Settle,
    StopOneMoment,
    WarningDue,
)
from ari_app.refill_wait import RefillWait
from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile, Succeeded
from charging.errors import ChargingUnavailable
from charging.ledger import MoneyNews
from charging.money import Money
from charging.money_state import StoredCard
from charging.orders import Consent, refill_rule
from charging.payment_commands import RecordFact
from charging.refill import Event as PaymentEvent
from charging.refill import Withdrawn
from charging.refill_commands import SetRefill
from tests.ari_app.office_of_one import CALLER, OfficeOfOne, settle_down
from tests.db.money import Spend
from tests.fakes.charging import FRANCE_MOBILE, gbp
from tests.fakes.clock import START

BALANCE = gbp("12.40")
UNDER_WAY = RefillUnderWay(office_id="main", needed=gbp("0.10"))
AUTHORISED = Authorised(
    balance=BALANCE,
    dial_string="33142685300",
    funded_s=60,
    schedule=MeteringSchedule(reserve_ahead_s=10, warn_ahead_s=60),
)


def run(*events: Event) -> tuple[Call, list[Command]]:
    call = Call(call_id="c1", caller=CALLER)
    done: list[Command] = []
    for event in events:
        call, commands = step(call, event)
        done.extend(commands)
    return call, done


WAIT = [PlayOneMoment(), AwaitRefill(office_id="main", needed=gbp("0.10"))]


def test_a_call_waits_for_the_refill_and_is_announced() -> None:
    call, commands = run(UNDER_WAY, RefillSettled(), AUTHORISED)
    assert call.state is State.ANNOUNCING
    assert commands == [*WAIT, AuthoriseAgain(), StopOneMoment(), PlayBalance(BALANCE)]


@pytest.mark.parametrize("again", [Refused("insufficient_balance"), UNDER_WAY])
def test_a_call_is_refused_when_the_money_did_not_come_in_time(again: Event) -> None:
    call, commands = run(UNDER_WAY, RefillSettled(), again)
    assert call.state is State.REFUSING
    assert commands[-2:] == [StopOneMoment(), PlayRefusal("insufficient_balance")]


def test_whoever_hangs_up_while_waiting_pays_nothing() -> None:
    gone = ChannelEnded(channel=CALLER, at_ms=1, hangup_cause=16)
    call, commands = run(UNDER_WAY, gone, RefillSettled())
    assert (call.state, commands) == (State.ENDED, WAIT)
    _, commands = run(UNDER_WAY, RefillSettled(), gone, AUTHORISED)
    assert commands[-1] == Settle(talk_s=0, ended_ms=None, hangup_cause=0)
    call, _ = run(gone, UNDER_WAY)
    assert call.state is State.ENDED


def test_the_end_of_the_wait_is_of_no_matter_to_any_other_state() -> None:
    announcing, _ = run(AUTHORISED)
    assert step(announcing, RefillSettled()) == (announcing, ())
    assert step(replace(announcing, state=State.REFILLING), PromptFinished())[1] == ()


# --- waiting -------------------------------------------------------------------------------------


class News:
    """What the ledger says of an office; and how often it was asked."""

    def __init__(self) -> None:
        self.available = gbp("0")
        self.under_way = True
        self.away = False
        self.asked = 0
        self.asks: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, office_id: str, currency: str) -> MoneyNews:
        del currency
        self.asked += 1
        self.asks.put_nowait(office_id)
        if self.away:
            raise ChargingUnavailable("away")
        return MoneyNews(self.available, under_way=self.under_way)


async def test_many_callers_of_one_office_share_each_look() -> None:
    news = News()
    wait = RefillWait(news, look_every_s=0.001)
    waiting = asyncio.gather(
        *(wait.until_settled("main", gbp("0.10"), at_most_s=60) for _ in range(200))
    )
    for away in (False, True):
        news.away = away
        for _ in range(3):
            await news.asks.get()
    news.away, news.available = False, gbp("5")
    await waiting
    assert news.asked < 200


async def test_nobody_waits_for_what_will_not_come() -> None:
    news = News()
    news.under_way = False
    await RefillWait(news, look_every_s=0.001).until_settled("main", gbp("1"), at_most_s=60)
    assert news.asked == 1


async def test_nobody_waits_longer_than_the_time() -> None:
    await RefillWait(News(), look_every_s=0.001).until_settled("main", gbp("1"), at_most_s=0.01)


# --- a whole call --------------------------------------------------------------------------------


async def armed_office() -> OfficeOfOne:
    """An office that never had money and refills itself: its card is being charged."""
    office = OfficeOfOne()
    await save_card_and_arm(office, threshold="5")
    return office


async def save_card_and_arm(office: OfficeOfOne, *, threshold: str) -> None:
    card = CardOnFile(
        customer_id="cus",
        method_id="pm",
        brand="visa",
        last_four="4242",
        expiry_month=1,
        expiry_year=2031,
    )
    stored = StoredCard(
        office_id="main", processor="memory", card=card, added_by="anna", added_at=START
    )
    await office.ledger.carry_out(ReplaceCard(card=stored, at=START))
    consent = Consent(by="anna", at=START, words="yes")
    rule = refill_rule(amount=gbp("10"), threshold=gbp(threshold))
    await office.ledger.carry_out(SetRefill(office_id="main", rule=rule, consent=consent, at=START))


async def tell(office: OfficeOfOne, *facts: PaymentEvent) -> None:
    """What the processor says of the refill, as the worker records it."""
    (payment,) = office.ledger.money["main"].payments.values()
    for fact in facts:
        await office.ledger.carry_out(
            RecordFact(
                office_id="main", payment_id=payment.payment_id, fact=fact, at=START, terms=None
            )
        )


async def offered(office: OfficeOfOne) -> CallTask:
    channel = {"id": CALLER, "language": "en"}
    args = ["outbound", "1001", FRANCE_MOBILE]
    office.driver.take({"type": "StasisStart", "channel": channel, "args": args})
    await settle_down()
    (task,) = office.driver.tasks()
    return task


def state_of(task: CallTask) -> State:
    """Asked anew each time: others change it."""
    return task.call.state


async def waited(task: CallTask) -> None:
    assert task._refilling is not None  # noqa: SLF001 - what the caller waits for
    await task._refilling  # noqa: SLF001
    await settle_down()


async def test_a_call_that_lacked_money_connects_when_the_card_has_paid() -> None:
    office = await armed_office()
    task = await offered(office)
    assert state_of(task) is State.REFILLING
    assert office.unpaid.refusals == []
    (payment,) = office.ledger.money["main"].payments.values()
    amount: Money = payment.amount
    await tell(
        office,
        Succeeded(intent_id="i", payment_id=payment.payment_id, office_id="main", amount=amount),
    )
    await waited(task)
    assert state_of(task) is State.ANNOUNCING
    office.played()
    await settle_down()
    assert state_of(task) is State.DIALLING
    assert task.call.funded_s == 60


async def test_a_call_is_refused_as_soon_as_the_refill_is_given_up() -> None:
    office = await armed_office()
    task = await offered(office)
    await tell(office, Withdrawn())
    await waited(task)
    assert state_of(task) is State.REFUSING
    assert [code for _, code in office.unpaid.refusals] == ["insufficient_balance"]


async def test_a_live_call_that_will_run_out_has_the_card_charged_before_it_does() -> None:
    """Above the threshold, which no debit has crossed: the call needs more than is left."""
    office = OfficeOfOne()
    task = await office.talk()
    await office.ledger.carry_out(Spend("main", gbp("499.80"), key="s", at=START))
    await save_card_and_arm(office, threshold="0.01")
    assert not office.ledger.money["main"].payments
    office.driver.remind(task.call.call_id, WarningDue(240))
    await settle_down()
    (refill,) = office.ledger.money["main"].payments.values()
    assert refill.amount == gbp("10")


async def test_a_live_call_has_the_card_charged_before_it_would_be_warned() -> None:
    office = OfficeOfOne()
    task = await office.talk()
    await office.ledger.carry_out(Spend("main", gbp("499.80"), key="s", at=START))
    await save_card_and_arm(office, threshold="0.01")
    office.driver.remind(task.call.call_id, RefillDue(240))
    await settle_down()
    assert len(office.ledger.money["main"].payments) == 1
    assert task.call.talk is not None
    assert task.call.talk.warned_of_s is None


async def test_a_live_call_is_warned_although_no_refill_can_be_begun() -> None:
    office = OfficeOfOne()
    task = await office.talk()
    await office.ledger.carry_out(Spend("main", gbp("499.80"), key="s", at=START))
    office.driver.remind(task.call.call_id, WarningDue(240))
    await settle_down()
    assert not office.ledger.money["main"].payments
    assert task.call.talk is not None
    assert task.call.talk.warned_of_s == 240
