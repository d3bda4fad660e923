"""Asterisk's clock beside ours: when something happened, and whether Asterisk ran at that moment.

What happened is told in Asterisk's wall clock; what is due is reckoned in the event loop's, which
nobody sets. The two are compared by asking Asterisk what time it has. Our own wall clock decides
nothing: where it differs from Asterisk's, that is told, and no paid time changes (docs/adr/0014).
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

ASK_EVERY_S = 0.25
STOPPED_MS = 750  # without a sign of life for so long after it was asked: Asterisk did not run
CATCHING_UP_MS = 1000  # so long it may take to work off what waited while it did not run
STEP_MS = 500  # more than any answer is out by: somebody set Asterisk's clock
FORGETS = 1.1  # how much worse than the best a measurement may be, more with each one after it
STOPS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Stop:
    """Asterisk was last known to run at `since_ms`, and ran again at `until_ms`."""

    since_ms: int
    until_ms: int

    @property
    def length_s(self) -> float:
        return (self.until_ms - self.since_ms) / 1000


class AsteriskClock:
    """Pure: it is told what time it is. Milliseconds are Asterisk's, seconds the event loop's."""

    def __init__(
        self,
        *,
        steady_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """Until Asterisk has said what time it has, it is taken to have ours."""
        self._steady_s = steady_s
        self._wall_s = wall_s
        self._zero_s = steady_s() - wall_s()  # the event loop's time when Asterisk's was 0
        self._known = False
        self._set_by_ms = 0  # by how much its clock was set since it was first asked
        self._error_s = 0.0  # the worst a measurement may be, to be better than the last one
        self._asked_s: float | None = None
        self._ran_ms: int | None = None  # the latest sign of life, over whatever connection
        self._heard_ms: int | None = None  # the latest over ARI's, where they come in order
        self._stops: deque[Stop] = deque(maxlen=STOPS_KEPT)
        self._untold: list[Stop] = []

    @property
    def ahead_s(self) -> float:
        """By how much Asterisk's wall clock is ahead of ours."""
        return self._steady_s() - self._zero_s + self._set_by_ms / 1000 - self._wall_s()

    def now_ms(self) -> int:
        return round(1000 * (self._steady_s() - self._zero_s))

    def loop_s(self, at_ms: int) -> float:
        """When that was, by the event loop's clock; never later than now."""
        return min(self._steady_s(), self._zero_s + at_ms / 1000)

    def read(self, at_ms: int) -> int:
        """What an event of this moment says, as if nobody had set Asterisk's clock since.

        An event is not older than the last answer, and not younger than now: where it is, the
        clock was set since Asterisk was last asked, and now is when it happened.
        """
        at_ms -= self._set_by_ms
        at_ms = self._plausible(at_ms)
        self._note_heard(at_ms)
        return at_ms

    def _plausible(self, at_ms: int) -> int:
        too_old = self._heard_ms is not None and at_ms < self._heard_ms - STEP_MS
        too_young = self._known and at_ms > self.now_ms() + STEP_MS
        return self.now_ms() if too_old or too_young else at_ms

    def asked(self) -> None:
        """Asterisk is asked now. Where an earlier question waits still, that one counts."""
        if self._asked_s is None:
            self._asked_s = self._steady_s()

    def answered(self, at_ms: int) -> None:
        """Asterisk says that it is `at_ms` now."""
        if self._asked_s is None:
            return
        asked_s, now_s = self._asked_s, self._steady_s()
        error_s = (now_s - asked_s) / 2
        zero_s = (now_s + asked_s) / 2 - (at_ms - self._set_by_ms) / 1000
        if not self._known:
            self._known = True
            self._zero_s, self._error_s = zero_s, error_s
        elif abs(zero_s - self._zero_s) > error_s + STEP_MS / 1000:
            self._set_by_ms += round(1000 * (self._zero_s - zero_s))
        elif error_s <= self._error_s:
            self._zero_s, self._error_s = zero_s, error_s
        else:
            self._error_s = max(self._error_s, 1e-4) * FORGETS
        self._note_heard(at_ms - self._set_by_ms)
        self._asked_s = None

    def ran(self, at_ms: int) -> None:
        """Asterisk said over another connection that it is `at_ms`.

        ARI's alone may be held up, and what is stamped meanwhile comes late and is no less true.
        """
        self._note_ran(at_ms - self._set_by_ms)

    def new_stops(self) -> list[Stop]:
        """Those that nobody was told of before."""
        untold, self._untold = self._untold, []
        return untold

    def gave_up(self) -> None:
        """The connection is gone. A question that was not answered for long stays asked.

        Asterisk may not have run since, and a stop is longer than a connection is waited for. Its
        next sign of life says when it ran again, and one over AMI that it ran meanwhile.
        """
        if self._asked_s is None or self._steady_s() - self._asked_s < STOPPED_MS / 1000:
            self._asked_s = None
            self._ran_ms = None
        self._heard_ms = None

    def may_have_been_ms(self, at_ms: int) -> int | None:
        """The earliest that something may have been which Asterisk saw at `at_ms`.

        None: it ran then, so `at_ms` is when it was. While it does not run, the far end's packets
        wait, and carry no time of their own.
        """
        for stop in self._stops:
            if stop.since_ms < at_ms <= stop.until_ms + CATCHING_UP_MS:
                return stop.since_ms
        return None

    def _note_heard(self, at_ms: int) -> None:
        self._note_ran(at_ms)
        self._heard_ms = at_ms if self._heard_ms is None else max(self._heard_ms, at_ms)

    def _note_ran(self, ran_ms: int) -> None:
        """A sign of life. Asked, and silent until now: it did not run meanwhile."""
        if self._ran_ms is not None and self._asked_s is not None:
            asked_ms = 1000 * (self._asked_s - self._zero_s)
            if ran_ms - max(asked_ms, self._ran_ms) > STOPPED_MS:
                stop = Stop(self._ran_ms, ran_ms)
                self._stops.append(stop)
                self._untold.append(stop)
        self._ran_ms = ran_ms if self._ran_ms is None else max(self._ran_ms, ran_ms)


def milliseconds(timestamp: str) -> int:
    """`2026-11-21T09:30:00.123+0000`, as milliseconds since 1970."""
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
