"""AMI's actions over the HTTP server that ARI needs anyway (`webenabled`).

Used where the connection to AMI's own port is away, so that legs go on being extended. Slower, and
without events, which nobody here wants.
"""

import asyncio
from collections.abc import Mapping

import aiohttp

from ari_app.ami_errors import NOT_ALLOWED, AmiUnavailableError, one_line, require_success
from settings import AmiSettings

COOKIE = "mansession_id"


class AmiOverHttp:
    """One session, which Asterisk forgets after a minute of silence; then it is opened again."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: AmiSettings, *, base_url: str
    ) -> None:
        self._session = session
        self._settings = settings
        self._url = f"{base_url.rstrip('/')}/rawman"
        self._cookie = ""
        self._logging_in = asyncio.Lock()

    async def act(self, action: str, **fields: str) -> None:
        """Carry out one action.

        Raises:
            AmiRefusedError: Asterisk said no.
            AmiUnavailableError: there is no answer over HTTP either, or Asterisk does not let us.
        """
        used = self._cookie
        answer = await self._ask(action, fields) if used else {}
        if not answer or answer.get("Message") in NOT_ALLOWED:
            await self._log_in(instead_of=used)
            answer = await self._ask(action, fields)
        response, message = answer.get("Response", ""), answer.get("Message", "")
        require_success(action, response=response, message=message)

    async def _log_in(self, *, instead_of: str) -> None:
        async with self._logging_in:
            if self._cookie != instead_of:
                return  # somebody else has just done it
            self._cookie = ""
            secret = self._settings.secret.get_secret_value()
            fields = {"Username": self._settings.username, "Secret": secret}
            if (await self._ask("Login", fields)).get("Response") != "Success":
                self._cookie = ""
                raise AmiUnavailableError("AMI over HTTP does not let us in")

    async def _ask(self, action: str, fields: Mapping[str, str]) -> Mapping[str, str]:
        """In the body, never in the URL, where logs would keep it."""
        body = {"Action": action, **{name: one_line(value) for name, value in fields.items()}}
        try:
            async with (
                asyncio.timeout(self._settings.request_timeout_s),
                self._session.post(
                    self._url, data=body, headers={"Cookie": f"{COOKIE}={self._cookie}"}
                ) as reply,
            ):
                text = await reply.text()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AmiUnavailableError(f"{action}: no answer over HTTP: {error!r}") from error
        if reply.status != 200:  # noqa: PLR2004 - HTTP: here it is
            raise AmiUnavailableError(f"{action}: HTTP {reply.status}")
        given = reply.cookies.get(COOKIE)
        if action == "Login" and given is not None:
            self._cookie = f'"{given.value}"'
        lines = (line.partition(": ") for line in text.splitlines())
        return {name: value for name, found, value in lines if found}
