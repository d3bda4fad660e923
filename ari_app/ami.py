"""The few AMI actions Tollgate needs, through panoramisk, with reconnection and a time limit.

AMI can extend the time limit of a channel that has left Stasis; ARI cannot (409).
"""

import asyncio
from typing import Any

import structlog
from panoramisk import Manager

from settings import AmiSettings

log = structlog.get_logger()

RECONNECT_EVERY_S = 1
CHECK_EVERY_S = 5.0
# Never sent again after a reconnection: "60 seconds from now" would then mean something else.
SENT_ONCE = ("ping", "login", "absolutetimeout", "setvar", "coreshowchannels")


class AmiUnavailableError(Exception):
    """There is no connection to AMI, or no answer within the time limit."""


class AmiRefusedError(Exception):
    """Asterisk said no, most often because the channel is gone."""


class Ami:
    def __init__(self, settings: AmiSettings) -> None:
        self._timeout_s = settings.request_timeout_s
        self._logged_in = asyncio.Event()
        self._lost = asyncio.Event()
        self._manager = Manager(
            host=settings.host,
            port=settings.port,
            username=settings.username,
            secret=settings.secret.get_secret_value(),
            events="off",
            reconnect_timeout=RECONNECT_EVERY_S,
            forgetable_actions=SENT_ONCE,
            on_login=self._on_login,
            on_disconnect=self._on_disconnect,
        )
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._manager.connect()
        self._keeper = asyncio.create_task(self._drop_a_dead_connection())

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._manager.reconnect_timeout = 0
        self._manager.on_disconnect = lambda *_: None
        self._manager.connect = lambda *_, **__: None  # panoramisk would otherwise connect again
        self._manager.close()

    async def wait_until_connected(self) -> None:
        await self._logged_in.wait()

    async def wait_until_disconnected(self) -> None:
        await self._lost.wait()

    async def set_timeout(self, channel: str, *, timeout_s: float) -> None:
        """Let Asterisk end this channel `timeout_s` from now.

        Raises:
            AmiRefusedError: there is no such channel.
            AmiUnavailableError: no connection, or no answer in time.
        """
        await self._act("AbsoluteTimeout", Channel=channel, Timeout=f"{timeout_s:.3f}")

    async def set_variable(self, channel: str, *, name: str, value: str) -> None:
        await self._act("Setvar", Channel=channel, Variable=name, Value=value)

    async def _act(self, action: str, **fields: str) -> Any:
        if not self._logged_in.is_set():
            raise AmiUnavailableError(f"{action}: there is no connection to AMI")
        clean = {name: one_line(value) for name, value in fields.items()}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._manager.send_action({"Action": action, **clean})
        except TimeoutError as error:
            raise AmiUnavailableError(f"{action}: no answer in {self._timeout_s} s") from error
        if answer.response != "Success":
            raise AmiRefusedError(f"{action}: {answer.message}")
        return answer

    async def _drop_a_dead_connection(self) -> None:
        """A half-open socket says nothing: ask, and close it when there is no answer."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if not self._logged_in.is_set():
                continue
            try:
                await self._act("Ping")
            except AmiUnavailableError:
                log.warning("ami_stalled")
                self._manager.protocol.transport.abort()
            except AmiRefusedError as error:
                log.warning("ami_ping_refused", error=str(error))

    def _on_login(self, _manager: Manager) -> None:
        log.info("ami_connected")
        self._lost.clear()
        self._logged_in.set()

    def _on_disconnect(self, _manager: Manager, _error: object) -> None:
        log.warning("ami_disconnected")
        self._logged_in.clear()
        self._lost.set()


def one_line(value: str) -> str:
    """AMI ends a field at CR or LF: a value that holds one could smuggle in an action.

    Raises:
        ValueError: the value has a control character.
    """
    if not value.isprintable():
        raise ValueError(f"not fit for an AMI field: {value!r}")
    return value
