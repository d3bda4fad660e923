"""What counting, and masking of the log, add to the processor time of one paid call."""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from ari_app.metrics import CallCounts
from assembly.metrics import of_commits, watch_of
from bench.figures import Figure
from settings.logs import without_numbers

CALLS = 20_000
COMMITS = 6  # where no other call shares them
DEBITS = 3
CALL_ID = "18a1b2c3d4e5f60718a1b2c3d4e5f607"
GOAL_US = 100.0  # a twentieth of what a paid call may take in all

_ABOUT = {"call_id": CALL_ID, "extension": "1001", "level": "info"}
# What the log says of a paid call of three increments.
LINES: tuple[dict[str, Any], ...] = (
    {
        "event": "call_authorised",
        "channel": "asterisk-1732612345.12",
        "category": "paid",
        "reason": "UK plan does not include mobiles in FR",
        "destination": "France mobile",
        "currency": "GBP",
        "per_minute_micros": 110_000,
        **_ABOUT,
    },
    *(
        {"event": "state", "state": state, "was": "announcing", **_ABOUT}
        for state in ("announcing", "dialling", "talking", "ended")
    ),
    {"event": "balance_playing", "balance_micros": 4_220_000, **_ABOUT},
    {"event": "balance_announced", "balance_micros": 4_220_000, "skipped": False, **_ABOUT},
    *(
        {"event": event, "interval": interval, "amount_micros": 110_000, **_ABOUT}
        for interval in range(DEBITS)
        for event in ("interval_reserved", "interval_debited")
    ),
    {"event": "call_settled", "talk_s": 135, "charged_micros": 330_000, **_ABOUT},
)


def run() -> list[Figure]:
    return [
        Figure(
            what="counting, of a paid call of three increments",
            unit="µs of processor time",
            value=microseconds_a_call(counting()),
            goal=f"at most {GOAL_US:.0f} µs",
            met=microseconds_a_call(counting()) <= GOAL_US,
        ),
        Figure(
            what="masking numbers in its lines of the log",
            unit="µs of processor time",
            value=microseconds_a_call(masking),
            goal=f"at most {GOAL_US:.0f} µs",
            met=microseconds_a_call(masking) <= GOAL_US,
        ),
    ]


def counting() -> Callable[[], None]:
    """Everything that is counted of one call, as its program counts it."""
    registry = CollectorRegistry()
    calls, committed = CallCounts(registry), of_commits(registry)
    watch = watch_of(registry, calls.by_event)

    def of_one_call() -> None:
        for line in LINES:
            watch(line)
        for _ in range(DEBITS):
            calls.debited(0.012)
        for _ in range(2):  # the answer, and the end
            calls.event_read(0.003)
        for _ in range(COMMITS):
            committed(1, 3_000_000)

    return of_one_call


def masking() -> None:
    for line in LINES:
        without_numbers(None, "info", dict(line))


def microseconds_a_call(of_one_call: Callable[[], None]) -> float:
    began_ns = time.process_time_ns()
    for _ in range(CALLS):
        of_one_call()
    return (time.process_time_ns() - began_ns) / CALLS / 1000
