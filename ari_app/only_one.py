"""One application for one Asterisk, and one for each named Asterisk of a ledger.

Two would take the events of one application name away from each other, and each would settle the
other's calls. On this machine the kernel tells them apart: it gives the name of an abstract socket
to one process and takes it back when that dies, however it dies. From another machine only ARI can
tell (`Ari.has_another`).
"""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Iterator

from sqlalchemy import make_url
from yarl import URL

from assembly.process import TakenError
from settings import AriSettings, SharedSections

LOCK_TIMEOUT_S = 3.0  # one that was just killed may still be ending
ASK_EVERY_S = 0.2


@contextlib.asynccontextmanager
async def only_one(settings: SharedSections, ari: AriSettings) -> AsyncIterator[None]:
    """Hold the names of this Asterisk for as long as the block runs.

    Raises:
        TakenError: another application of this machine has one of them.
    """
    with contextlib.ExitStack() as held:
        for name, why in names(settings, ari):
            held.enter_context(contextlib.closing(await _taken(name, why)))
        yield


def names(settings: SharedSections, ari: AriSettings) -> Iterator[tuple[str, str]]:
    """What only one may hold, and what is wrong when another does."""
    yield (
        f"ari {_place(ari.base_url)} {ari.app_name}",
        f"another application answers as {ari.app_name} for the Asterisk at {ari.base_url}",
    )
    ledger = make_url(settings.database.url)
    where = (ledger.get_backend_name(), ledger.host, ledger.port, ledger.database)
    asterisk = settings.asterisk.name
    why = (
        f"another application carries the calls of the Asterisk named {asterisk} in"
        f" {ledger.render_as_string()}: where there are two, [asterisk] name tells them apart"
    )
    yield f"ledger {where} {asterisk}", why


async def _taken(name: str, why: str) -> socket.socket:
    address = "\0tollgate-" + hashlib.sha256(name.encode()).hexdigest()
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        async with asyncio.timeout(LOCK_TIMEOUT_S):
            while not _bound(holder, address):  # noqa: ASYNC110 - the kernel tells nobody of it
                await asyncio.sleep(ASK_EVERY_S)
    except TimeoutError:
        holder.close()
        raise TakenError(why) from None
    except BaseException:
        holder.close()
        raise
    return holder


def _bound(holder: socket.socket, address: str) -> bool:
    try:
        holder.bind(address)
    except OSError:
        return False
    return True


def _place(base_url: str) -> str:
    """`localhost` and `127.0.0.1` are one place; a name that means nothing is one of its own."""
    url = URL(base_url)
    host = url.host or ""
    with contextlib.suppress(OSError):
        host = socket.gethostbyname(host)
    return f"{host}:{url.port}{url.path.rstrip('/')}"
