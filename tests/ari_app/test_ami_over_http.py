"""AMI over HTTP, against a stand-in: how a leg's limit is set while AMI is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from ari_app.ami import Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ami_over_http import COOKIE, AmiOverHttp
from settings import AmiSettings
from tests.ari_app.test_ami import LEG, AmiStandIn, connected

SECRET = "let-me-in"  # noqa: S105 - a stand-in


class HttpStandIn:
    """Asterisk's /rawman, as far as it is asked: sessions by cookie, in which one is logged in."""

    def __init__(self, *, answer: str = "Response: Success\r\nMessage: done\r\n\r\n") -> None:
        self.answer = answer
        self.told: list[tuple[float, Mapping[str, str]]] = []
        self.log_ins = 0
        self._sessions: set[str] = set()
        app = web.Application()
        app.router.add_post("/rawman", self._act)
        self.server = TestServer(app)

    def forget_sessions(self) -> None:
        self._sessions.clear()

    async def _act(self, request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        if fields["Action"] == "Login":
            self.log_ins += 1
            if fields["Secret"] != SECRET:
                return web.Response(text="Response: Error\r\nMessage: Authentication failed\r\n")
            session = f"{self.log_ins:08x}"
            self._sessions.add(session)
            reply = web.Response(text="Response: Success\r\nMessage: Authentication accepted\r\n")
            reply.headers["Set-Cookie"] = f'{COOKIE}="{session}"; Version=1; Max-Age=60'
            return reply
        if request.headers.get("Cookie", "").partition("=")[2].strip('"') not in self._sessions:
            return web.Response(text="Response: Error\r\nMessage: Permission denied\r\n")
        self.told.append((asyncio.get_running_loop().time(), fields))
        return web.Response(text=self.answer)


@asynccontextmanager
async def over_http(
    asterisk: HttpStandIn, *, secret: str = SECRET, port: int = 1
) -> AsyncIterator[AmiOverHttp]:
    async with asterisk.server as server, aiohttp.ClientSession() as session:
        settings = AmiSettings(secret=SecretStr(secret), port=port)
        yield AmiOverHttp(session, settings, base_url=str(server.make_url("")))


async def test_actions_share_one_session_and_open_another_when_it_is_forgotten() -> None:
    asterisk = HttpStandIn()
    async with over_http(asterisk) as ami:
        await asyncio.gather(*(ami.act("Setvar", Value=str(n)) for n in range(5)))
        assert asterisk.log_ins == 1
        asterisk.forget_sessions()
        await ami.act("Setvar", Value="5")
    assert asterisk.log_ins == 2
    assert sorted(fields["Value"] for _, fields in asterisk.told) == list("012345")


async def test_wrong_password_is_no_way_and_a_leg_that_is_gone_is_refused() -> None:
    async with over_http(HttpStandIn(), secret="wrong") as ami:  # noqa: S106 - a stand-in
        with pytest.raises(AmiUnavailableError):
            await ami.act("AbsoluteTimeout", Channel=LEG, Timeout="1")
    gone = HttpStandIn(answer="Response: Error\r\nMessage: No such channel\r\n\r\n")
    async with over_http(gone) as ami:
        with pytest.raises(AmiRefusedError, match="No such channel"):
            await ami.act("AbsoluteTimeout", Channel=LEG, Timeout="1")


async def test_value_that_could_smuggle_in_an_action_is_not_sent() -> None:
    asterisk = HttpStandIn()
    async with over_http(asterisk) as ami:
        with pytest.raises(ValueError, match="not fit"):
            await ami.act("Setvar", Value="1\r\nAction: Originate")
    assert asterisk.told == []


async def test_leg_is_told_over_http_where_nobody_answers_at_amis_port() -> None:
    asterisk = HttpStandIn()
    async with over_http(asterisk) as second:
        ami = Ami(AmiSettings(secret=SecretStr(SECRET), port=1), fallback=second)
        at_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=at_s)
        await ami.set_variable(LEG, name="TOLLGATE_PAID_MS", value="60000")
    read_s, fields = asterisk.told[-2]
    assert at_s - 5 < read_s + float(fields["Timeout"]) <= at_s + 0.1
    assert asterisk.told[-1][1]["Action"] == "Setvar"


async def test_leg_is_told_over_http_where_amis_connection_says_nothing() -> None:
    http = HttpStandIn()
    async with (
        over_http(http) as second,
        connected(AmiStandIn(30.0), fallback=second) as ami,
    ):
        at_s = asyncio.get_running_loop().time() + 60
        await ami.end_at(LEG, at_s=at_s)
        assert http.told
