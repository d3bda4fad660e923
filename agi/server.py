"""The FastAGI server: who may speak, for how long, and how many at once.

Asterisk sends its whole environment the moment it connects. Whoever has not is pending; when too
many are, the one that has been silent longest makes room. So port scans, half-open connections and
a thousand peers that say nothing cost a caller nothing. The same holds for peers that fall silent
after they asked. Who does not send the secret, where there is one, is told nothing.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from agi.errors import CallerLeft, CommandRefused
from agi.protocol import (
    END_OF_ENVIRONMENT,
    ENVIRONMENT_BYTES_MAX,
    AgiProtocolError,
    Environment,
    parse_environment,
)
from agi.session import Session
from charging.enquiries import Enquiries
from charging.errors import ChargingUnavailable, LedgerFault, Refusal
from prompts.phrases import (
    UnspokenError,
    refusal_phrase,
    service_unavailable_phrase,
)

log = structlog.get_logger()

Service = Callable[[Session, Enquiries], Awaitable[None]]

ENVIRONMENT_TIMEOUT_S: Final = 2
SESSION_TIMEOUT_S: Final = 110  # the dialplan gives up after two minutes
CLOSE_TIMEOUT_S: Final = 1
PENDING_MAX: Final = 200
SECRET_ARGUMENT: Final = 2  # behind the endpoint and the language
SESSIONS_MAX: Final = 200
# As many may be accepted at one go; with the two above, fewer files than any system's limit.
BACKLOG: Final = 128


class Server:
    """Answers feature codes; many callers at once, each with limits."""

    def __init__(
        self, services: Mapping[str, Service], enquiries: Enquiries, *, secret: str | None = None
    ) -> None:
        """`services` by the name that stands in `AGI(agi://…/NAME)`."""
        self._services = services
        self._enquiries = enquiries
        self._secret = secret
        self._pending: dict[asyncio.StreamWriter, None] = {}  # in the order they came
        self._sessions: dict[asyncio.StreamWriter, Session] = {}

    async def listen(self, address: str, port: int) -> asyncio.Server:
        """Take callers; port 0 chooses a free one.

        Raises:
            OSError: the port is taken.
        """
        return await asyncio.start_server(
            self._connected, address, port, limit=ENVIRONMENT_BYTES_MAX, backlog=BACKLOG
        )

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            environment = await self._introduction(reader, writer)
            await self._admit(environment, reader, writer)
        except AgiProtocolError as error:
            log.warning("connection_refused", reason=str(error))
        finally:
            await _close(writer)

    async def _introduction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Environment:
        if len(self._pending) >= PENDING_MAX:
            longest_silent = next(iter(self._pending))
            del self._pending[longest_silent]
            longest_silent.transport.abort()
        self._pending[writer] = None
        try:
            return await read_environment(reader)
        finally:
            self._pending.pop(writer, None)

    async def _admit(
        self,
        environment: Environment,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        service = self._services.get(environment.script)
        if service is None:
            raise AgiProtocolError("no such feature")
        if not self._knows_the_secret(environment):
            raise AgiProtocolError("a peer without the secret")
        if len(self._sessions) >= SESSIONS_MAX:
            self._end_the_most_silent()
        session = Session(environment, reader=reader, writer=writer)
        self._sessions[writer] = session
        try:
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                await self._serve(environment.script, service, session)
        except TimeoutError:
            raise AgiProtocolError(f"a caller of more than {SESSION_TIMEOUT_S} s") from None
        finally:
            self._sessions.pop(writer, None)

    def _knows_the_secret(self, environment: Environment) -> bool:
        if self._secret is None:
            return True
        sent = environment.arguments[SECRET_ARGUMENT : SECRET_ARGUMENT + 1]
        return any(hmac.compare_digest(each.encode(), self._secret.encode()) for each in sent)

    def _end_the_most_silent(self) -> None:
        """Asterisk answers as soon as a clip is played; a peer that holds a place does not."""
        writer = min(self._sessions, key=lambda each: self._sessions[each].asked_at_s)
        log.warning("session_ended", reason="too many callers, and this one was silent longest")
        del self._sessions[writer]
        writer.transport.abort()

    async def _serve(self, script: str, service: Service, session: Session) -> None:
        about = log.bind(feature=script, extension=session.endpoint)
        try:
            await session.speak(self._language_for(session))
            about.info("feature_asked", language=session.language)
            await self._answer(service, session)
            await session.done()
        except CallerLeft:
            about.info("caller_left")
        except (CommandRefused, LedgerFault, UnspokenError) as error:
            about.error("feature_failed", error=str(error))
        else:
            about.info("feature_told")

    async def _answer(self, service: Service, session: Session) -> None:
        """Serve, or say why not."""
        try:
            await service(session, self._enquiries)
        except Refusal as refusal:
            log.info("feature_refused", code=refusal.code, extension=session.endpoint)
            await session.say(refusal_phrase(refusal.code, session.language))
        except ChargingUnavailable as error:
            log.error("database_away", error=str(error))
            await session.say(service_unavailable_phrase(session.language))

    def _language_for(self, session: Session) -> str:
        return self._enquiries.language_of(
            session.endpoint, chosen=session.chosen_language, asterisk=session.language
        )


async def read_environment(reader: asyncio.StreamReader) -> Environment:
    """Read the block that opens one connection.

    Raises:
        AgiProtocolError: the peer closed early, sent too much, or took longer than
            ENVIRONMENT_TIMEOUT_S seconds for all of it.
    """
    try:
        async with asyncio.timeout(ENVIRONMENT_TIMEOUT_S):
            return parse_environment(await reader.readuntil(END_OF_ENVIRONMENT))
    except TimeoutError:
        raise AgiProtocolError("a peer that says nothing") from None
    except asyncio.LimitOverrunError:
        raise AgiProtocolError("an AGI environment without an end") from None
    except (asyncio.IncompleteReadError, ConnectionError):
        raise AgiProtocolError("a peer that left before it asked") from None


async def _close(writer: asyncio.StreamWriter) -> None:
    """Let what was written reach the peer, but wait for no peer that does not read."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    except (TimeoutError, ConnectionError):
        writer.transport.abort()
