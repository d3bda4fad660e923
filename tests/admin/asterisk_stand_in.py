"""An Asterisk for the doctor: ARI and AMI as far as it asks them, answering as they are told."""

import asyncio
import base64
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from prompts.texts import texts_of

ARI_PASSWORD = "ari-secret"  # noqa: S105 - a stand-in
AMI_SECRET = "ami-secret"  # noqa: S105 - a stand-in

RUNNING = dict.fromkeys(("cel_custom.so", "pbx_config.so"), "Running")
_PHONE = {
    "context": "office",
    "allow_transfer": "no",
    "timers": "no",
    "contact_acl": "deny/permit",
    "redirect_method": "user",
}
SOUND = {  # endpoints
    "1001": {**_PHONE, "aors": "1001"},
    "1002": {**_PHONE, "aors": "1002"},
    "trunk": {
        "context": "from-trunk",
        "aors": "trunk",
        "timers": "no",
        "rtp_timeout": "60",
    },
    "emergency": {"context": "from-trunk", "aors": "trunk", "timers": "no"},
}
WRITTEN = {"trunk": ["sip:192.0.2.1"]}  # contacts of pjsip.conf, by address of record


@dataclass
class AsteriskStandIn:
    version: str = "22.10.1~dfsg+~cs6.15.60671435-1"
    applications: tuple[str, ...] = ("tollgate",)
    dialplan: Mapping[str, frozenset[str]] = field(default_factory=dict)
    listing: Sequence[str] = ()  # of the whole dialplan: the lines of each event
    endpoints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    written: Mapping[str, Sequence[str]] = field(default_factory=lambda: WRITTEN)
    registered: Mapping[str, Sequence[str]] = field(default_factory=dict)  # as `written`
    variables: Mapping[str, str] = field(default_factory=dict)  # global ones
    sounds_status: int = 200
    sounds: Sequence[str] | None = tuple(f"tollgate/{clip}" for clip in texts_of("en"))
    modules: Mapping[str, str] = field(default_factory=lambda: dict(RUNNING))
    web_enabled: bool = True  # AMI over HTTP
    banner: str = "Asterisk Call Manager/11.0.0"
    clock_ahead: timedelta = timedelta()
    ari_port: int = 0
    ami_port: int = 0
    agi_port: int = 0  # somebody listens there, and says nothing
    whole_dialplans_told: int = 0
    conversations: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def settings(self) -> str:
        """The sections of a settings file that lead here."""
        return (
            f'[ari]\nbase_url = "http://127.0.0.1:{self.ari_port}"\npassword = "{ARI_PASSWORD}"\n'
            f'[ami]\nport = {self.ami_port}\nsecret = "{AMI_SECRET}"\n'
        )

    # --- ARI ---

    async def info(self, request: web.Request) -> web.Response:
        _require_login(request)
        return web.json_response({"system": {"version": self.version}})

    async def ping(self, request: web.Request) -> web.Response:
        _require_login(request)
        now = datetime.now(UTC) + self.clock_ahead
        return web.json_response({"timestamp": now.isoformat(timespec="milliseconds")})

    async def application(self, request: web.Request) -> web.Response:
        _require_login(request)
        name = request.match_info["name"]
        if name not in self.applications:
            return web.json_response({"message": "Application not found"}, status=404)
        return web.json_response({"name": name})

    async def module(self, request: web.Request) -> web.Response:
        _require_login(request)
        name = request.match_info["name"]
        if name not in self.modules:
            return web.json_response({"message": "Module could not be found"}, status=404)
        return web.json_response({"name": name, "status": self.modules[name]})

    async def list_endpoints(self, request: web.Request) -> web.Response:
        _require_login(request)
        listed = [{"technology": "PJSIP", "resource": name} for name in self.endpoints]
        return web.json_response(listed)

    async def pjsip_object(self, request: web.Request) -> web.Response:
        _require_login(request)
        said = self._pjsip_object(request.match_info["kind"], request.match_info["name"])
        if said is None:
            return web.json_response({"message": "not found"}, status=404)
        return web.json_response([{"attribute": k, "value": v} for k, v in said])

    def _pjsip_object(self, kind: str, name: str) -> list[tuple[str, str]] | None:
        if kind == "endpoint":
            return [*self.endpoints[name].items()] if name in self.endpoints else None
        if kind == "aor":
            contacts = [*self.written.get(name, ()), *self.registered.get(name, ())]
            return [("contact", contact) for contact in contacts]
        objects = {
            f"{aor};@{hashlib.md5(contact.encode()).hexdigest()}": contact  # noqa: S324 - its name
            for aor, contacts in self.registered.items()
            for contact in contacts
        }
        return [("uri", objects[name])] if name in objects else None

    async def list_sounds(self, request: web.Request) -> web.Response:
        _require_login(request)
        if self.sounds is None:
            return web.json_response({"message": "not found"}, status=404)
        listed = [{"id": sound} for sound in self.sounds]
        return web.json_response(listed, status=self.sounds_status)

    async def challenge(self, request: web.Request) -> web.Response:
        asked = await request.post()
        assert dict(asked) == {"Action": "Challenge", "AuthType": "MD5"}
        return web.Response(text="Response: Success\r\nChallenge: 1\r\n\r\n")

    # --- AMI ---

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.conversations.append(task)
        writer.write(f"{self.banner}\r\n".encode())
        while block := await _block(reader):
            lines = (line.partition(": ") for line in block.splitlines())
            fields = {name: value for name, _, value in lines}
            writer.write("".join(f"{text}\r\n\r\n" for text in self._answers(fields)).encode())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def _answers(self, asked: Mapping[str, str]) -> list[str]:
        if "Action" not in asked:
            return ["Response: Error\r\nMessage: Missing action in request"]
        if asked["Action"] == "Login":
            if asked["Secret"] == AMI_SECRET:
                return ["Response: Success\r\nMessage: Authentication accepted"]
            return ["Response: Error\r\nMessage: Authentication failed"]
        if asked["Action"] == "Getvar":
            return [f"Response: Success\r\nValue: {self.variables.get(asked['Variable'], '')}"]
        if "Context" not in asked:
            self.whole_dialplans_told += 1
            return _events(self.listing)
        return self._context(asked["Context"])

    def _context(self, context: str) -> list[str]:
        if context not in self.dialplan:
            return [f"Response: Error\r\nMessage: Did not find context {context}"]
        extensions = sorted(self.dialplan[context])
        return _events([f"Context: {context}\r\nExtension: {name}" for name in extensions])


