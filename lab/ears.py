"""What many callers hear: when sound came from Asterisk, and when it was silent, call by call.

Every caller has its sound sent to one port; Asterisk sends each call's from a port of its own.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from lab.caller import PlacedCall

_RTP_HEADER_BYTES = 12
_SSRC = slice(8, 12)  # of the header: which source of sound sends it
_PAUSE_S = 0.3  # without a packet: a new stretch of sound begins
_RECEIVE_BYTES = 4 * 1024 * 1024


class Stretch(NamedTuple):
    """Sound without a gap; seconds since 1970."""

    from_s: float
    to_s: float


class Ears(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._by_port: dict[int, list[Stretch]] = defaultdict(list)
        self._source_of: dict[
            int, bytes
        ] = {}  # the SSRC, which is another for the port's next call

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) <= _RTP_HEADER_BYTES:
            return
        now_s, port, source = time.time(), addr[1], data[_SSRC]
        stretches = self._by_port[port]
        goes_on = self._source_of.get(port) == source
        self._source_of[port] = source
        if goes_on and now_s - stretches[-1].to_s < _PAUSE_S:
            stretches[-1] = Stretch(stretches[-1].from_s, now_s)
        else:
            stretches.append(Stretch(now_s, now_s))

    def heard(self, calls: Sequence[PlacedCall]) -> Mapping[str, tuple[Stretch, ...]]:
        """By what was dialled; a port is another call's after a call has ended."""
        return {call.dialled: tuple(self._heard(call)) for call in calls}

    def _heard(self, call: PlacedCall) -> Sequence[Stretch]:
        if call.sound_from_port is None:
            return ()
        end_s = call.ended_at_s or float("inf")
        all_of_port = self._by_port.get(call.sound_from_port, [])
        return [s for s in all_of_port if s.from_s >= call.placed_at_s and s.to_s <= end_s + 1]


@asynccontextmanager
async def ears(address: str, port: int) -> AsyncIterator[Ears]:
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(Ears, local_addr=(address, port))
    try:
        yield ear
    finally:
        transport.close()
