"""Coming back: every call that is open in the ledger is matched with what Asterisk knows of it.

At start-up, after a lost connection, and on a timer. Live calls are resumed; ended ones are
settled from Asterisk's own log of each leg. A failed listing is an error, never "no calls".
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from ari_app.call_billing import Terms, schedule_of
from ari_app.call_task import CallTask, Services
from ari_app.driver import Driver, Since
from ari_app.events import CallOffered, waiting_call
from ari_app.flow import Call, State, talk_seconds
from ari_app.messages import (
    ChannelEnded,
    Event,
    FoundTalking,
    FoundUnanswered,
    LegAnswered,
    MeteringSchedule,
    PromptFinished,
    Settle,
)
from charging.errors import LedgerFault
from charging.evidence import EndUnproved
from charging.ledger import CallRecord
from charging.rates import funded_s
from charging.usecases import CallRequest
from telephony.cel import Leg, LegLog, Legs, carrier_leg, created_ms, end_of

log = structlog.get_logger()

# An authorisation under way is in the ledger before its task can say so.
SETTLED_AFTER_S = 5.0
# A leg may seem to begin before its call, where Asterisk's clock was corrected meanwhile.
CLOCK_SET_BACK_MS = 2 * 60 * 1000
OUTLIVES_BY_S = 10  # a leg its paid time, at most: what Asterisk and its timers may be late by
# Asterisk writes its log of legs beside its calls: what has just ended may not be there yet.
WRITTEN_WITHIN_S = 2.0
# Under load some call always ends while the channels are listed: its events are given this long.
UNDER_WAY_S = 0.5


Gone = Mapping[CallTask, frozenset[str]]  # channels that each call knows and Asterisk does not


class Recovery:
    def __init__(
        self, services: Services, driver: Driver, *, asterisk: str, cel_file: Path | None
    ) -> None:
        self._services = services
        self._driver = driver
        self._asterisk = asterisk
        self._log = None if cel_file is None else LegLog(cel_file)
        self._has_looked = False
        self._one_at_a_time = asyncio.Lock()  # or two would resume the same call
        self._lost_since_s: dict[str, float] = {}  # by call id, of the event loop's clock
        self._clock = services.ari.clock

    async def run(self) -> None:
        """Deliver what was missed; resume, settle or answer what no task of ours carries.

        Raises:
            AriError, AriUnavailableError, ChargingUnavailable, OSError: somebody could not be
                asked. What was done until then stands, and running again repeats nothing.
        """
        async with self._one_at_a_time:
            with self._driver.noting_changes() as since:
                await self._run(since)

    async def _run(self, since: Since) -> None:
        tasks = self._driver.tasks()  # before the listing, so that no channel is too new for it
        known = {task: task.channels for task in tasks}
        open_calls = await self._services.charging.open_calls(self._asterisk)
        lost = self._lost(open_calls, tasks)
        ari = self._services.ari
        unseen_since_ms = ari.lost_at_ms
        if self._has_looked and unseen_since_ms is None and not known and not lost:
            return
        listing = await ari.channels()
        # Before anything is waited for: a call may be over, and its channel gone on, in a moment.
        missed = self._missed_offers(listing, seen=frozenset().union(*known.values()))
        listed = {str(c["id"]): c["dialplan"]["app_name"] == "Stasis" for c in listing}
        live = without(listed, since.ended)
        gone: Gone = {task: channels - live.keys() for task, channels in known.items()}
        if any(gone.values()) and unseen_since_ms is None:
            gone = await self._still_gone(gone)
        in_doubt = any(task.call.state is State.DIALLING_UNSEEN for task in tasks)
        if lost or in_doubt or any(gone.values()) or (known and unseen_since_ms is not None):
            unseen = {} if unseen_since_ms is None else gone
            legs = await self._legs_once_written(open_calls, unseen)
            live = without(listed, since.ended)  # what was waited for took its time
            self._tell_missed(gone, legs, live, unseen_since_ms)
            await self._recover_all(lost, live, legs)
        self._offer(missed, since)
        if ari.lost_at_ms == unseen_since_ms:  # else it was lost again meanwhile
            ari.lost_at_ms = None
        self._has_looked = True

    def _lost(
        self, open_calls: Iterable[CallRecord], tasks: Iterable[CallTask]
    ) -> Sequence[CallRecord]:
        """Open calls that no task carries, neither now nor before they were listed."""
        carried = {task.call.call_id for task in (*tasks, *self._driver.tasks())}
        lost = [
            call
            for call in open_calls
            if call.call_id not in carried and not self._driver.failed_lately(call.call_id)
        ]
        self._note_lost(lost)
        return lost

    def _tell_missed(
        self, gone: Gone, legs: Legs, live: Mapping[str, bool], unseen_since_ms: int | None
    ) -> None:
        for task, channels in gone.items():
            for event in missed_events(
                task.call,
                channels,
                legs,
                live=live,
                unseen_since_ms=unseen_since_ms,
                now_ms=self._clock.now_ms(),
            ):
                self._driver.tell(task, event)

    async def _still_gone(self, gone: Gone) -> Gone:
        """Those whose end nobody told of, after what was on its way has come."""
        await asyncio.sleep(UNDER_WAY_S)
        return {task: gone[task] for task in self._driver.tasks() if task in gone}

    def _missed_offers(
        self, listing: Sequence[Mapping[str, Any]], seen: frozenset[str]
    ) -> Sequence[CallOffered]:
        """Whoever waits in Stasis, and whose StasisStart was lost with the connection.

        A call that was `seen` may be over by now, and its channel on the way out of Stasis.
        """
        waiting = (waiting_call(channel, self._services.ari.app_name) for channel in listing)
        return [
            offered
            for offered in waiting
            if offered and offered.channel not in seen and not self._driver.knows(offered.channel)
        ]

    def _offer(self, missed: Iterable[CallOffered], since: Since) -> None:
        """None twice: not who was resumed from the ledger, or offered and gone on, or has left."""
        for offered in missed:
            if self._driver.knows(offered.channel):
                continue
            if offered.channel in since.offered | since.ended:
                continue
            log.info("stasis_start_missed", channel=offered.channel)
            self._driver.offer(offered)

    async def _recover_all(
        self, lost: Iterable[CallRecord], live: Mapping[str, bool], legs: Legs
    ) -> None:
        for call in lost:
            try:
                await self._recover(call, live, legs.get(call.caller_channel, ()))
            except LedgerFault as error:  # a defect of one call must not keep the others waiting
                log.error("call_not_recovered", call_id=call.call_id, error=str(error))

    async def _legs_once_written(self, open_calls: Sequence[CallRecord], unseen: Gone) -> Legs:
        """With the ends that only they can tell of, unless Asterisk writes these down too late."""
        clock = asyncio.get_running_loop().time
        until_s = clock() + WRITTEN_WITHIN_S
        legs = await self._legs(open_calls)
        while self._log is not None and are_missing(unseen, legs) and clock() < until_s:
            await asyncio.sleep(UNDER_WAY_S)
            legs = await self._legs(open_calls)
        return legs

    async def _legs(self, open_calls: Iterable[CallRecord]) -> Legs:
        """The legs of open calls, and of those that were opened since these were listed."""
        if self._log is None:
            return {}
        since_ms = min(map(began_ms, open_calls), default=self._clock.now_ms()) - CLOCK_SET_BACK_MS
        try:
            legs = await asyncio.to_thread(self._log.read, since_ms)
        except FileNotFoundError:  # before the first call of all, or somebody removed it
            log.warning("leg_log_missing")
            return {}
        return as_proved(legs, self._clock.may_have_been_ms)

    async def _recover(
        self, call: CallRecord, live: Mapping[str, bool], legs: tuple[Leg, ...]
    ) -> None:
        answered = carrier_leg(legs, caller=call.caller_channel)
        leg = call.leg or (answered.channel if answered else None)
        if leg in live and leg is not None:
            found = found_talking(
                call, leg, answered, self._schedule(call), now_ms=self._clock.now_ms()
            )
            self._resume(call, found)
        elif leg is None and call.caller_channel in live:
            in_stasis = live[call.caller_channel]
            self._resume(call, found_unanswered(call, self._schedule(call), in_stasis=in_stasis))
        elif self._is_over(call):
            await self._settle(call, legs)

    def _note_lost(self, lost: Iterable[CallRecord]) -> None:
        now_s = asyncio.get_running_loop().time()
        self._lost_since_s = {
            call.call_id: self._lost_since_s.get(call.call_id, now_s) for call in lost
        }

    def _is_over(self, call: CallRecord) -> bool:
        """Our own clock may have been set since it was authorised; the event loop's is not."""
        return max(self._lost_s(call), age_s(call)) > SETTLED_AFTER_S

    def _lost_s(self, call: CallRecord) -> float:
        """For how long we have known that no task carries it."""
        return asyncio.get_running_loop().time() - self._lost_since_s[call.call_id]

    def _resume(self, call: CallRecord, found: FoundTalking | FoundUnanswered) -> None:
        """Carry the call on, and look again soon: its end may have come after the listing."""
        log.info("call_resumed", call_id=call.call_id, talking=isinstance(found, FoundTalking))
        self._services.look_for_missed()
        request = CallRequest(
            call_id=call.call_id,
            endpoint=call.endpoint,
            dialled=call.number,
            caller_channel=call.caller_channel,
            asterisk=call.asterisk,
        )
        task = CallTask(
            request,
            language=call.language,
            services=self._services,
            found=found,
            terms=Terms(call.office_id, call.rate),
        )
        self._driver.adopt(task)

    async def _settle(self, call: CallRecord, legs: tuple[Leg, ...]) -> None:
        now_ms = self._clock.now_ms()
        settle = settlement(call, legs, now_ms=now_ms)
        if settle.unproved is EndUnproved.NO_RECORD and self._lost_s(call) < WRITTEN_WITHIN_S:
            asyncio.get_running_loop().call_later(UNDER_WAY_S, self._services.look_for_missed)
            return
        known = {"call_id": call.call_id, "talk_s": settle.talk_s}
        if settle.unproved:
            log.warning("call_end_unproved", why=settle.unproved, **known)
        ended_ms = settle.ended_ms or now_ms
        await self._services.charging.settle(
            call.call_id,
            talk_s=settle.talk_s,
            ended_at=datetime.fromtimestamp(ended_ms / 1000, UTC),
            hangup_cause=settle.hangup_cause,
            unproved=settle.unproved,
        )
        log.info("call_settled_afterwards", **known)

    def _schedule(self, call: CallRecord) -> MeteringSchedule:
        return schedule_of(call.rate, self._services.settings.reserve_ahead_s)


