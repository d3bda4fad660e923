"""The ids that calls are known by, here and in the ledger."""

import time

import pytest

from ari_app.driver import new_call_id


def test_no_two_calls_share_an_id_though_they_come_at_the_same_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_792_000_000_000_000_000)

    ids = {new_call_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(call_id) for call_id in ids} == {32}


def test_a_later_call_has_a_greater_id(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1_792_000_000_000_000_000, 1_792_000_000_000_000_001])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))

    earlier, later = new_call_id(), new_call_id()

    assert earlier < later
