"""What a caller of a trial heard, from the packets that came."""

from collections.abc import Iterator
from itertools import count

import pytest

from lab import ears
from lab.caller import PlacedCall

PORT = 17258
PACKET_S = 0.02
SOUND = bytes(160)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Iterator[int] = count()
    monkeypatch.setattr("time.time", lambda: next(ticks) * PACKET_S)


def packet(source: str) -> bytes:
    return bytes(8) + source.encode().ljust(4) + SOUND


def call(dialled: str, *, from_s: float, to_s: float) -> PlacedCall:
    return PlacedCall(
        sip_call_id=dialled,
        dialled=dialled,
        placed_at_s=from_s,
        ended_at_s=to_s,
        sound_from_port=PORT,
    )


def test_a_port_that_is_taken_at_once_by_another_call_is_heard_by_each_of_both() -> None:
    heard = ears.Ears()
    for source in "one", "two":
        for _ in range(100):
            heard.datagram_received(packet(source), ("127.0.0.1", PORT))
    first, second = call("1", from_s=0, to_s=1.99), call("2", from_s=1.995, to_s=4)
    of = heard.heard([first, second])
    assert [tuple(stretch) for stretch in of["1"]] == [pytest.approx((0, 1.98))]
    assert [tuple(stretch) for stretch in of["2"]] == [pytest.approx((2, 3.98))]
