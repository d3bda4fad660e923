"""What is asked of ARI over HTTP and over the WebSocket, against a server that stands in for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from ari_app.ari import Ari, AriError, AriUnavailableError
from settings import AriSettings

MANY = [{"id": f"pbx-{number}", "name": "PJSIP/trunk-00000001" * 20} for number in range(3000)]


class AsteriskStandIn:
    """Answers a listing over HTTP; over the WebSocket "done" to all but what it refuses."""

    def __init__(self, *, status: int = 200, refuses: str = "nothing") -> None:
        self.status = status
        self.refuses = refuses  # the last part of a request's path
        self.asked_over_websocket: list[str] = []
        self.passwords: list[str | None] = []
        self._sockets: list[web.WebSocketResponse] = []
        app = web.Application()
        app.router.add_get("/ari/channels", self._channels)
        app.router.add_get("/ari/events", self._events)
        self.server = TestServer(app)

    async def die(self) -> None:
        for socket in self._sockets:
            await socket.close()
        await self.server.close()

    async def _channels(self, request: web.Request) -> web.Response:
        self.passwords.append(request.headers.get("Authorization"))
        return web.json_response(MANY, status=self.status)

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        async for frame in socket:
            asked = json.loads(frame.data)
            self.asked_over_websocket.append(asked["uri"])
            refused = asked["uri"].endswith(f"/{self.refuses}")
            answer = {"type": "RESTResponse", "status_code": 409 if refused else 204}
            await socket.send_json(answer | {"request_id": asked["request_id"]})
        return socket


@asynccontextmanager
async def connected(asterisk: AsteriskStandIn) -> AsyncIterator[Ari]:
    async with asterisk.server as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(""))
        ari = Ari(session, AriSettings(base_url=url, password=SecretStr("secret")))
        await ari.connect()
        listening = asyncio.create_task(anext(ari.events(), None))
        try:
            yield ari
        finally:
            await asterisk.die()
            await asyncio.gather(listening, return_exceptions=True)


async def test_listing_of_many_channels_never_goes_through_the_websocket() -> None:
    asterisk = AsteriskStandIn()
    async with connected(asterisk) as ari:
        assert await ari.channels() == MANY
    assert asterisk.asked_over_websocket == ["asterisk/ping"]
    assert asterisk.passwords == [aiohttp.encode_basic_auth("tollgate", "secret")]


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_failed_listing_is_an_error_and_not_an_empty_list(status: int) -> None:
    async with connected(AsteriskStandIn(status=status)) as ari:
        with pytest.raises(AriError):
            await ari.channels()


async def test_asterisk_that_is_away_is_an_error_and_not_an_empty_list() -> None:
    asterisk = AsteriskStandIn()
    async with connected(asterisk) as ari:
        await asterisk.die()
        with pytest.raises(AriUnavailableError):
            await ari.channels()


async def test_refusal_of_a_call_that_goes_on_is_told() -> None:
    async with connected(AsteriskStandIn(refuses="continue")) as ari:
        with pytest.raises(AriError, match="channels/c1/continue was answered 409"):
            await ari.continue_in_dialplan("c1", context="tollgate-refused", extension="21")


async def test_call_that_goes_on_while_the_connection_dies_is_an_error() -> None:
    asterisk = AsteriskStandIn()
    async with connected(asterisk) as ari:
        await asterisk.die()
        with pytest.raises(AriUnavailableError):
            await ari.continue_in_dialplan("c1", context="tollgate-refused", extension="21")
