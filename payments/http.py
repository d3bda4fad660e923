"""Serving HTTP on a port of this machine until cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from settings import SettingsError

GRACE_S = 2  # for answers that are under way when we are told to stop


@contextlib.asynccontextmanager
async def served(app: ASGIApp, *, section: str, address: str, port: int) -> AsyncIterator[int]:
    """Listen for as long as the block runs; the port, which is chosen where 0 is asked for.

    Raises:
        SettingsError: the port is taken, or not ours to take.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"{section}: port {port} of {address} cannot be listened at: {error.strerror}"
        ) from error
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listening.wait()
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Says when it listens; signals are the entry point's to handle."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
