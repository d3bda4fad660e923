"""What Asterisk wrote down of each leg: when it was answered and when it ended.

Asterisk's channel event log (CEL) is the evidence of a call that ended while nobody watched. One
JSON object a line; `dialplan/cel_custom.conf` says which fields. Times are seconds since 1970.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

TAIL_BYTES = 64 * 1024 * 1024  # far more than a day of an office; older calls are settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    channel: str
    call: str  # Asterisk's linked id: the caller's channel
    answered_ms: int | None = None
    ended_ms: int | None = None


Legs = Mapping[str, tuple[Leg, ...]]  # of each call, by the caller's channel


def read_legs(file: Path) -> Legs:
    """Every leg in the newest part of the log, by call.

    Raises:
        OSError: the log cannot be read. That is never the same as "no legs".
    """
    with file.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - TAIL_BYTES))
        return legs_of(log.read().decode("utf-8", "replace").splitlines())


def legs_of(lines: Iterable[str]) -> Legs:
    """Put the events of each channel together. A line cut short by a crash says nothing."""
    by_channel: dict[str, Leg] = {}
    for line in lines:
        event = _read(line)
        if event is not None:
            channel = str(event["uniqueid"])
            leg = by_channel.get(channel, Leg(channel=channel, call=str(event["linkedid"])))
            by_channel[channel] = _with(leg, event)
    by_call: dict[str, tuple[Leg, ...]] = {}
    for leg in by_channel.values():
        by_call[leg.call] = (*by_call.get(leg.call, ()), leg)
    return by_call


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
