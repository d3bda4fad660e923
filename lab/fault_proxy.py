"""A connection that can be cut, stalled or left half open: between the application and Asterisk."""

import asyncio
from enum import Enum, auto
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65536


class Fault(Enum):
    CUT = auto()  # both sides are told, and who connects anew is cut off at once
    STALL = auto()  # connected, and nothing gets through; what was held back comes later
    HALF_OPEN = auto()  # Asterisk's side is gone, and the application is not told


class FaultProxy:
    """`async with FaultProxy(target) as proxy:` listens on `address`:`proxy.port`."""

    def __init__(self, target: tuple[str, int], *, address: str) -> None:
        self._target = target
        self._address = address
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_target: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cutting = False

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the proxy is not running")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._address, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._abort(self._writers)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def break_for(self, seconds: float, fault: Fault) -> None:
        """Break every connection of now, and those that are tried meanwhile, for so long."""
        match fault:
            case Fault.CUT:
                self._cutting = True
                self._abort(self._writers)
            case Fault.HALF_OPEN:
                self._flowing.clear()
                self._abort(self._to_target)
            case Fault.STALL:
                self._flowing.clear()
        await asyncio.sleep(seconds)
        self._cutting = False
        self._flowing.set()
        if fault is Fault.HALF_OPEN:
            self._abort(self._writers)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cutting:
            self._abort({writer})
            return
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            self._abort({writer})
            return
        self._writers.add(far_writer)
        self._to_target.add(far_writer)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK_BYTES):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass  # cut on purpose, or by one side: the other is told below
        if self._flowing.is_set():
            self._abort({target})

    def _abort(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in tuple(writers):
            writer.transport.abort()
            self._writers.discard(writer)
            self._to_target.discard(writer)
