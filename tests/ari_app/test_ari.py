"""What is asked of ARI over HTTP and over the WebSocket, against a server that stands in for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from ari_app.ari import EVERY_CHANNEL, Ari, AriError, AriReplacedError, AriUnavailableError
from settings import AriSettings

MANY = [{"id": f"pbx-{number}", "name": "PJSIP/trunk-00000001" * 20} for number in range(3000)]


class AsteriskStandIn:
    """Answers a listing over HTTP; over the WebSocket "done" to all but what it refuses."""

    def __init__(
        self,
        *,
        status: int = 200,
        refuses: str = "nothing",
        events_elsewhere: bool = False,
        subscriptions: Sequence[str] | None = (),
    ) -> None:
        self.status = status
        self.refuses = refuses  # the last part of a request's path
        self.events_elsewhere = events_elsewhere
        self.subscriptions = subscriptions  # of our name; None: Asterisk does not know it
        self.asked_over_websocket: list[str] = []
        self.passwords: list[str | None] = []
        self._sockets: list[web.WebSocketResponse] = []
        app = web.Application()
        app.router.add_get("/ari/channels", self._channels)
        app.router.add_get("/ari/events", self._events)
        app.router.add_get("/ari/applications/{name}", self._application)
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
            echoed = asked["uri"].removeprefix("events/user/")
            if echoed != asked["uri"] and not self.events_elsewhere:
                await socket.send_json({"type": "ChannelUserevent", "eventname": echoed})
        return socket

    async def replace(self) -> None:
        """As when another connection is opened for our name."""
        for socket in self._sockets:
            await socket.send_json({"type": "ApplicationReplaced", "application": "tollgate"})

    async def _application(self, request: web.Request) -> web.Response:
        if self.subscriptions is None:
            return web.json_response({"message": "Application not found"}, status=404)
        name = request.match_info["name"]
        return web.json_response({"name": name, "channel_ids": list(self.subscriptions)})


@asynccontextmanager
async def connected(asterisk: AsteriskStandIn) -> AsyncIterator[Ari]:
    async with asterisk.server as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(""))
        settings = AriSettings(base_url=url, password=SecretStr("secret"), request_timeout_s=0.5)
        ari = Ari(session, settings)
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


async def test_event_of_our_own_comes_back_while_events_come_here() -> None:
    async with connected(AsteriskStandIn()) as ari:
        await ari.echo()


async def test_connection_that_answers_while_its_events_go_elsewhere_is_found_out() -> None:
    async with connected(AsteriskStandIn(events_elsewhere=True)) as ari:
        await ari.progress("c1")  # every request is answered
        with pytest.raises(AriUnavailableError, match="do not come back"):
            await ari.echo()


async def test_replacement_ends_the_connection_and_is_told_from_a_loss() -> None:
    asterisk = AsteriskStandIn()
    async with listening_to(asterisk) as (ari, listening):
        await asterisk.replace()
        with pytest.raises(AriReplacedError):
            await listening
        assert not ari.connected
        assert ari.lost_at_ms is not None  # what happened since has to be looked for


async def test_connection_that_is_given_up_is_lost() -> None:
    async with listening_to(AsteriskStandIn()) as (ari, listening):
        await asyncio.sleep(0)
        await ari.close()
        with pytest.raises(AriUnavailableError, match="was lost"):
            await listening


@asynccontextmanager
async def listening_to(
    asterisk: AsteriskStandIn,
) -> AsyncIterator[tuple[Ari, "asyncio.Future[Any]"]]:
    """A connection, and its first event."""
    async with asterisk.server as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(""))
        ari = Ari(session, AriSettings(base_url=url, password=SecretStr("secret")))
        await ari.connect()
        yield ari, asyncio.ensure_future(anext(ari.events()))
        await asterisk.die()


@pytest.mark.parametrize(
    ("subscriptions", "another"),
    [((EVERY_CHANNEL,), True), (("pbx-1.1", EVERY_CHANNEL), True), (("pbx-1.1",), False),
     ((), False), (None, False)],
)  # fmt: skip
async def test_another_is_told_from_callers_who_wait_in_the_name_of_one_that_died(
    subscriptions: Sequence[str] | None, *, another: bool
) -> None:
    async with connected(AsteriskStandIn(subscriptions=subscriptions)) as ari:
        assert await ari.has_another() == another
