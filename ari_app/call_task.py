"""Carries one call through the table in `flow`: events in order, commands one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from ari_app.ami import Ami
from ari_app.announcement import Announcement, lasts_s
from ari_app.ari import Ari
from ari_app.call_billing import CallBilling, Terms
from ari_app.caller_channel import CallerChannel
from ari_app.flow import INSUFFICIENT, Call, State, UnexpectedEventError, step, unpaid_leg
from ari_app.messages import (
    AuthoriseAgain,
    AwaitRefill,
    CheckMoney,
    Command,
    ContinueInDialplan,
    CutOff,
    Debit,
    DebitFirst,
    DebitPostponed,
    Event,
    ExtendTimeout,
    FoundTalking,
    FoundUnanswered,
    HangUp,
    IntervalPostponed,
    KeyPressed,
    LegAnswered,
    LookForMissedEnd,
    NoteAnnounced,
    PlayBalance,
    PlayOneMoment,
    PlayRefusal,
    PlayWhisper,
    PromptFinished,
    RefillSettled,
    RefillUnderWay,
    Refused,
    RefuseInDialplan,
    Remind,
    Reserve,
    SayNext,
    Settle,
    StopOneMoment,
    StopPrompt,
    TellTopUp,
    WarnCaller,
    WhisperFinished,
)
from ari_app.meter import Meter
from ari_app.refill_wait import RefillWait
from ari_app.whispers import Whispers
from charging.errors import Refusal
from charging.money import Money
from charging.unpaid_calls import UNAVAILABLE
from charging.usecases import (
    Authorisation,
    CallRequest,
    Charging,
    UnmeteredAuthorisation,
)
from dialplan.contexts import SILENCE_MAX_S
from prompts.phrases import (
    Phrase,
    UnspokenError,
    balance_phrase,
    low_balance_phrase,
    refilling_phrase,
    refusal_phrase,
    top_up_received_phrase,
)
from settings import CallSettings

log = structlog.get_logger()

SLOW_AFTER_S = SILENCE_MAX_S / 2
AUTHORISE_MAX_S = SILENCE_MAX_S - 1.5  # then the caller hears that it cannot be done now
# How long a refusal takes at least and at most, with room for a slower voice than the pack's.
REFUSAL_S = (2.5, 12.0)
WHISPER_MAX_S = 20.0  # three times the longest of them
WHISPER_AGAIN_S = 1.0  # where no channel could be opened
MISSED_AFTER_S = 1.0  # an end that was not told of by then was missed
EVENTS_WAITING_MAX = 256  # about thirty times what a call brings
CALL_REJECTED = 21  # Q.850, unless the refusal has a cause of its own
HANGUP_CAUSES = {"invalid_number": 28, "no_rate": 3, UNAVAILABLE: 41}
FORWARDED = "forwarded"  # said to whoever was forwarded, whatever the refusal
# In Stasis, for us.
WAITING = frozenset({State.AUTHORISING, State.REFILLING, State.ANNOUNCING, State.REFUSING})


class UnpaidCallNotes(Protocol):
    """Takes note of what is not charged, without making a call wait."""

    def refused(self, request: CallRequest, code: str, refusal: Refusal | None = None) -> None: ...

    def connected(self, request: CallRequest, authorised: UnmeteredAuthorisation) -> None: ...


class Measured(Protocol):
    """Told how late things are, without making a call wait."""

    def debited(self, late_s: float) -> None:
        """An increment was debited so long after it began."""

    def event_read(self, lag_s: float) -> None:
        """An event of Asterisk was read so long after it happened."""


class Unmeasured:
    def debited(self, late_s: float) -> None:
        del late_s

    def event_read(self, lag_s: float) -> None:
        del lag_s


UNMEASURED = Unmeasured()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a call needs from the world."""

    ari: Ari
    ami: Ami
    charging: Charging
    meter: Meter
    settings: CallSettings
    look_for_missed: Callable[[], None]  # ask for a sweep now: something ended unseen
    unpaid: UnpaidCallNotes  # told of what is not charged
    refill_wait: RefillWait
    measured: Measured = UNMEASURED
    announce: bool = True  # the balance, before a paid call connects


