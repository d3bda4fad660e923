"""Full garbage collections: while few calls are live, or after long; never in between."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from ari_app.garbage import QUIET_CALLS, collect_while_quiet

OFTEN_S = 0.001
AN_HOUR_S = 3600.0
FULL = 2
MANY_CONTAINERS = 200_000  # Python's own thresholds look through everything before half of them


class Office:
    """So many calls are live; and it knows when that was asked for the third time."""

    def __init__(self, live_calls: int) -> None:
        self.live_calls = live_calls
        self.looked_at = asyncio.Event()
        self._asked = 0

    def ask(self) -> int:
        self._asked += 1
        if self._asked == 3:
            self.looked_at.set()
        return self.live_calls


class FullCollections:
    def __init__(self) -> None:
        self.count = 0
        self.happened = asyncio.Event()

    def hear(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == FULL:
            self.count += 1
            self.happened.set()


@contextmanager
def counted() -> Iterator[FullCollections]:
    full = FullCollections()
    gc.callbacks.append(full.hear)
    try:
        yield full
    finally:
        gc.callbacks.remove(full.hear)


@asynccontextmanager
async def collecting(
    live_calls: Callable[[], int], *, wait_at_most_s: float = AN_HOUR_S
) -> AsyncIterator[None]:
    task = asyncio.create_task(
        collect_while_quiet(live_calls, look_every_s=OFTEN_S, wait_at_most_s=wait_at_most_s)
    )
    await asyncio.sleep(0)  # it has begun now
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_nothing_is_looked_through_while_many_calls_are_live() -> None:
    office = Office(QUIET_CALLS + 1)
    async with collecting(office.ask):
        with counted() as full:
            kept: list[list[object]] = [[] for _ in range(MANY_CONTAINERS)]
            await office.looked_at.wait()
    assert full.count == 0
    assert len(kept) == MANY_CONTAINERS


async def test_everything_is_looked_through_once_few_calls_are_live() -> None:
    office = Office(QUIET_CALLS)
    with counted() as full:
        async with collecting(office.ask):
            full.happened.clear()  # the one at the start
            await full.happened.wait()


async def test_it_is_put_off_for_so_long_and_no_longer() -> None:
    office = Office(QUIET_CALLS + 1)
    with counted() as full:
        async with collecting(office.ask, wait_at_most_s=5 * OFTEN_S):
            full.happened.clear()
            await office.looked_at.wait()
            assert full.count == 1  # none but the one at the start
            await full.happened.wait()


async def test_what_is_loaded_is_kept_out_and_all_is_as_before_at_the_end() -> None:
    before = gc.get_threshold()
    async with collecting(Office(0).ask):
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[:2] == before[:2]
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
