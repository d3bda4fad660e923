"""Serving HTTP to the quick beside the slow, on real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from assembly.connections import Limits
from assembly.serving import served
from settings import SettingsError

PATIENCE_S = 30  # of a test, with a busy machine
SOON = Limits(head_timeout_s=0.05, body_timeout_s=0.05, answer_timeout_s=0.05)
HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nhost: "
HALF_A_BODY = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"


def app_of(answer: object) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        assert callable(answer)
        response = await answer(request)
        await response(scope, receive, send)

    return app


async def hello(request: Request) -> Response:
    client = request.client
    return PlainTextResponse("" if client is None else client.host)


@asynccontextmanager
async def serving(
    app: ASGIApp, limits: Limits, *, address: str = "127.0.0.1", trusted_proxy: str | None = None
) -> AsyncIterator[int]:
    async with (
        asyncio.timeout(PATIENCE_S),
        served(
            app,
            section="test",
            address=address,
            port=0,
            limits=limits,
            trusted_proxy=trusted_proxy,
        ) as port,
    ):
        yield port


async def is_dropped(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has gone; whether it said nothing."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD, HALF_A_BODY])
async def test_a_request_that_does_not_end_is_given_up(sent: bytes) -> None:
    async with serving(app_of(hello), SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await is_dropped(reader)
        writer.close()


async def test_bytes_that_drip_do_not_lengthen_the_wait() -> None:
    async with serving(app_of(hello), SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(is_dropped(reader))
        while not reading.done():  # ends when it is dropped, or never
            writer.write(b"x")
            await asyncio.wait({reading}, timeout=0.005)
        assert await reading
        writer.close()


async def test_an_answer_that_nobody_reads_is_given_up_and_its_maker_is_told() -> None:
    stopped = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)  # as who makes an answer of a database waits for it
                yield b"x" * 100_000
        finally:
            stopped.set()

    async def answer(_: Request) -> Response:
        return StreamingResponse(endless())

    async with serving(app_of(answer), SOON) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(HEAD)
            await stopped.wait()


async def test_a_long_answer_that_is_read_slowly_arrives_whole() -> None:
    size = 3_000_000

    async def answer(_: Request) -> Response:
        return PlainTextResponse("x" * size)

    limits = Limits(head_timeout_s=60, answer_timeout_s=0.5)
    async with serving(app_of(answer), limits) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        writer.write(HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        read = 0
        while part := await reader.read(4096):
            read += len(part)
        assert read > size
        writer.close()


async def test_where_there_is_no_room_the_slowest_makes_it() -> None:
    async with serving(app_of(hello), Limits(connections_max=5)) as port, AsyncExitStack() as open_:
        readers = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            open_.callback(writer.close)
            writer.write(HALF_A_HEAD)
            readers.append(reader)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
            assert (await browser.get("/")).status_code == 200
            assert await is_dropped(readers[0])


async def test_of_a_crowd_that_comes_together_whoever_asks_is_answered() -> None:
    """However many come behind, before the server has listened to the first."""
    async with (
        serving(app_of(hello), Limits(connections_max=10)) as port,
        AsyncExitStack() as open_,
    ):
        loop = asyncio.get_running_loop()
        clients = []
        for place in range(20):
            client = socket.create_connection(("127.0.0.1", port))  # nobody accepts meanwhile
            open_.callback(client.close)
            client.sendall(HEAD if place == 0 else HALF_A_HEAD)
            client.setblocking(False)  # noqa: FBT003 - the standard library's
            clients.append(client)
        assert (await loop.sock_recv(clients[0], 100)).startswith(b"HTTP/1.1 200")


async def test_who_was_not_listened_to_yet_makes_no_room() -> None:
    """A server that stands still for a moment has kept the newcomers waiting, not they it."""

    async def stall(request: Request) -> Response:
        if request.url.path == "/stall":
            time.sleep(0.3)  # noqa: ASYNC251 - the whole server stands still
        return PlainTextResponse("")

    async with (
        serving(app_of(stall), Limits(connections_max=5)) as port,
        AsyncExitStack() as open_,
    ):

        def connected(sent: bytes) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port))  # nobody accepts meanwhile
            open_.callback(client.close)
            client.sendall(sent)
            client.setblocking(False)  # noqa: FBT003 - the standard library's
            return client

        loop = asyncio.get_running_loop()
        first = connected(HEAD)
        for _ in range(6):
            connected(HALF_A_HEAD)
        assert await loop.sock_recv(first, 1000)
        first.sendall(HEAD)
        assert await loop.sock_recv(first, 1000)  # by now somebody has to make room, soon
        first.sendall(HEAD.replace(b" / ", b" /stall "))
        asking = [connected(HEAD) for _ in range(20)]
        for client in asking:
            assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200")


async def test_who_waits_for_us_is_never_dropped_for_another() -> None:
    released, working = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(_: Request) -> Response:
        working.release()
        await released.wait()
        return PlainTextResponse("done")

    async with (
        serving(app_of(slow), Limits(connections_max=2)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as browser,
    ):
        waiting = [asyncio.create_task(browser.get("/")) for _ in range(2)]
        for _ in waiting:
            await working.acquire()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_dropped(reader)
        writer.close()
        released.set()
        assert [(await each).text for each in waiting] == ["done", "done"]


@pytest.mark.parametrize(
    ("trusted", "seen"), [("127.0.0.1", "192.0.2.7"), (None, "127.0.0.1"), ("::1", "127.0.0.1")]
)
async def test_only_the_trusted_proxy_says_who_asks(trusted: str | None, seen: str) -> None:
    async with (
        serving(app_of(hello), Limits(), trusted_proxy=trusted) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser,
    ):
        answer = await browser.get("/", headers={"x-forwarded-for": "192.0.2.7"})
    assert answer.text == seen


async def test_more_than_a_burst_is_refused_at_once() -> None:
    """Without any timer: so many that not even newcomers can be listened to."""
    limits = Limits(connections_max=1, burst_max=3)
    async with serving(app_of(hello), limits) as port, AsyncExitStack() as open_:
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            open_.callback(writer.close)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_dropped(reader)
        writer.close()


async def test_ipv6_is_listened_at() -> None:
    async with (
        serving(app_of(hello), Limits(), address="::1") as port,
        httpx.AsyncClient(base_url=f"http://[::1]:{port}") as browser,
    ):
        assert (await browser.get("/")).text == "::1"


async def test_an_address_that_cannot_be_had_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"test: port \d+ of 192\.0\.2\.1 cannot be listened"):
        async with served(app_of(hello), section="test", address="192.0.2.1", port=8181):
            pass
