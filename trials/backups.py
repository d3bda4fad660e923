"""Backups of a ledger that calls are written to: restored elsewhere, nothing is missing.

What was acknowledged, and when, is read from the application's own log: it says so after the
commit. The ledger's copy is judged by its own proof, and by the keys of those entries.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, select, text

from backups import archive
from backups.manifest import Manifest
from db.audit import audit
from db.engine import open_engine, open_reader
from db.ledger import read_from
from db.models import calls, entries
from lab.errors import LabError
from lab.paid_office import PaidOffice
from lab.postgresql import Server, running_server
from lab.telephony import find_telephony
from settings import SETTINGS_VARIABLE
from trials.chaos import office_under_trial, until_quiet
from trials.numbers import draw_numbers
from trials.oracle import judge
from trials.soak import SoakPlan, place

COMMAND_TIMEOUT_S: Final = 300.0
LOOK_EVERY_S: Final = 0.5
SAID: Final = {"interval_debited": "debit", "call_settled": "settle"}
_REPOSITORY: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    calls: int
    rate_per_s: int
    backups: int  # while calls are placed; one more is taken in the end
    seed: int


@dataclass(slots=True)
class BackupOutcome:
    answered: int = 0
    backups: int = 0
    acknowledged: int = 0  # before the moment of the last backup that was taken under calls
    longest_s: float = 0.0  # from the command to the proved file
    wrong: list[str] = field(default_factory=list)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self.wrong)


async def run(
    plan: BackupPlan, database: str, folder: Path, report: Callable[[str], None]
) -> BackupOutcome:
    """On a database of its own, "sqlite" or "postgresql"."""
    with ExitStack() as stack:
        server = None
        if database == "postgresql":
            server = stack.enter_context(running_server(durable=True))
        settings = {} if server is None else {"database": {"url": server.url()}}
        paid = office_under_trial(find_telephony(lambda _: None), folder / "office", settings)
        async with paid:
            trial = _Trial(plan, paid, folder, server, report)
            await trial.call_and_back_up()
            await trial.restore_and_judge()
    return trial.outcome


class _Trial:
    def __init__(
        self,
        plan: BackupPlan,
        paid: PaidOffice,
        folder: Path,
        server: Server | None,
        report: Callable[[str], None],
    ) -> None:
        self.outcome = BackupOutcome()
        self._plan = plan
        self._paid = paid
        self._folder = folder
        self._server = server
        self._report = report
        self._made: list[Path] = []

    async def call_and_back_up(self) -> None:
        plan = self._plan
        numbers = draw_numbers(Random(plan.seed), plan.calls)  # noqa: S311 - to be repeated
        minutes = plan.calls / plan.rate_per_s / 60
        soak = SoakPlan(minutes=minutes, rate_per_s=plan.rate_per_s, seed=plan.seed)
        calling = asyncio.create_task(place(self._paid, numbers, soak))
        await self._paid.application.wait_for("interval_debited", timeout_s=60)
        while len(self._made) < plan.backups and not calling.done():
            await self._until_placed(len(self._made) * plan.calls // (plan.backups + 1), calling)
            await self._back_up()
        if len(self._made) < plan.backups:
            self.outcome.wrong.append(f"only {len(self._made)} backups while calls were placed")
        await calling
        await until_quiet(self._paid)
        await self._back_up()
        verdict = judge(self._paid.office.carrier.calls(), await self._paid.calls())
        self.outcome.answered = verdict.answered
        self.outcome.wrong += verdict.problems

    async def _until_placed(self, count: int, calling: "asyncio.Task[Any]") -> None:
        """So that the backups are spread over the calls."""
        while not calling.done() and len(self._paid.office.carrier.calls()) < count:  # noqa: ASYNC110 - another program's record
            await asyncio.sleep(LOOK_EVERY_S)

    async def _back_up(self) -> None:
        """As cron would: a process of its own."""
        began_s = time.monotonic()
        file = self._folder / f"backup-{len(self._made)}.tar.gz"
        await self._tollgate("backup", str(file))
        self._made.append(file)
        self.outcome.backups += 1
        self.outcome.longest_s = max(self.outcome.longest_s, time.monotonic() - began_s)

    async def restore_and_judge(self) -> None:
        told = list(acknowledged(self._paid.application.entries()))
        for number, file in enumerate(self._made):
            manifest = archive.read_manifest(file)
            url = await self._restored(number, file)
            self._judge(number, manifest, url, told)
        live = await self._paid.audit()
        self.outcome.wrong += live.problems

    async def _restored(self, number: int, file: Path) -> str:
        if self._server is None:
            place = self._folder / f"restored-{number}"
            await self._tollgate("restore", str(file), "--to", str(place))
            return f"sqlite:///{place / 'ledger.sqlite'}"
        name = f"restored_{number}"
        await asyncio.to_thread(_make_database, self._server, name)
        url = self._server.url(name)
        await self._tollgate("restore", str(file), "--database", url)
        return url

    def _judge(
        self, number: int, manifest: Manifest, url: str, told: Sequence[tuple[datetime, str]]
    ) -> None:
        engine = open_reader(url)
        try:
            problems = read_from(engine, audit).problems
            keys = read_from(engine, _keys)
        finally:
            engine.dispose()
        before = [key for at, key in told if at < manifest.taken_at]
        missing = [key for key in before if key not in keys]
        if number == len(self._made) - 2:
            self.outcome.acknowledged = len(before)
        self._report(f"backup {number}: {len(before)} acknowledged, {len(missing)} missing")
        self.outcome.wrong += [f"backup {number}: {problem}" for problem in problems]
        self.outcome.wrong += [f"backup {number}: {key} is missing" for key in missing]
        if number == len(self._made) - 1 and manifest.marks.entries != len(keys.entries):
            self.outcome.wrong.append("the last backup has other entries than its manifest says")

    async def _tollgate(self, *arguments: str) -> str:
        """Raises LabError: it failed; with what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "admin", *arguments),
            cwd=_REPOSITORY,
            env={**os.environ, SETTINGS_VARIABLE: str(self._paid.settings_file)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                out, error = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise LabError(f"tollgate {' '.join(arguments)}: {error.decode()}")
        return out.decode()


def acknowledged(log: Sequence[Mapping[str, Any]]) -> Iterator[tuple[datetime, str]]:
    """When the application knew that something is durable, and what it is called."""
    for line in log:
        kind = SAID.get(str(line.get("event")))
        if kind is None:
            continue
        at = datetime.fromisoformat(str(line["timestamp"]))
        suffix = f":{line['interval']}" if kind == "debit" else ""
        yield at, f"call:{line['call_id']}:{kind}{suffix}"


@dataclass(frozen=True, slots=True)
class _Keys:
    entries: frozenset[str]
    settled: frozenset[str]

    def __contains__(self, key: str) -> bool:
        """A call whose price was debited whole is settled without an entry."""
        return key in self.entries or key in self.settled


def _keys(reader: Connection) -> _Keys:
    settled = select(calls.c.call_id).where(calls.c.settled_at.is_not(None))
    return _Keys(
        entries=frozenset(reader.scalars(select(entries.c.key))),
        settled=frozenset(f"call:{name}:settle" for name in reader.scalars(settled)),
    )


def _make_database(server: Server, name: str) -> None:
    engine = open_engine(server.url()).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
