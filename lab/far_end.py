"""What the far end of a call hears: the sound that Asterisk sends to the carrier, as it arrives."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import numpy as np
import soundfile

from lab.sipp import SAMPLE_RATE_HZ

_RTP_HEADER_BYTES = 12
_PAYLOAD_TYPE_ALAW = 8
_SILENT_SAMPLE = b"\xd5"
_SOURCE = b"ears"


class FarEnd(asyncio.DatagramProtocol):
    """Keeps every packet of sound, and answers each with as much silence."""

    def __init__(self) -> None:
        self._payloads: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio promises it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        header, payload = data[:_RTP_HEADER_BYTES], data[_RTP_HEADER_BYTES:]
        if not payload or header[1] & 0x7F != _PAYLOAD_TYPE_ALAW:
            return
        self._payloads.append(payload)
        if self._transport is not None:
            # Version, type, sequence and time as they came; the source is one of our own.
            own = header[:8] + _SOURCE
            self._transport.sendto(own + _SILENT_SAMPLE * len(payload), addr)

    @property
    def heard_s(self) -> float:
        return sum(map(len, self._payloads)) / SAMPLE_RATE_HZ

    def loudest(self) -> float:
        """The highest sample so far; 1 is full scale, and silence is below a thousandth."""
        samples, _ = soundfile.read(
            io.BytesIO(b"".join(self._payloads)),
            format="RAW",
            subtype="ALAW",
            samplerate=SAMPLE_RATE_HZ,
            channels=1,
        )
        return float(np.max(np.abs(samples)))


@asynccontextmanager
async def far_end(address: str, port: int) -> AsyncIterator[FarEnd]:
    """Listen where a `Behaviour` with that `media_port` lets sound be sent."""
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(FarEnd, local_addr=(address, port))
    try:
        yield ear
    finally:
        transport.close()
