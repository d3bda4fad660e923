"""Whatever a crash leaves of the database file, every acknowledged debit is in it."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.audit import audit
from db.engine import open_engine
from db.ledger import SqlLedger, read_from
from db.schema import upgrade
from tests.fakes.charging import charging_with, gbp, request

IMAGES = 300
KILLS = 4
DEBITS = 60


@dataclass(frozen=True)
class Acknowledged:
    """What had been acknowledged when the write-ahead log was so long."""

    log_bytes: int
    debits: int


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sequence[Acknowledged]]:
    """A database whose debits are all still in the log, and how long it was after each."""
    folder = tmp_path_factory.mktemp("recorded")
    file = folder / "ledger.sqlite"
    live = folder / "live.sqlite"
    engine = open_engine(f"sqlite:///{live}")
    upgrade(engine)
    engine.dispose()  # the last connection that closes moves the log into the file
    history = asyncio.run(_debit_and_record(live, file))
    return file, history


async def _debit_and_record(live: Path, file: Path) -> Sequence[Acknowledged]:
    log = Path(f"{live}-wal")
    history = []
    async with SqlLedger(open_engine(f"sqlite:///{live}")) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("100"), key="k", actor="test", reason="")
        await charging.authorise(request("c1"))
        for debits in range(1, DEBITS + 1):
            await charging.debit("c1", interval=debits - 1)
            length = log.stat().st_size  # noqa: ASYNC240 - nothing else runs here
            history.append(Acknowledged(length, debits))
            await charging.reserve("c1", interval=debits)
        shutil.copy(live, file)
        shutil.copy(log, f"{file}-wal")
    return history


def debits_in(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        query = "SELECT count(*) FROM entries WHERE key LIKE 'call:c1:debit:%'"
        count: int = connection.execute(query).fetchone()[0]
    connection.close()
    return count


def test_a_log_cut_anywhere_holds_every_debit_acknowledged_before(
    recorded: tuple[Path, Sequence[Acknowledged]], tmp_path: Path
) -> None:
    file, history = recorded
    log = Path(f"{file}-wal").read_bytes()
    dice = random.Random(1)  # noqa: S311 - every run is the same
    for image in range(IMAGES):
        cut = dice.randint(history[0].log_bytes, len(log))
        # What lies beyond the cut never reached the disk, or reached it as rubbish.
        rubbish = dice.randbytes(dice.choice([0, 0, 100, 5000]))
        broken = tmp_path / f"{image}.sqlite"
        shutil.copy(file, broken)
        Path(f"{broken}-wal").write_bytes(log[:cut] + rubbish)
        acknowledged = max(a.debits for a in history if a.log_bytes <= cut)
        assert debits_in(broken) >= acknowledged, f"cut at {cut} of {len(log)}"
        if image % 100 == 0:
            engine = open_engine(f"sqlite:///{broken}")
            assert read_from(engine, audit).problems == ()
            engine.dispose()
        for each in tmp_path.glob(f"{image}.sqlite*"):
            each.unlink()


_WORKER = """
import asyncio, sys
from db.engine import open_engine
from db.ledger import SqlLedger
from tests.fakes.charging import charging_with, gbp, request
from tests.fakes.clock import START

async def work(file, name):
    async with SqlLedger(open_engine(f"sqlite:///{file}")) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("100"), key=name, actor="test", reason="")
        await charging.authorise(request(name))
        for n in range(1000):
            await charging.debit(name, interval=n)
            print(f"call:{name}:debit:{n}", flush=True)
            await charging.reserve(name, interval=n + 1)

asyncio.run(work(*sys.argv[1:]))
"""


def test_a_process_killed_at_any_moment_leaves_every_acknowledged_debit(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    engine = open_engine(f"sqlite:///{file}")
    upgrade(engine)
    engine.dispose()
    dice = random.Random(2)  # noqa: S311 - every run is the same
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        acknowledged |= _work_until_killed(file, f"c{kill}", debits=dice.randint(1, 40))
        with sqlite3.connect(file) as connection:
            stored = {row[0] for row in connection.execute("SELECT key FROM entries")}
        connection.close()
        assert acknowledged <= stored
        assert read_from(engine, audit).problems == ()
        engine.dispose()


def _work_until_killed(file: Path, name: str, *, debits: int) -> set[str]:
    """Kill a process with signal 9 once it has acknowledged so many debits."""
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(file), name], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        heard = {worker.stdout.readline().strip() for _ in range(debits)}
        worker.kill()
        heard |= {line.strip() for line in worker.stdout if line.endswith("\n")}
    return heard


async def test_files_copied_between_two_commits_are_a_whole_ledger(tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite"
    engine = open_engine(f"sqlite:///{live}")
    upgrade(engine)
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("100"), key="k", actor="test", reason="")
        await charging.authorise(request("c1"))
        for n in range(120):  # long enough for the log to be moved into the file on the way
            await charging.debit("c1", interval=n)
            await charging.reserve("c1", interval=n + 1)
            if n % 10 == 0:
                copy = tmp_path / f"copy-{n}.sqlite"
                shutil.copy(live, copy)
                shutil.copy(f"{live}-wal", f"{copy}-wal")
                assert debits_in(copy) == n + 1
                opened = open_engine(f"sqlite:///{copy}")
                assert read_from(opened, audit).problems == ()
                opened.dispose()
