"""The log says that the balance was announced where it was heard, and nowhere else."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from ari_app import announcement
from ari_app.flow import State
from tests.ari_app.office_of_one import CALLER, OfficeOfOne, settle_down

SAID = {"balance_playing", "balance_announced", "balance_not_announced"}


@pytest.mark.parametrize(
    ("state", "shortest_s", "key", "said"),
    [
        ("done", 0.0, "", "balance_announced"),
        ("done", 0.0, "5", "balance_announced"),
        ("done", 60.0, "5", "balance_announced"),  # cut short by the caller
        ("done", 60.0, "", "balance_not_announced"),  # over before it can have been said
        ("failed", 0.0, "", "balance_not_announced"),
    ],
)
async def test_balance_is_announced_when_it_was_heard(
    state: str, shortest_s: float, key: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcement, "CLIP_S", (shortest_s, 60.0))
    office = OfficeOfOne()
    with capture_logs() as logs:
        await office.dial()
        (task,) = office.driver.tasks()
        assert events(logs) == ["balance_playing"]
        if key:
            pressed = {"type": "ChannelDtmfReceived", "digit": key, "channel": {"id": CALLER}}
            office.driver.take(pressed)
            await settle_down()
        office.played(state)
        await settle_down()
    assert events(logs) == ["balance_playing", said]
    assert task.call.state is State.DIALLING  # a call matters more than its announcement


def events(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [entry["event"] for entry in logs if entry["event"] in SAID]
