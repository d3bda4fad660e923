"""The simulated carrier: SIPp answering the trunk, with a log of its own that tests believe.

How a call is treated depends on the number that was dialled: give `Rule`s. Whatever no rule
names is answered. The log is written by SIPp, so it is evidence from outside Tollgate and outside
Asterisk.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lab import processes, sipp
from lab.caller import Calls, PlacedCall, place_calls
from lab.errors import LabError
from lab.lifecycle import Runnable
from lab.ports import is_free_udp
from lab.watch import FileWatch
from telephony.tools import Telephony

START_TIMEOUT_S = 10
FAR_END_TONE_HZ = 440
EARLY_TONE_HZ = 880
_FOR_EVER_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the far end does with a call."""

    name: str
    status: int = 200  # the final answer
    ring_ms: int = 300  # 0: the final answer at once
    early_media: bool = False  # 183 with a tone instead of 180
    talk_ms: int = 0  # the carrier hangs up this long after answer; 0: it never does
    vanishes: bool = False  # after talk_ms it falls silent instead of hanging up
    redirects_to: str = ""  # with status 302
    media_port: int = 0  # sound goes there, to whoever listens (lab/far_end.py), and none comes
    crosses_cancel: bool = False  # answers at the very moment the caller gives up
    silent: bool = False  # sends no sound at all
    bare_183: bool = False  # 183 that offers no sound, instead of 180
    only_100: bool = False  # 100 instead of 180
    dead: bool = False  # takes the INVITE and says nothing
    updates: bool = False  # names UPDATE among the methods it allows
    session_expires_s: int = 0  # agrees to a session timer that the office refreshes; 0: to none
    refresh_status: int = 200  # its answer where the office refreshes the session

    @property
    def ring(self) -> bool:
        return self.ring_ms > 0

    @property
    def status_line(self) -> str:
        return sipp.status_line(self.status)

    @property
    def refresh_line(self) -> str:
        return sipp.status_line(self.refresh_status)


ANSWERS = Behaviour(name="rings, then answers")
ANSWERS_AT_ONCE = Behaviour(name="answers at once", ring_ms=0)
EARLY_MEDIA = Behaviour(name="early media, then answers", early_media=True, ring_ms=2000)
EARLY_MEDIA_ONLY = Behaviour(
    name="early media for ever", early_media=True, ring_ms=_FOR_EVER_MS, status=480
)
NEVER_ANSWERS = Behaviour(name="rings for ever", ring_ms=_FOR_EVER_MS, status=480)
ANSWERS_TOO_LATE = Behaviour(
    name="answers as the caller gives up", ring_ms=_FOR_EVER_MS, crosses_cancel=True
)
BUSY = Behaviour(name="busy", status=486, ring_ms=0)
REJECTS = Behaviour(name="rejects", status=603, ring_ms=0)
OUT_OF_ORDER = Behaviour(name="no service", status=503, ring_ms=0)
UNKNOWN_NUMBER = Behaviour(name="no such number", status=404, ring_ms=0)


def hangs_up_after(talk_ms: int) -> Behaviour:
    return replace(ANSWERS, name=f"hangs up after {talk_ms} ms", talk_ms=talk_ms)


def vanishes_after(talk_ms: int) -> Behaviour:
    """Falls silent in the middle of the call: no BYE, no RTP, no answer to anything."""
    name = f"vanishes after {talk_ms} ms"
    return replace(ANSWERS, name=name, talk_ms=talk_ms, vanishes=True)


def redirects_to(number: str) -> Behaviour:
    return Behaviour(name=f"redirects to {number}", status=302, ring_ms=0, redirects_to=number)


@dataclass(frozen=True, slots=True)
class Rule:
    """Calls to `number`, a POSIX regular expression for the whole dialled number."""

    number: str
    behaviour: Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCall:
    """One call as the carrier saw it; times are seconds since 1970, exact to the millisecond."""

    sip_call_id: str
    dialled: str
    invited_at_s: float
    answered_at_s: float | None = None
    ended_at_s: float | None = None
    ended_by: str | None = None  # "office", "carrier", "vanished", "caller" (before the answer)
    rejected_with: int | None = None
    refreshes: int = 0  # that the office sent, however they were answered

    @property
    def answered(self) -> bool:
        return self.answered_at_s is not None

    @property
    def ended(self) -> bool:
        return self.ended_at_s is not None

    @property
    def talk_s(self) -> float:
        """From answer to end; 0 where nobody answered.

        Raises:
            LabError: it was answered and has not ended.
        """
        if self.answered_at_s is None:
            return 0
        if self.ended_at_s is None:
            raise LabError(f"the call to {self.dialled} has not ended")
        return self.ended_at_s - self.answered_at_s


