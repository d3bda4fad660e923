"""Serving HTTP on a port of this machine until cancelled: the portal, webhooks, the sandbox."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from assembly.connections import LimitedConnection, Limits, Room
from settings import SettingsError

GRACE_S = 5  # for answers that are under way when we are told to stop
KEEP_ALIVE_S = 15
OTHER_FILES = 200  # of a process that serves: the ledger, its log, what it loads


@contextlib.asynccontextmanager
async def served(  # noqa: PLR0913 - what a server is told, by name
    app: ASGIApp,
    *,
    section: str,
    address: str,
    port: int,
    trusted_proxy: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it cannot change
) -> AsyncIterator[int]:
    """Listen for as long as the block runs; the port, which is chosen where 0 is asked for.

    Args:
        app: what answers.
        section: of the settings that name the address, for the sentence of an error.
        address: IPv4 or IPv6.
        port: of it.
        trusted_proxy: whose X-Forwarded-For and -Proto are believed; None: nobody's.
        limits: how many connections there may be, and how slow.

    Raises:
        SettingsError: the port is taken, or not ours to take.
    """
    _allow_files(limits.burst_max + OTHER_FILES)
    room = Room(limits)
    with _listening(section, address, port) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", partial(LimitedConnection, room=room)),
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=trusted_proxy is not None,
                forwarded_allow_ips=trusted_proxy or "",
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.listening.wait()
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def _allow_files(count: int) -> None:
    """As many as the system lets this process have: many shells give a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listening(section: str, address: str, port: int) -> socket.socket:
    """Bound before anything is served, so that a port that is taken is one sentence."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"{section}: port {port} of {address} cannot be listened at: {error.strerror}"
        ) from error
    return listener


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
