"""Ends calls that somebody asked to end: rows of the database, looked for every second."""

import asyncio
from datetime import UTC, datetime

import structlog

from ari_app.driver import Driver
from charging.errors import ChargingUnavailable
from db.call_requests import HangUpRequest, HangUpRequests, Outcome

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
TOLD_AWAY_EVERY_S = 60.0  # that the database cannot be asked; calls themselves say it, too


class HangUps:
    """What an application does for its requests. No call waits for it, and no defect ends one."""

    def __init__(self, requests: HangUpRequests, driver: Driver) -> None:
        self._requests = requests
        self._driver = driver
        self._asked: set[str] = set()  # requests that were passed on to their call

    async def run(self) -> None:
        """Until cancelled."""
        told_s = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except ChargingUnavailable as error:
                if loop.time() - told_s > TOLD_AWAY_EVERY_S:
                    told_s = loop.time()
                    log.warning("requests_not_read", error=str(error))
            except Exception:  # no defect of this is worth a call
                log.exception("requests_not_carried_out")

    async def look(self) -> None:
        """Carry out what is asked, and say what has become of it.

        Raises:
            ChargingUnavailable: the database is away.
        """
        requests = await self._requests.still_open()
        self._asked &= {request.request_id for request in requests}
        for request in requests:
            if self._driver.hang_up(request.call_id):  # again, until it is over
                self._note_asked(request)
            elif await self._requests.is_over(request.call_id):
                await self._finish(request)

    def _note_asked(self, request: HangUpRequest) -> None:
        if request.request_id not in self._asked:
            self._asked.add(request.request_id)
            log.info("hang_up_requested", call_id=request.call_id, actor=request.actor)

    async def _finish(self, request: HangUpRequest) -> None:
        hung_up = request.request_id in self._asked
        outcome = Outcome.HUNG_UP if hung_up else Outcome.OVER
        await self._requests.finish(request.request_id, outcome, at=datetime.now(UTC))
        log.info("hang_up_done", call_id=request.call_id, outcome=outcome.value)
