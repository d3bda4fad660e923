"""What a process counts, and Prometheus's way to read it.

Counting costs some microseconds a call and is always done; whether it can be read is a setting. No
label is a number, a name or an office: each has values that the code lists.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib import metadata

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from assembly.health import Question
from db.group_commit import Committed
from settings import SettingsError, SharedSections
from settings.logs import Entry, configure_logging

log = structlog.get_logger()

Count = Callable[[Entry], None]  # of one line of the log
Counts = Mapping[str, Count]  # by the line's event

OTHER = "other"  # what no list names
LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
# In seconds. A commit is a sync to disk: a millisecond on a good one.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def registry_of(program: str) -> CollectorRegistry:
    """With what every process has: its memory, its processor time, its version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge(
        "tollgate_build", "The program and its version", ("program", "version"), registry=registry
    )
    build.labels(program, metadata.version("tollgate")).set(1)
    return registry


def count_log(registry: CollectorRegistry, settings: SharedSections, counts: Counts) -> None:
    """Count lines of the log from now on: what the log tells, the metrics cannot tell otherwise."""
    configure_logging(masks_numbers=settings.privacy.mask_logs, watch=watch_of(registry, counts))


def watch_of(registry: CollectorRegistry, counts: Counts) -> Count:
    """What counts each line of the log, by its level and its event."""
    lines = Counter(
        "tollgate_log_lines", "Lines of the log, by level", ("level",), registry=registry
    )
    by_level = {level: lines.labels(level) for level in (*sorted(LEVELS), OTHER)}

    def watch(entry: Entry) -> None:
        by_level[known(entry["level"], LEVELS)].inc()
        count = counts.get(entry["event"])
        if count is not None:
            count(entry)

    return watch


def known(value: object, values: frozenset[str]) -> str:
    """A value for a label: one of those that are listed, or "other"."""
    return value if isinstance(value, str) and value in values else OTHER


def of_commits(registry: CollectorRegistry) -> Committed:
    """How long the ledger takes to commit, and for how many commands at once."""
    commands = Counter(
        "tollgate_ledger_commands", "Commands that the ledger was asked", registry=registry
    )
    seconds = Histogram(
        "tollgate_ledger_commit_seconds",
        "From the start of a batch of commands to its outcomes, with the sync to disk",
        buckets=BUCKETS_S,
        registry=registry,
    )

    def committed(number: int, took_ns: int) -> None:
        commands.inc(number)
        seconds.observe(took_ns / 1e9)

    return committed


@contextlib.asynccontextmanager
async def readable(
    program: str,
    settings: SharedSections,
    registry: CollectorRegistry,
    questions: Mapping[str, Question],
) -> AsyncIterator[None]:
    """Let Prometheus read, where the settings say so, for as long as the block runs.

    In threads: what calls do in the event loop is not kept waiting for it.

    Raises:
        SettingsError: the port cannot be had.
    """
    if not settings.metrics.enabled:
        yield
        return
    registry.register(wellness_of(questions))
    address, port = settings.metrics.address, getattr(settings.metrics, f"{program}_port")
    try:
        server, thread = start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        raise SettingsError(
            f"metrics: port {port} of {address} cannot be listened at: {error.strerror}"
        ) from error
    log.info("metrics_readable", address=address, port=port)
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


def wellness_of(questions: Mapping[str, Question]) -> Collector:
    """What is wrong with the program, as figures."""
    return _Wellness(questions)


class _Wellness(Collector):
    """The answers that the doctor gets, asked anew each time that Prometheus reads."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        self._questions = questions

    def describe(self) -> Iterator[Metric]:
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for about, ask in self._questions.items():
            family.add_metric([about], 1.0 if ask() is None else 0.0)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "tollgate_well", "Whether the program can use what it needs: 1, or 0", labels=["about"]
        )