def as_proved(legs: Legs, may_have_been_ms: Callable[[int], int | None]) -> Legs:
    """An end that Asterisk saw after a stop may have been when the stop began: that is proved."""

    def proved(leg: Leg) -> Leg:
        earliest_ms = None if leg.ended_ms is None else may_have_been_ms(leg.ended_ms)
        if earliest_ms is None:
            return leg
        return replace(leg, ended_ms=earliest_ms, end_unproved=EndUnproved.ASTERISK_STOPPED)

    return {caller: tuple(map(proved, of_call)) for caller, of_call in legs.items()}


def without(listed: Mapping[str, bool], ended: Iterable[str]) -> Mapping[str, bool]:
    """A listing less the channels that have ended since."""
    gone = frozenset(ended)
    return {channel: waits for channel, waits in listed.items() if channel not in gone}


def are_missing(ended: Gone, legs: Legs) -> bool:
    """Whether the log has yet to say of one of these channels when it ended."""
    return any(
        end_of(legs.get(task.call.caller, ()), channel) is None
        for task, channels in ended.items()
        for channel in channels
    )


def missed_events(  # noqa: PLR0913 - what is known of one call, by name
    call: Call,
    gone: frozenset[str],
    legs: Legs,
    *,
    live: Mapping[str, bool],
    unseen_since_ms: int | None,
    now_ms: int,
) -> Iterator[Event]:
    """An answer first, then the ends of legs, then the caller's: the order in which they came.

    `live` says of every live channel whether it waits in Stasis, where only prompts keep it.
    """
    of_call = legs.get(call.caller, ())
    if unseen_since_ms is not None and live.get(call.caller):
        yield PromptFinished(heard=False)  # its end may be among what was missed
    answered = carrier_leg(of_call, caller=call.caller)
    if answered is not None and answered.answered_ms is not None and call.leg is None:
        yield LegAnswered(leg=answered.channel, at_ms=answered.answered_ms)
        gone |= {answered.channel} - live.keys()
    for channel in sorted(gone, key=lambda channel: channel == call.caller):
        yield missed_end(channel, of_call, unseen_since_ms, now_ms=now_ms)