class CallTask:
    """One task per call: its events in order; calls never meet but in the ledger."""

    def __init__(  # noqa: PLR0913 - each is one setting, given by name
        self,
        request: CallRequest,
        *,
        language: str,
        services: Services,
        forwarded: bool = False,
        found: FoundTalking | FoundUnanswered | None = None,
        terms: Terms | None = None,
    ) -> None:
        """Carry a new call, or resume one that was `found` alive without a task.

        `forwarded`: whoever listens may be a stranger, and hears nothing of the account.
        """
        self._request = request
        self._forwarded = forwarded
        self._found = found
        self.call = Call(call_id=request.call_id, caller=request.caller_channel)
        self._language = language
        self._settings = services.settings
        self._announces = services.announce and not forwarded
        self._meter = services.meter
        self._measured = services.measured
        self._unpaid = services.unpaid
        self._refill_wait = services.refill_wait
        self._refilling: asyncio.Task[None] | None = None  # while the caller waits for money
        self._clock = services.ari.clock
        self._look_for_missed = services.look_for_missed
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_WAITING_MAX)
        self.limit_pending = False  # Asterisk does not know yet how long the leg is paid for
        self._whispers = Whispers(request.call_id)
        self._announcement: Announcement | None = None
        self._waiting: asyncio.Task[None] | None = None  # kept, or it could be collected half-way
        self._answered_s = 0.0  # by the event loop's clock
        self._log = log.bind(call_id=request.call_id, extension=request.endpoint)
        self._billing = CallBilling(
            request,
            charging=services.charging,
            reserve_ahead_s=services.settings.reserve_ahead_s,
            log=self._log,
        )
        if terms is not None:
            self._billing.resume(terms)
        self._channel = CallerChannel(
            request.caller_channel,
            call_id=request.call_id,
            ari=services.ari,
            ami=services.ami,
            log=self._log,
        )

    @property
    def channels(self) -> frozenset[str]:
        """Every channel this call knows, of one that is resumed from the beginning on."""
        found = self._found.leg if isinstance(self._found, FoundTalking) else None
        legs = filter(None, (self.call.caller, self.call.leg, found))
        return self.call.ringing.union(legs)

    def deliver(self, event: Event) -> None:
        if isinstance(event, KeyPressed) and self.call.state not in WAITING:
            return  # whoever talks may press keys without end, and none of them is for us
        if isinstance(event, LegAnswered) and not self._answered_s:
            # Told late after a lost connection; never later than now, whatever the clocks say.
            self._answered_s = self._clock.loop_s(event.at_ms)
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:  # the sweep finds an end that is dropped here
            self._log.error("event_dropped", event_type=type(event).__name__)

    async def run(self) -> None:
        if isinstance(self._found, FoundTalking):
            self._answered_s = self._clock.loop_s(self._found.answered_ms)
        try:
            await self._handle(self._found or await self._authorise())
            while not self.call.over:
                await self._handle(await self._events.get())
        finally:
            if self._refilling is not None:
                self._refilling.cancel()

    @property
    def ends_at_s(self) -> float:
        """When Asterisk ends the leg, by the event loop's clock."""
        return self._answered_s + self._limit_s(self.call.funded_s)

    async def extend_timeout(self) -> None:
        """Tell Asterisk how long the leg is paid for; also after AMI was away."""
        leg = self.call.leg if self.call.state is State.TALKING else None
        told = leg is None  # then there is nothing to tell
        try:
            if leg is not None:
                limit_s = self._limit_s(self.call.funded_s)
                told = await self._channel.end_at(leg, at_s=self.ends_at_s, limit_s=limit_s)
        finally:
            self.limit_pending = not told

    async def let_go(self) -> None:
        """After a defect: whoever waits for us is not left in silence; whoever talks talks on.

        Asterisk ends the leg when its paid time is over, and the sweep resumes the call.
        """
        if self.call.state in WAITING:
            await self._channel.refuse(HANGUP_CAUSES[UNAVAILABLE])

    async def _authorise(self) -> Event:
        """Ask, and note a refusal; nobody waits twice for a refill."""
        event = await self._ask_to_authorise()
        if isinstance(event, RefillUnderWay) and not self._may_wait:
            self._log.info(
                "call_refused", code=INSUFFICIENT, reason="the refill is under way still"
            )
            event = Refused(INSUFFICIENT)
        if isinstance(event, Refused):
            self._unpaid.refused(self._request, event.code, self._billing.refusal)
        return event

    @property
    def _may_wait(self) -> bool:
        return self.call.state is State.AUTHORISING and self._settings.refill_wait_s > 0

    async def _ask_to_authorise(self) -> Event:
        slow = asyncio.get_running_loop().call_later(SLOW_AFTER_S, self._keep_waiting)
        try:
            async with asyncio.timeout(AUTHORISE_MAX_S):
                return await self._billing.authorise(self._note)
        except TimeoutError:  # should it be reserved after all, the sweep releases it
            self._log.error("call_refused", code=UNAVAILABLE, reason="the ledger does not answer")
            return Refused(UNAVAILABLE)
        except Exception:  # noqa: BLE001 - whatever it is, the caller hears of it
            self._log.exception("not_authorised")
            return Refused(UNAVAILABLE)
        finally:
            slow.cancel()

    def _keep_waiting(self) -> None:
        """The ledger is slow. Never while a prompt plays: Asterisk would first let it finish."""
        self._waiting = asyncio.get_running_loop().create_task(self._channel.keep_waiting())

    def _note(self, authorisation: Authorisation) -> None:
        self._language = authorisation.language
        if isinstance(authorisation, UnmeteredAuthorisation):
            self._unpaid.connected(self._request, authorisation)

    def _limit_s(self, funded_s: int) -> float:
        """When Asterisk ends the leg: a hang-up takes time, and none of it may be unpaid."""
        return funded_s - self._settings.cut_off_early_s

    async def _handle(self, event: Event) -> None:
        waiting = deque([event])
        while waiting:
            before = self.call
            try:
                self.call, commands = step(before, waiting.popleft())
            except UnexpectedEventError as error:
                self._log.error("unexpected_event", error=str(error))
                commands = unpaid_leg(before, error.event)
            if self.call.state is not before.state:
                self._log.info("state", state=str(self.call.state), was=str(before.state))
            for command in commands:
                follow_up = await self._carry_out(command)
                if follow_up is not None:
                    waiting.append(follow_up)

    async def _carry_out(self, command: Command) -> Event | None:
        """A defect in one step must not end a call that is paid for (docs/adr/0010)."""
        try:
            return await self._perform(command)
        except Exception:  # noqa: BLE001 - no defect of one step is worth a call
            self._log.exception("command_failed", command=type(command).__name__)
            return after_a_defect(command)

    async def _perform(self, command: Command) -> Event | None:  # noqa: C901, PLR0911, PLR0912
        """One arm per command: they are the words of the specification."""
        match command:
            case PlayBalance(balance):
                return await self._announce(balance)
            case PlayRefusal(code):
                code = FORWARDED if self._forwarded else code
                refusal = refusal_phrase(code, self._language)
                return await self._channel.play(refusal, self._language, lasts_s=REFUSAL_S)
            case PlayOneMoment() | StopOneMoment() | AwaitRefill():
                await self._wait_for_refill(command)
            case AuthoriseAgain():
                return await self._authorise()
            case NoteAnnounced(heard):
                self._note_announced(played=heard)
            case StopPrompt():
                if self._announcement is not None:
                    self._announcement.skipped = True
                await self._channel.stop_prompt()
            case ContinueInDialplan(dial_string, funded_s):
                limit_s = None if funded_s is None else self._limit_s(funded_s)
                await self._channel.dial(dial_string, limit_s=limit_s)
            case RefuseInDialplan(code):
                await self._channel.refuse(HANGUP_CAUSES.get(code, CALL_REJECTED))
            case LookForMissedEnd():
                self._look_soon()
            case DebitFirst() | Debit():
                return await self._debit(command)
            case CheckMoney():
                return await self._billing.check_money(command)
            case Reserve():
                return await self._billing.reserve(command)
            case ExtendTimeout():
                await self.extend_timeout()
            case Remind(at_talk_s, event):
                self._meter.remind(self._answered_s + at_talk_s, self.call.call_id, event)
            case WarnCaller(left_s):
                self._log.info("money_ending", left_s=left_s)
                await self._whisper(low_balance_phrase(left_s, self._language))
            case TellTopUp():
                await self._whisper(top_up_received_phrase(self._language))
            case PlayWhisper(channel):
                return await self._speak(channel)
            case SayNext(channel):
                self._whispers.finish(channel)
                await self._open_whisper()
            case CutOff(leg):
                self._log.warning("cut_off_by_us", funded_s=self.call.funded_s)
                await self._channel.cut_off(leg)
            case HangUp(channel):
                await self._channel.hang_up(channel)
            case Settle():
                await self._billing.settle(command)
        return None

    async def _debit(self, command: DebitFirst | Debit) -> Event | None:
        match command:
            case DebitFirst():
                event = await self._billing.debit_first(command)
            case Debit():
                event = await self._billing.debit(command)
        if not isinstance(event, DebitPostponed):
            due_s = self._answered_s + command.at_talk_s
            self._measured.debited(asyncio.get_running_loop().time() - due_s)
        return event

    async def _wait_for_refill(self, command: PlayOneMoment | StopOneMoment | AwaitRefill) -> None:
        match command:
            case PlayOneMoment():
                await self._play_one_moment()
            case StopOneMoment():
                await self._channel.stop_one_moment()
            case AwaitRefill(office_id=office_id, needed=needed):
                waiting = self._await_refill(office_id, needed)
                self._refilling = asyncio.get_running_loop().create_task(waiting)

    async def _play_one_moment(self) -> None:
        """Asterisk is told to wait first: nothing can be told it while it plays."""
        await self._channel.keep_waiting(playing_s=self._settings.refill_wait_s)
        if not self._forwarded:
            await self._channel.play_one_moment(refilling_phrase(self._language), self._language)

    async def _await_refill(self, office_id: str, needed: Money) -> None:
        began_s = asyncio.get_running_loop().time()
        await self._refill_wait.until_settled(
            office_id, needed, at_most_s=self._settings.refill_wait_s
        )
        waited_s = asyncio.get_running_loop().time() - began_s
        self._log.info("refill_awaited", waited_s=round(waited_s, 2))
        self.deliver(RefillSettled())

    async def _whisper(self, phrase: Phrase) -> None:
        if self._forwarded:
            return
        self._whispers.add(phrase)
        await self._open_whisper()

    async def _open_whisper(self) -> None:
        """Also where nobody tells of its end, the next one gets its turn."""
        channel = self._whispers.next_channel()
        if channel is None:
            return
        opened = await self._channel.open_whisper(channel)
        over_s = WHISPER_MAX_S if opened else WHISPER_AGAIN_S
        asyncio.get_running_loop().call_later(over_s, self.deliver, WhisperFinished(channel))

    async def _speak(self, channel: str) -> Event | None:
        phrase = self._whispers.take(channel)
        spoken = phrase is not None and await self._channel.whisper(channel, phrase, self._language)
        return None if spoken else WhisperFinished(channel)

    def _look_soon(self) -> None:
        """The end is mostly on its way, and a sweep looks at every other call too."""
        asyncio.get_running_loop().call_later(MISSED_AFTER_S, self._look_unless_over)

    def _look_unless_over(self) -> None:
        if not self.call.over:
            self._look_for_missed()

    def _note_announced(self, *, played: bool) -> None:
        said = self._announcement
        if said is None:
            return
        lasted_s = asyncio.get_running_loop().time() - said.began_s
        facts = {"balance_micros": said.balance.micros, "skipped": said.skipped}
        if said.was_heard(played=played, lasted_s=lasted_s):
            self._log.info("balance_announced", **facts)
        else:
            self._log.error("balance_not_announced", lasted_s=round(lasted_s, 2), **facts)

    async def _announce(self, balance: Money) -> Event | None:
        if not self._announces:
            return PromptFinished()
        try:
            phrase = balance_phrase(balance, self._language)
        except UnspokenError as error:  # a call matters more than its announcement
            self._log.error("prompt_failed", error=str(error))
            return PromptFinished(heard=False)
        shortest_s, longest_s = lasts_s(phrase)
        now_s = asyncio.get_running_loop().time()
        self._announcement = Announcement(balance=balance, began_s=now_s, shortest_s=shortest_s)
        self._log.info("balance_playing", balance_micros=balance.micros)
        return await self._channel.play(phrase, self._language, lasts_s=(shortest_s, longest_s))


def after_a_defect(command: Command) -> Event | None:
    """Where the call waits for what a command brings, what it goes on with instead."""
    match command:
        case PlayBalance() | PlayRefusal():
            return PromptFinished(heard=False)
        case AwaitRefill():
            return RefillSettled()
        case AuthoriseAgain():
            return Refused(UNAVAILABLE)
        case Reserve(interval=interval, at_talk_s=at_talk_s):
            return IntervalPostponed(interval=interval, at_talk_s=at_talk_s)
        case _:
            return None
