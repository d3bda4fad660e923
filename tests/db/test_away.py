"""The database is locked, full, lost or gone: nothing is half done, and sending again is safe."""

import asyncio
import itertools
import select
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from sqlalchemy import Engine, RootTransaction, event, text
from sqlalchemy.exc import OperationalError

import db.engine
import db.group_commit
from charging import commands
from charging.commands import TopUp
from charging.errors import ChargingUnavailable, ConstraintBroken
from charging.ledger import Balances, Decision, LedgerSnapshot
from charging.money import MICROS_MAX, Money
from charging.usecases import Charging
from db.audit import audit
from db.engine import open_engine
from db.group_commit import GroupCommit
from db.ledger import SqlLedger, read_from
from db.schema import upgrade
from lab.postgresql import Server, running_server
from tests.fakes.charging import charging_with, gbp, heard, request
from tests.fakes.clock import START


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock in a test."""
    monkeypatch.setattr(db.engine, "LOCK_TIMEOUT_S", 0)


@pytest.fixture
def writing(url: str) -> Iterator[RootTransaction]:
    """Somebody else writes, until a test says that they are done."""
    engine = open_engine(url)
    with engine.connect().execution_options(**db.engine.WRITER) as writer:
        yield writer.begin()
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_locked_database_is_unavailable_and_works_when_it_is_unlocked(
    url: str, impatient: None
) -> None:
    del impatient
    other = open_engine(url)
    async with SqlLedger(open_engine(url)) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("1"), key="k", actor="test", reason="")
        with other.connect().execution_options(**db.engine.WRITER) as holder, holder.begin():
            with pytest.raises(ChargingUnavailable, match="locked"):
                await charging.authorise(request("c1"))
            assert (await charging.balance("main")).available == gbp("1")
        await charging.authorise(request("c1"))
        assert (await charging.balance("main")).available == gbp("0.90")
    other.dispose()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_who_writes_looks_again_soon_until_it_is_their_turn(
    url: str, writing: RootTransaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And reads as patiently as before."""
    engine, looks = open_engine(url), 0

    def wait() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            writing.commit()

    monkeypatch.setattr("db.engine._wait_a_moment", wait)
    with engine.connect().execution_options(**db.engine.WRITER) as writer, writer.begin():
        assert looks == 3
        patience_ms = writer.scalar(text("PRAGMA busy_timeout"))
    engine.dispose()
    assert patience_ms == db.engine.LOCK_TIMEOUT_S * 1000


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_of_the_threads_that_wait_only_the_first_looks(
    url: str, writing: RootTransaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever looks at the right moment goes first, and some wait too long."""
    engine = open_engine(url)
    all_wait, looked = threading.Barrier(6), list[int]()
    looked_before: set[int] = set()

    def wait() -> None:
        looked.append(threading.get_ident())
        if len(looked) == 60:
            looked_before.update(looked)
            writing.commit()
        select.select([], [], [], 0.001)

    def write() -> int:
        all_wait.wait()
        with engine.connect().execution_options(**db.engine.WRITER) as writer, writer.begin():
            return 1

    monkeypatch.setattr("db.engine._wait_a_moment", wait)
    with ThreadPoolExecutor(6) as threads:
        assert sum(each.result() for each in [threads.submit(write) for _ in range(6)]) == 6
    assert len(looked_before) == 1
    engine.dispose()


class Refusing:
    """A connection of SQLite's whose transaction does not begin."""

    def __init__(self, code: int) -> None:
        self._error = sqlite3.OperationalError("refused")
        self._error.sqlite_errorcode = code

    def execute(self, statement: str) -> None:
        del statement
        raise self._error


@pytest.mark.parametrize(
    ("code", "locked"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),  # another one reads what a crash left
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_IOERR, False),
        (sqlite3.SQLITE_FULL, False),
    ],
)
def test_every_kind_of_lock_is_waited_for_and_nothing_else(*, code: int, locked: bool) -> None:
    assert db.engine.is_locked(cast("sqlite3.Connection", Refusing(code)), "BEGIN") is locked


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_full_disk_is_unavailable_and_nothing_is_half_done(url: str) -> None:
    engine = open_engine(url)
    pages = 0

    @event.listens_for(engine, "connect")
    def limit(connection: object, record: object) -> None:
        del record
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 2
    engine.dispose()
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        with pytest.raises(ChargingUnavailable, match="full"):
            await _top_up_for_ever(charging)
        assert read_from(engine, audit).problems == ()
        pages *= 2
        engine.dispose()
        await charging.top_up("main", amount=gbp("1"), key="after", actor="test", reason="")
        assert read_from(engine, audit).problems == ()


async def _top_up_for_ever(charging: Charging) -> None:
    for n in itertools.count():
        await charging.top_up("main", amount=gbp("1"), key=f"k{n}", actor="test", reason="x" * 100)


async def test_a_lost_reply_and_a_repeat_change_nothing(engine: Engine) -> None:
    """The commit is done, and the connection is lost before we hear of it."""
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("1"), key="k", actor="test", reason="")
        with _replies_lost(engine), pytest.raises(ChargingUnavailable):
            await charging.authorise(request("c1"))
        stored = await charging.balance("main")
        assert (stored.available, stored.reserved) == (gbp("0.90"), gbp("0.10"))
        assert heard(await charging.authorise(request("c1"))) == gbp("1")
        assert await charging.balance("main") == stored
        with _replies_lost(engine), pytest.raises(ChargingUnavailable):
            await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
        settled = await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
        assert (settled.charged, settled.already) == (gbp("0.20"), True)
    assert read_from(engine, audit).problems == ()


