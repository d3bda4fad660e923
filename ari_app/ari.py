"""ARI over one inbound WebSocket: events come in, REST requests go out on the same socket.

Our own small client, because PyPI's `ari` cannot be imported on Python 3 (docs/adr/0005).
Documentation: Asterisk, "ARI REST over WebSocket".
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from ari_app.clock import AsteriskClock, milliseconds
from settings import AriSettings
from telephony.pjsip import fields_of, path_of

JSON = "application/json"
NOT_FOUND = 404
MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # Asterisk itself cannot send half a megabyte
CLOSE_TIMEOUT_S = 1.0  # for Asterisk to answer that we close
PING_EVERY_S = 5.0  # an inbound socket of Asterisk's sends no pings of its own

# Dial() and the dialplan would otherwise send an event for every variable they touch.
WANTED_EVENTS = (
    "RESTResponse",  # what answers a request is filtered, too
    "StasisStart",
    "PlaybackFinished",
    "ChannelDtmfReceived",
    "Dial",
    "ChannelDestroyed",
    "ApplicationReplaced",
    "ChannelUserevent",  # what `echo` waits for
)
EVERY_CHANNEL = "__AST_CHANNEL_ALL_TOPIC"  # how Asterisk lists a subscription to all of them


class AriError(Exception):
    """Asterisk said no. `status` is the HTTP status: 404 the object is gone, 409 not ours."""

    def __init__(self, status: int, request: str, answer: str) -> None:
        super().__init__(f"{request} was answered {status} {answer}")
        self.status = status


class AriUnavailableError(Exception):
    """There is no connection, or no answer within the time limit; the outcome is unknown."""


class AriReplacedError(AriUnavailableError):
    """Another connection has our application name now: Asterisk sends every event there."""


class Ari:
    """The connection to one Asterisk; after it is lost, `connect()` makes it again."""

    def __init__(self, session: aiohttp.ClientSession, settings: AriSettings) -> None:
        self._session = session
        self._settings = settings
        self.clock = AsteriskClock()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._echoes: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        # When the connection was last lost: what Asterisk did after that, nobody saw.
        self.lost_at_ms: int | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def app_name(self) -> str:
        return self._settings.app_name

    async def connect(self) -> None:
        """Open the socket: from now on new calls reach `events()`.

        Raises:
            AriUnavailableError: Asterisk cannot be reached, or does not accept the password.
        """
        url = f"{self._settings.base_url.rstrip('/')}/ari/events"
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                self._socket = await self._session.ws_connect(
                    url,
                    params={"app": self._settings.app_name},
                    headers=authorization(self._settings),
                    heartbeat=PING_EVERY_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                    max_msg_size=MESSAGE_BYTES_MAX,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise AriUnavailableError(f"Asterisk refused {url}: {error.status}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AriUnavailableError(f"Asterisk cannot be reached at {url}: {error!r}") from error

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield ARI events in order; answers are handed to the requests that wait for them.

        Raises:
            AriReplacedError: another connection has taken our place.
            AriUnavailableError: the connection was lost.
        """
        socket = self._socket
        if socket is None:
            raise AriUnavailableError("there is no connection to Asterisk")
        try:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                message = json.loads(frame.data)
                match message.get("type"):
                    case "RESTResponse":
                        self._answer(message)
                    case "ChannelUserevent":
                        resolve(self._echoes.get(str(message.get("eventname"))), message)
                    case "ApplicationReplaced":
                        raise AriReplacedError("another application has taken our place")
                    case _:
                        yield message
        finally:
            self._socket = None
            self.lost_at_ms = self.clock.now_ms()
            self.clock.gave_up()
            self._fail_waiting()
            await socket.close()
        raise AriUnavailableError("the connection to Asterisk was lost")

    async def request(
        self, method: str, uri: str, *, body: Mapping[str, Any] | None = None, **query: str
    ) -> None:
        """Send one REST request; what is answered beside the status, nobody here reads.

        Raises:
            AriError: Asterisk refused it.
            AriUnavailableError: no connection, or no answer in time.
        """
        request = rest_request(method, uri, body=body, query=query)
        require_success(request, await self._exchange(request))

    async def _exchange(self, request: dict[str, Any]) -> Mapping[str, Any]:
        socket = self._socket
        if socket is None:
            raise AriUnavailableError("there is no connection to Asterisk")
        request_id = str(next(self._ids))
        answer = self._waiting[request_id] = new_future()
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await socket.send_str(json.dumps(request | {"request_id": request_id}))
                return await answer
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            raise AriUnavailableError(f"no answer to {request['uri']}: {error!r}") from error
        finally:
            self._waiting.pop(request_id, None)

    async def close(self) -> None:
        """Give the connection up; `events` then says that it was lost."""
        if self._socket is not None:
            await self._socket.close()

    async def echo(self) -> None:
        """Have Asterisk send an event of ours back, as it sends those of calls.

        A connection may answer pings and requests long after its events go elsewhere.

        Raises:
            AriError, AriUnavailableError: it did not come back.
        """
        name = f"tollgate-echo-{next(self._ids)}"
        heard = self._echoes[name] = new_future()
        try:
            await self.request("POST", f"events/user/{name}", application=self.app_name)
            async with asyncio.timeout(self._settings.request_timeout_s):
                await heard
        except TimeoutError as error:
            raise AriUnavailableError("events of ours do not come back") from error
        finally:
            self._echoes.pop(name, None)

    async def has_another(self) -> bool:
        """Whether somebody else, or a connection that was never closed, has our name.

        One that was closed leaves its name behind while callers wait in it, but no subscription.

        Raises:
            AriError, AriUnavailableError: as `request`.
        """
        try:
            application = await self._get(f"applications/{self.app_name}")
        except AriError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return EVERY_CHANNEL in application["channel_ids"]

    def _answer(self, message: Mapping[str, Any]) -> None:
        resolve(self._waiting.get(str(message["request_id"])), message)

    def _fail_waiting(self) -> None:
        for future in (*self._waiting.values(), *self._echoes.values()):
            if not future.done():
                future.set_exception(AriUnavailableError("the connection to Asterisk was lost"))

    # --- what Tollgate asks of Asterisk, in ARI's words ---

    async def ask_time(self) -> None:
        """Have Asterisk say what time it has, for `clock`.

        Raises:
            AriError, AriUnavailableError: as `request`.
        """
        request = rest_request("GET", "asterisk/ping")
        self.clock.asked()
        answer = await self._exchange(request)
        require_success(request, answer)
        self.clock.answered(milliseconds(json.loads(answer["message_body"])["timestamp"]))

    async def subscribe_to_channels(self) -> None:
        """Have the events of every channel sent to us, wherever it goes.

        One for all: a subscription for each channel would make two more requests of every call,
        each answered with a list of all live channels, and miss what happens before it.
        """
        application = f"applications/{self._settings.app_name}"
        await self.request("POST", f"{application}/subscription", eventSource="channel:")
        allowed = [{"type": name} for name in WANTED_EVENTS]
        await self.request("PUT", f"{application}/eventFilter", body={"allowed": allowed})

    async def keep_waiting(self, channel: str, seconds: int) -> None:
        """Let a channel in Stasis wait so much longer before Asterisk takes it back."""
        uri = f"channels/{channel}/variable"
        await self.request("POST", uri, variable="TIMEOUT(absolute)", value=str(seconds))

    async def progress(self, channel: str) -> None:
        """Open early media: what is played is heard before answer, and costs nothing."""
        await self.request("POST", f"channels/{channel}/progress")

    async def play(self, channel: str, *, media: str, language: str, playback: str) -> None:
        uri = f"channels/{channel}/play/{playback}"
        await self.request("POST", uri, media=media, lang=language)

    async def snoop(self, channel: str, *, snoop: str, app_args: str) -> None:
        """Open a channel that only `channel` hears; it enters Stasis with `app_args`."""
        await self.request(
            "POST",
            f"channels/{channel}/snoop/{snoop}",
            whisper="out",
            app=self._settings.app_name,
            appArgs=app_args,
        )

    async def stop_playback(self, playback: str) -> None:
        await self.request("DELETE", f"playbacks/{playback}")

    async def continue_in_dialplan(self, channel: str, *, context: str, extension: str) -> None:
        uri = f"channels/{channel}/continue"
        await self.request("POST", uri, context=context, extension=extension)

    async def hang_up(self, channel: str) -> None:
        await self.request("DELETE", f"channels/{channel}")

    async def channels(self) -> list[Mapping[str, Any]]:
        """Every live channel. An error is never an empty list.

        Asked over HTTP: Asterisk puts each message of a WebSocket on the stack of a thread, half a
        megabyte, and crashes (SIGSEGV, 22.10.1) on a listing of some 1,500 channels.

        Raises:
            AriError, AriUnavailableError: as `request`.
        """
        found: list[Mapping[str, Any]] = await self._get("channels")
        await self.request("GET", "asterisk/ping")  # its answer comes after what is listed did
        return found

    async def pjsip_object(self, kind: str, name: str) -> Mapping[str, str]:
        """Of its configuration: `endpoint` or `aor`.

        Raises:
            AriError, AriUnavailableError: as `request`; there is none of that name, for one.
        """
        return fields_of(await self._get(path_of(kind, name)))

    async def _get(self, uri: str) -> Any:
        try:
            async with (
                asyncio.timeout(self._settings.request_timeout_s),
                self._session.get(
                    f"{self._settings.base_url.rstrip('/')}/ari/{uri}",
                    headers=authorization(self._settings),
                ) as answer,
            ):
                content = await answer.text()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AriUnavailableError(f"no answer to GET {uri}: {error!r}") from error
        if answer.status != 200:  # noqa: PLR2004 - HTTP: here it is
            raise AriError(answer.status, f"GET {uri}", content)
        return json.loads(content)


def rest_request(
    method: str,
    uri: str,
    *,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A REST request as a message; it lacks its `request_id`."""
    message: dict[str, Any] = {
        "type": "RESTRequest",
        "transaction_id": "",
        "method": method,
        "uri": uri,
    }
    if query:
        message["query_strings"] = [{"name": n, "value": v} for n, v in query.items()]
    if body is not None:
        message |= {"content_type": JSON, "message_body": json.dumps(body)}
    return message


def require_success(request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    status = int(answer["status_code"])
    if status >= 400:  # noqa: PLR2004 - HTTP: 400 and above are refusals
        what = f"{request['method']} {request['uri']}"
        raise AriError(status, what, str(answer.get("message_body", "")))


def resolve(future: "asyncio.Future[Mapping[str, Any]] | None", message: Mapping[str, Any]) -> None:
    if future is not None and not future.done():
        future.set_result(message)


def new_future() -> "asyncio.Future[Mapping[str, Any]]":
    return asyncio.get_running_loop().create_future()


def authorization(settings: AriSettings) -> dict[str, str]:
    """In a header, never in the URL, where access logs would keep it."""
    password = settings.password.get_secret_value()
    return {"Authorization": aiohttp.encode_basic_auth(settings.username, password)}