def _events(listed: Sequence[str]) -> list[str]:
    return [
        "Response: Success\r\nEventList: start\r\nMessage: DialPlan list will follow",
        *(f"Event: ListDialplan\r\n{lines}" for lines in listed),
        "Event: ShowDialPlanComplete\r\nEventList: Complete",
    ]


@asynccontextmanager
async def running(asterisk: AsteriskStandIn) -> AsyncIterator[AsteriskStandIn]:
    ari = web.Application()
    ari.router.add_get("/ari/asterisk/info", asterisk.info)
    ari.router.add_get("/ari/asterisk/ping", asterisk.ping)
    ari.router.add_get("/ari/applications/{name}", asterisk.application)
    ari.router.add_get("/ari/asterisk/modules/{name}", asterisk.module)
    ari.router.add_get("/ari/endpoints", asterisk.list_endpoints)
    if asterisk.web_enabled:
        ari.router.add_post("/rawman", asterisk.challenge)
    ari.router.add_get("/ari/sounds", asterisk.list_sounds)
    ari.router.add_get(
        "/ari/asterisk/config/dynamic/res_pjsip/{kind}/{name}", asterisk.pjsip_object
    )
    ami = await asyncio.start_server(asterisk.converse, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as agi:
        asterisk.agi_port = agi.getsockname()[1]
        async with TestServer(ari) as server, ami:
            assert server.port is not None
            asterisk.ari_port = server.port
            asterisk.ami_port = ami.sockets[0].getsockname()[1]
            yield asterisk
            await asyncio.gather(*asterisk.conversations)  # each ends when the doctor leaves


def _require_login(request: web.Request) -> None:
    wanted = base64.b64encode(f"tollgate:{ARI_PASSWORD}".encode()).decode()
    if request.headers["Authorization"] != f"Basic {wanted}":
        raise web.HTTPUnauthorized


async def _block(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
