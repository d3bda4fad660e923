"""Keeps rows of calls that are not charged: refused attempts, included and free calls.

Off the path of calls: whoever tells of one only puts it into a queue. One writer empties it in
batches; while the database is away it waits, and what no longer has room is counted and logged.
The log of legs loses nothing then: it is read on when there is room again. Nothing that a row says
is money. Of emergency calls there is no row.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from ari_app.flow import talk_seconds
from ari_app.unpaid_legs import LegAttempt, LegAttempts
from charging.errors import ChargingUnavailable, ConstraintBroken, Refusal
from charging.extensions import Extension
from charging.numbering import Number, Site
from charging.plan import Category
from charging.unpaid import number_sent
from charging.unpaid_calls import (
    UNAVAILABLE,
    Caller,
    Dialled,
    UnpaidCall,
    day_of,
    describe,
    detail_of,
    is_emergency,
    of_number,
    unpaid_call_id,
)
from charging.usecases import CallRequest, UnmeteredAuthorisation
from telephony.cel import created_ms

log = structlog.get_logger()

WRITE_EVERY_S = 2.0
POSITION_EVERY_MS = 60_000  # the log's, where no row takes it along
AT_ONCE = 500  # rows of one transaction, which calls wait for
WAITING_MAX = 10_000  # rows; then what calls tell of is dropped, and counted
ROOM_FOR_THE_LOG = WAITING_MAX // 2
CHANNELS_MAX = 10_000  # of which is remembered who pays
CLOSE_MAX_S = 3.0
READ_AGAIN = timedelta(minutes=2)  # after a start: Asterisk's clock may have been set back
EMERGENCY_ENDPOINT = "emergency"


class Store(Protocol):
    """db.unpaid_calls.UnpaidCalls, or what a test has instead."""

    def write(
        self,
        *,
        known: Collection[UnpaidCall],
        seen: Collection[UnpaidCall],
        asterisk: str,
        read_until: datetime | None,
    ) -> None: ...

    def read_until(self, asterisk: str) -> datetime | None: ...


class Callers(Protocol):
    """Who is calling, and how one dials there, as it is in force now. In memory."""

    def caller(self, endpoint: str) -> Caller: ...

    def sites(self) -> Collection[Site]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    request: CallRequest
    code: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connected:
    request: CallRequest
    number: Number
    at: datetime


_Note = _Refused | _Connected | LegAttempt


class UnpaidCallWriter:
    def __init__(self, store: Store, callers: Callers, *, asterisk: str) -> None:
        self._store = store
        self._callers = callers
        self._asterisk = asterisk
        self._waiting: deque[_Note] = deque()
        self._dropped = 0
        self._read_until_ms = 0
        self._written_until_ms = 0
        # Whom a caller's channel belongs to, where the log of legs would not know.
        self._connected: OrderedDict[str, _Connected] = OrderedDict()

    # --- told by calls, which wait for nothing ---------------------------------------------------

    def refused(self, request: CallRequest, code: str, refusal: Refusal | None = None) -> None:
        """An attempt that ends with a spoken reason."""
        now = datetime.now(UTC)
        self._add(_Refused(request=request, code=code, detail=detail_of(refusal), at=now))

    def connected(self, request: CallRequest, authorised: UnmeteredAuthorisation) -> None:
        """An included or free call; how it goes on, the log of legs says."""
        if authorised.category is Category.EMERGENCY:
            return
        note = _Connected(request=request, number=authorised.number, at=datetime.now(UTC))
        self._connected[request.caller_channel] = note
        if len(self._connected) > CHANNELS_MAX:
            self._connected.popitem(last=False)
        self._add(note)

    def _add(self, note: _Note) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._dropped += 1
            return
        self._waiting.append(note)

    # --- told by the log of legs, which waits for room ------------------------------------------

    def seen(self, attempt: LegAttempt) -> None:
        self._waiting.append(attempt)

    def read_until(self, at_ms: int) -> None:
        """Everything that the log says before this moment has been told."""
        self._read_until_ms = at_ms

    def has_room(self) -> bool:
        return len(self._waiting) < ROOM_FOR_THE_LOG

    async def since_ms(self) -> int | None:
        """Where the log is to be read from; None: it never was.

        Raises:
            ChargingUnavailable: the database is away.
        """
        moment = await asyncio.to_thread(self._store.read_until, self._asterisk)
        return None if moment is None else _ms(moment - READ_AGAIN)

    def costs_nothing(self, attempt: LegAttempt) -> bool:
        """Whether an attempt is an included or free call of a phone that is known."""
        return self._described(attempt) is not None

    # --- the writer -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._write_safely()

    async def close(self) -> None:
        """Write what is waiting, if that can be done soon."""
        try:
            async with asyncio.timeout(CLOSE_MAX_S):
                await self._write_safely()
        except TimeoutError:
            log.warning("unpaid_calls_not_written", waiting=len(self._waiting))

    async def _write_safely(self) -> None:
        try:
            await self.write_waiting()
        except Exception:  # what was to be written then is lost, and no call is
            log.exception("unpaid_calls_not_written")

    async def write_waiting(self) -> None:
        """Everything, in batches; what the database does not take now stays for the next time."""
        if self._dropped:
            log.error("unpaid_calls_dropped", count=self._dropped)
            self._dropped = 0
        while self._waiting or self._is_far_ahead():
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            read_until_ms = None if self._waiting else self._read_until_ms
            try:
                await asyncio.to_thread(self._write, batch, read_until_ms)
            except ChargingUnavailable as error:
                self._waiting.extendleft(reversed(batch))
                log.warning("unpaid_calls_postponed", error=str(error), waiting=len(self._waiting))
                return
            if read_until_ms is not None:
                self._written_until_ms = read_until_ms
            if batch:
                log.info("unpaid_calls_written", count=len(batch))

    def _is_far_ahead(self) -> bool:
        return self._read_until_ms - self._written_until_ms > POSITION_EVERY_MS

    def _write(self, batch: list[_Note], read_until_ms: int | None) -> None:
        """One row that cannot be written must not keep the others waiting."""
        try:
            self._write_rows(batch, read_until_ms)
        except ConstraintBroken:
            for note in batch:
                try:
                    self._write_rows([note], None)
                except ConstraintBroken as error:
                    log.error("unpaid_call_not_written", error=str(error))
            self._write_rows([], read_until_ms)

    def _write_rows(self, batch: list[_Note], read_until_ms: int | None) -> None:
        rows = [*self._rows(batch)]
        self._store.write(
            known=[row for row, is_known in rows if is_known],
            seen=[row for row, is_known in rows if not is_known],
            asterisk=self._asterisk,
            read_until=None if read_until_ms is None else _moment(read_until_ms),
        )

    def _rows(self, batch: list[_Note]) -> Iterator[tuple[UnpaidCall, bool]]:
        """With each whether the application decided it. In the writer's thread."""
        for note in batch:
            try:
                row = self._row_of(note)
            except Exception:  # a defect of one row is worth none of the others
                log.exception("unpaid_call_not_described")
                continue
            if row is not None:
                yield row, not isinstance(note, LegAttempt)

    def _row_of(self, note: _Note) -> UnpaidCall | None:
        match note:
            case _Refused(request=request):
                if self._is_emergency(request.dialled):
                    return None
                return self._refused_row(note, self._callers.caller(request.endpoint))
            case _Connected(request=request):
                if self._is_emergency(request.dialled, note.number.dial_string):
                    return None
                return self._connected_row(note, self._callers.caller(request.endpoint))
            case LegAttempt(is_refused=True):
                return self._refused_by_the_dialplan(note)
            case LegAttempt():
                return self._seen_row(note)

    def _refused_row(self, note: _Refused, caller: Caller) -> UnpaidCall:
        request = note.request
        return _row(
            caller,
            describe(request.dialled, caller),
            call_id=request.call_id,
            endpoint=request.endpoint,
            asterisk=request.asterisk,
            caller_channel=request.caller_channel,
            refusal=note.code,
            refusal_detail=note.detail,
            started_at=note.at,
            ended_at=note.at,
        )

    def _connected_row(self, note: _Connected, caller: Caller) -> UnpaidCall | None:
        request = note.request
        if caller.office is None:  # the phone was taken out meanwhile
            return None
        return _row(
            caller,
            of_number(request.dialled, note.number, caller.office.plan),
            call_id=self._id_of(request.caller_channel, note.number.digits, _ms(note.at)),
            endpoint=request.endpoint,
            asterisk=request.asterisk,
            caller_channel=request.caller_channel,
            started_at=note.at,
        )

    def _refused_by_the_dialplan(self, attempt: LegAttempt) -> UnpaidCall | None:
        if self._is_emergency(attempt.dialled):
            return None
        caller = self._callers.caller(attempt.endpoint)
        dialled = describe(attempt.dialled, caller)
        if not dialled.number:  # a feature code, or nobody's phone
            return None
        at = _moment(attempt.at_ms)
        return _row(
            caller,
            dialled,
            call_id=self._id_of(attempt.caller_channel, dialled.number, attempt.at_ms),
            endpoint=attempt.endpoint,
            asterisk=self._asterisk,
            caller_channel=attempt.caller_channel,
            refusal=UNAVAILABLE,
            started_at=at,
            ended_at=at,
            hangup_cause=attempt.hangup_cause,
        )

    def _seen_row(self, attempt: LegAttempt) -> UnpaidCall | None:
        described = self._described(attempt)
        if described is None:
            return None
        caller, endpoint, dialled = described
        answered_ms, ended_ms = attempt.answered_ms, attempt.ended_ms
        return _row(
            caller,
            dialled,
            call_id=self._id_of(attempt.caller_channel, dialled.number, attempt.at_ms),
            endpoint=endpoint,
            asterisk=self._asterisk,
            caller_channel=attempt.caller_channel,
            started_at=_moment(attempt.at_ms),
            answered_at=None if answered_ms is None else _moment(answered_ms),
            ended_at=None if ended_ms is None else _moment(ended_ms),
            talk_s=_talk_s(attempt),
            hangup_cause=attempt.hangup_cause,
        )

    def _described(self, attempt: LegAttempt) -> tuple[Caller, str, Dialled] | None:
        """Whose call it was, and to which number; None: not one to keep here."""
        if self._is_emergency(attempt.sent, attempt.dialled):
            return None
        known = self._connected.get(attempt.caller_channel)
        if known is not None and attempt.sent.endswith(known.number.dial_string):
            endpoint, number = known.request.endpoint, known.number
            dialled = known.request.dialled
        else:
            endpoint, dialled = attempt.endpoint, attempt.dialled
            office = self._callers.caller(endpoint).office
            found = None if office is None else number_sent(attempt.sent, office.site)
            if found is None:
                return None
            number = found
        caller = self._callers.caller(endpoint)
        if caller.office is None:
            return None
        told = of_number(dialled, number, caller.office.plan)
        costs_nothing = told.category in {Category.INCLUDED.value, Category.FREE.value}
        return (caller, endpoint, told) if costs_nothing else None

    def _is_emergency(self, *dialled: str) -> bool:
        return is_emergency(dialled, self._callers.sites())

    def _id_of(self, caller_channel: str, number: str, at_ms: int) -> str:
        return unpaid_call_id(
            asterisk=self._asterisk,
            caller_channel=caller_channel,
            number=number,
            created_ms=created_ms(caller_channel) or at_ms,
        )


