"""ARI's messages as typed events; the only place that reads their raw dictionaries.

Field names: `rest-api/api-docs/events.json` of Asterisk 22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ari_app.clock import milliseconds
from ari_app.messages import (
    ChannelEnded,
    Event,
    KeyPressed,
    LegAnswered,
    LegDialled,
    LegFailed,
    PromptFinished,
    WhisperFinished,
)
from charging.language import LANGUAGES

Raw = Mapping[str, Any]
ONE_MOMENT = "-one-moment"  # ends the ids of what is said to whoever waits for a refill
WHISPER = "-whisper"  # ends the ids of what only the caller hears
RINGING_STATUSES = frozenset({"RINGING", "PROGRESS", "PROCEEDING"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOffered:
    """The dialplan asks: may this phone dial this?"""

    channel: str
    endpoint: str
    dialled: str
    language: str  # of the phone, as Asterisk knows it
    chosen_language: str | None = None  # by the feature code, at this phone
    forwarded: bool = False  # no phone dialled: the endpoint is who pays, as the dialplan says


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An event of the call that knows this channel."""

    channel: str
    event: Event


@dataclass(frozen=True, slots=True)
class WhisperOpened:
    """A channel that we asked for, that only a call's caller hears."""

    call_id: str
    channel: str


Parsed = CallOffered | CallEvent | WhisperOpened | None


def parse(message: Raw) -> Parsed:
    """Read one ARI event; None when it is of no interest.

    Raises:
        ValueError: a field is missing or of the wrong shape.
    """
    try:
        return _parse(message)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"unreadable ARI event {message.get('type')}: {error!r}") from error


def waiting_call(channel: Raw, app_name: str) -> CallOffered | None:
    """What a channel of a listing waits for in Stasis; None if it does not, or not for us."""
    place = channel["dialplan"]
    app, *args = place["app_data"].split(",")
    if (place["app_name"], app) != ("Stasis", app_name):
        return None
    asked = _offered({"channel": channel, "args": args})
    return asked if isinstance(asked, CallOffered) else None


def _parse(message: Raw) -> Parsed:
    match message["type"]:
        case "StasisStart":
            return _offered(message)
        case "PlaybackFinished":
            return _played(message["playback"])
        case "ChannelDtmfReceived":
            return CallEvent(message["channel"]["id"], KeyPressed(str(message["digit"])))
        case "Dial":
            return _dialled(message)
        case "ChannelDestroyed":
            return CallEvent(message["channel"]["id"], _ended(message))
        case _:
            return None


def _offered(message: Raw) -> CallOffered | WhisperOpened | None:
    channel = message["channel"]
    match message["args"]:
        case ["outbound" | "forwarded" as asks, endpoint, dialled, *chosen]:
            return CallOffered(
                forwarded=asks == "forwarded",
                channel=channel["id"],
                endpoint=endpoint,
                dialled=dialled,
                language=channel["language"],
                chosen_language=chosen[0] if chosen and chosen[0] in LANGUAGES else None,
            )
        case ["whisper", call_id]:
            return WhisperOpened(call_id, channel["id"])
        case _:
            return None


def _played(playback: Raw) -> CallEvent | None:
    channel = str(playback["target_uri"]).removeprefix("channel:")
    if str(playback["id"]).endswith(ONE_MOMENT):
        return None
    if str(playback["id"]).endswith(WHISPER):
        return CallEvent(channel, WhisperFinished(channel))
    # Asterisk says "failed" of what it found no sound for, and "done" of what a key cut short.
    return CallEvent(channel, PromptFinished(heard=playback["state"] == "done"))


def _dialled(message: Raw) -> CallEvent | None:
    if "caller" not in message:  # an originated channel: nobody's call of ours
        return None
    caller, leg = message["caller"]["id"], message["peer"]["id"]
    match message["dialstatus"]:
        case "":
            return CallEvent(caller, LegDialled(leg))
        case "ANSWER":
            return CallEvent(caller, LegAnswered(leg=leg, at_ms=milliseconds(message["timestamp"])))
        case status if status in RINGING_STATUSES:
            return None
        case _:
            return CallEvent(caller, LegFailed(leg))


def _ended(message: Raw) -> ChannelEnded:
    return ChannelEnded(
        channel=message["channel"]["id"],
        at_ms=milliseconds(message["timestamp"]),
        hangup_cause=int(message["cause"]),
    )
