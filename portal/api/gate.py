"""What stands before the API: a token that works, or nothing further is looked at."""

from collections.abc import Callable
from datetime import datetime

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from charging.api_tokens import ApiToken
from charging.errors import ChargingUnavailable
from db.api_tokens import find_token, used, wants_used
from portal.api.access import Caller
from portal.api.paths import PUBLIC_PATHS
from portal.api.problems import problem_answer
from portal.parts import Parts

TOKEN_MAX = 200  # characters; ours are shorter


class Gate:
    """ASGI, around the API. A cookie is looked at by nobody here."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        self._now: Callable[[], datetime] = parts.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        headers, now = Headers(scope=scope), self._now()
        try:
            token = await self._token(headers, now)
        except ChargingUnavailable:
            await self._problem(headers, "unavailable")(scope, receive, send)
            return
        if token is None:
            await self._problem(headers, "unauthorised")(scope, receive, send)
            return
        client = "" if scope.get("client") is None else scope["client"][0]
        state = {**scope.get("state", {}), "caller": Caller(token, now, client)}
        await self._app({**scope, "state": state}, receive, send)

    async def _token(self, headers: Headers, now: datetime) -> ApiToken | None:
        """The token of the request, if it works and its office is still there."""
        text = bearer(headers)
        if text is None:
            return None
        found = await self._parts.store.read(lambda reader: find_token(reader, text))
        if found is None or not found.works(now):
            return None
        if found.office_id not in self._parts.offices.names():
            return None
        if wants_used(found, now):
            await self._parts.store.write(lambda writer: used(writer, found, now))
        return found

    def _problem(self, headers: Headers, code: str) -> Response:
        return problem_answer(self._parts.pages, headers, code)


def bearer(headers: Headers) -> str | None:
    """The token that was sent; None: none, several, or something else."""
    sent = headers.getlist("authorization")
    if len(sent) != 1:
        return None
    scheme, _, token = sent[0].partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_MAX:
        return None
    return token
