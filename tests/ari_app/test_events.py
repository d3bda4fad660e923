"""ARI messages as Asterisk sends them, and nonsense."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.events import CallEvent, CallOffered, WhisperOpened, parse, waiting_call
from ari_app.messages import (
    ChannelEnded,
    KeyPressed,
    LegAnswered,
    LegDialled,
    LegFailed,
    PromptFinished,
    WhisperFinished,
)

TIMESTAMP = "2026-11-21T09:30:00.123+0000"
AT_MS = 1_795_253_400_123


def channel(name: str) -> dict[str, Any]:
    return {"id": name, "name": f"PJSIP/{name}-00000001", "state": "Ring", "language": "fr"}


def dial(status: str, **more: Any) -> dict[str, Any]:
    legs = {"caller": channel("caller"), "peer": channel("leg")}
    return {"type": "Dial", "dialstatus": status, "timestamp": TIMESTAMP, **legs, **more}


def test_outbound_call_is_offered_with_its_endpoint_and_language() -> None:
    message = {
        "type": "StasisStart",
        "args": ["outbound", "1001", "0033142685300"],
        "channel": channel("caller"),
    }
    assert parse(message) == CallOffered(
        channel="caller", endpoint="1001", dialled="0033142685300", language="fr"
    )


@pytest.mark.parametrize(("chosen", "language"), [("en", "en"), ("", None), ("xx", None)])
def test_language_chosen_at_the_phone_is_offered_with_the_call(
    chosen: str, language: str | None
) -> None:
    message = {
        "type": "StasisStart",
        "args": ["outbound", "1001", "0033142685300", chosen],
        "channel": channel("caller"),
    }
    offered = parse(message)
    assert isinstance(offered, CallOffered)
    assert offered.chosen_language == language


def test_caller_who_waits_in_stasis_is_read_from_a_listing() -> None:
    place = {"app_name": "Stasis", "app_data": "tollgate,outbound,1001,0033142685300,en"}
    waiting = channel("caller") | {"dialplan": place}
    assert waiting_call(waiting, "tollgate") == CallOffered(
        channel="caller",
        endpoint="1001",
        dialled="0033142685300",
        language="fr",
        chosen_language="en",
    )


@pytest.mark.parametrize(
    ("app_name", "app_data"),
    [
        ("Dial", "PJSIP/33142685300@trunk,60"),
        ("Stasis", "another,outbound,1001,0033142685300,"),
        ("Stasis", "tollgate,whisper,call"),
        ("Stasis", ""),
        ("", ""),
    ],
)
def test_whatever_else_a_listing_holds_asks_nothing(app_name: str, app_data: str) -> None:
    listed = channel("caller") | {"dialplan": {"app_name": app_name, "app_data": app_data}}
    assert waiting_call(listed, "tollgate") is None


def test_other_channels_in_stasis_are_not_calls_to_authorise() -> None:
    for args in ([], ["other", "c1"]):
        assert parse({"type": "StasisStart", "args": args, "channel": channel("snoop")}) is None


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("", LegDialled("leg")),
        ("ANSWER", LegAnswered(leg="leg", at_ms=AT_MS)),
        ("BUSY", LegFailed("leg")),
        ("NOANSWER", LegFailed("leg")),
        ("CANCEL", LegFailed("leg")),
        ("CONGESTION", LegFailed("leg")),
        ("CHANUNAVAIL", LegFailed("leg")),
    ],
)
def test_progress_of_dial_names_the_leg(status: str, event: object) -> None:
    assert parse(dial(status)) == CallEvent("caller", event)  # type: ignore[arg-type]


def test_ringing_and_originated_legs_are_of_no_interest() -> None:
    assert parse(dial("RINGING")) is None
    assert parse({**dial(""), "caller": None} | {"type": "Unknown"}) is None
    originated = dial("ANSWER")
    del originated["caller"]
    assert parse(originated) is None


def test_end_key_and_prompt_reach_the_call_of_their_channel() -> None:
    gone = {"type": "ChannelDestroyed", "cause": 16, "timestamp": TIMESTAMP}
    assert parse(gone | {"channel": channel("leg")}) == CallEvent(
        "leg", ChannelEnded(channel="leg", at_ms=AT_MS, hangup_cause=16)
    )
    key = {"type": "ChannelDtmfReceived", "digit": "5", "channel": channel("caller")}
    assert parse(key) == CallEvent("caller", KeyPressed("5"))
    for state, heard in (("done", True), ("failed", False)):
        prompt = {"id": "c1-prompt", "target_uri": "channel:caller", "state": state}
        played = {"type": "PlaybackFinished", "playback": prompt}
        assert parse(played) == CallEvent("caller", PromptFinished(heard=heard))


def test_whisper_is_told_from_a_prompt_and_from_a_call() -> None:
    opened = {"type": "StasisStart", "args": ["whisper", "c1"], "channel": channel("snoop")}
    assert parse(opened) == WhisperOpened("c1", "snoop")
    done = {"id": "c1-whisper", "target_uri": "channel:snoop"}
    played = {"type": "PlaybackFinished", "playback": done}
    assert parse(played) == CallEvent("snoop", WhisperFinished("snoop"))


ODD = st.sampled_from([None, True, 7, "", "x", [], ["outbound"], {}, {"id": None}, {"id": "c"}])
NAMES = ("channel", "args", "playback", "caller", "peer", "dialstatus", "timestamp", "cause")


@given(
    st.sampled_from(["StasisStart", "Dial", "ChannelDestroyed", "PlaybackFinished", "Other"]),
    st.dictionaries(st.sampled_from(NAMES), ODD),
)
def test_malformed_message_is_read_or_refused_and_never_crashes(
    kind: str, message: dict[str, Any]
) -> None:
    with contextlib.suppress(ValueError):
        parse({"type": kind, **message})
