"""Included and free calls, as Asterisk's log of legs tells of them: who dialled what, how long.

The dialplan connects them, with or without the application, so the log alone has seen them all.
Pure: events in, finished calls out.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dialplan.walk.targets import targets_of
from telephony.cel import event_ms

OPEN_MAX_MS = 24 * 60 * 60 * 1000  # no end comes after that: Asterisk did not write it
_CHANNEL = re.compile(r"PJSIP/(?P<endpoint>.+)-[0-9a-f]{8}")
UNAVAILABLE_CAUSE = 34  # Q.850: with it [tollgate-unavailable] hangs up, and the application never
OUTGOING = "(Outgoing Line)"  # what Asterisk calls the application of a leg that was dialled


@dataclass(slots=True, kw_only=True)
class LegAttempt:
    """One caller's attempt to reach one number over a trunk, by one Dial or several."""

    caller_channel: str
    call: str  # Asterisk's linked id
    endpoint: str  # of the phone; "": a channel of Asterisk's own placed the call
    dialled: str  # by the phone
    sent: str  # the number as the trunk was told it
    at_ms: int
    leg: str | None = None  # that answered
    answered_ms: int | None = None
    ended_ms: int | None = None
    hangup_cause: int | None = None
    is_refused: bool = False  # by the dialplan, which could not ask the application


class LegAttempts:
    """What the log has told of attempts that have not ended yet."""

    def __init__(
        self, trunks: Collection[str], costs_nothing: Callable[[LegAttempt], bool]
    ) -> None:
        """Follow what goes to these endpoints and costs nothing; it is asked once of each."""
        self._trunks = trunks
        self._costs_nothing = costs_nothing
        self._open: dict[str, LegAttempt] = {}  # by the caller's channel
        self._dialled_ms: dict[str, int] = {}  # channels that have dialled something
        self._callers: dict[str, str] = {}  # the caller's channel, by the leg that answered
        self._last_ms = 0

    def note(self, event: Mapping[str, Any]) -> LegAttempt | None:
        """The attempt that this event ends. A line that lacks the fields says nothing."""
        try:
            return self._note(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def lost(self) -> Iterator[LegAttempt]:
        """Attempts whose end nobody will tell of any more."""
        since_ms = self._last_ms - OPEN_MAX_MS
        for channel, at_ms in tuple(self._dialled_ms.items()):
            if at_ms < since_ms:
                del self._dialled_ms[channel]
        for attempt in tuple(self._open.values()):
            if attempt.at_ms < since_ms:
                yield self._close(attempt)

    @property
    def position_ms(self) -> int:
        """Everything before this moment is told to its end; 0: nothing was read."""
        return min((attempt.at_ms for attempt in self._open.values()), default=self._last_ms)

    def _note(self, event: Mapping[str, Any]) -> LegAttempt | None:
        at_ms = event_ms(event)
        self._last_ms = max(self._last_ms, at_ms)
        match event["eventtype"]:
            case "APP_START":
                return self._begin(event, at_ms)
            case "ANSWER" if event["appdata"] == OUTGOING and not event["dnid"]:
                self._answer(event, at_ms)
            case "HANGUP":
                return self._end(event, at_ms)
        return None

    def _begin(self, event: Mapping[str, Any], at_ms: int) -> LegAttempt | None:
        self._dialled_ms[event["uniqueid"]] = at_ms
        targets = [t for t in targets_of(event["appdata"]) if t.endpoint in self._trunks]
        if not targets or not targets[0].number:
            return None
        attempt = LegAttempt(
            caller_channel=event["uniqueid"],
            call=event["linkedid"],
            endpoint=endpoint_of(event["channame"]) or "",
            dialled=event["dnid"],
            sent=targets[0].number,
            at_ms=at_ms,
        )
        earlier = self._open.get(attempt.caller_channel)
        if earlier is not None and earlier.sent == attempt.sent:
            return None  # another trunk is tried, or Asterisk says again what it does
        ended = None if earlier is None else self._close(earlier, at_ms=at_ms)
        if self._costs_nothing(attempt):
            self._open[attempt.caller_channel] = attempt
        return ended

    def _answer(self, event: Mapping[str, Any], at_ms: int) -> None:
        if endpoint_of(event["channame"]) not in self._trunks:
            return
        for attempt in self._open.values():
            if attempt.call == event["linkedid"] and attempt.leg is None:
                attempt.leg, attempt.answered_ms = event["uniqueid"], at_ms
                self._callers[event["uniqueid"]] = attempt.caller_channel
                return

    def _end(self, event: Mapping[str, Any], at_ms: int) -> LegAttempt | None:
        """A call is over with its leg; where none answered, with its caller."""
        channel = event["uniqueid"]
        has_dialled = self._dialled_ms.pop(channel, None) is not None
        attempt = self._open.get(self._callers.get(channel, channel))
        if attempt is None and not has_dialled:
            return _refused(event, at_ms)
        if attempt is None or attempt.leg not in {None, channel}:
            return None
        return self._close(attempt, at_ms=at_ms, cause=_cause(event))

    def _close(
        self, attempt: LegAttempt, *, at_ms: int | None = None, cause: int | None = None
    ) -> LegAttempt:
        attempt.ended_ms, attempt.hangup_cause = at_ms, cause
        del self._open[attempt.caller_channel]
        self._callers.pop(attempt.leg or "", None)
        return attempt


def endpoint_of(channel_name: str) -> str | None:
    """The PJSIP endpoint of a channel; None: it has none."""
    found = _CHANNEL.fullmatch(channel_name)
    return None if found is None else found["endpoint"]


def _refused(event: Mapping[str, Any], at_ms: int) -> LegAttempt | None:
    """A phone that dialled a number, and whose dialplan said that the service is not available."""
    endpoint = endpoint_of(event["channame"])
    by_the_dialplan = str(_extra(event).get("hangupsource", "")).startswith("dialplan/")
    if not by_the_dialplan or _cause(event) != UNAVAILABLE_CAUSE:
        return None
    if endpoint is None or not event["dnid"]:
        return None
    return LegAttempt(
        caller_channel=event["uniqueid"],
        call=event["linkedid"],
        endpoint=endpoint,
        dialled=event["dnid"],
        sent="",
        at_ms=at_ms,
        ended_ms=at_ms,
        hangup_cause=UNAVAILABLE_CAUSE,
        is_refused=True,
    )


def _cause(event: Mapping[str, Any]) -> int | None:
    cause = _extra(event).get("hangupcause")
    return cause if isinstance(cause, int) else None


def _extra(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found = json.loads(event.get("eventextra") or "{}")
    return found if isinstance(found, dict) else {}
