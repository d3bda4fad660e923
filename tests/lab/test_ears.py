"""What a caller of a trial heard, from the packets that came."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from lab.caller import PlacedCall
from lab.ears import Ears, open_ear

PORT = 17258
PACKET_S = 0.02
SOUND = bytes(160)
LOOPBACK = "127.0.0.1"
LAST_KEPT = 1996  # of twenty calls in two seconds: so much is kept on any machine


def packet(source: str, number: int = 0) -> bytes:
    return bytes(2) + number.to_bytes(2) + bytes(4) + source.encode().ljust(4) + SOUND


def call(dialled: str, *, from_s: float, to_s: float, port: int = PORT) -> PlacedCall:
    return PlacedCall(
        sip_call_id=dialled,
        dialled=dialled,
        placed_at_s=from_s,
        ended_at_s=to_s,
        sound_from_port=port,
    )


def test_a_port_that_is_taken_at_once_by_another_call_is_heard_by_each_of_both() -> None:
    heard = Ears()
    for place, source in enumerate(["one"] * 100 + ["two"] * 100):
        heard.take(packet(source), port=PORT, at_s=place * PACKET_S)
    first, second = call("1", from_s=0, to_s=1.99), call("2", from_s=1.995, to_s=4)
    of = heard.heard([first, second])
    assert [tuple(stretch) for stretch in of["1"]] == [pytest.approx((0, 1.98))]
    assert [tuple(stretch) for stretch in of["2"]] == [pytest.approx((2, 3.98))]


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    with closing(open_ear(LOOPBACK, 0)) as opened:
        while not says_when_sound_came(opened):  # Linux begins to a moment after it is asked
            pass
        yield opened


def says_when_sound_came(ear: socket.socket) -> bool:
    heard = Ears()
    with sender_to(ear) as sender:
        sender.send(packet("none"))
        port, sent_s = sender.getsockname()[1], time.time()
    heard.read(ear)
    (stretch,) = heard.heard([call("0", from_s=0, to_s=time.time(), port=port)])["0"]
    return stretch.to_s <= sent_s


def sender_to(ear: socket.socket) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(ear.getsockname())
    return sender


@pytest.fixture
def asterisk(ear: socket.socket) -> Iterator[socket.socket]:
    with sender_to(ear) as sender:
        yield sender


def test_sound_that_is_read_late_was_heard_when_it_came(
    ear: socket.socket, asterisk: socket.socket
) -> None:
    heard, sent_s = Ears(), [time.time()]
    for number in range(LAST_KEPT + 1):
        asterisk.send(packet("one", number))
        sent_s.append(time.time())
    heard.read(ear)
    port = asterisk.getsockname()[1]
    of = heard.heard([call("1", from_s=sent_s[0], to_s=sent_s[-1], port=port)])
    (stretch,) = of["1"]
    assert sent_s[0] <= stretch.from_s <= sent_s[1]
    assert sent_s[-2] <= stretch.to_s <= sent_s[-1]


def test_some_of_the_packets_are_enough_and_none_of_another_kind_is_sound(
    ear: socket.socket, asterisk: socket.socket
) -> None:
    for number in range(65_530, 65_546):
        asterisk.send(packet("one", number % 65_536))
    asterisk.send(packet("one", 4)[:12])
    kept = [ear.recv(2048) for _ in range(5)]
    with pytest.raises(BlockingIOError):
        ear.recv(2048)
    assert [int.from_bytes(each[2:4]) for each in kept] == [65_532, 0, 4, 8, 4]
    heard = Ears()
    heard.take(kept[-1], port=PORT, at_s=1)
    assert heard.heard([call("1", from_s=0, to_s=2)]) == {"1": ()}
