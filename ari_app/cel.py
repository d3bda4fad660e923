"""What Asterisk wrote down of each leg: when it was answered and when it ended.

Asterisk's channel event log (CEL) is the evidence of a call that ended while nobody watched. One
JSON object a line; `dialplan/cel_custom.conf` says which fields. Times are seconds since 1970.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

# Only for a call that was opened after its legs were read and before it was looked for.
REMEMBERED_MS = 2 * 60 * 1000
TAIL_BYTES = 64 * 1024 * 1024  # far more than a day of an office; older calls are settled
COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    channel: str
    call: str  # Asterisk's linked id: the caller's channel
    answered_ms: int | None = None
    ended_ms: int | None = None


Legs = Mapping[str, tuple[Leg, ...]]  # of each call, by the caller's channel


class LegLog:
    """Reads the log on from where it was left, and remembers the legs of recent calls.

    A log may be rotated at any time, also while the application is away: the file that was moved
    aside last is read to its end, too.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offsets: dict[int, int] = {}  # how far each file was read, by its inode
        self._by_channel: dict[str, Leg] = {}

    def read(self, wanted: Collection[str] = ()) -> Legs:
        """Every leg of the last minutes, and those of `wanted` calls however old, by call.

        Raises:
            OSError: the log cannot be read. That is never the same as "no legs".
        """
        self._offsets = dict(map(self._read_on, files_of(self._file)))
        self._forget_old(frozenset(wanted))
        return by_call(self._by_channel)

    def _read_on(self, file: Path) -> tuple[int, int]:
        """Read what is new of one file; its inode, and how far it is read now."""
        with file.open("rb") as log:
            status = os.fstat(log.fileno())
            tail = max(0, status.st_size - TAIL_BYTES)
            offset = self._offsets.get(status.st_ino, tail)
            if offset > status.st_size:  # begun anew
                offset = tail
            log.seek(offset)
            whole = log.read().rpartition(b"\n")[0]
        add_events(self._by_channel, whole.decode("utf-8", "replace").splitlines())
        return status.st_ino, offset + len(whole)

    def _forget_old(self, wanted: frozenset[str]) -> None:
        newest_ms = max((leg.ended_ms or 0 for leg in self._by_channel.values()), default=0)
        old_ms = newest_ms - REMEMBERED_MS
        for leg in tuple(self._by_channel.values()):
            if (leg.ended_ms or old_ms) < old_ms and leg.call not in wanted:
                del self._by_channel[leg.channel]


def files_of(log: Path) -> list[Path]:
    """The log, after what was moved aside last: `legs.json.1`, `legs.json-20261121`.

    After it was moved, Asterisk makes the log anew only when a call has something to say.
    """
    aside = [f for f in log.parent.glob(f"{log.name}[.-]*") if f.suffix not in COMPRESSED]
    latest = sorted(aside, key=lambda file: file.stat().st_mtime_ns)[-1:]
    return [*latest, log] if log.exists() or not latest else latest


def add_events(by_channel: dict[str, Leg], lines: Iterable[str]) -> None:
    """Put the events of each channel together. A line cut short by a crash says nothing."""
    for line in lines:
        event = _read(line)
        if event is not None:
            channel = str(event["uniqueid"])
            leg = by_channel.get(channel, Leg(channel=channel, call=str(event["linkedid"])))
            by_channel[channel] = _with(leg, event)


def by_call(by_channel: Mapping[str, Leg]) -> Legs:
    calls: dict[str, tuple[Leg, ...]] = {}
    for leg in by_channel.values():
        calls[leg.call] = (*calls.get(leg.call, ()), leg)
    return calls


def carrier_leg(legs: Iterable[Leg], *, caller: str) -> Leg | None:
    """The leg that answered first, other than the caller's own channel."""
    answered = [leg for leg in legs if leg.channel != caller and leg.answered_ms is not None]
    return min(answered, key=lambda leg: leg.answered_ms or 0, default=None)


def _read(line: str) -> Mapping[str, object] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    required = {"eventtype", "eventtime", "uniqueid", "linkedid"}
    return event if isinstance(event, dict) and event.keys() >= required else None


def _with(leg: Leg, event: Mapping[str, object]) -> Leg:
    at_ms = round(float(str(event["eventtime"])) * 1000)
    if event["eventtype"] == "ANSWER" and leg.answered_ms is None:
        return replace(leg, answered_ms=at_ms)
    if event["eventtype"] == "HANGUP":
        return replace(leg, ended_ms=at_ms)
    return leg
