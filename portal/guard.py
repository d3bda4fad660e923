"""What every request passes before anything else: host, origin, size and time; and the headers."""

import asyncio
from collections.abc import Callable, Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX = 64 * 1024
BODY_TIMEOUT_S = 10.0  # for all of it: who sends slower is not served
PATH_MAX = 2048

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_STRICT_TRANSPORT = "max-age=31536000"


# What is sent to whoever is refused, by the path and the headers of the request.
Refuse = Callable[[Scope, Headers, HTTPStatus], Response]


def in_one_word(_: Scope, __: Headers, status: HTTPStatus) -> Response:
    return PlainTextResponse(status.phrase, status_code=status)


def no_path(_: str) -> bool:
    return False


class RefusedError(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Guard:
    """ASGI, around everything else."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        origins: Collection[str],
        asks_for_tokens: Callable[[str], bool] = no_path,
        refuse: Refuse = in_one_word,
    ) -> None:
        """Stand around the application.

        Args:
            app: what is guarded.
            hosts: what may stand in Host.
            origins: from where a form may come.
            asks_for_tokens: of a path, whether a token has to come with every request, and a cookie
                counts for nothing: there programs may write, which say nothing of an origin.
            refuse: what is sent instead.
        """
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._asks_for_tokens = asks_for_tokens
        self._refuse = refuse
        self._secure = all(urlsplit(origin).scheme == "https" for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing here speaks anything else
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        try:
            self._require_host_and_origin(scope, headers)
            body = await _body(headers, receive)
        except RefusedError as refused:
            answer = self._refuse(scope, headers, refused.status)
            answer.headers["connection"] = "close"
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, _replayed(body, receive), send_with_headers)

    def _require_host_and_origin(self, scope: Scope, headers: Headers) -> None:
        if headers.getlist("host") != [host := headers.get("host", "")] or (
            host.lower() not in self._hosts
        ):
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST)
        if len(scope["raw_path"]) > PATH_MAX or len(scope["query_string"]) > PATH_MAX:
            raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG)
        if not scope["path"].isprintable():
            raise RefusedError(HTTPStatus.NOT_FOUND)
        if scope["method"] not in SAFE_METHODS and not self._may_write(scope["path"], headers):
            raise RefusedError(HTTPStatus.FORBIDDEN)

    def _may_write(self, path: str, headers: Headers) -> bool:
        """Whether one of our own pages sent this, or a program where programs may."""
        said = "sec-fetch-site" in headers or "origin" in headers
        if self._asks_for_tokens(path) and not said:
            return True
        return self._is_own(headers)

    def _is_own(self, headers: Headers) -> bool:
        """Whether a browser says that one of our own pages sent this."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return False
        if origin is not None:
            return origin.lower() in self._origins
        return site is not None  # neither: no browser of today, and nobody knows from where

    def _add_headers(self, headers: MutableHeaders, path: str) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._secure:
            headers.setdefault("strict-transport-security", _STRICT_TRANSPORT)
        if not path.startswith("/static/"):
            headers.setdefault("cache-control", "no-store")


async def _body(headers: Headers, receive: Receive) -> bytes:
    """All of the body, before anybody works on it.

    Raises:
        RefusedError: it is too large, or comes too slowly.
    """
    declared = headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:12]) > BODY_MAX:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > BODY_MAX:
                    raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT) from None
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    read = False

    async def replay() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
