"""Takes calls from Asterisk, gives each its task, and brings every event to the right one."""

import asyncio
import secrets
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from ari_app.call_task import CallTask, Services
from ari_app.caller_channel import CallerChannel
from ari_app.events import CallEvent, CallOffered, WhisperOpened, parse
from ari_app.messages import (
    ChannelEnded,
    Event,
    EventsLost,
    HangUpRequested,
    LegAnswered,
    LegDialled,
    LegFailed,
    Reminder,
    WhisperReady,
)
from charging.evidence import EndUnproved
from charging.unpaid_calls import OVERLOAD
from charging.usecases import CallRequest

log = structlog.get_logger()

TOLD_AT_ONCE = 32  # legs, after AMI was away
NOBODY = ""  # no extension has this endpoint, and an emergency call needs none
RESUMED_AFTER_S = 5.0  # so that a defect that comes back does not keep the application busy
SWITCHING_EQUIPMENT_CONGESTION = 42  # Q.850: try again later


@dataclass(frozen=True, slots=True)
class Since:
    """Channels that asked for a call, or ended, known here or not."""

    offered: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class Driver:
    def __init__(self, services: Services, *, asterisk: str, live_calls_max: int) -> None:
        self._services = services
        self._asterisk = asterisk
        self._live_calls_max = live_calls_max
        self._by_call: dict[str, CallTask] = {}
        self._by_channel: dict[str, CallTask] = {}
        self._channels: dict[str, set[str]] = {}  # of a call, by call id
        self._running: set[asyncio.Task[None]] = set()
        self._failed_at_s: dict[str, float] = {}  # by call id
        self._since: Since | None = None

    def take(self, message: Mapping[str, Any]) -> None:
        """Handle one raw ARI event without waiting for anything."""
        try:
            parsed = parse(message)
        except ValueError as error:
            log.error("unreadable_event", error=str(error))
            return
        match parsed:
            case CallOffered():
                self.offer(parsed)
            case CallEvent(channel, event):
                self._route(channel, self._timed(event))
            case WhisperOpened(call_id, channel):
                self._open_whisper(call_id, channel)
            case None:
                pass

    def remind(self, call_id: str, event: Reminder) -> None:
        task = self._by_call.get(call_id)
        if task is not None:
            task.deliver(event)

    def hang_up(self, call_id: str) -> bool:
        """Ask a call to end; whether it is carried here."""
        task = self._by_call.get(call_id)
        if task is None:
            return False
        task.deliver(HangUpRequested())
        return True

    def tell(self, task: CallTask, event: Event) -> None:
        """Deliver what happened to a call; from its first mention on, its leg is known here."""
        if not self.carries(task.call.call_id):
            return  # it came to its end meanwhile
        if isinstance(event, LegDialled | LegAnswered):
            self._know(task, event.leg)
        task.deliver(event)

    def note_events_lost(self) -> None:
        """The connection is gone. Told before any event of the next one: it may be a call's end."""
        for task in self.tasks():
            task.deliver(EventsLost())

    def adopt(self, task: CallTask) -> None:
        """Carry a call, be it new or resumed."""
        self._by_call[task.call.call_id] = task
        self._channels[task.call.call_id] = set()
        for channel in task.channels:
            self._know(task, channel)
        self._start(self._carry(task))

    def carries(self, call_id: str) -> bool:
        return call_id in self._by_call

    @contextmanager
    def noting_changes(self) -> Iterator["Since"]:
        """What has changed since the block began, for somebody whose listing grows old."""
        self._since = since = Since()
        try:
            yield since
        finally:
            self._since = None

    def failed_lately(self, call_id: str) -> bool:
        """A defect ended its task a moment ago: the next sweep but this resumes it."""
        now_s = asyncio.get_running_loop().time()
        for failed, at_s in tuple(self._failed_at_s.items()):
            if now_s - at_s > RESUMED_AFTER_S:
                del self._failed_at_s[failed]
        return call_id in self._failed_at_s

    def knows(self, channel: str) -> bool:
        return channel in self._by_channel

    @property
    def live_calls(self) -> int:
        return len(self._by_call)

    async def extend_timeouts(self, *, pending_only: bool = False) -> None:
        """After AMI was away: tell Asterisk again how long every leg is paid for.

        Side by side, so that one slow answer keeps nobody waiting; the soonest to end first.
        """
        wanted = (task for task in self.tasks() if task.limit_pending or not pending_only)
        waiting = iter(sorted(wanted, key=lambda task: task.ends_at_s))

        async def tell() -> None:
            for task in waiting:
                await task.extend_timeout()

        async with asyncio.TaskGroup() as tellers:
            for _ in range(TOLD_AT_ONCE):
                tellers.create_task(tell())

    async def close(self) -> None:
        """End every task, before the ledger and AMI close: the next application resumes them."""
        self._services.meter.stop()
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def tasks(self) -> Sequence[CallTask]:
        return tuple(self._by_call.values())

    def offer(self, offered: CallOffered) -> None:
        """Carry a new call, or turn it away where there are too many."""
        if self._since is not None:
            self._since.offered.add(offered.channel)
        earlier = self._by_channel.get(offered.channel)
        if earlier is not None:  # somebody redirected the caller out of a call and into another
            now_ms = self._services.ari.clock.now_ms()
            earlier.deliver(ChannelEnded(channel=offered.channel, at_ms=now_ms, hangup_cause=0))
        forwarded = offered.forwarded
        if forwarded and not self._services.settings.forwarded_calls:
            log.warning("forwarded_call_not_allowed", payer=offered.endpoint)
        payer_counts = not forwarded or self._services.settings.forwarded_calls
        request = CallRequest(
            call_id=new_call_id(),
            endpoint=offered.endpoint if payer_counts else NOBODY,
            dialled=offered.dialled,
            caller_channel=offered.channel,
            asterisk=self._asterisk,
            language=offered.chosen_language,
        )
        if len(self._by_call) >= self._live_calls_max:
            self._services.unpaid.refused(request, OVERLOAD)
            self._start(self._turn_away(offered))
            return
        services = self._services
        language = services.charging.language_for(request, asterisk=offered.language)
        self.adopt(CallTask(request, language=language, services=services, forwarded=forwarded))

    def _timed(self, event: Event) -> Event:
        """When it happened, whoever set a clock, and whether Asterisk ran then."""
        clock, measured = self._services.ari.clock, self._services.measured
        match event:
            case LegAnswered(at_ms=at_ms):
                answered_ms = clock.read(at_ms)
                measured.event_read((clock.now_ms() - answered_ms) / 1000)
                return replace(event, at_ms=answered_ms)
            case ChannelEnded(at_ms=at_ms):
                ended_ms = clock.read(at_ms)
                measured.event_read((clock.now_ms() - ended_ms) / 1000)
                earliest_ms = clock.may_have_been_ms(ended_ms)
                if earliest_ms is None:
                    return replace(event, at_ms=ended_ms)
                return replace(event, at_ms=earliest_ms, unproved=EndUnproved.ASTERISK_STOPPED)
            case _:
                return event

    def _route(self, channel: str, event: Event) -> None:
        if self._since is not None and isinstance(event, ChannelEnded):
            self._since.ended.add(channel)
        task = self._by_channel.get(channel)
        if task is None:
            return  # not a call of ours, or one that is over
        if isinstance(event, LegDialled | LegAnswered | LegFailed) and channel != task.call.caller:
            return  # transferred, the carrier's leg itself rings another phone; it stays charged
        self.tell(task, event)

    def _open_whisper(self, call_id: str, channel: str) -> None:
        task = self._by_call.get(call_id)
        if task is None:  # the call ended first, and its channel takes this one along
            return
        self._know(task, channel)
        task.deliver(WhisperReady(channel))

    def _know(self, task: CallTask, channel: str) -> None:
        self._by_channel[channel] = task
        self._channels[task.call.call_id].add(channel)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        """Keep a reference: the event loop alone would let a task be collected half-way."""
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _carry(self, task: CallTask) -> None:
        try:
            await task.run()
        except Exception:  # nothing above a task would see the defect
            log.exception("call_task_failed", call_id=task.call.call_id)
            self._failed_at_s[task.call.call_id] = asyncio.get_running_loop().time()
            await task.let_go()
        finally:
            del self._by_call[task.call.call_id]
            for channel in self._channels.pop(task.call.call_id):
                if self._by_channel.get(channel) is task:  # a later call may have the caller now
                    del self._by_channel[channel]

    async def _turn_away(self, offered: CallOffered) -> None:
        log.error("call_refused", code=OVERLOAD, live_calls=len(self._by_call))
        channel = CallerChannel(
            offered.channel,
            call_id="",
            ari=self._services.ari,
            ami=self._services.ami,
            log=log,
        )
        await channel.refuse(SWITCHING_EQUIPMENT_CONGESTION)


def new_call_id() -> str:
    """32 hexadecimal digits: nanoseconds since 1970, then chance.

    Ids that grow with time keep the database's work on the newest pages of its indexes; ids of
    chance alone made one transaction in a hundred wait more than twice as long (docs/adr/0002).
    """
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"
