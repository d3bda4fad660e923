"""Keeps the connections to Asterisk, and comes back after each was lost."""

import asyncio
import contextlib
from collections.abc import Iterator

import structlog

from ari_app.ami import Ami
from ari_app.ari import Ari, AriError, AriUnavailableError
from ari_app.driver import Driver
from ari_app.garbage import collect_while_quiet
from ari_app.recovery import Recovery
from charging.errors import ChargingUnavailable

log = structlog.get_logger()

RECONNECT_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # and the last of them again and again
SWEEP_EVERY_S = 10.0
CANNOT_BE_ASKED = (AriError, AriUnavailableError, ChargingUnavailable, OSError)


class Application:
    def __init__(
        self,
        *,
        ari: Ari,
        ami: Ami,
        driver: Driver,
        recovery: Recovery,
        sweep_wanted: asyncio.Event,
    ) -> None:
        """`sweep_wanted` is set by calls that suspect an end which nobody told them of."""
        self._sweep_wanted = sweep_wanted
        self._ari = ari
        self._ami = ami
        self._driver = driver
        self._recovery = recovery

    async def run(self) -> None:
        """Serve until cancelled. Calls under way stay up: Asterisk knows what they have paid."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collect_while_quiet(lambda: self._driver.live_calls))
            tasks.create_task(self._listen())
            tasks.create_task(self._keep_timeouts())
            tasks.create_task(self._sweep())

    async def _listen(self) -> None:
        delays_s = delays()
        while True:
            try:
                await self._ari.connect()
                delays_s = delays()
                await self._hear_events()
            except AriUnavailableError as error:
                log.warning("ari_unavailable", error=str(error))
            await asyncio.sleep(next(delays_s))

    async def _hear_events(self) -> None:
        """New calls are taken at once; what came before is looked after beside them."""
        log.info("ari_connected")
        coming_back = asyncio.create_task(self._come_back())
        try:
            async for message in self._ari.events():
                self._driver.take(message)
        finally:
            coming_back.cancel()
            await asyncio.gather(coming_back, return_exceptions=True)

    async def _come_back(self) -> None:
        """The subscription is a connection's first request, so no call goes on before it."""
        delays_s = delays()
        while True:
            try:
                await self._ari.subscribe_to_channels()
                await self._recovery.run()
                break
            except CANNOT_BE_ASKED as error:
                log.warning("not_recovered_yet", error=str(error))
                await asyncio.sleep(next(delays_s))
        await self._ami.wait_until_connected()
        log.info("ready")

    async def _keep_timeouts(self) -> None:
        """An extension that AMI's absence swallowed is told again as soon as it is back."""
        while True:
            await self._ami.wait_until_connected()
            await self._driver.extend_timeouts()
            await self._ami.wait_until_disconnected()

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._sweep_wanted.wait()
            self._sweep_wanted.clear()
            try:
                await self._recovery.run()
            except CANNOT_BE_ASKED as error:
                log.warning("not_swept", error=str(error))
                await asyncio.sleep(RECONNECT_S[-1])


def delays() -> Iterator[float]:
    yield from RECONNECT_S
    while True:
        yield RECONNECT_S[-1]
