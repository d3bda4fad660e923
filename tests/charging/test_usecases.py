"""The life of a call, told to charging alone. tests/db tells the same to real databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from charging.errors import (
    CallSettled,
    ChargingUnavailable,
    CurrencyMismatch,
    DestinationBarred,
    EntryKeyReused,
    ExtensionNotAllowed,
    InsufficientBalance,
    IntervalNotReserved,
    InvalidNumber,
    NoRateForDestination,
    UnknownCall,
    UnknownExtension,
)
from charging.plan import Category
from charging.ports import Ledger
from charging.usecases import Charging, PaidAuthorisation, UnmeteredAuthorisation
from tests.fakes.charging import (
    DECK,
    FRANCE_MOBILE,
    GERMANY,
    RECEPTION,
    UK_PLAN,
    OneDeck,
    charging_with,
    eur,
    gbp,
    rate,
    request,
)
from tests.fakes.clock import START, ManualClock
from tests.fakes.ledger import MemoryLedger


@pytest.fixture
def ledger() -> MemoryLedger:
    """In memory here; tests/db/test_replay.py gives the same tests real databases."""
    return MemoryLedger()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def charging(ledger: MemoryLedger, clock: ManualClock) -> Charging:
    return charging_with(ledger, clock=clock)


async def fill(charging: Charging, amount: str) -> None:
    await charging.top_up("main", amount=gbp(amount), key=f"fill-{amount}", actor="test", reason="")


async def test_a_paid_call_is_told_its_price_its_balance_and_what_is_reserved(
    charging: Charging,
) -> None:
    await fill(charging, "5.00")
    authorised = await charging.authorise(request("c1"))
    assert isinstance(authorised, PaidAuthorisation)
    assert authorised.call_id == "c1"
    assert authorised.office_id == "main"
    assert authorised.extension == "Reception"
    assert authorised.language == "en"
    assert authorised.number.digits == "33612345678"
    assert authorised.number.dial_string == "33612345678"
    assert authorised.destination == "France mobile"
    assert authorised.category is Category.PAID
    assert authorised.reason == "UK plan does not include mobiles in FR"
    assert authorised.rate == rate("0.10")
    assert authorised.reserved == gbp("0.10")
    assert authorised.funded_s == 60
    assert authorised.balance == gbp("5.00")
    balances = await charging.balance("main")
    assert (balances.available, balances.reserved) == (gbp("4.90"), gbp("0.10"))


async def test_an_included_call_needs_no_money_and_no_database(
    charging: Charging, ledger: MemoryLedger
) -> None:
    ledger.away = True
    for dialled in ("02079460000", "08001234567", "999"):
        authorised = await charging.authorise(request("c1", dialled))
        assert isinstance(authorised, UnmeteredAuthorisation)
    assert not ledger.calls


async def test_emergency_calls_are_authorised_for_whoever_dials(charging: Charging) -> None:
    authorised = await charging.authorise(request("c1", "999", endpoint="stranger"))
    assert authorised.category is Category.EMERGENCY
    assert authorised.number.dial_string == "999"


async def test_what_may_not_be_called_is_refused_and_nothing_is_reserved(
    charging: Charging, ledger: MemoryLedger
) -> None:
    await fill(charging, "5.00")
    for dialled, refusal in (
        ("0033&PJSIP/x@trunk", InvalidNumber),
        ("0012025550123", NoRateForDestination),
        ("+881612345678", DestinationBarred),
    ):
        with pytest.raises(refusal):
            await charging.authorise(request("c1", dialled))
    with pytest.raises(UnknownExtension):
        await charging.authorise(request("c1", endpoint="stranger"))
    assert not ledger.calls


async def test_a_phone_that_is_switched_off_calls_nobody(ledger: Ledger) -> None:
    off = replace(RECEPTION, enabled=False)
    charging = charging_with(ledger, extensions=[off])
    with pytest.raises(ExtensionNotAllowed):
        await charging.authorise(request("c1", "02079460000"))


async def test_a_call_that_the_balance_cannot_begin_is_refused(charging: Charging) -> None:
    await fill(charging, "0.09")
    with pytest.raises(InsufficientBalance) as refusal:
        await charging.authorise(request("c1"))
    assert refusal.value.available == gbp("0.09")
    assert refusal.value.needed == gbp("0.10")
    assert refusal.value.code == "insufficient_balance"


async def test_a_paid_call_is_refused_while_no_deck_could_be_read(ledger: Ledger) -> None:
    charging = charging_with(ledger, decks=OneDeck(None))
    with pytest.raises(ChargingUnavailable):
        await charging.authorise(request("c1"))


async def test_a_call_is_debited_increment_by_increment_and_settled_once(
    charging: Charging,
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    answered = await charging.answered("c1", leg="o1", answered_at=START)
    assert (answered.amount, answered.funded_s) == (gbp("0.10"), 60)
    reserved = await charging.reserve("c1", interval=1)
    assert (reserved.amount, reserved.funded_s) == (gbp("0.10"), 120)
    assert reserved.available == gbp("4.80")
    debited = await charging.debit("c1", interval=1)
    assert (debited.amount, debited.funded_s) == (gbp("0.10"), 120)
    assert debited.available == gbp("4.80")
    settled = await charging.settle("c1", talk_s=75, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.20")
    assert settled.released == gbp("0")
    assert (settled.talk_s, settled.billable_s, settled.increments) == (75, 120, 2)
    assert settled.available == gbp("4.80")
    assert not settled.already
    again = await charging.settle("c1", talk_s=90, ended_at=START, hangup_cause=0)
    assert again == replace(settled, already=True)


async def test_what_was_reserved_and_not_used_is_released(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    await charging.reserve("c1", interval=1)
    settled = await charging.settle("c1", talk_s=59, ended_at=START, hangup_cause=16)
    assert (settled.charged, settled.released) == (gbp("0.10"), gbp("0.10"))
    assert settled.available == gbp("4.90")


async def test_a_call_nobody_answers_costs_nothing(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1", GERMANY))
    settled = await charging.settle("c1", talk_s=0, ended_at=START, hangup_cause=17)
    assert (settled.charged, settled.released) == (gbp("0"), gbp("0.08"))
    assert (settled.billable_s, settled.increments) == (0, 0)
    assert (await charging.balance("main")).available == gbp("5.00")


async def test_an_answered_call_counts_as_at_least_one_second(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    settled = await charging.settle("c1", talk_s=0, ended_at=START, hangup_cause=16)
    assert (settled.talk_s, settled.charged) == (1, gbp("0.10"))


async def test_talk_time_is_never_negative(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    with pytest.raises(ValueError, match="talk_s is -1"):
        await charging.settle("c1", talk_s=-1, ended_at=START, hangup_cause=16)


async def test_increments_that_came_late_are_charged_at_the_end(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1", GERMANY))
    settled = await charging.settle("c1", talk_s=65, ended_at=START, hangup_cause=16)
    # 0.05 on answer, then 30 + 6 * 6 seconds at 0.001 each
    assert (settled.charged, settled.increments) == (gbp("0.116"), 7)
    assert settled.available == gbp("4.884")


async def test_settling_never_takes_more_than_there_is(charging: Charging) -> None:
    await fill(charging, "0.15")
    await charging.authorise(request("c1"))
    settled = await charging.settle("c1", talk_s=600, ended_at=START, hangup_cause=16)
    assert (settled.charged, settled.available) == (gbp("0.15"), gbp("0"))


async def test_an_increment_debited_at_its_very_beginning_is_given_back_if_talk_ended_there(
    charging: Charging,
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    await charging.reserve("c1", interval=1)
    await charging.debit("c1", interval=1)
    settled = await charging.settle("c1", talk_s=60, ended_at=START, hangup_cause=16)
    assert (settled.charged, settled.available) == (gbp("0.10"), gbp("4.90"))


async def test_the_next_increment_is_refused_when_the_money_is_gone_and_tried_again_after_a_refill(
    charging: Charging,
) -> None:
    await fill(charging, "0.15")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    with pytest.raises(InsufficientBalance):
        await charging.reserve("c1", interval=1)
    await fill(charging, "1.00")
    assert (await charging.reserve("c1", interval=1)).funded_s == 120


async def test_every_step_may_be_repeated_and_changes_nothing(
    charging: Charging, ledger: MemoryLedger
) -> None:
    await fill(charging, "5.00")
    authorised = await charging.authorise(request("c1"))
    assert await charging.authorise(request("c1")) == authorised
    answered = await charging.answered("c1", leg="o1", answered_at=START)
    assert await charging.answered("c1", leg="o1", answered_at=START) == answered
    assert await charging.authorise(request("c1")) == authorised
    reserved = await charging.reserve("c1", interval=1)
    assert await charging.reserve("c1", interval=1) == reserved
    debited = await charging.debit("c1", interval=1)
    assert await charging.debit("c1", interval=1) == debited
    assert await charging.debit("c1", interval=0) == replace(answered, available=gbp("4.80"))
    await charging.settle("c1", talk_s=100, ended_at=START, hangup_cause=16)
    entries = dict(ledger.entries)
    await charging.reserve("c1", interval=1)
    await charging.debit("c1", interval=1)
    await charging.answered("c1", leg="o1", answered_at=START)
    await charging.settle("c1", talk_s=100, ended_at=START, hangup_cause=16)
    assert ledger.entries == entries
    assert set(entries) == {
        *("top-up:main:fill-5.00", "call:c1:reserve:0", "call:c1:debit:0"),
        *("call:c1:reserve:1", "call:c1:debit:1"),
    }


async def test_a_key_that_names_something_else_is_a_fault(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    with pytest.raises(EntryKeyReused):
        await charging.authorise(request("c1", GERMANY))
    with pytest.raises(EntryKeyReused):
        await charging.authorise(request("c1", channel="another"))
    await charging.answered("c1", leg="o1", answered_at=START)
    with pytest.raises(EntryKeyReused):  # a second Dial() in the admin's own dialplan
        await charging.answered("c1", leg="o2", answered_at=START)
    with pytest.raises(EntryKeyReused):
        await charging.top_up("main", amount=gbp("6"), key="fill-5.00", actor="test", reason="")


async def test_an_answer_recorded_after_the_first_debit_debits_nothing_more(
    charging: Charging,
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.authorise(request("c2"))
    await charging.debit("c1", interval=0)
    answered = await charging.answered("c1", leg="o1", answered_at=START)
    assert (answered.amount, answered.funded_s) == (gbp("0.10"), 60)
    assert (await charging.balance("main")).reserved == gbp("0.10")
    assert [call.leg for call in await charging.open_calls("pbx")] == ["o1", None]


async def test_intervals_are_reserved_and_debited_in_order(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.answered("c1", leg="o1", answered_at=START)
    with pytest.raises(IntervalNotReserved):
        await charging.reserve("c1", interval=2)
    with pytest.raises(IntervalNotReserved):
        await charging.debit("c1", interval=1)


async def test_debit_that_could_not_be_written_when_it_was_due_is_made_up_for_by_the_next(
    charging: Charging,
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.reserve("c1", interval=1)
    await charging.reserve("c1", interval=2)
    debited = await charging.debit("c1", interval=2)  # of neither 0 nor 1 was there one
    assert (debited.amount, debited.funded_s) == (gbp("0.10"), 180)
    assert (await charging.balance("main")).reserved == gbp("0")
    for interval in range(3):  # as each of them may be sent again now
        await charging.debit("c1", interval=interval)
    await charging.answered("c1", leg="o1", answered_at=START)
    (call,) = await charging.open_calls("pbx")
    assert (call.leg, call.debited_intervals) == ("o1", 3)
    settled = await charging.settle("c1", talk_s=121, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.30")


async def test_nothing_new_happens_to_a_settled_or_an_unknown_call(charging: Charging) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    await charging.settle("c1", talk_s=0, ended_at=START, hangup_cause=0)
    with pytest.raises(CallSettled):
        await charging.answered("c1", leg="o1", answered_at=START)
    with pytest.raises(CallSettled):
        await charging.reserve("c1", interval=1)
    with pytest.raises(CallSettled):
        await charging.debit("c1", interval=0)
    with pytest.raises(CallSettled):
        await charging.authorise(request("c1"))
    with pytest.raises(UnknownCall):
        await charging.settle("c2", talk_s=0, ended_at=START, hangup_cause=0)


async def test_open_calls_are_listed_for_recovery(charging: Charging, clock: ManualClock) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    clock.advance(10)
    await charging.authorise(request("c2", GERMANY))
    await charging.answered("c2", leg="o2", answered_at=clock.now())
    await charging.reserve("c2", interval=1)
    clock.advance(10)
    await charging.authorise(request("c3"))
    await charging.settle("c3", talk_s=0, ended_at=START, hangup_cause=0)
    first, second = await charging.open_calls("pbx")
    assert (first.call_id, first.leg, first.answered_at) == ("c1", None, None)
    assert first.caller_channel == "channel-of-c1"
    assert (first.reserved_intervals, first.debited_intervals, first.funded_s) == (1, 0, 60)
    assert (second.call_id, second.leg) == ("c2", "o2")
    assert second.answered_at == START + timedelta(seconds=10)
    assert (second.reserved_intervals, second.debited_intervals, second.funded_s) == (2, 1, 36)
    assert second.dial_string == "49301234567"
    assert await charging.open_calls("another-pbx") == []


async def test_a_running_call_keeps_its_price_when_deck_and_plan_change(
    ledger: Ledger,
) -> None:
    decks = OneDeck(DECK)
    charging = charging_with(ledger, decks=decks)
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    decks.current = None
    assert (await charging.reserve("c1", interval=1)).amount == gbp("0.10")
    settled = await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.20")


async def test_a_phone_speaks_its_own_language_or_its_offices(ledger: Ledger) -> None:
    french = replace(RECEPTION, endpoint="1002", number="1002", language="fr")
    charging = charging_with(ledger, extensions=[RECEPTION, french])
    await fill(charging, "1")
    assert (await charging.authorise(request("c1"))).language == "en"
    assert (await charging.authorise(request("c2", endpoint="1002"))).language == "fr"


async def test_a_top_up_must_be_positive_and_of_the_offices_currency(charging: Charging) -> None:
    with pytest.raises(ValueError, match="positive"):
        await charging.top_up("main", amount=gbp("0"), key="k", actor="test", reason="")
    with pytest.raises(CurrencyMismatch):
        await charging.top_up("main", amount=eur("5"), key="k", actor="test", reason="")


async def test_offices_do_not_share_money(ledger: Ledger) -> None:
    other = replace(RECEPTION, endpoint="2001", office_id="branch")
    charging = charging_with(ledger, extensions=[RECEPTION, other], plan=UK_PLAN)
    await fill(charging, "5.00")
    with pytest.raises(InsufficientBalance):
        await charging.authorise(request("c1", FRANCE_MOBILE, endpoint="2001"))
    assert (await charging.balance("branch")).available == gbp("0")
