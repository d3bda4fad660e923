"""What Asterisk wrote down of each leg: when it was answered and when it ended.

Asterisk's channel event log (CEL) is the evidence of a call that ended while nobody watched. One
JSON object a line; `dialplan/cel_custom.conf` says which fields. Times are seconds since 1970.
"""

import bz2
import gzip
import json
import lzma
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from charging.evidence import EndUnproved

WRITTEN_LATE_MS = 60 * 60 * 1000  # the file system's clock may be another machine's
CLOSE_BYTES = 64 * 1024  # so little is read rather than searched
CHUNK_BYTES = 1024 * 1024  # of a log that may be a day long
SECONDS_MAX = 253_402_300_800  # since 1970: the year 10000, which no date can name
COMPRESSED = frozenset({".gz", ".bz2", ".xz"})
UNREADABLE = frozenset({".zst"})
_CREATED = re.compile(r"(\d{9,11})\.\d+$")  # seconds since 1970, then a number of Asterisk's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    channel: str
    call: str  # Asterisk's linked id: the caller's channel
    is_local: bool = False  # a channel from one dialplan context to another: nobody's telephone
    answered_ms: int | None = None
    ended_ms: int | None = None
    dialled_answered: bool = False  # what it dialled was answered, as its end says
    end_unproved: EndUnproved | None = None  # why it may have ended later, where that is so


Legs = Mapping[str, tuple[Leg, ...]]  # of each call, by the caller's channel


class LegEvent(NamedTuple):
    kind: str
    at_ms: int
    channel: str
    call: str
    dialled_answered: bool
    is_local: bool


class LegLog:
    """Reads the log on from where it was left, but nothing older than what is asked for.

    A log may be rotated at any time, also while the application is away, and more than once: every
    file is read, to its end, that was written to since what is asked for.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offsets: dict[int, int] = {}  # how far each file was read, by its inode
        self._by_channel: dict[str, Leg] = {}

    def read(self, since_ms: int) -> Legs:
        """Every leg that was answered or ended since then, by call.

        Args:
            since_ms: milliseconds since 1970, never earlier than at the last reading.

        Raises:
            OSError: the log cannot be read. That is never the same as "no legs".
        """
        self._offsets = dict(
            self._read_on(file, since_ms) for file in files_of(self._file, since_ms)
        )
        for leg in tuple(self._by_channel.values()):
            if max(leg.answered_ms or 0, leg.ended_ms or 0) < since_ms:
                del self._by_channel[leg.channel]
        return by_call(self._by_channel)

    def _read_on(self, file: Path, since_ms: int) -> tuple[int, int]:
        """Read what is new of one file; its inode, and how far it is read now."""
        if file.suffix in COMPRESSED:
            return self._read_compressed(file)
        with file.open("rb") as log:
            status = os.fstat(log.fileno())
            known = self._offsets.get(status.st_ino, 0)
            offset = 0 if known > status.st_size else known  # it was begun anew
            offset = first_since(log, since_ms, begin=offset, end=status.st_size)
            log.seek(offset)
            while lines := log.readlines(CHUNK_BYTES):
                whole = [line for line in lines if line.endswith(b"\n")]
                add_events(self._by_channel, whole)
                offset += sum(map(len, whole))
                if len(whole) < len(lines):  # Asterisk is just writing the last one
                    break
        return status.st_ino, offset

    def _read_compressed(self, file: Path) -> tuple[int, int]:
        """Whole, and once: it does not change any more."""
        status = file.stat()
        if status.st_ino not in self._offsets:
            with decompressed(file) as log:
                while lines := log.readlines(CHUNK_BYTES):
                    add_events(self._by_channel, lines)
        return status.st_ino, status.st_size


@contextmanager
def decompressed(file: Path) -> Iterator[BinaryIO | bz2.BZ2File | gzip.GzipFile | lzma.LZMAFile]:
    match file.suffix:
        case ".bz2":
            with bz2.open(file, "rb") as log:
                yield log
        case ".xz":
            with lzma.open(file, "rb") as log:
                yield log
        case _:
            with gzip.open(file, "rb") as log:
                yield log


def first_since(log: BinaryIO, since_ms: int, *, begin: int, end: int) -> int:
    """The beginning of a line, not far before the first event since then.

    The events are in order of time, so halving finds it. Reading the 15 MB of 18,000 calls instead
    took 0.8 s of processor time and 60 MB, beside all calls.
    """
    while end - begin > CLOSE_BYTES:
        middle = (begin + end) // 2
        log.seek(middle)
        log.readline()  # what is left of a line
        line_begin = log.tell()
        event = read_event(log.readline())
        if event is None or event.at_ms >= since_ms:  # of what is unreadable, rather read more
            end = middle
        else:
            begin = line_begin
    return begin


def files_of(log: Path, since_ms: int) -> list[Path]:
    """The log, after what was moved aside: `legs.json.1`, `legs.json-20261121`, `legs.json.2.gz`.

    Of those, what was written to since then, oldest first. After the log was moved, Asterisk makes
    it anew only when a call has something to say.
    """
    aside = [f for f in log.parent.glob(f"{log.name}[.-]*") if f.suffix not in UNREADABLE]
    written = [(file.stat().st_mtime_ns, file) for file in aside]
    since = [file for ns, file in sorted(written) if ns >= (since_ms - WRITTEN_LATE_MS) * 10**6]
    return [*since, log] if log.exists() or not aside else since


def add_events(by_channel: dict[str, Leg], lines: Iterable[bytes]) -> None:
    """Put the events of each channel together. A line cut short by a crash says nothing."""
    for event in filter(None, map(read_event, lines)):
        new = Leg(channel=event.channel, call=event.call, is_local=event.is_local)
        leg = by_channel.get(event.channel, new)
        by_channel[event.channel] = _with(leg, event)


def by_call(by_channel: Mapping[str, Leg]) -> Legs:
    calls: dict[str, tuple[Leg, ...]] = {}
    for leg in by_channel.values():
        calls[leg.call] = (*calls.get(leg.call, ()), leg)
    forwarded = [leg for leg in by_channel.values() if leg.is_local]
    return calls | {leg.channel: (leg, *telephones(calls[leg.call])) for leg in forwarded}


def telephones(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """Those that a forwarded call may have dialled: neither its first caller nor Asterisk itself.

    Asterisk gives everything that comes of one call one linked id, so a call that is forwarded has
    that of whoever rang first, while the channel that dials for it is a Local one.
    """
    return tuple(leg for leg in legs if not leg.is_local and leg.channel != leg.call)


def carrier_leg(legs: Iterable[Leg], *, caller: str) -> Leg | None:
    """The leg that answered first, other than the caller's own channel."""
    answered = [leg for leg in legs if leg.channel != caller and leg.answered_ms is not None]
    return min(answered, key=lambda leg: leg.answered_ms or 0, default=None)