def missed_end(
    channel: str, legs: Iterable[Leg], unseen_since_ms: int | None, *, now_ms: int
) -> ChannelEnded:
    """When a channel ended that nobody saw end.

    By Asterisk's log. Where that does not say, at the last moment that is proved, when the
    connection was lost; where it never was, about now.
    """
    leg = end_of(legs, channel)
    if leg is not None and leg.ended_ms is not None:
        return ChannelEnded(
            channel=channel, at_ms=leg.ended_ms, hangup_cause=0, unproved=leg.end_unproved
        )
    if unseen_since_ms is None:
        return ChannelEnded(channel=channel, at_ms=now_ms, hangup_cause=0)
    return ChannelEnded(
        channel=channel,
        at_ms=unseen_since_ms,
        hangup_cause=0,
        unproved=EndUnproved.NO_RECORD,
    )


def found_talking(
    call: CallRecord, leg: str, evidence: Leg | None, schedule: MeteringSchedule, *, now_ms: int
) -> FoundTalking:
    return FoundTalking(
        leg=leg,
        answered_ms=answered_ms(call, evidence) or now_ms,
        funded_s=call.funded_s,
        schedule=schedule,
        next_interval=call.reserved_intervals,
        undebited=tuple(
            (interval, float(funded_s(interval - 1, call.rate)))
            for interval in range(max(1, call.debited_intervals), call.reserved_intervals)
        ),
    )


