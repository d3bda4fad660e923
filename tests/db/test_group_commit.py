"""Who shares a transaction with whom, and who waits for nobody."""

import asyncio
from collections.abc import Sequence
from typing import Any

from charging.commands import AuthoriseCall, DebitInterval
from charging.ledger import NO_LIMITS, LedgerCommand
from db.group_commit import BATCH_MAX, GroupCommit
from tests.db.histories import call_record
from tests.fakes.charging import rate
from tests.fakes.clock import START

AN_HOUR_MS = 3_600_000  # a test that waits so long fails
AUTHORISE = AuthoriseCall(  # a caller waits for it
    call_record("main", "call", rate("0.10"), NO_LIMITS), calls_at_once=None
)


class Batches:
    """Carries out nothing, and remembers how many came together."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, commands: Sequence[LedgerCommand[Any]]) -> Sequence[Any]:
        self.sizes.append(len(commands))
        return [None] * len(commands)


def debit(interval: int) -> DebitInterval:
    return DebitInterval(call_id="call", interval=interval, at=START)


async def test_urgent_command_takes_along_whoever_waits() -> None:
    batches = Batches()
    group = GroupCommit(batches.run, batch_wait_ms=AN_HOUR_MS)
    await asyncio.gather(*(group.carry_out(c) for c in (debit(0), debit(1), AUTHORISE)))
    assert batches.sizes == [3]
    await group.close()


async def test_full_batch_waits_for_nobody() -> None:
    batches = Batches()
    group = GroupCommit(batches.run, batch_wait_ms=AN_HOUR_MS)
    waiting = asyncio.create_task(group.carry_out(debit(0)))
    await asyncio.sleep(0)
    await asyncio.gather(*(group.carry_out(debit(n)) for n in range(1, BATCH_MAX)))
    await waiting
    assert batches.sizes == [BATCH_MAX]
    await group.close()


async def test_command_that_is_alone_goes_when_it_has_waited_long_enough() -> None:
    batches = Batches()
    group = GroupCommit(batches.run, batch_wait_ms=1)
    await group.carry_out(debit(0))
    assert batches.sizes == [1]
    await group.close()


async def test_close_carries_out_what_still_waits() -> None:
    batches = Batches()
    group = GroupCommit(batches.run, batch_wait_ms=AN_HOUR_MS)
    waiting = asyncio.create_task(group.carry_out(debit(0)))
    await asyncio.sleep(0)
    await group.close()
    await waiting
    assert batches.sizes == [1]


async def test_close_of_one_that_has_nothing_to_do_ends() -> None:
    batches = Batches()
    group = GroupCommit(batches.run, batch_wait_ms=AN_HOUR_MS)
    await group.carry_out(AUTHORISE)
    await asyncio.sleep(0)
    await group.close()
    assert batches.sizes == [1]
