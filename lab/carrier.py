"""The simulated carrier: SIPp answering the trunk, with a log of its own that tests believe.

How a call is treated depends on the number that was dialled: give `Rule`s. Whatever no rule
names is answered. The log is written by SIPp, so it is evidence from outside Tollgate and outside Asterisk.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab import processes
from lab.errors import LabError
from lab.telephony import Telephony
from lab.watch import FileWatch

SCENARIOS = Path(__file__).with_name("scenarios")
START_TIMEOUT_S = 10
SAMPLE_RATE_HZ = 8000
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

    @property
    def ring(self) -> bool:
        return self.ring_ms > 0

    @property
    def status_line(self) -> str:
        return f"{self.status} {_PHRASES.get(self.status, 'Refused')}"


_PHRASES = {
    200: "OK",
    302: "Moved Temporarily",
    404: "Not Found",
    480: "Temporarily Unavailable",
    486: "Busy Here",
    503: "Service Unavailable",
    603: "Decline",
}

ANSWERS = Behaviour(name="rings, then answers")
ANSWERS_AT_ONCE = Behaviour(name="answers at once", ring_ms=0)
EARLY_MEDIA = Behaviour(name="early media, then answers", early_media=True, ring_ms=2000)
EARLY_MEDIA_ONLY = Behaviour(
    name="early media for ever", early_media=True, ring_ms=_FOR_EVER_MS, status=480
)
NEVER_ANSWERS = Behaviour(name="rings for ever", ring_ms=_FOR_EVER_MS, status=480)
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


class Carrier:
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
        self._tool = telephony.tool("sipp")
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

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start; returns when calls are taken.

        Raises:
            LabError: SIPp gave up, or was not ready in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        scenario = self._folder / "carrier.xml"
        scenario.write_text(self._scenario(), encoding="utf-8")
        self.log_file.write_text("", encoding="utf-8")
        with FileWatch(self.log_file) as watch:
            self._process = await processes.spawn(
                self._tool,
                self._arguments(scenario),
                folder=self._folder,
                output=self._folder / "carrier.out",
            )
            try:
                await watch.until(self._is_ready, timeout_s=START_TIMEOUT_S)
            except TimeoutError:
                await self.stop()
                raise LabError(f"the carrier did not start: {self._last_words()}") from None

    async def stop(self) -> None:
        """End the carrier; calls in progress end without a word."""
        if self._process is not None:
            await processes.kill(self._process)
            self._process = None

    def calls(self) -> list[CarrierCall]:
        """Every call so far, in the order in which they came in."""
        return list(_calls(_lines(self.log_file)).values())

    async def wait_for(
        self, wanted: Callable[[CarrierCall], bool], *, timeout_s: float = 10
    ) -> CarrierCall:
        """The first call of which `wanted` is true, as soon as it is.

        Raises:
            LabError: there was none in time; the message lists the calls there were.
        """
        with FileWatch(self.log_file) as watch:
            try:
                await watch.until(lambda: any(map(wanted, self.calls())), timeout_s=timeout_s)
            except TimeoutError:
                raise LabError(f"no such call at the carrier; it had {self.calls()}") from None
        return next(filter(wanted, self.calls()))

    # --- helpers --------------------------------------------------------------------------------

    def _arguments(self, scenario: Path) -> list[str | Path]:
        return [
            *("-sf", scenario, "-i", self.address, "-p", str(self.port), "-mi", self.address),
            *("-trace_logs", "-log_file", self.log_file),
            *("-trace_err", "-error_file", self._folder / "carrier.errors"),
            *("-min_rtp_port", "20000", "-max_rtp_port", "39998"),
            "-nostdin",
        ]

    def _scenario(self) -> str:
        environment = Environment(
            loader=FileSystemLoader(SCENARIOS),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - the values are ours, and it is not a web page
            trim_blocks=True,
            lstrip_blocks=True,
        )
        behaviours = dict.fromkeys([*(rule.behaviour for rule in self._rules), self._default])
        return environment.get_template("carrier.xml").render(
            rules=self._rules,
            default=self._default,
            labels={behaviour: f"b{n}" for n, behaviour in enumerate(behaviours, start=10)},
            media=self._media,
            audio=_tone(self._folder / "far-end.alaw", FAR_END_TONE_HZ),
            early_audio=_tone(self._folder / "early.alaw", EARLY_TONE_HZ),
        )

    def _is_ready(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise LabError(f"the carrier gave up: {self._last_words()}")
        return "ready" in _lines(self.log_file)

    def _last_words(self) -> str:
        lines: list[str] = []
        for name in ("carrier.errors", "carrier.out"):
            file = self._folder / name
            if file.exists():
                lines += file.read_text(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-5:] if line.strip())


def _lines(file: Path) -> list[str]:
    """Whole lines only, which end in ";.": SIPp writes a line's end together with the next one."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(";.") for line in lines if line.endswith(";.")]


def _calls(lines: Iterable[str]) -> Mapping[str, CarrierCall]:
    calls: dict[str, CarrierCall] = {}
    for line in lines:
        what, *rest = line.split(";")
        if what == "ready":
            continue
        call_id, seconds, microseconds, detail = rest
        at_s = float(seconds) + float(microseconds) / 1e6
        if what == "invited":
            calls[call_id] = CarrierCall(sip_call_id=call_id, dialled=detail, invited_at_s=at_s)
        else:
            calls[call_id] = _advanced(calls[call_id], what, at_s, detail)
    return calls


def _advanced(call: CarrierCall, what: str, at_s: float, detail: str) -> CarrierCall:
    match what:
        case "answered":
            return replace(call, answered_at_s=at_s)
        case "rejected":
            return replace(call, ended_at_s=at_s, ended_by="carrier", rejected_with=int(detail))
        case "cancelled":
            return replace(call, ended_at_s=at_s, ended_by="caller")
        case "ended":
            return replace(call, ended_at_s=at_s, ended_by=detail)
    raise LabError(f"the carrier's log holds a line that means nothing: {what}")


def _tone(file: Path, frequency_hz: int) -> Path:
    """One second of a tone as the trunk's codec wants it; the carrier plays it over and over."""
    times_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * frequency_hz * times_s)
    soundfile.write(file, wave, SAMPLE_RATE_HZ, format="RAW", subtype="ALAW")
    return file