def found_unanswered(
    call: CallRecord, schedule: MeteringSchedule, *, in_stasis: bool
) -> FoundUnanswered:
    return FoundUnanswered(
        dial_string=call.dial_string,
        funded_s=call.funded_s,
        schedule=schedule,
        in_stasis=in_stasis,
    )


def settlement(call: CallRecord, legs: tuple[Leg, ...], *, now_ms: int) -> Settle:
    """What a call owes that ended while nobody watched.

    Where the log of legs does not say when it ended, as when Asterisk itself died or somebody
    removed the log, it is charged for what had been debited, the last thing that is proved, and
    marked. Asterisk ends a leg when its paid time is over: one that seems to have lasted much
    longer was up while somebody set Asterisk's clock.
    """
    leg = carrier_leg(legs, caller=call.caller_channel) or leg_of(call, legs)
    answered = answered_ms(call, leg)
    if answered is None:
        return _answered_unseen(end_of(legs, call.caller_channel))
    if leg is None or leg.ended_ms is None:
        proved_s = funded_s(max(0, call.debited_intervals - 1), call.rate)
        elapsed_s = (now_ms - answered) // 1000
        talk_s = max(1, min(proved_s, elapsed_s))
        no_record = EndUnproved.NO_RECORD
        return Settle(talk_s=talk_s, ended_ms=None, hangup_cause=0, unproved=no_record)
    began = answered if leg.answered_ms is None else leg.answered_ms  # one clock, where it can be
    talk_s = talk_seconds(answered_ms=began, ended_ms=leg.ended_ms)
    if talk_s > call.funded_s + OUTLIVES_BY_S:
        talk_s = call.funded_s
    return Settle(talk_s=talk_s, ended_ms=leg.ended_ms, hangup_cause=0, unproved=leg.end_unproved)


def _answered_unseen(caller: Leg | None) -> Settle:
    """Nobody knows of an answer; the caller's end, where it was written down, says if one came."""
    proved_s = 1 if caller is not None and caller.dialled_answered else 0
    unproved = EndUnproved.NO_RECORD if caller is None or proved_s else None
    ended_ms = None if caller is None else caller.ended_ms
    return Settle(talk_s=proved_s, ended_ms=ended_ms, hangup_cause=0, unproved=unproved)


def leg_of(call: CallRecord, legs: Iterable[Leg]) -> Leg | None:
    """The leg that the ledger knows, where the log has lost its answer and still has its end."""
    return next((leg for leg in legs if leg.channel == call.leg), None)


def answered_ms(call: CallRecord, leg: Leg | None) -> int | None:
    if call.answered_at is not None:
        return ms_of(call.answered_at)
    return None if leg is None else leg.answered_ms


def began_ms(call: CallRecord) -> int:
    """When its caller's channel was made, by Asterisk's clock: the channel's id says so."""
    created = created_ms(call.caller_channel)
    return ms_of(call.authorised_at) if created is None else created


def age_s(call: CallRecord) -> float:
    return (datetime.now(UTC) - call.authorised_at).total_seconds()


def ms_of(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
