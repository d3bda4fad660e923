"""One phone, a carrier and a ledger in memory: the driver with everything real but the sockets."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
from pydantic import SecretStr

from ari_app.ami import Ami
from ari_app.call_task import UNMEASURED, CallTask, Services
from ari_app.driver import Driver
from ari_app.messages import LegAnswered, LegDialled, Reminder
from ari_app.meter import Meter
from ari_app.metrics import CallCounts, CountedNotes
from ari_app.refill_wait import RefillWait
from bench.recorded import WillingAri
from charging.usecases import Charging
from settings import AriSettings, CallSettings
from tests.fakes.charging import FRANCE_MOBILE, charging_with, gbp
from tests.fakes.ledger import MemoryLedger
from tests.fakes.unpaid import NotedUnpaidCalls

ASTERISK, CALLER, LEG = "pbx", "pbx-1.1", "pbx-1.2"
Message = Mapping[str, Any]


class RecordingAri(WillingAri):
    """Says yes, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(
            cast(aiohttp.ClientSession, None), AriSettings(password=SecretStr("secret"))
        )
        self.asked: list[tuple[str, str]] = []

    async def _exchange(self, request: dict[str, Any]) -> Message:
        self.asked.append((request["method"], request["uri"]))
        return await super()._exchange(request)

    @property
    def hung_up(self) -> list[str]:
        prefix = "channels/"
        return [uri.removeprefix(prefix) for method, uri in self.asked if method == "DELETE"]


class RecordingAmi(Ami):
    """Says yes, and remembers for how long each leg was let on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ends_at_s: list[float] = []

    async def end_at(self, channel: str, *, at_s: float) -> None:
        self.asked.append(f"AbsoluteTimeout {channel}")
        self.ends_at_s.append(at_s)

    async def set_variable(self, channel: str, *, name: str, value: str) -> None:
        del value
        self.asked.append(f"Setvar {channel} {name}")


class OfficeOfOne:
    def __init__(
        self, *, charging: Charging | None = None, counts: CallCounts | None = None
    ) -> None:
        self.ledger = MemoryLedger()
        self.charging = charging or charging_with(self.ledger)
        self.unpaid = NotedUnpaidCalls()
        self.ari = RecordingAri()
        self.ami = RecordingAmi()
        self.reminders: list[Reminder] = []
        self.driver = Driver(
            Services(
                ari=self.ari,
                ami=self.ami,
                charging=self.charging,
                meter=Meter(self._remind),
                settings=CallSettings(),
                unpaid=self.unpaid if counts is None else CountedNotes(self.unpaid, counts),
                measured=counts or UNMEASURED,
                refill_wait=RefillWait(self.charging.money_news),
                look_for_missed=lambda: None,
            ),
            asterisk=ASTERISK,
            live_calls_max=10,
        )

    def _remind(self, call_id: str, event: Reminder) -> None:
        self.reminders.append(event)
        self.driver.remind(call_id, event)

    async def dial(self, dialled: str = FRANCE_MOBILE) -> None:
        await self.charging.top_up("main", amount=gbp("500"), key="fill", actor="test", reason="")
        channel = {"id": CALLER, "language": "en"}
        args = ["outbound", "1001", dialled]
        self.driver.take({"type": "StasisStart", "channel": channel, "args": args})
        await settle_down()

    async def talk(self, *, since: timedelta = timedelta()) -> CallTask:
        """Dial, hear the balance, and be answered `since` ago."""
        await self.dial()
        (task,) = self.driver.tasks()
        self.played()
        await settle_down()
        await self.talk_on(task, since=since)
        return task

    async def talk_on(self, task: CallTask, *, since: timedelta = timedelta()) -> None:
        answered = datetime.now(UTC) - since
        self.driver.tell(task, LegDialled(LEG))
        self.driver.tell(task, LegAnswered(leg=LEG, at_ms=round(answered.timestamp() * 1000)))
        await settle_down()

    def played(self, state: str = "done") -> None:
        (call,) = self.driver.tasks()
        playback = {
            "id": f"{call.call.call_id}-prompt",
            "target_uri": f"channel:{CALLER}",
            "state": state,
        }
        self.driver.take({"type": "PlaybackFinished", "playback": playback})

    def open_whisper(self, task: CallTask, channel: str) -> None:
        args = ["whisper", task.call.call_id]
        self.driver.take({"type": "StasisStart", "channel": {"id": channel}, "args": args})

    def whispered(self, channel: str) -> None:
        playback = {"id": channel, "target_uri": f"channel:{channel}", "state": "done"}
        self.driver.take({"type": "PlaybackFinished", "playback": playback})

    async def end(self, channel: str, *, at: datetime | None = None) -> None:
        moment = at or datetime.now(UTC)
        self.driver.take(
            {
                "type": "ChannelDestroyed",
                "channel": {"id": channel},
                "timestamp": moment.isoformat(timespec="milliseconds"),
                "cause": 16,
            }
        )
        await settle_down()


async def settle_down() -> None:
    """Let every task go as far as it can: nothing here waits for the outside."""
    for _ in range(40):
        await asyncio.sleep(0)
