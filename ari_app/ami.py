"""The few AMI actions Tollgate needs, through panoramisk, with reconnection and a time limit.

AMI can extend the time limit of a channel that has left Stasis; ARI cannot (409).
"""

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from panoramisk import Manager

from ari_app.ami_errors import (
    AmiNotAllowedError,
    AmiUnavailableError,
    one_line,
    require_success,
)
from ari_app.ami_over_http import AmiOverHttp
from settings import AmiSettings

log = structlog.get_logger()

RECONNECT_EVERY_S = 1
SHORTEST_TIMEOUT_S = 0.001  # zero would mean "without a limit"
LATE_S = 0.1  # within what a leg is ended early by (`cut_off_early_s`)
TELLINGS_MAX = 6
FALLBACK_AFTER_S = 0.5  # without an answer: then it is told over HTTP, too
# Never sent again after a reconnection: "60 seconds from now" would then mean something else.
SENT_ONCE = ("ping", "login", "absolutetimeout", "setvar", "getvar", "coreshowchannels")


Act = Callable[..., Coroutine[Any, Any, None]]


@dataclass(slots=True, weakref_slot=True)
class WantedEnd:
    """When a leg is to end, for all who are just telling Asterisk so."""

    at_s: float  # of the event loop's clock


class Ami:
    def __init__(self, settings: AmiSettings, *, fallback: AmiOverHttp | None = None) -> None:
        self._fallback = fallback
        self._late: set[asyncio.Task[None]] = set()  # tellings that still wait for the connection
        # By channel, for as long as somebody tells Asterisk of it.
        self._wanted: weakref.WeakValueDictionary[str, WantedEnd] = weakref.WeakValueDictionary()
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._timeout_s = settings.request_timeout_s
        self._logged_in = asyncio.Event()
        self._new_connection = asyncio.Event()
        self._manager = Manager(
            host=settings.host,
            port=settings.port,
            username=settings.username,
            secret=settings.secret.get_secret_value(),
            events="off",
            reconnect_timeout=RECONNECT_EVERY_S,
            forgetable_actions=SENT_ONCE,
            on_connect=self._on_connect,
            on_login=self._on_login,
            on_disconnect=self._on_disconnect,
        )

    def start(self) -> None:
        self._manager.connect()

    async def close(self) -> None:
        for late in self._late:
            late.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        self._manager.reconnect_timeout = 0
        self._manager.on_disconnect = lambda *_: None
        self._manager.connect = lambda *_, **__: None  # panoramisk would otherwise connect again
        self._manager.close()

    @property
    def connected(self) -> bool:
        """Whether somebody answered our login and is there still."""
        return self._logged_in.is_set()

    async def wait_until_connected(self) -> None:
        await self._logged_in.wait()

    async def wait_for_new_connection(self) -> None:
        """Wait until a connection was made that this method has not told of yet. For one waiter."""
        await self._new_connection.wait()
        self._new_connection.clear()

    async def end_at(self, channel: str, *, at_s: float) -> None:
        """Let Asterisk end this channel at `at_s` of the event loop's clock.

        AMI knows only "from now on", and means the moment at which Asterisk reads it. So it is
        reckoned when it is written, and told again where the answer was slow: as if it would be as
        slow again, for a leg may end too early and never too late; but with half of what is left
        at least, or the first answer after a stall would end a leg that is paid for. What may still
        be on its way when nobody waits for it any more would be read far too late: then the
        connection is given up, and every leg is told again over the next one.

        Where it is told over HTTP as well, whoever still waits for the connection then tells what
        is wanted by then, and not what was.

        Raises:
            AmiRefusedError: there is no such channel.
            AmiUnavailableError: no connection, no answer in time, or answers too slow to be exact.
        """
        wanted = self._wanted.setdefault(channel, WantedEnd(at_s))
        wanted.at_s = at_s
        await self._tell(lambda act: self._tell_until_exact(act, channel, wanted))

    async def _tell(self, telling: Callable[[Act], Coroutine[Any, Any, None]]) -> None:
        """Over the connection; and over HTTP where it is away or says nothing for a moment."""
        first = asyncio.create_task(telling(self._act_now))
        self._late.add(first)
        first.add_done_callback(self._forget)
        await asyncio.wait({first}, timeout=None if self._fallback is None else FALLBACK_AFTER_S)
        if self._fallback is None or (first.done() and not is_unavailable(first)):
            await first
        else:
            await telling(self._fallback.act)

    def _forget(self, first: "asyncio.Task[None]") -> None:
        """Its failure is not told where nobody waits for it: then it was told over HTTP."""
        self._late.discard(first)
        if not first.cancelled():
            first.exception()

    async def _tell_until_exact(self, act: Act, channel: str, wanted: WantedEnd) -> None:
        loop = asyncio.get_running_loop()
        allowance_s = 0.0
        for _ in range(TELLINGS_MAX):
            at_s, written_s = wanted.at_s, loop.time()
            left_s = at_s - written_s
            allowance_s = min(allowance_s, max(0.0, left_s / 2))
            told_s = max(SHORTEST_TIMEOUT_S, left_s - allowance_s)
            await act("AbsoluteTimeout", Channel=channel, Timeout=f"{told_s:.3f}")
            took_s = loop.time() - written_s
            # Nor much too early, where it was slow once; nor what somebody else meanwhile outdid.
            if abs(took_s - allowance_s) <= LATE_S and at_s == wanted.at_s:
                return
            allowance_s = took_s
        raise AmiUnavailableError(f"AbsoluteTimeout: answers are slow ({allowance_s:.3f} s)")

    async def time_ms(self) -> int:
        """What time Asterisk has: milliseconds since 1970.

        A connection that does not say within the time limit is given up: it may be half open.

        Raises:
            AmiRefusedError, AmiUnavailableError: it did not say.
        """
        answer = await self._succeed_or_drop("Ping", self._write("Ping"))
        return round(float(answer.timestamp) * 1000)

    async def set_variable(self, channel: str, *, name: str, value: str) -> None:
        """A call waits for this no longer than for its end: its next increment may be due.

        Raises:
            AmiRefusedError: there is no such channel.
            AmiUnavailableError: nobody answered in time.
        """
        await self._tell(lambda act: act("Setvar", Channel=channel, Variable=name, Value=value))

    async def variable(self, channel: str, name: str) -> str:
        """A variable or a function of that channel, as `CHANNEL(pjsip,remote_addr)`."""
        answer = await self._succeed(
            "Getvar", self._write("Getvar", Channel=channel, Variable=name)
        )
        return str(answer.value)

    async def _act_now(self, action: str, **fields: str) -> None:
        """An action that means something else, or undoes what was told since, when read late."""
        written = self._write(action, **fields)
        if self._manager.protocol.transport.get_write_buffer_size():
            self._drop()
            raise AmiUnavailableError(f"{action}: Asterisk does not read")
        await self._succeed_or_drop(action, written)

    def _drop(self) -> None:
        if self._logged_in.is_set():
            log.warning("ami_stalled")
            self._logged_in.clear()
            self._manager.protocol.transport.abort()

    def _write(self, action: str, **fields: str) -> "asyncio.Future[Any]":
        if not self._logged_in.is_set():
            raise AmiUnavailableError(f"{action}: there is no connection to AMI")
        clean = {name: one_line(value) for name, value in fields.items()}
        written: asyncio.Future[Any] = self._manager.send_action({"Action": action, **clean})
        return written

    async def _succeed(self, action: str, written: "asyncio.Future[Any]") -> Any:
        self._unanswered.add(written)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await written
        except TimeoutError as error:
            raise AmiUnavailableError(f"{action}: no answer in {self._timeout_s} s") from error
        finally:
            self._unanswered.discard(written)
        require_success(action, response=answer.response, message=str(answer.message))
        return answer

    async def _succeed_or_drop(self, action: str, written: "asyncio.Future[Any]") -> Any:
        try:
            return await self._succeed(action, written)
        except AmiNotAllowedError:
            raise
        except AmiUnavailableError:
            self._drop()
            raise

    def _on_connect(self, manager: Manager) -> None:
        """Whoever accepts a connection and never answers the login is not waited for."""
        transport = manager.protocol.transport
        asyncio.get_running_loop().call_later(self._timeout_s, self._require_login, transport)

    def _require_login(self, transport: asyncio.Transport) -> None:
        if self._manager.protocol.transport is transport and not self._logged_in.is_set():
            log.warning("ami_login_unanswered")
            transport.abort()

    def _on_login(self, _manager: Manager) -> None:
        log.info("ami_connected")
        self._logged_in.set()
        self._new_connection.set()

    def _on_disconnect(self, _manager: Manager, _error: object) -> None:
        log.warning("ami_disconnected")
        self._logged_in.clear()
        for written in self._unanswered:
            if not written.done():
                written.set_exception(AmiUnavailableError("the connection to AMI was lost"))


def is_unavailable(ended: "asyncio.Task[None]") -> bool:
    return not ended.cancelled() and isinstance(ended.exception(), AmiUnavailableError)