class Carrier(Runnable):
    """`async with Carrier(telephony, folder, address=…) as carrier:` runs one carrier."""

    def __init__(  # noqa: PLR0913 - each is one setting, given by name
        self,
        telephony: Telephony,
        folder: Path,
        *,
        address: str,
        port: int = 5060,
        rules: Sequence[Rule] = (),
        default: Behaviour = ANSWERS,
        media: bool = True,
    ) -> None:
        """Without `media` it sends no sound: for loads of many calls."""
        self.address = address
        self.port = port
        self._telephony = telephony
        self._folder = folder.absolute()
        self._rules = tuple(rules)
        self._default = default
        self._media = media
        self._process: asyncio.subprocess.Process | None = None

    @cached_property
    def log_file(self) -> Path:
        return self._folder / "carrier.log"

    @property
    def trunk(self) -> tuple[str, int]:
        """Where Asterisk's trunk must point."""
        return self.address, self.port

    async def start(self) -> None:
        """Start; returns when calls are taken.

        Raises:
            LabError: another program has its port, SIPp gave up, or was not ready in time.
        """
        if not is_free_udp(self.address, self.port):
            raise LabError(
                f"the carrier needs UDP port {self.port} of {self.address}, which another"
                " program has: stop that program first"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        scenario = self._folder / "carrier.xml"
        scenario.write_text(self._scenario(), encoding="utf-8")
        self.log_file.write_text("", encoding="utf-8")
        with FileWatch(self.log_file) as watch:
            self._process = await processes.spawn(
                self._telephony.tool("sipp"),
                sipp.arguments(self._folder, name="carrier", address=self.address, port=self.port),
                folder=self._folder,
                output=self._folder / "carrier.out",
            )
            try:
                await watch.until(self._is_ready, timeout_s=START_TIMEOUT_S)
            except TimeoutError:
                await self.stop()
                raise LabError(
                    f"the carrier did not start: {sipp.last_words(self._folder, name='carrier')}"
                ) from None

    async def stop(self) -> None:
        """End the carrier; calls in progress end without a word."""
        if self._process is not None:
            await processes.kill(self._process)
            self._process = None

    def calls(self) -> list[CarrierCall]:
        """Every call so far, in the order in which they came in."""
        return list(_calls(self.log_file).values())

    async def wait_for(
        self, wanted: Callable[[CarrierCall], bool], *, timeout_s: float = 10
    ) -> CarrierCall:
        """The first call of which `wanted` is true, as soon as it is.

        Raises:
            LabError: there was none in time; the message lists the calls there were.
        """
        found: list[CarrierCall] = []  # as it was when it was true: a moment later it may not be

        def look() -> bool:
            found.extend(filter(wanted, self.calls()))
            return bool(found)

        with FileWatch(self.log_file) as watch:
            try:
                await watch.until(look, timeout_s=timeout_s)
            except TimeoutError:
                raise LabError(f"no such call at the carrier; it had {self.calls()}") from None
        return found[0]

    async def call(self, server: str, number: str, *, talk_ms: int = 500) -> PlacedCall:
        """Deliver one call for `number` to the office at `server`, and hang up after `talk_ms`."""
        wanted = Calls(number=number, user="447700900123", talk_ms=talk_ms)
        placed = await place_calls(
            self._telephony,
            self._folder / "delivered",
            wanted,
            address=self.address,
            server=server,
            port=self.port + 1,
        )
        return placed[0]

    # --- helpers --------------------------------------------------------------------------------

    def _scenario(self) -> str:
        behaviours = dict.fromkeys([*(rule.behaviour for rule in self._rules), self._default])
        return sipp.render_scenario(
            "carrier.xml",
            rules=self._rules,
            default=self._default,
            labels={behaviour: f"b{n}" for n, behaviour in enumerate(behaviours, start=10)},
            media=self._media,
            audio=sipp.tone(self._folder / "far-end.alaw", FAR_END_TONE_HZ),
            early_audio=sipp.tone(self._folder / "early.alaw", EARLY_TONE_HZ),
        )

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise LabError(f"the carrier gave up: {sipp.last_words(self._folder, name='carrier')}")
        return "ready" in sipp.log_lines(self.log_file)


def _calls(log: Path) -> Mapping[str, CarrierCall]:
    calls: dict[str, CarrierCall] = {}
    for note in sipp.notes(log):
        key = note.sip_call_id
        if note.what == "invited":
            calls[key] = CarrierCall(sip_call_id=key, dialled=note.detail, invited_at_s=note.at_s)
        else:
            calls[key] = _advanced(calls[key], note)
    return calls


def _advanced(call: CarrierCall, note: sipp.Note) -> CarrierCall:
    match note.what:
        case "answered":
            return replace(call, answered_at_s=note.at_s)
        case "rejected":
            status = int(note.detail)
            return replace(call, ended_at_s=note.at_s, ended_by="carrier", rejected_with=status)
        case "refreshed":
            return replace(call, refreshes=call.refreshes + 1)
        case "cancelled":
            return replace(call, ended_at_s=note.at_s, ended_by="caller")
        case "ended":
            return replace(call, ended_at_s=note.at_s, ended_by=note.detail)
    raise LabError(f"the carrier's log holds a line that means nothing: {note.what}")
