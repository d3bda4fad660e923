"""How long something is waited for, by a clock that stands still while we do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TICK_S = 0.1
_COUNTED_S = 3 * _TICK_S  # of each tick, at most: what is more, we could not have used


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but what comes while this process stands still is not too late.

    A machine that others share lets a program stand still for seconds at times, and then a time
    limit is over before what is waited for has been looked at.

    Raises:
        TimeoutError: it was waited for so long.
    """
    async with asyncio.timeout(None) as limit:
        counting = asyncio.create_task(_count_down(seconds, limit))
        try:
            yield
        finally:
            counting.cancel()


async def _count_down(left_s: float, limit: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    while left_s > 0:
        began_s = loop.time()
        await asyncio.sleep(min(_TICK_S, left_s))
        left_s -= min(loop.time() - began_s, _COUNTED_S)
    limit.reschedule(loop.time())
