"""A ledger of the first schema becomes one of the last, whatever happens on the way."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, text

from charging.commands import CancelTopUp, TopUp
from charging.entries import EntryKind
from charging.errors import ChargingUnavailable, EntryKeyReused
from db.audit import audit
from db.engine import WRITER, open_engine
from db.history import Wanted, last_entries
from db.ledger import SqlLedger, read_from
from db.migrations import entry_copy
from db.schema import HEAD, MigrationRefusedError, upgrade, version_of
from lab.postgresql import Server
from tests.db import first_schema
from tests.db.first_schema import balances_of, count, fill, migrate_until_killed
from tests.fakes.charging import gbp
from tests.fakes.clock import START

CALLS = 300


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_copy, "BATCH", 97)  # entries of two postings fall on a boundary


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    server: Server = request.getfixturevalue("server")
    create = request.getfixturevalue("create_database")
    name = f"first_{tmp_path.name}"[:60].lower()
    create(server, name)
    return server.url(name)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    fill(opened, CALLS)
    yield opened
    opened.dispose()


def assert_migrated(engine: Engine, balances: dict[str, int], postings: int) -> None:
    assert version_of(engine) == HEAD
    assert balances_of(engine) == balances
    assert count(engine, "postings") == postings
    assert read_from(engine, audit).problems == ()


def test_a_ledger_with_calls_migrates_and_says_how_far_it_is(engine: Engine) -> None:
    balances, postings = balances_of(engine), count(engine, "postings")
    told: list[tuple[int, int]] = []
    upgrade(engine, tell=lambda done, of: told.append((done, of)))
    assert_migrated(engine, balances, postings)
    assert told[-1] == (postings, postings)
    assert sorted(told) == told
    assert len(told) > postings // entry_copy.BATCH
    assert not sa.inspect(engine).has_table("entry_copy")


def test_a_migration_killed_again_and_again_goes_on_where_it_was(engine: Engine, url: str) -> None:
    balances, postings = balances_of(engine), count(engine, "postings")
    for _ in range(3):
        migrate_until_killed(url, batches=1)
        assert version_of(engine) == "0001"
        assert balances_of(engine) == balances
    with engine.connect() as reader:
        assert entry_copy.copied_up_to(reader) >= 3 * 1
    upgrade(engine)
    assert_migrated(engine, balances, postings)


def test_what_is_posted_while_the_copy_runs_is_copied_too(engine: Engine) -> None:
    """The first version still works on its tables until the last step."""
    posted = threading.Event()

    def post_once(*_: int) -> None:
        if posted.is_set():
            return
        posted.set()
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            office = first_schema.Office("main")
            rows = list(office.post("topup:late", START, ("funding", "available", 7)))
            writer.execute(sa.insert(entry_copy.old_postings), rows)
            change = "UPDATE balances SET micros = micros + 7 WHERE account = :account"
            writer.execute(text(change), {"account": "office:main:available"})

    before, postings = balances_of(engine), count(engine, "postings")
    upgrade(engine, tell=post_once)
    after = before | {"office:main:available": before["office:main:available"] + 7}
    assert_migrated(engine, after, postings + 1)


def test_two_processes_that_migrate_at_once_do_it_once(engine: Engine, url: str) -> None:
    balances, postings = balances_of(engine), count(engine, "postings")
    engines = [open_engine(url) for _ in range(2)]
    problems: list[Exception] = []

    def migrate(one: Engine) -> None:
        try:
            upgrade(one)
        except ChargingUnavailable as error:  # it waited for too long, and may ask again
            problems.append(error)

    threads = [threading.Thread(target=migrate, args=(one,)) for one in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in engines:
        one.dispose()
    assert len(problems) < len(engines)
    assert_migrated(engine, balances, postings)


def test_a_ledger_that_does_not_add_up_is_not_migrated(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE balances SET micros = micros + 1 WHERE account = 'office:main:reserved'")
        )
    with pytest.raises(MigrationRefusedError, match="office:main:reserved"):
        upgrade(engine)
    assert version_of(engine) == "0001"
    assert sa.inspect(engine).has_table("postings_next")  # so it can go on once that is mended


def test_entries_get_the_kind_and_the_order_that_they_had(engine: Engine) -> None:
    upgrade(engine)
    entries = read_from(engine, lambda reader: last_entries(reader, office_id="main", limit=10**6))
    kinds = {posted.entry.kind for posted in entries}
    assert kinds == {
        *(EntryKind.RESERVE, EntryKind.DEBIT, EntryKind.SETTLE, EntryKind.CORRECT),
        *(EntryKind.RELEASE, EntryKind.TOP_UP, EntryKind.TOP_UP_CANCEL),
    }
    assert [posted.number for posted in entries] == [*range(1, len(entries) + 1)]
    assert any(len(posted.entry.postings) == 2 for posted in entries)
    of_calls = [posted.entry for posted in entries if posted.entry.call_id]
    assert all(entry.actor.startswith("extension:10") for entry in of_calls)
    money_in = Wanted(kinds=frozenset({EntryKind.TOP_UP, EntryKind.TOP_UP_CANCEL}))
    found = read_from(
        engine, lambda reader: last_entries(reader, office_id="main", limit=9, wanted=money_in)
    )
    assert [(posted.entry.key, posted.entry.reverses) for posted in found] == [
        ("top-up:main:main", None),
        ("top-up:main:inv7", None),
        ("top-up-cancel:main:inv7", "top-up:main:inv7"),
        ("top-up:main:x:cancel", None),
    ]
    assert {posted.entry.actor for posted in found} == {"not recorded"}
    assert {posted.entry.reason for posted in found} == {"cash"}


async def test_what_was_asked_of_the_first_version_may_be_asked_again(engine: Engine) -> None:
    await asyncio.to_thread(upgrade, engine)
    who = {"actor": "cli:me", "reason": "", "at": START}

    def top_up(amount: str, key: str, office: str = "main") -> TopUp:
        return TopUp(office_id=office, amount=gbp(amount), key=key, **who)  # type: ignore[arg-type]

    def cancel(key: str, office: str = "main") -> CancelTopUp:
        return CancelTopUp(office_id=office, key=key, **who)  # type: ignore[arg-type]

    async with SqlLedger(engine) as ledger:
        before = await ledger.balances("main", "GBP")
        await ledger.carry_out(top_up("0.0001", "inv7"))  # a script that is repeated
        with pytest.raises(EntryKeyReused):
            await ledger.carry_out(top_up("1", "inv7"))
        assert (await ledger.carry_out(cancel("inv7"))).amount == gbp("0.0001")
        assert (await ledger.carry_out(cancel("inv8", "branch"))).amount == gbp("0.000005")
        assert await ledger.balances("main", "GBP") == before
        # What the first version took for the cancellation of x was a top-up of a key of its own.
        assert (await ledger.carry_out(cancel("x:cancel"))).amount == gbp("0.000005")
        assert read_from(engine, audit).problems == ()
