"""Adds up past days beside the pages, which then read sums instead of calls."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Engine

from charging.errors import ChargingUnavailable
from db.day_sums import add_up_days

log = structlog.get_logger()

EVERY_S: Final = 60.0
PAUSE_S: Final = 0.1  # between two steps: whoever waits to write comes first


async def keep_added_up(engine: Engine, now: Callable[[], datetime]) -> None:
    """Until cancelled. What fails is tried again; until then pages read the calls themselves."""
    while True:
        try:
            days = await add_up(engine, now())
        except ChargingUnavailable as error:
            log.warning("days_not_added_up", error=str(error))
        else:
            if days:
                log.info("days_added_up", days=days)
        await asyncio.sleep(EVERY_S)


async def add_up(engine: Engine, now: datetime) -> int:
    """How many days there were to be added up.

    Raises:
        ChargingUnavailable: the database is away.
    """
    steps, days = add_up_days(engine, now=now), 0
    while (done := await asyncio.to_thread(next, steps, None)) is not None:
        days += done
        await asyncio.sleep(PAUSE_S)
    return days
