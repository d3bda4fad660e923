"""How long a writer waits for its turn on SQLite beside another process that writes without pause.

Beside SQLite's own way to wait, on the same file in the same run, turn by turn. The other process
holds the lock for three milliseconds, and begins again a third of a millisecond after it: a worker
with a thousand webhooks to handle, an import, a day of calls that is added up.
"""

import contextlib
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import quantiles

from sqlalchemy import Engine

from bench.figures import Figure
from db.engine import LOCK_TIMEOUT_S, WRITER, open_engine

ROUNDS = 4
ROUND_S = 4.0
BETWEEN_S = 0.02
HOLDS_S = 0.003
AWAY_S = 0.0003
GOAL_MS = 500

Write = Callable[[], float]


def run() -> list[Figure]:
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        engine = open_engine(f"sqlite:///{file}")
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            writer.exec_driver_sql("CREATE TABLE written (n INTEGER)")
        with _writing_without_pause(file), contextlib.closing(_connection(file)) as bare:
            for _ in range(ROUNDS):
                ours += _waited(lambda: _write(engine))
                theirs += _waited(lambda: _write_bare(bare))
        engine.dispose()
    return [
        _figure("95 of 100 turns to write", _p95(ours), _p95(theirs), goal_ms=GOAL_MS),
        _figure("the longest wait for a turn", 1000 * max(ours), 1000 * max(theirs)),
    ]


def _figure(what: str, ours: float, theirs: float, *, goal_ms: float | None = None) -> Figure:
    return Figure(
        what=f"{what} beside who writes without pause, SQLite",
        unit="ms",
        value=ours,
        beside=theirs,
        beside_what="SQLite's own way to wait",
        goal="" if goal_ms is None else f"at most {goal_ms:g}",
        met=None if goal_ms is None else ours <= goal_ms,
    )


def _p95(waited_s: list[float]) -> float:
    return 1000 * quantiles(waited_s, n=20)[-1]


def _waited(write: Write) -> list[float]:
    until_s = time.monotonic() + ROUND_S
    waited = []
    while time.monotonic() < until_s:
        waited.append(write())
        time.sleep(BETWEEN_S)
    return waited


def _write(engine: Engine) -> float:
    """Seconds until it was its turn."""
    with engine.connect().execution_options(**WRITER) as writer:
        began_s = time.perf_counter()
        with writer.begin():
            waited_s = time.perf_counter() - began_s
            writer.exec_driver_sql("INSERT INTO written VALUES (1)")
    return waited_s


def _write_bare(connection: sqlite3.Connection) -> float:
    began_s = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    waited_s = time.perf_counter() - began_s
    connection.execute("INSERT INTO written VALUES (2)")
    connection.execute("COMMIT")
    return waited_s


def _connection(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=2 * LOCK_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextlib.contextmanager
def _writing_without_pause(file: Path) -> Iterator[None]:
    spawning = multiprocessing.get_context("spawn")
    enough = spawning.Event()
    process = spawning.Process(target=_write_on, args=(file, enough))
    process.start()
    try:
        yield
    finally:
        enough.set()
        process.join()


def _write_on(file: Path, enough: Event) -> None:
    with contextlib.closing(_connection(file)) as connection:
        while not enough.is_set():
            connection.execute("BEGIN IMMEDIATE")
            _compute(HOLDS_S)
            connection.execute("INSERT INTO written VALUES (3)")
            connection.execute("COMMIT")
            _compute(AWAY_S)


def _compute(seconds: float) -> None:
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        pass