def end_of(legs: Iterable[Leg], channel: str) -> Leg | None:
    return next((leg for leg in legs if leg.channel == channel and leg.ended_ms is not None), None)


def created_ms(channel: str) -> int | None:
    """When Asterisk made a channel, by its clock: `name-1795656479.12`; None: it does not say."""
    found = _CREATED.search(channel)
    return None if found is None else int(found[1]) * 1000


def fields_of(line: bytes) -> Mapping[str, Any] | None:
    """What one line of the log says; None: it was cut short, or is damaged."""
    try:
        fields = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def event_ms(fields: Mapping[str, Any]) -> int:
    """When it was written, in milliseconds since 1970.

    Raises:
        ValueError, KeyError, TypeError: the line does not say, or names no time of a calendar.
    """
    seconds = float(fields["eventtime"])
    if not 0 <= seconds < SECONDS_MAX:
        raise ValueError(f"{seconds} is not a time")
    return round(seconds * 1000)


def read_event(line: bytes) -> LegEvent | None:
    event = fields_of(line)
    if event is None:
        return None
    try:
        return LegEvent(
            kind=event["eventtype"],
            at_ms=event_ms(event),
            channel=event["uniqueid"],
            call=event["linkedid"],
            dialled_answered='"dialstatus":"ANSWER"' in str(event.get("eventextra")),
            is_local=str(event.get("channame", "")).startswith("Local/"),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _with(leg: Leg, event: LegEvent) -> Leg:
    if event.kind == "ANSWER" and leg.answered_ms is None:
        return replace(leg, answered_ms=event.at_ms)
    if event.kind == "HANGUP":
        return replace(leg, ended_ms=event.at_ms, dialled_answered=event.dialled_answered)
    return leg