class UnpaidLegWatch:
    """Watches ari_app.leg_events for included and free calls."""

    def __init__(
        self,
        writer: UnpaidCallWriter,
        *,
        trunks: Collection[str],
        is_metered: Callable[[str], bool],
    ) -> None:
        """`is_metered`: whether a caller's channel has a paid call now, which saves a look."""
        self._writer = writer
        self._is_metered = is_metered
        self._attempts = LegAttempts(frozenset(trunks) - {EMERGENCY_ENDPOINT}, self._costs_nothing)

    def note(self, event: Mapping[str, Any], *, now_s: float) -> None:
        del now_s
        ended = self._attempts.note(event)
        if ended is not None:
            self._writer.seen(ended)

    async def judge(self, now_s: float) -> None:
        del now_s
        for attempt in self._attempts.lost():
            self._writer.seen(attempt)
        self._writer.read_until(self._attempts.position_ms)

    def _costs_nothing(self, attempt: LegAttempt) -> bool:
        if self._is_metered(attempt.caller_channel):
            return False
        return self._writer.costs_nothing(attempt)


def _row(caller: Caller, dialled: Dialled, *, endpoint: str, **fields: Any) -> UnpaidCall:
    extension = caller.extension or Extension(endpoint=endpoint, number="", name="", office_id="")
    return UnpaidCall(
        office_id=extension.office_id,
        endpoint=endpoint,
        extension=extension.name,
        dialled=dialled.dialled,
        number=dialled.number,
        country=dialled.country,
        kind=dialled.kind,
        category=dialled.category,
        day=day_of(fields["started_at"], caller),
        **fields,
    )


def _talk_s(attempt: LegAttempt) -> int | None:
    if attempt.ended_ms is None:
        return None
    if attempt.answered_ms is None:
        return 0
    return talk_seconds(answered_ms=attempt.answered_ms, ended_ms=attempt.ended_ms)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
