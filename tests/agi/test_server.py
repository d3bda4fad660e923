"""Peers that are no Asterisk: scans, silence, half-open, too much, nonsense."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from agi import server as limits
from agi import session as conversation
from agi.__main__ import SERVICES
from agi.server import Server
from charging.enquiries import Enquiries
from tests.agi.conftest import Caller, call, connected
from tests.agi.test_protocol import malformed_lines

SILENT = 1000


async def silent_peers(stack: AsyncExitStack, port: int, count: int) -> list[Caller]:
    return [await stack.enter_async_context(connected(port)) for _ in range(count)]


async def test_a_thousand_connections_that_say_nothing_cost_a_caller_nothing(port: int) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        peers = await silent_peers(stack, port, SILENT)
        started_s = loop.time()
        callers = await asyncio.gather(*(call(port, "balance", "1001") for _ in range(20)))
        took_s = loop.time() - started_s
        assert all(caller.told for caller in callers)
        assert took_s < limits.ENVIRONMENT_TIMEOUT_S
        assert all(await asyncio.gather(*(peer.closed() for peer in peers)))


async def test_peer_that_has_been_silent_longest_makes_room(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PENDING_MAX", 3)
    monkeypatch.setattr(limits, "ENVIRONMENT_TIMEOUT_S", 60)
    async with AsyncExitStack() as stack:
        first, second, *_ = await silent_peers(stack, port, 4)
        assert await first.closed()
        await second.ask("balance", "1001")
        assert (await second.listen()).told


async def test_peer_that_says_nothing_is_closed_in_time(port: int) -> None:
    async with connected(port) as peer:
        assert await peer.closed()


async def test_port_scans_and_half_open_peers_are_survived(port: int) -> None:
    for data in (b"", b"agi_network: yes\n", b"GET / HTTP/1.0\r\n\r\n"):
        async with connected(port) as peer:
            await peer.send(data)
            peer.writer.write_eof()
            assert await peer.closed()
    assert (await call(port, "balance", "1001")).told


@pytest.mark.parametrize(
    "data",
    [
        b"agi_network_script: balance\n" + b"agi_x: " + b"y" * 200_000,
        b"\n\n",
        b"agi_network_script: nothing\n\n",
        b"agi_network_script: ../../etc/passwd\n\n",
        b"EXEC System\n\n",
        b"\x00" * 5000 + b"\n\n",
    ],
)
async def test_oversized_and_malformed_requests_are_closed_without_a_word(
    port: int, data: bytes
) -> None:
    async with connected(port) as peer:
        with suppress(ConnectionError):
            await peer.send(data)
        assert await peer.closed()
    assert (await call(port, "balance", "1001")).told


@pytest.mark.parametrize("reply", [b"y" * 100_000, b"nonsense\n", b"200 result=\xff\n"])
async def test_reply_that_asterisk_would_not_give_ends_the_conversation(
    port: int, reply: bytes
) -> None:
    async with connected(port) as peer:
        await peer.ask("balance", "1001")
        await peer.reader.readline()
        with suppress(ConnectionError):
            await peer.send(reply)
        assert await peer.closed()
    assert (await call(port, "balance", "1001")).told


@pytest.mark.parametrize("end", [b"HANGUP\n", b"200 result=-1 endpos=0\n"])
async def test_caller_who_hangs_up_ends_the_conversation(port: int, end: bytes) -> None:
    async with connected(port) as peer:
        await peer.ask("balance", "1001")
        await peer.reader.readline()
        await peer.send(end)
        assert await peer.closed()


async def test_command_that_asterisk_refuses_ends_the_conversation_untold(port: int) -> None:
    async with connected(port) as peer:
        await peer.ask("balance", "1001")
        await peer.reader.readline()
        await peer.send(b"510 Invalid or unknown command\n")
        assert await peer.closed()


async def test_asterisk_that_falls_silent_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSION_TIMEOUT_S", 0.2)
    async with connected(port) as peer:
        await peer.ask("balance", "1001")
        assert (await peer.reader.readline()).startswith(b"STREAM FILE")
        assert await peer.closed()


async def test_sessions_that_fall_silent_make_room_for_a_caller(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_MAX", 2)
    monkeypatch.setattr(conversation, "REPLY_TIMEOUT_S", 60)
    async with AsyncExitStack() as stack:
        first, second = await silent_peers(stack, port, 2)
        for peer in (first, second):
            await peer.ask("balance", "1001")
            assert (await peer.reader.readline()).startswith(b"STREAM FILE")
        await first.send(b"200 result=0 endpos=800\n")  # it answers, so the other is silent longest
        assert (await first.reader.readline()).startswith(b"STREAM FILE")
        assert (await call(port, "balance", "1001")).told
        assert await second.closed()
        assert (await first.listen_on(b"200 result=0 endpos=800\n")).told


async def test_260_silent_sessions_stop_no_caller(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "REPLY_TIMEOUT_S", 60)
    async with AsyncExitStack() as stack:
        for _ in range(260):
            (peer,) = await silent_peers(stack, port, 1)
            await peer.ask("balance", "1001")
            assert (await peer.reader.readline()).startswith(b"STREAM FILE")
        assert (await call(port, "balance", "1001")).told


@pytest.mark.parametrize("sent", [(), ("b" * 32,), ("",), ("a" * 31,), ("a" * 33,), ("é",)])
async def test_a_peer_without_the_secret_is_told_nothing(
    enquiries: Enquiries, sent: tuple[str, ...]
) -> None:
    secret = "a" * 32
    listening = await Server(SERVICES, enquiries, secret=secret).listen("127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        async with connected(port) as peer:
            await peer.ask("balance", "1001", "en", *sent)
            assert await peer.closed()
        assert (await call(port, "balance", "1001", "en", secret)).told


async def test_malformed_lines_over_the_wire_neither_stop_nor_delay_the_server(port: int) -> None:
    """A sample of the hundred thousand: as environment, and as reply to a command."""
    for line in malformed_lines()[:500]:
        async with connected(port) as peer:
            await peer.send(line + b"\n\n")
            peer.writer.write_eof()
            await peer.closed()
        async with connected(port) as peer:
            await peer.ask("balance", "1001")
            await peer.reader.readline()
            await peer.send(line + b"\n")
            peer.writer.write_eof()
            async with asyncio.timeout(conversation.REPLY_TIMEOUT_S):
                with suppress(ConnectionError):
                    await peer.reader.read()
    assert (await call(port, "balance", "1001")).told
