"""Masks numbers that were kept long enough, once a day, a few rows at a time beside all calls."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine

from charging.errors import ChargingUnavailable
from db.masked_numbers import mask_numbers

log = structlog.get_logger()

FIRST_AFTER_S = 10 * 60.0  # an application that has just started has other work
EVERY_S = 24 * 60 * 60.0
PAUSE_S = 0.2  # between transactions, so that calls find the database free
AGAIN_S = 60.0  # where it is away


class DailyMasking:
    def __init__(self, engine: Engine, *, keep_days: int) -> None:
        """`keep_days` 0: numbers are kept for ever."""
        self._engine = engine
        self._keep_days = keep_days

    async def run(self) -> None:
        """Until cancelled."""
        wait_s = FIRST_AFTER_S
        while True:
            await asyncio.sleep(wait_s)
            try:
                await self.mask()
                wait_s = EVERY_S
            except ChargingUnavailable as error:
                log.warning("numbers_not_masked", error=str(error))
                wait_s = AGAIN_S
            except Exception:  # no defect of this is worth a call
                log.exception("numbers_not_masked")
                wait_s = EVERY_S

    async def mask(self) -> None:
        """All that is due now.

        Raises:
            ChargingUnavailable: the database is away.
        """
        if not self._keep_days:
            return
        steps = mask_numbers(self._engine, kept_since(self._keep_days))
        changed = 0
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            changed += sum(step.values())
            await asyncio.sleep(PAUSE_S)
        if changed:
            log.info("numbers_masked", count=changed)


def kept_since(keep_days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=keep_days)
