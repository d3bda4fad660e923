"""A wait ends when it has been waited, and not because who waits stood still."""

import asyncio
import time

import pytest

from lab.patience import patience

STANDS_STILL_S = 0.8


async def test_what_comes_while_we_stand_still_is_not_too_late() -> None:
    came = asyncio.Event()
    async with patience(0.5):
        time.sleep(STANDS_STILL_S)  # noqa: ASYNC251 - the whole program, as on a busy machine
        asyncio.get_running_loop().call_soon(came.set)
        await came.wait()


async def test_what_never_comes_is_not_waited_for_for_ever() -> None:
    with pytest.raises(TimeoutError):
        async with patience(0.25):
            await asyncio.Event().wait()


async def test_a_wait_that_is_over_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with patience(5):
        pass
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
