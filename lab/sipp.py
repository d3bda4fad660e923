"""What the carrier and the callers share: how SIPp is started, what it logs, what it said last."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from jinja2 import Environment, FileSystemLoader, StrictUndefined

SCENARIOS = Path(__file__).with_name("scenarios")
SAMPLE_RATE_HZ = 8000
_PHRASES = {
    200: "OK",
    302: "Moved Temporarily",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    486: "Busy Here",
    488: "Not Acceptable Here",
    491: "Request Pending",
    503: "Service Unavailable",
    603: "Decline",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One line of a scenario's log: at that moment this happened to that call."""

    what: str
    sip_call_id: str
    at_s: float  # since 1970
    detail: str


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(SCENARIOS),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the values are ours, and it is not a web page
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_scenario(name: str, **values: object) -> str:
    return _environment().get_template(name).render(values)


def arguments(folder: Path, *, name: str, address: str, port: int) -> list[str | Path]:
    """SIPp's arguments for the scenario `folder`/`name`.xml, its log and its errors beside it."""
    return [
        *("-sf", folder / f"{name}.xml", "-i", address, "-p", str(port), "-mi", address),
        *("-trace_logs", "-log_file", folder / f"{name}.log"),
        *("-trace_err", "-error_file", folder / f"{name}.errors"),
        *("-min_rtp_port", "20000", "-max_rtp_port", "39998"),
        "-nostdin",
    ]


def log_lines(file: Path) -> list[str]:
    """Whole lines only, which end in ";.": SIPp writes a line's end together with the next one."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(";.") for line in lines if line.endswith(";.")]


def notes(file: Path) -> Iterator[Note]:
    for line in log_lines(file):
        what, *rest = line.split(";")
        if rest:
            call_id, seconds, microseconds, detail = rest
            # SIPp writes a variable that is zero as nothing: once in a million microseconds.
            at_s = float(seconds) + float(microseconds or 0) / 1e6
            yield Note(what, call_id, at_s, detail)


def last_words(folder: Path, *, name: str) -> str:
    """The end of what SIPp said, for a message about why it gave up."""
    for suffix in ("errors", "out"):
        file = folder / f"{name}.{suffix}"
        if file.exists() and file.stat().st_size > 0:
            lines = file.read_text(errors="replace").splitlines()
            return " | ".join(line.strip() for line in lines[-5:] if line.strip())
    return "nothing"


def status_line(status: int) -> str:
    return f"{status} {_PHRASES.get(status, 'Refused')}"


def tone(file: Path, frequency_hz: int) -> Path:
    """One second of a tone in A-law; SIPp plays it over and over."""
    times_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * frequency_hz * times_s)
    soundfile.write(file, wave, SAMPLE_RATE_HZ, format="RAW", subtype="ALAW")
    return file
