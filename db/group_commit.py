"""Group commit: commands that wait at the same time share one transaction, and one sync to disk.

Commands that no caller waits for wait for others for some milliseconds; an urgent one (a caller is
waiting) does not, and shares its transaction with those that wait by then.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from charging.errors import ChargingUnavailable
from charging.ledger import LedgerCommand
from db.batches import Outcome

Result = TypeVar("Result")
Committed = Callable[[int, int], None]  # so many commands took so many nanoseconds


def tell_nobody(commands: int, took_ns: int) -> None:
    """Where nobody measures."""
    del commands, took_ns


class _Waiting(NamedTuple):
    command: LedgerCommand[Any]
    future: "asyncio.Future[Any]"
    since_ms: int  # by the event loop's clock


BATCH_MAX = 256  # keeps the locks of one transaction short
URGENT_MAX = 2000  # more callers waiting than this is overload: the next one is refused
BATCH_WAIT_MS = 30
OUTCOME_TIMEOUT_S = 20  # longer than any time limit of the database itself


class GroupCommit:
    def __init__(
        self,
        run_batch: Callable[[Sequence[LedgerCommand[Any]]], Sequence[Outcome]],
        *,
        batch_wait_ms: int = BATCH_WAIT_MS,
        outcome_timeout_s: int = OUTCOME_TIMEOUT_S,
        committed: Committed = tell_nobody,
    ) -> None:
        """Run batches, one at a time, in a thread of their own.

        Args:
            run_batch: carries out commands in one transaction and gives one outcome for each.
            batch_wait_ms: how long a command that is not urgent may wait for others.
            outcome_timeout_s: how long anybody waits for an outcome.
            committed: told of each batch, from its start to its outcomes.
        """
        self._run_batch = run_batch
        self._batch_wait_ms = batch_wait_ms
        self._outcome_timeout_s = outcome_timeout_s
        self._committed = committed
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: deque[_Waiting] = deque()
        self._urgent_count = 0
        self._arrived = asyncio.Event()
        self._full_or_urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def carry_out(self, command: LedgerCommand[Result]) -> Result:
        """Wait for the outcome of one command.

        Raises:
            ChargingUnavailable: no outcome in time; the command may or may not be carried out.
        """
        if self._closed:
            raise ChargingUnavailable("the ledger is closed")
        future = self._enqueue(command)
        try:
            async with asyncio.timeout(self._outcome_timeout_s):
                outcome: Result = await future
        except TimeoutError:
            raise ChargingUnavailable(f"no answer in {self._outcome_timeout_s} s") from None
        return outcome

    async def close(self) -> None:
        """Carry out what is waiting, then stop."""
        self._closed = True
        self._arrived.set()
        self._full_or_urgent.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    def _enqueue(self, command: LedgerCommand[Any]) -> "asyncio.Future[Any]":
        if command.urgent:
            if self._urgent_count >= URGENT_MAX:  # a new call, never the end of one
                raise ChargingUnavailable("too many calls are waiting")
            self._urgent_count += 1
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(_Waiting(command, future, round(1000 * loop.time())))
        self._arrived.set()
        if self._is_full_or_urgent():
            self._full_or_urgent.set()
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return future

    async def _serve(self) -> None:
        while not (self._closed and not self._waiting):
            await self._arrived.wait()
            await self._wait_for_others()
            batch = self._take_batch()
            if batch:
                await self._run(batch)

    async def _wait_for_others(self) -> None:
        """Until an urgent command comes, a batch is full, or the first command waited long enough.

        What a command waited for while the batch before it was written counts.
        """
        if self._is_full_or_urgent():
            return
        until_ms = self._waiting[0].since_ms + self._batch_wait_ms
        try:
            async with asyncio.timeout_at(until_ms / 1000):
                await self._full_or_urgent.wait()
        except TimeoutError:
            return

    def _is_full_or_urgent(self) -> bool:
        return self._closed or self._urgent_count > 0 or len(self._waiting) >= BATCH_MAX

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < BATCH_MAX:
            waiting = self._waiting.popleft()
            self._urgent_count -= waiting.command.urgent
            if not waiting.future.done():  # else whoever asked has given up
                batch.append(waiting)
        if not self._waiting and not self._closed:
            self._arrived.clear()
        if not self._is_full_or_urgent():
            self._full_or_urgent.clear()
        return batch

    async def _run(self, batch: list[_Waiting]) -> None:
        commands = [waiting.command for waiting in batch]
        loop = asyncio.get_running_loop()
        began_ns = time.monotonic_ns()
        try:
            outcomes = await loop.run_in_executor(self._thread, self._run_batch, commands)
        except Exception as error:  # noqa: BLE001 - a defect: everyone who waits is told of it
            outcomes = [error] * len(batch)
        self._committed(len(batch), time.monotonic_ns() - began_ns)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
