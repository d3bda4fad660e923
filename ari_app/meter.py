"""One timetable for all live calls: who must be reminded of what, and when."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from ari_app.messages import Reminder

Deliver = Callable[[str, Reminder], None]  # call id, event


class Timetable:
    """Due times in order. Pure: the clock is whoever asks."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, Reminder]] = []
        self._order = itertools.count()  # equal times keep their order, and are never compared

    def add(self, due_s: float, call_id: str, event: Reminder) -> None:
        heapq.heappush(self._heap, (due_s, next(self._order), call_id, event))

    def take_due(self, now_s: float) -> list[tuple[str, Reminder]]:
        due = []
        while self._heap and self._heap[0][0] <= now_s:
            _, _, call_id, event = heapq.heappop(self._heap)
            due.append((call_id, event))
        return due

    def next_s(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)


class Meter:
    """Delivers reminders when they are due, by the event loop's clock.

    All that are due at one moment are delivered in one go, so that the ledger can reserve them in
    one transaction. A reminder of a call that has ended is delivered and ignored.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._timetable = Timetable()
        self._timer: asyncio.TimerHandle | None = None

    def remind(self, due_s: float, call_id: str, event: Reminder) -> None:
        """Deliver `event` at `due_s` of the event loop's clock, at once if that has passed."""
        self._timetable.add(due_s, call_id, event)
        if self._timer is None or due_s < self._timer.when():
            self._set_timer()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        next_s = self._timetable.next_s()
        loop = asyncio.get_running_loop()
        self._timer = None if next_s is None else loop.call_at(next_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        for call_id, event in self._timetable.take_due(asyncio.get_running_loop().time()):
            self._deliver(call_id, event)
        self._set_timer()
