"""What many callers hear: when sound came from Asterisk, and when it was silent, call by call.

Every caller has its sound sent to one port; Asterisk sends each call's from a port of its own. Who
reads it may stand still for seconds on a busy machine, so the kernel keeps what comes meanwhile,
and says when it came.
"""

import asyncio
import ctypes
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import Final, NamedTuple

from lab.caller import PlacedCall

_RTP_HEADER_BYTES: Final = 12
_PACKET_BYTES: Final = 2048
_SSRC: Final = slice(8, 12)  # of the header: which source of sound sends it
_PAUSE_S: Final = 0.3  # without a packet: a new stretch of sound begins
_KEPT_BYTES: Final = 4 * 1024 * 1024
_ONE_IN: Final = 4  # packets is kept, a power of two: one each 80 ms

# Linux's own, which Python's socket does not name.
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@qq")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_TIMESPEC.size)
_UDP_HEADER_BYTES: Final = 8
_SEQUENCE_AT: Final = 2  # in the header of RTP
# A program of the kernel's packet filter: (code, where to go if so, if not, value).
_KEEP_ONE_IN: Final = (
    (0x28, 0, 0, _UDP_HEADER_BYTES + _SEQUENCE_AT),  # load the packet's number, 16 bits
    (0x54, 0, 0, _ONE_IN - 1),  # its lowest bits
    (0x15, 0, 1, 0),  # are they 0?
    (0x06, 0, 0, 0xFFFF_FFFF),  # then keep all of it
    (0x06, 0, 0, 0),  # else none
)


_Said = tuple[int, int, bytes]  # what the kernel says beside a packet: level, kind, value


class Stretch(NamedTuple):
    """Sound without a gap; seconds since 1970."""

    from_s: float
    to_s: float


class Ears:
    def __init__(self) -> None:
        self._by_port: dict[int, list[Stretch]] = defaultdict(list)
        self._source_of: dict[int, bytes] = {}  # SSRC: another one for the port's next call

    def read(self, sound: socket.socket) -> None:
        """All that has come until now."""
        while True:
            try:
                data, said, _, address = sound.recvmsg(_PACKET_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            self.take(data, port=address[1], at_s=_arrived_s(said))

    def take(self, data: bytes, *, port: int, at_s: float) -> None:
        """One packet, from this port of Asterisk's."""
        if len(data) <= _RTP_HEADER_BYTES:
            return
        source, stretches = data[_SSRC], self._by_port[port]
        goes_on = self._source_of.get(port) == source
        self._source_of[port] = source
        if goes_on and at_s - stretches[-1].to_s < _PAUSE_S:
            stretches[-1] = Stretch(stretches[-1].from_s, at_s)
        else:
            stretches.append(Stretch(at_s, at_s))

    def heard(self, calls: Sequence[PlacedCall]) -> Mapping[str, tuple[Stretch, ...]]:
        """By what was dialled; a port is another call's after a call has ended."""
        return {call.dialled: tuple(self._heard(call)) for call in calls}

    def _heard(self, call: PlacedCall) -> Sequence[Stretch]:
        if call.sound_from_port is None:
            return ()
        end_s = call.ended_at_s or float("inf")
        all_of_port = self._by_port.get(call.sound_from_port, [])
        return [s for s in all_of_port if s.from_s >= call.placed_at_s and s.to_s <= end_s + 1]


def _arrived_s(said: Iterable[_Said]) -> float:
    (stamp,) = (value for _, kind, value in said if kind == _SO_TIMESTAMPNS)
    seconds, nanoseconds = _TIMESPEC.unpack(stamp)
    return float(seconds + nanoseconds / 1e9)


@asynccontextmanager
async def ears(address: str, port: int) -> AsyncIterator[Ears]:
    loop, ear = asyncio.get_running_loop(), Ears()
    with closing(open_ear(address, port)) as sound:
        loop.add_reader(sound, ear.read, sound)
        try:
            yield ear
        finally:
            loop.remove_reader(sound)
            ear.read(sound)


def open_ear(address: str, port: int) -> socket.socket:
    """A socket that keeps one packet of RTP in four, and when it came."""
    sound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sound.setblocking(False)  # noqa: FBT003 - as Python has it
    sound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KEPT_BYTES)  # or as much as one may
    with suppress(PermissionError):
        sound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _KEPT_BYTES)
    sound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    steps = b"".join(struct.pack("HBBI", *step) for step in _KEEP_ONE_IN)
    program = ctypes.create_string_buffer(steps)
    at = ctypes.addressof(program)
    sound.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_KEEP_ONE_IN), at))
    sound.bind((address, port))
    return sound