class _replies_lost:  # noqa: N801 - reads as a statement
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        self._commit = self._engine.dialect.do_commit
        self._engine.dialect.do_commit = self._lose  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        del self._engine.dialect.do_commit

    def _lose(self, connection: object) -> None:
        self._commit(connection)  # type: ignore[arg-type]
        raise OperationalError("COMMIT", {}, ConnectionError("no reply"))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_connection_cut_between_two_commands_is_not_noticed(
    url: str, engine: Engine
) -> None:
    async with SqlLedger(open_engine(url)) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("1"), key="k", actor="test", reason="")
        with engine.begin() as operator:
            operator.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await charging.authorise(request("c1"))
        assert (await charging.balance("main")).available == gbp("0.90")


@pytest.fixture
def own_server() -> Iterator[Server]:
    with running_server(durable=True) as server:
        yield server


async def test_a_server_that_crashes_and_comes_back_keeps_every_acknowledged_command(
    own_server: Server,
) -> None:
    engine = open_engine(own_server.url())
    upgrade(engine)
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        await charging.top_up("main", amount=gbp("1"), key="k", actor="test", reason="")
        await charging.authorise(request("c1"))
        own_server.crash()
        with pytest.raises(ChargingUnavailable):
            await charging.authorise(request("c2"))
        with pytest.raises(ChargingUnavailable):
            await charging.balance("main")
        included = await charging.authorise(request("c3", "02079460000"))
        assert heard(included) is None
        own_server.start()
        stored = await charging.balance("main")
        assert (stored.available, stored.reserved) == (gbp("0.90"), gbp("0.10"))
        await charging.answered("c1", leg="o1", answered_at=START)
        await charging.authorise(request("c2"))
        assert read_from(engine, audit).problems == ()


async def test_an_amount_too_large_for_the_database_is_the_senders_problem_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "TOP_UP_MAX_MICROS", MICROS_MAX)  # else it gets no further
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        huge = Money(MICROS_MAX, "GBP")
        await charging.top_up("main", amount=huge, key="most", actor="test", reason="")
        too_much, fine = await asyncio.gather(
            charging.top_up("main", amount=huge, key="more", actor="test", reason=""),
            charging.top_up("branch", amount=gbp("1"), key="some", actor="test", reason=""),
            return_exceptions=True,
        )
        assert isinstance(too_much, ConstraintBroken)
        assert not isinstance(fine, BaseException)
        assert (await charging.balance("branch")).available == gbp("1")


class Defective(TopUp):
    def decide(self, snapshot: LedgerSnapshot) -> Decision[Balances]:
        raise RuntimeError(f"cannot make sense of {snapshot}")


async def test_a_defect_in_one_command_is_its_senders_problem_alone(engine: Engine) -> None:
    async with SqlLedger(engine) as ledger:
        wrong, fine = await asyncio.gather(
            ledger.carry_out(
                Defective(
                    office_id="main", amount=gbp("1"), key="a", actor="test", reason="", at=START
                )
            ),
            ledger.carry_out(_top_up("b")),
            return_exceptions=True,
        )
        assert isinstance(wrong, RuntimeError)
        assert not isinstance(fine, BaseException)
        assert (await ledger.balances("main", "GBP")).available == gbp("1")


# --- the group commit by itself --------------------------------------------------------------


def _top_up(key: str) -> TopUp:
    return TopUp(office_id="main", amount=gbp("1"), key=key, actor="test", reason="", at=START)


async def test_nobody_waits_for_ever_and_who_gave_up_is_not_carried_out_later() -> None:
    carried_out: list[object] = []

    def carry_out(commands: Sequence[object]) -> Sequence[object]:
        carried_out.extend(commands)
        return commands

    commit = GroupCommit(carry_out, outcome_timeout_s=0)
    with pytest.raises(ChargingUnavailable, match="no answer in 0 s"):
        await commit.carry_out(_top_up("k"))
    await commit.close()
    assert carried_out == []


async def test_a_closed_ledger_carries_out_what_is_waiting_and_nothing_more() -> None:
    commit = GroupCommit(lambda commands: commands)
    top_up = _top_up("k")
    waiting: asyncio.Task[object] = asyncio.create_task(commit.carry_out(top_up))
    await asyncio.sleep(0)  # the task has sent its command
    await commit.close()
    assert await waiting is top_up
    with pytest.raises(ChargingUnavailable, match="closed"):
        await commit.carry_out(_top_up("k"))


async def test_a_defect_of_the_store_is_told_to_everyone_who_waits() -> None:
    def break_down(commands: object) -> list[object]:
        raise RuntimeError(f"cannot handle {commands}")

    commit = GroupCommit(break_down)
    outcomes = await asyncio.gather(
        commit.carry_out(_top_up("a")), commit.carry_out(_top_up("b")), return_exceptions=True
    )
    assert all(isinstance(outcome, RuntimeError) for outcome in outcomes)
    await commit.close()


async def test_under_overload_new_calls_are_refused_and_ends_of_calls_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db.group_commit, "URGENT_MAX", 2)
    commit = GroupCommit(lambda commands: commands)

    class Urgent(TopUp):
        urgent = True

    urgent = [
        Urgent(office_id="main", amount=gbp("1"), key=f"{n}", actor="test", reason="", at=START)
        for n in range(3)
    ]
    outcomes = await asyncio.gather(
        *(commit.carry_out(command) for command in urgent),
        commit.carry_out(_top_up("end")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [
        *(Urgent, Urgent, ChargingUnavailable, TopUp)
    ]
    await commit.close()
