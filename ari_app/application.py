"""Keeps the connections to Asterisk, and comes back after each was lost."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import structlog

from ari_app.ami import Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ari import Ari, AriError, AriReplacedError, AriUnavailableError
from ari_app.clock import ASK_EVERY_S
from ari_app.driver import Driver
from ari_app.garbage import collect_while_quiet
from ari_app.recovery import Recovery
from assembly.process import TakenError
from assembly.task_errors import raised_alone
from charging.errors import ChargingUnavailable

log = structlog.get_logger()

RECONNECT_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # and the last of them again and again
SWEEP_EVERY_S = 10.0
PENDING_EVERY_S = 1.0
ECHO_EVERY_S = 5.0
CLOCKS_DIFFER_S = 2.0  # smaller differences are not told
EVENTS_LOST_AFTER = 2  # failures of echo or sweep in a row: then the connection is made anew
# Somebody listens in our name at start-up: another machine's application, or a connection that was
# never closed. So long it may take to end, then it is taken over. If somebody takes it back
# before we have held it for so long, there is another application, and who came later gives way.
TAKE_OVER_AFTER_S = 6.0
PROVED_AFTER_S = 30.0
REPLACEMENTS_MAX = 5  # times that two who found nobody take it from each other, until one gives way
CANNOT_BE_ASKED = (AriError, AriUnavailableError, ChargingUnavailable, OSError)


class Beside(Protocol):
    async def run(self) -> None:
        """Until cancelled; what goes wrong in it, it tells of and goes on."""


class Application:
    def __init__(  # noqa: PLR0913 - each is one part, given by name
        self,
        *,
        ari: Ari,
        ami: Ami,
        driver: Driver,
        recovery: Recovery,
        sweep_wanted: asyncio.Event,
        beside: Sequence[Beside] = (),
    ) -> None:
        """Take the parts.

        Args:
            ari: the connection of events and requests.
            ami: the other one.
            driver: gives each call its task.
            recovery: matches the ledger with Asterisk.
            sweep_wanted: set by calls that suspect an end whose event was lost.
            beside: what runs beside calls, and matters to none of them.
        """
        self._beside = beside
        self._sweep_wanted = sweep_wanted
        self._ari = ari
        self._ami = ami
        self._driver = driver
        self._recovery = recovery
        self._failures = 0  # echoes and sweeps in a row that failed
        self._proved_at_s: float | None = None  # from then on the application name is ours
        self._replacements_left = REPLACEMENTS_MAX  # for being replaced until then

    @property
    def live_calls(self) -> int:
        return self._driver.live_calls

    async def run(self) -> None:
        """Serve until cancelled. Calls under way stay up: Asterisk knows what they have paid.

        Raises:
            TakenError: another application serves this Asterisk.
        """
        try:
            with raised_alone(TakenError):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(collect_while_quiet(lambda: self._driver.live_calls))
                    tasks.create_task(self._listen())
                    tasks.create_task(self._extend_over_new_connections())
                    tasks.create_task(self._extend_pending())
                    tasks.create_task(self._sweep())
                    tasks.create_task(self._check_events())
                    tasks.create_task(self._ask_time_over_ari())
                    tasks.create_task(self._ask_time_over_ami())
                    for each in self._beside:
                        tasks.create_task(each.run())
        finally:
            await self._driver.close()

    async def _listen(self) -> None:
        """Whoever takes our place is answered ever more slowly, until we hold it for a while."""
        await self._wait_for_another_to_end()
        delays_s, replaced_delays_s = delays(), delays()
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                await self._ari.connect()
                self._failures = 0
                if self._proved_at_s is None:
                    self._proved_at_s = loop.time() + PROVED_AFTER_S
                delays_s = delays()
                await self._handle_events()
            except AriReplacedError as error:
                self._give_way_to_another(loop.time())
                log.error("application_replaced", error=str(error))
                if loop.time() - began_s > PROVED_AFTER_S:
                    replaced_delays_s = delays()
                await asyncio.sleep(next(replaced_delays_s))
            except AriUnavailableError as error:
                log.warning("ari_unavailable", error=str(error))
                await asyncio.sleep(next(delays_s))

    async def _wait_for_another_to_end(self) -> None:
        with contextlib.suppress(TimeoutError, AriError, AriUnavailableError):
            async with asyncio.timeout(TAKE_OVER_AFTER_S):
                while await self._ari.has_another():
                    self._replacements_left = 1
                    log.warning("application_connected_already", app=self._ari.app_name)
                    await asyncio.sleep(RECONNECT_S[-1])

    def _give_way_to_another(self, now_s: float) -> None:
        """Who has just started does; whoever else takes our name has it taken back."""
        self._replacements_left -= 1
        if (
            self._replacements_left <= 0
            and self._proved_at_s is not None
            and now_s < self._proved_at_s
        ):
            raise TakenError(
                f"another application answers as {self._ari.app_name} for this Asterisk, and has"
                " taken its place back"
            )

    async def _check_events(self) -> None:
        """A connection whose events go elsewhere still answers pings: have an event sent back."""
        while True:
            await asyncio.sleep(ECHO_EVERY_S)
            if not self._ari.connected:
                continue
            try:
                await self._ari.echo()
            except (AriError, AriUnavailableError) as error:
                log.warning("not_echoed", error=str(error))
                await self._note_failure()
            else:
                self._failures = 0

    async def _ask_time_over_ari(self) -> None:
        """Ask Asterisk for its time again and again: by its answers we know when it did not run."""
        told_s = 0.0
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            if not self._ari.connected:
                continue
            try:
                await self._ari.ask_time()
            except (AriError, AriUnavailableError) as error:
                log.info("time_not_told", error=str(error))
                continue
            for stop in self._ari.clock.new_stops():
                log.warning("asterisk_did_not_run", for_s=round(stop.length_s, 1))
            ahead_s = self._ari.clock.ahead_s
            if abs(ahead_s - told_s) > CLOCKS_DIFFER_S:
                told_s = ahead_s
                log.warning("clocks_differ", asterisk_ahead_s=round(ahead_s, 1))

    async def _ask_time_over_ami(self) -> None:
        """Over AMI too: ARI's connection alone may be held up while Asterisk runs."""
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            await self._ami.wait_until_connected()
            try:
                self._ari.clock.ran(await self._ami.time_ms())
            except (AmiRefusedError, AmiUnavailableError) as error:
                log.info("time_not_told", error=str(error))

    async def _note_failure(self) -> None:
        self._failures += 1
        if self._failures >= EVENTS_LOST_AFTER:
            self._failures = 0
            log.error("events_lost", failures=EVENTS_LOST_AFTER)
            await self._ari.close()

    async def _handle_events(self) -> None:
        """New calls are taken at once; what came before is looked after beside them."""
        log.info("ari_connected")
        recovering = asyncio.create_task(self._subscribe_and_recover())
        try:
            async for message in self._ari.events():
                self._driver.take(message)
        finally:
            self._driver.note_events_lost()
            recovering.cancel()
            await asyncio.gather(recovering, return_exceptions=True)

    async def _subscribe_and_recover(self) -> None:
        """The subscription is a connection's first request, so no call goes on before it."""
        delays_s = delays()
        while True:
            try:
                await self._ari.ask_time()  # before anything is reckoned by it
                await self._ari.subscribe_to_channels()
                await self._recovery.run()
                break
            except CANNOT_BE_ASKED as error:
                log.warning("not_recovered_yet", error=str(error))
                await asyncio.sleep(next(delays_s))
        await self._ami.wait_until_connected()
        log.info("ready")

    async def _extend_over_new_connections(self) -> None:
        """Every leg over every new connection: what was told over the last one may be lost."""
        while True:
            await self._ami.wait_for_new_connection()
            await self._driver.extend_timeouts()

    async def _extend_pending(self) -> None:
        """What no way to AMI took is tried again until one does, or the leg has ended."""
        while True:
            await asyncio.sleep(PENDING_EVERY_S)
            if any(task.limit_pending for task in self._driver.tasks()):
                await self._driver.extend_timeouts(pending_only=True)

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
                if isinstance(error, AriError | AriUnavailableError) and self._ari.connected:
                    await self._note_failure()
                await asyncio.sleep(RECONNECT_S[-1])


def delays() -> Iterator[float]:
    yield from RECONNECT_S
    while True:
        yield RECONNECT_S[-1]
