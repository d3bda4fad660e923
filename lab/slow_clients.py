"""A crowd of clients of a web server, slow on purpose: heads, bodies, answers never read."""

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping, Sequence

from lab.lifecycle import Runnable

DRIP_S = 1.0  # between two bytes, and before a client that was dropped comes again
RECEIVE_BUFFER = 4096  # of who never reads: all that the kernel takes for it
PIPELINED = 200  # requests whose answers are more than every buffer on the way holds


class SlowClients(Runnable):
    """`async with SlowClients(url, 1000):` as many, a third of each kind, until the block ends."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._host, self._port = host, port
        self._count = count
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self.connected = 0
        self.dropped: Counter[str] = Counter()  # by kind, and once each time

    async def start(self) -> None:
        names = sorted(_KINDS)
        self._tasks = [
            asyncio.create_task(self._keep_coming(names[each % len(names)]))
            for each in range(self._count)
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_coming(self, kind: str) -> None:
        while True:
            try:
                await self._be_slow(kind)
            except ConnectionError:
                self.dropped[kind] += 1
            await asyncio.sleep(DRIP_S)

    async def _be_slow(self, kind: str) -> None:
        """Until the other side has had enough.

        Raises:
            ConnectionError: it has.
        """
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        client.setblocking(False)  # noqa: FBT003 - the standard library's
        try:
            await asyncio.get_running_loop().sock_connect(client, (self._host, self._port))
            self.connected += 1
            await self._drip(client, kind)
        finally:
            client.close()

    async def _drip(self, client: socket.socket, kind: str) -> None:
        loop = asyncio.get_running_loop()
        host = f"{self._host}:{self._port}"
        first, then = (text.replace("HOST", host).encode() for text in _KINDS[kind])
        await loop.sock_sendall(client, first)
        while True:
            await asyncio.sleep(DRIP_S)
            _require_open(client)
            await loop.sock_sendall(client, then)


def _require_open(client: socket.socket) -> None:
    """Raises ConnectionError: the other side dropped it; of an answer nothing is read."""
    error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise ConnectionResetError(error)


_HALF_A_FORM = (
    "POST /sign-in HTTP/1.1\r\nhost: HOST\r\norigin: http://HOST\r\n"
    "content-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\naddress="
)
# What is sent at once, and what then byte by byte.
_KINDS: Mapping[str, tuple[str, str]] = {
    "head": ("GET / HTTP/1.1\r\nhost: HOST\r\nx-slow: ", "x"),
    "body": (_HALF_A_FORM, "x"),
    "answer": ("GET /static/portal.css HTTP/1.1\r\nhost: HOST\r\n\r\n" * PIPELINED, ""),
}
