"""Pages of the ledger's entries: by number, by filter, and always the same ones."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from charging.entries import (
    DIRECTIONS,
    Direction,
    EntryKind,
    PostedEntry,
    available,
    extension_actor,
)
from db import history as module
from db.history import EVERYTHING, Wanted, history, last_entries
from db.ledger import SqlLedger, read_from
from tests.fakes.charging import RECEPTION, charging_with, gbp, request
from tests.fakes.clock import START, ManualClock

CALLS = 6


PHONES = tuple(replace(RECEPTION, endpoint=each, number=each) for each in ("1001", "1002"))


@pytest.fixture
async def filled(ledger: SqlLedger, clock: ManualClock, engine: Engine) -> Engine:
    """Two offices; calls of two phones, a top-up between them, one of them cancelled."""
    charging = charging_with(ledger, clock=clock, extensions=PHONES)
    for number in range(CALLS):
        if number % 3 == 0:
            await charging.top_up(
                "main", amount=gbp("5"), key=f"k{number}", actor="cli:me", reason="cash"
            )
            await charging.top_up(
                "branch", amount=gbp("1"), key=f"k{number}", actor="cli:me", reason=""
            )
        await charging.authorise(request(f"c{number}", endpoint=f"100{1 + number % 2}"))
        clock.advance(seconds=60)
        if number % 2:
            await charging.answered(f"c{number}", leg="leg", answered_at=clock.now())
        talk_s = 70 if number % 2 else 0
        await charging.settle(f"c{number}", talk_s=talk_s, ended_at=clock.now(), hangup_cause=16)
    await charging.cancel_top_up("main", key="k3", actor="cli:me", reason="twice")
    return engine


def everything(engine: Engine) -> list[PostedEntry]:
    """Newest first."""
    page = read_from(engine, lambda reader: history(reader, office_id="main", limit=1000))
    assert page.before is None
    return list(page.entries)


def all_pages(engine: Engine, wanted: Wanted, *, limit: int) -> Iterator[PostedEntry]:
    before: int | None = None
    while True:
        page = read_from(
            engine,
            partial(history, office_id="main", limit=limit, wanted=wanted, before=before),
        )
        assert len(page.entries) <= limit
        yield from page.entries
        if page.before is None:
            return
        assert before is None or page.before < before
        before = page.before


def moments(entries: list[PostedEntry]) -> list[datetime]:
    return sorted({posted.posted_at for posted in entries})


def is_wanted(posted: PostedEntry, wanted: Wanted) -> bool:
    entry = posted.entry
    return (
        (not wanted.kinds or entry.kind in wanted.kinds)
        and (wanted.direction is None or DIRECTIONS[entry.kind] is wanted.direction)
        and (wanted.call_id is None or entry.call_id == wanted.call_id)
        and (wanted.actor is None or entry.actor == wanted.actor)
        and (wanted.since is None or posted.posted_at >= wanted.since)
        and (wanted.until is None or posted.posted_at < wanted.until)
    )


FILTERS = (
    EVERYTHING,
    Wanted(kinds=frozenset({EntryKind.TOP_UP})),
    Wanted(kinds=frozenset({EntryKind.TOP_UP_CANCEL, EntryKind.SETTLE})),
    Wanted(kinds=frozenset({EntryKind.RESERVE})),
    Wanted(kinds=frozenset({EntryKind.CHARGEBACK})),
    *(Wanted(direction=direction) for direction in Direction),
    Wanted(kinds=frozenset({EntryKind.TOP_UP}), direction=Direction.OUT),
    Wanted(call_id="c1"),
    Wanted(call_id="c1", direction=Direction.WITHIN),
    Wanted(call_id="c"),
    Wanted(actor=extension_actor("1001")),
    Wanted(actor="cli:me", kinds=frozenset({EntryKind.TOP_UP})),
    Wanted(since=START + timedelta(seconds=120)),
    Wanted(until=START + timedelta(seconds=120)),
    Wanted(since=START + timedelta(seconds=61), until=START + timedelta(seconds=180)),
    Wanted(since=START + timedelta(days=1)),
    Wanted(until=START - timedelta(days=1)),
    Wanted(
        since=START + timedelta(seconds=60),
        until=START + timedelta(seconds=300),
        direction=Direction.IN,
    ),
)


@pytest.mark.parametrize("examined_max", [3, 20_000])
async def test_pages_of_any_size_hold_what_the_filter_lets_through_once_and_in_order(
    filled: Engine, monkeypatch: pytest.MonkeyPatch, examined_max: int
) -> None:
    monkeypatch.setattr(module, "EXAMINED_MAX", examined_max)
    for wanted in FILTERS:
        expect_pages(filled, wanted)


def expect_pages(filled: Engine, wanted: Wanted) -> None:
    expected = [posted for posted in everything(filled) if is_wanted(posted, wanted)]
    for limit in (1, 3, 1000):
        assert list(all_pages(filled, wanted, limit=limit)) == expected
    last = read_from(
        filled, lambda reader: last_entries(reader, office_id="main", limit=2, wanted=wanted)
    )
    assert list(last) == expected[:2][::-1]


async def test_opening_and_rows_make_closing_between_any_two_moments(filled: Engine) -> None:
    account = available("main")
    entries = everything(filled)[::-1]
    cuts = [START - timedelta(days=1), *moments(entries), START + timedelta(days=1)]
    for since in cuts:
        for until in cuts:
            page = read_from(
                filled,
                partial(
                    history,
                    office_id="main",
                    limit=1000,
                    wanted=Wanted(since=since, until=until),
                ),
            )
            rows = page.entries[::-1]
            changes = sum(
                posting.amount.micros * ((posting.target == account) - (posting.source == account))
                for row in rows
                for posting in row.entry.postings
            )
            opening = balance_before(entries, rows[0].number) if rows else 0
            closing = balance_before(entries, rows[-1].number + 1) if rows else 0
            assert opening + changes == closing


def balance_before(entries: list[PostedEntry], number: int) -> int:
    balance = 0
    for posted in entries[: number - 1]:
        after = posted.balance_after(available("main"))
        balance = balance if after is None else after.micros
    return balance


async def test_an_office_sees_its_own_entries_alone(filled: Engine) -> None:
    page = read_from(filled, lambda reader: history(reader, office_id="branch", limit=10))
    assert [posted.entry.key for posted in page.entries] == ["top-up:branch:k3", "top-up:branch:k0"]
    assert [posted.number for posted in page.entries] == [2, 1]
    nobody = read_from(filled, lambda reader: history(reader, office_id="nobody", limit=10))
    assert (nobody.entries, nobody.before) == ((), None)


async def test_a_cancellation_names_what_it_reverses_and_who_asked_for_it(filled: Engine) -> None:
    newest = everything(filled)[0]
    assert newest.entry.reverses == "top-up:main:k3"
    assert (newest.entry.actor, newest.entry.reason) == ("cli:me", "twice")
    assert newest.balance_after(available("main")) == gbp("4.40")
