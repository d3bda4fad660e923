"""Coming back to a call that was dialled meanwhile, over the real charging and ledger rules."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ari_app.ari import Ari
from ari_app.call_task import Services
from ari_app.clock import AsteriskClock, Stop
from ari_app.driver import Driver
from ari_app.flow import State
from ari_app.messages import Reminder
from ari_app.meter import Meter
from ari_app.recovery import Recovery, as_proved, settlement
from ari_app.refill_wait import RefillWait
from bench.recorded import WillingAmi
from charging.evidence import EndUnproved
from charging.money import Money
from settings import CallSettings
from telephony.cel import Leg, LegLog, Legs
from tests.fakes.charging import FRANCE_MOBILE, charging_with, gbp, request
from tests.fakes.clock import ManualClock
from tests.fakes.ledger import MemoryLedger
from tests.fakes.unpaid import NotedUnpaidCalls

ASTERISK, CALLER, LEG = "pbx", "pbx-1.1", "pbx-1.2"


class OneAsterisk:
    """Lists the channels that it is told to; in Dial(), none of them in Stasis."""

    app_name = "tollgate"

    def __init__(self) -> None:
        self.live: tuple[str, ...] = (CALLER, LEG)
        self.waiting: tuple[str, ...] = ()  # in Stasis, for us
        self.lost_at_ms: int | None = None
        self.asked: list[str] = []
        self.clock = AsteriskClock()

    async def channels(self) -> Sequence[Mapping[str, Any]]:
        in_dial = {"app_name": "Dial", "app_data": ""}
        waits = {"app_name": "Stasis", "app_data": f"tollgate,outbound,1001,{FRANCE_MOBILE}"}
        return [
            *({"id": channel, "dialplan": in_dial} for channel in self.live),
            *({"id": c, "language": "en", "dialplan": waits} for c in self.waiting),
        ]

    async def continue_in_dialplan(self, channel: str, *, context: str, extension: str) -> None:
        self.asked.append(f"continue {channel} {context} {extension}")

    async def progress(self, channel: str) -> None:
        self.asked.append(f"progress {channel}")

    async def play(self, channel: str, **_: str) -> None:
        self.asked.append(f"play {channel}")


class Office:
    """One call that was authorised a minute ago and is dialled, and an application that is new."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC)
        self.answered = self.now - timedelta(seconds=10)
        self.ledger = MemoryLedger()
        self.asterisk = OneAsterisk()
        self._legs = folder / "legs.json"
        self._legs.touch()
        self.clock = ManualClock(self.now - timedelta(minutes=1))
        self._charging = charging_with(self.ledger, clock=self.clock)
        services = Services(
            ari=cast(Ari, self.asterisk),
            ami=WillingAmi(),
            charging=self._charging,
            meter=Meter(self._remind),
            settings=CallSettings(),
            unpaid=NotedUnpaidCalls(),
            refill_wait=RefillWait(self._charging.money_news),
            look_for_missed=lambda: None,  # a test says itself when there is another look
        )
        self.driver = Driver(services, asterisk=ASTERISK, live_calls_max=10)
        self._recovery = Recovery(services, self.driver, asterisk=ASTERISK, cel_file=self._legs)

    def _remind(self, call_id: str, event: Reminder) -> None:
        self.driver.remind(call_id, event)

    async def dial(self, call_id: str = "c1", *, caller: str = CALLER) -> None:
        await self._charging.top_up("main", amount=gbp("10"), key=call_id, actor="test", reason="")
        await self._charging.authorise(request(call_id, FRANCE_MOBILE, channel=caller))

    async def look(self) -> None:
        await self._recovery.run()
        await settle_down()

    def log(self, kind: str, channel: str, at: datetime, *, caller: str = CALLER) -> None:
        """As Asterisk writes it down, some moments after it happened."""
        event = {"eventtype": kind, "eventtime": str(at.timestamp()), "uniqueid": channel}
        with self._legs.open("a", encoding="utf-8") as log:
            log.write(json.dumps(event | {"linkedid": caller}) + "\n")

    async def end(self, channel: str, at: datetime) -> None:
        self.asterisk.live = tuple(c for c in self.asterisk.live if c != channel)
        self.driver.take(
            {
                "type": "ChannelDestroyed",
                "channel": {"id": channel},
                "timestamp": at.isoformat(timespec="milliseconds"),
                "cause": 16,
            }
        )
        await settle_down()

    def charged(self, call_id: str = "c1") -> Money:
        return self.ledger.calls[call_id].debited


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def settle_down() -> None:
    """Let every task go as far as it can: nothing here waits for the outside."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def office(tmp_path: Path) -> Office:
    office = Office(tmp_path)
    await office.dial()
    await office.look()  # the log does not say yet that the leg was answered, and no event will
    assert office.driver.carries("c1")
    return office


async def test_answer_that_came_unseen_is_charged_though_the_caller_left_at_once(
    office: Office,
) -> None:
    ended = office.answered + timedelta(milliseconds=706)
    await office.end(LEG, ended)
    await office.end(CALLER, ended)
    assert not office.driver.carries("c1")
    office.log("ANSWER", LEG, office.answered)
    office.log("HANGUP", LEG, ended)
    await office.look()
    assert office.ledger.calls["c1"].settled_at is not None
    assert office.charged() == gbp("0.10")


async def test_first_event_of_a_new_connection_ends_no_call_whose_answer_came_unseen(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    office.asterisk.live, office.asterisk.waiting = (), (CALLER,)
    await office.dial()
    await office.look()
    (task,) = office.driver.tasks()
    assert task.call.state is State.DIALLING
    office.asterisk.lost_at_ms = ms(office.answered)
    office.driver.note_events_lost()
    office.asterisk.waiting = ()
    await office.end(CALLER, office.now)  # before there was time to ask Asterisk for anything
    assert office.ledger.calls["c1"].settled_at is None
    office.log("ANSWER", LEG, office.answered)
    office.log("HANGUP", LEG, office.now)
    await office.look()
    assert office.charged() == gbp("0.10")


async def test_answer_that_came_unseen_is_metered_as_soon_as_the_log_tells_of_it(
    office: Office,
) -> None:
    office.log("ANSWER", LEG, office.answered)
    await office.look()
    (task,) = office.driver.tasks()
    assert task.call.state is State.TALKING
    assert office.charged() == gbp("0.10")
    await office.end(LEG, office.answered + timedelta(seconds=61))
    assert office.charged() == gbp("0.20")


async def test_end_of_a_leg_that_was_found_talking_is_heard_when_it_is_told(
    tmp_path: Path,
) -> None:
    """Not a second or two later, when somebody misses it: until then increments are debited."""
    office = Office(tmp_path)
    await office.dial()
    office.log("ANSWER", LEG, office.answered)
    await office.look()
    (task,) = office.driver.tasks()
    assert task.call.state is State.TALKING
    await office.end(LEG, office.answered + timedelta(seconds=11))
    assert office.ledger.calls["c1"].settled_at is not None
    assert office.charged() == gbp("0.10")


async def test_end_that_asterisk_has_not_written_down_yet_is_waited_for(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.asterisk.live = ()
    await office.dial()
    office.log("ANSWER", LEG, office.answered)
    await office.look()
    assert office.ledger.calls["c1"].settled_at is None
    office.log("HANGUP", LEG, office.answered + timedelta(seconds=9))
    await office.look()
    record = office.ledger.calls["c1"]
    assert (record.talk_s, record.end_unproved) == (9, None)


async def test_end_that_nobody_ever_writes_down_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path)
    office.asterisk.live = ()
    await office.dial()
    office.log("ANSWER", LEG, office.answered)
    await office.look()
    monkeypatch.setattr("ari_app.recovery.WRITTEN_WITHIN_S", 0)
    await office.look()
    assert office.ledger.calls["c1"].end_unproved is EndUnproved.NO_RECORD


async def test_end_that_nobody_saw_is_waited_for_until_asterisk_has_written_it_down(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was lost 20 s into the call, and is back a moment after its end."""
    monkeypatch.setattr("ari_app.recovery.UNDER_WAY_S", 0.001)
    office.log("ANSWER", LEG, office.answered)
    await office.look()
    office.asterisk.lost_at_ms = ms(office.answered + timedelta(seconds=20))
    office.asterisk.live = (CALLER,)
    read = LegLog.read

    def read_too_early(log: LegLog, since_ms: int) -> Legs:
        legs = read(log, since_ms)
        office.log("HANGUP", LEG, office.answered + timedelta(seconds=70))
        return legs

    monkeypatch.setattr(LegLog, "read", read_too_early)
    await office.look()
    record = office.ledger.calls["c1"]
    assert (record.talk_s, record.end_unproved) == (70, None)
    assert office.charged() == gbp("0.20")


