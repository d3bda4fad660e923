"""Who is signed in: a random token in a cookie, and a row in the database that ends it."""

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from charging.people import SESSION_LASTS, Client, Session, User
from db import people
from portal.access import Visit
from portal.store import Store

COOKIE = "tollgate_session"
LANGUAGE_COOKIE = "tollgate_language"
_YEAR_S = 31_536_000


class Sessions:
    def __init__(self, store: Store, now: Callable[[], datetime], *, secure: bool) -> None:
        """With `secure` (the portal is reached over TLS) cookies never travel without it."""
        self._store = store
        self._now = now
        self._secure = secure
        self.cookie = f"__Host-{COOKIE}" if secure else COOKIE

    async def visit(self, request: Request) -> Visit | None:
        """Whose request it is; None: of nobody who is signed in."""
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        now = self._now()
        session = await self._store.read(lambda reader: people.find_session(reader, token, now))
        if session is None:
            return None
        if people.wants_seen(session, now):
            await self._store.write(lambda writer: people.seen(writer, session, now))
        return Visit(session=session, at=now, client_address=client_of(request).address)

    async def begin(self, response: Response, request: Request, user: User) -> None:
        """Sign in. The token is always a new one, whatever the browser came with."""
        now, client = self._now(), client_of(request)
        office_id = next(iter(user.roles))
        token = await self._store.write(
            lambda writer: people.begin_session(writer, user, office_id, at=now, client=client)
        )
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(SESSION_LASTS.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",  # a link in a mail leads to a page of somebody who is signed in
        )

    async def end(self, response: Response, session: Session) -> None:
        now = self._now()
        await self._store.write(lambda writer: people.end_session(writer, session, now))
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True)

    def remember_language(self, response: Response, language: str) -> None:
        """For pages before somebody signs in."""
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=_YEAR_S,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )


def client_of(request: Request) -> Client:
    address = "" if request.client is None else request.client.host
    return Client(address=address, browser=request.headers.get("user-agent", ""))
