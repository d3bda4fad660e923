"""A server on a port of its own, and a peer that behaves as Asterisk does, or does not."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from agi.__main__ import SERVICES
from agi.server import Server
from charging.enquiries import Enquiries
from charging.extensions import Extension
from charging.usecases import Charging
from tests.fakes.charging import (
    RECEPTION,
    UK_PLAN,
    OneDeck,
    charging_with,
    gbp,
    offices_on,
)
from tests.fakes.clock import ManualClock
from tests.fakes.ledger import MemoryLedger

PATIENCE_S = 10
WORKSHOP = Extension(
    endpoint="1002", number="1002", name="Workshop", office_id="main", language="fr"
)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def charging(ledger: MemoryLedger) -> Charging:
    return charging_with(ledger)


@pytest.fixture
def enquiries(ledger: MemoryLedger) -> Enquiries:
    return Enquiries(
        offices=offices_on(UK_PLAN, [RECEPTION, WORKSHOP]),
        decks=OneDeck(),
        accounts=ledger,
        clock=ManualClock(),
    )


@pytest.fixture
async def port(enquiries: Enquiries, charging: Charging) -> AsyncIterator[int]:
    """Of a server whose office has £12.40; nothing that a peer does may surprise it."""
    surprises: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: surprises.append(context)
    )
    await charging.top_up("main", amount=gbp("12.40"), key="opening", actor="test", reason="")
    listening = await Server(SERVICES, enquiries).listen("127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
    gc.collect()  # a task that nobody waits for tells of its end only then
    assert not surprises


@dataclass
class Caller:
    """Asterisk with a phone: answers every command, and remembers what was played."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keys: str = ""  # pressed when digits are asked for
    skips: str = ""  # the clip during which a key is pressed
    commands: list[str] = field(default_factory=list)

    @property
    def clips(self) -> list[str]:
        streams = [c.split('"')[1] for c in self.commands if c.startswith(("STREAM", "GET DATA"))]
        return [stream.removeprefix("tollgate/") for stream in streams]

    @property
    def told(self) -> bool:
        return 'SET VARIABLE "TOLLGATE_TOLD" "yes"' in self.commands

    async def ask(self, script: str, *arguments: str, language: str = "en") -> None:
        lines = [f"agi_network_script: {script}", f"agi_language: {language}"]
        lines += [f"agi_arg_{n}: {value}" for n, value in enumerate(arguments, start=1)]
        await self.send("\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def listen_on(self, result: bytes) -> "Caller":
        """As `listen`, where a command is still to be answered."""
        await self.send(result)
        return await self.listen()

    async def listen(self) -> "Caller":
        """Carry out every command until the server closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while line := await self.reader.readline():
                command = line.decode().removesuffix("\n")
                self.commands.append(command)
                await self.send(self._result_of(command))
        return self

    async def closed(self) -> bool:
        """Whether the server closes without a word."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    def _result_of(self, command: str) -> bytes:
        if command.startswith("GET DATA"):
            return f"200 result={self.keys}\n".encode()
        if command.startswith("STREAM FILE"):
            skipped = bool(self.skips) and self.skips in command
            return b"200 result=49 endpos=80\n" if skipped else b"200 result=0 endpos=800\n"
        return b"200 result=1\n"


@asynccontextmanager
async def connected(port: int, *, keys: str = "", skips: str = "") -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer, keys=keys, skips=skips)
    finally:
        writer.transport.abort()


async def call(
    port: int,
    script: str,
    *arguments: str,
    language: str = "en",
    keys: str = "",
    skips: str = "",
) -> Caller:
    """One whole conversation."""
    async with connected(port, keys=keys, skips=skips) as caller:
        await caller.ask(script, *arguments, language=language)
        return await caller.listen()