async def test_end_that_asterisk_saw_after_a_stop_is_charged_as_if_it_had_been_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection did not outlast the stop, so the log alone says when the leg ended."""
    stopped = office.answered + timedelta(seconds=20)
    ended = office.answered + timedelta(seconds=70)
    office.log("ANSWER", LEG, office.answered)
    office.log("HANGUP", LEG, ended)
    office.asterisk.live = (CALLER,)
    stop = Stop(ms(stopped), ms(ended))
    monkeypatch.setattr(
        office.asterisk.clock,
        "may_have_been_ms",
        lambda at_ms: stop.since_ms if stop.since_ms < at_ms <= stop.until_ms else None,
    )
    await office.look()
    record = office.ledger.calls["c1"]
    assert (record.talk_s, record.end_unproved) == (20, EndUnproved.ASTERISK_STOPPED)
    assert office.charged() == gbp("0.10")


async def test_call_that_ended_in_a_stop_while_nobody_carried_it_is_charged_so_too(
    office: Office,
) -> None:
    leg = Leg(channel=LEG, call=CALLER, answered_ms=1_000, ended_ms=71_000)
    told = as_proved({CALLER: (leg,)}, lambda at_ms: 21_000 if at_ms == 71_000 else None)
    (call,) = office.ledger.calls.values()
    settle = settlement(call, told[CALLER], now_ms=80_000)
    assert (settle.talk_s, settle.unproved) == (20, EndUnproved.ASTERISK_STOPPED)


async def test_call_that_nobody_answered_costs_nothing(office: Office) -> None:
    await office.end(LEG, office.now)
    await office.end(CALLER, office.now)
    for channel in LEG, CALLER:
        office.log("HANGUP", channel, office.now)
    await office.look()
    record = office.ledger.calls["c1"]
    assert record.settled_at is not None
    assert (record.debited, record.held) == (gbp("0"), gbp("0"))


async def test_call_of_last_night_and_one_of_this_morning_are_both_settled_by_the_log(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    office.asterisk.live = ()
    for call_id, caller, leg, ago in (
        ("c1", CALLER, LEG, timedelta(hours=12)),
        ("c2", "pbx-2.1", "pbx-2.2", timedelta(minutes=3)),
    ):
        office.clock.set(office.now - ago)
        await office.dial(call_id, caller=caller)
        office.log("ANSWER", leg, office.clock.now(), caller=caller)
        office.log("HANGUP", leg, office.clock.now() + timedelta(seconds=61), caller=caller)
    await office.look()
    assert (office.charged("c1"), office.charged("c2")) == (gbp("0.20"), gbp("0.20"))


async def test_clock_that_was_set_back_while_a_call_rang_hides_no_leg(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.asterisk.live = ()
    await office.dial()
    office.log("ANSWER", LEG, office.clock.now() - timedelta(seconds=90))
    office.log("HANGUP", LEG, office.clock.now() - timedelta(seconds=29))
    await office.look()
    assert office.charged() == gbp("0.20")


WAITING = "pbx-3.1"


@pytest.mark.parametrize("in_ledger", [True, False])
async def test_caller_who_leaves_while_the_sweep_looks_is_not_authorised_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_ledger: bool
) -> None:
    """It waited in Stasis when channels were listed; its end comes before it is its turn."""
    office = Office(tmp_path)
    await office.dial("other")  # so that there is a log to be read
    office.asterisk.live = ()
    office.asterisk.waiting = (WAITING,)
    if in_ledger:
        await office.dial("c3", caller=WAITING)
    calls = set(office.ledger.calls)
    reading = Recovery._legs  # noqa: SLF001 - the wait in the middle

    async def leaves_meanwhile(recovery: Recovery, calls: Any) -> Any:
        await office.end(WAITING, office.now)
        return await reading(recovery, calls)

    monkeypatch.setattr(Recovery, "_legs", leaves_meanwhile)
    await office.look()
    assert set(office.ledger.calls) == calls
    assert not office.driver.knows(WAITING)
    assert office.asterisk.asked == []


async def test_caller_who_is_heard_while_the_sweep_looks_is_not_heard_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path)
    await office.dial("other")
    office.asterisk.live = ()
    office.asterisk.waiting = (WAITING,)
    reading = Recovery._legs  # noqa: SLF001 - the wait in the middle

    async def heard_meanwhile(recovery: Recovery, calls: Any) -> Any:
        channel = {"id": WAITING, "language": "en"}
        args = ["outbound", "1001", "02079460000"]  # included: over as soon as it is passed on
        office.driver.take({"type": "StasisStart", "channel": channel, "args": args})
        await settle_down()
        return await reading(recovery, calls)

    monkeypatch.setattr(Recovery, "_legs", heard_meanwhile)
    await office.look()
    assert office.asterisk.asked == [f"continue {WAITING} tollgate-included 442079460000"]
