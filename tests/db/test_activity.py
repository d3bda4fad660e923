"""The list of activity and the list of calls, against the ledger's own entries."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from charging.entries import EntryKind, PostedEntry, available
from charging.money import Money
from db.activity import (
    CALL,
    REFUSED,
    ActivityRow,
    Cursor,
    MoneyRow,
    PaidCallRow,
    RefusedRow,
    WantedActivity,
    activity,
)
from db.activity_sums import FilteredSum, Totals, filtered_sum, totals
from db.call_lists import (
    EVERY_CALL,
    CursorError,
    ListedCall,
    Place,
    WantedCalls,
    list_calls,
)
from db.engine import open_engine
from db.history import last_entries
from db.ledger import read_from
from db.schema import upgrade
from lab.postgresql import Server
from tests.db.activity_histories import COUNTRIES, PHONES, History
from tests.fakes.charging import gbp
from tests.fakes.clock import START

STEPS = 150
AVAILABLE = available("main")


@pytest.fixture(scope="module", params=["sqlite-1", "postgresql-2"])
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    """One history for all tests that only read it, and another on the other database."""
    database, _, seed = request.param.partition("-")
    if database == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('activity') / 'ledger.sqlite'}"
    else:
        server: Server = request.getfixturevalue("server")
        request.getfixturevalue("create_database")(server, "activity")
        url = server.url("activity")
    opened = open_engine(url)
    upgrade(opened)
    made = History(opened, seed=int(seed))
    made.run(STEPS)
    yield made
    opened.dispose()


@pytest.fixture
def engine(history: History) -> Engine:
    return history.engine


def all_pages(engine: Engine, wanted: WantedActivity, *, limit: int = 7) -> Sequence[ActivityRow]:
    rows: list[ActivityRow] = []
    cursor: Cursor | None = None
    while True:
        page = read_from(
            engine,
            partial(activity, office_id="main", limit=limit, wanted=wanted, cursor=cursor),
        )
        rows += page.rows
        if page.next is None:
            return rows
        assert page.next != cursor, "a page that leads to itself"
        cursor = Cursor.parse(str(page.next))


def all_calls(engine: Engine, wanted: WantedCalls, *, limit: int = 7) -> Sequence[ListedCall]:
    found: list[ListedCall] = []
    before: Place | None = None
    while True:
        page = read_from(
            engine, partial(list_calls, office_id="main", limit=limit, wanted=wanted, before=before)
        )
        found += page.calls
        if page.before is None:
            return found
        before = Place.parse(str(page.before))


def totals_of(engine: Engine, wanted: WantedActivity) -> Totals:
    return read_from(engine, partial(totals, office_id="main", wanted=wanted))


def sum_of(engine: Engine, wanted: WantedActivity) -> FilteredSum:
    found = read_from(engine, partial(filtered_sum, office_id="main", wanted=wanted))
    assert found is not None
    return found


def entries_of(engine: Engine) -> Sequence[PostedEntry]:
    return read_from(engine, partial(last_entries, office_id="main", limit=100_000))


def period(since: datetime | None, until: datetime | None) -> WantedActivity:
    return WantedActivity(calls=WantedCalls(since=since, until=until))


def periods(history: History) -> Iterator[WantedActivity]:
    dice = random.Random(7)  # noqa: S311 - every run is the same
    yield period(None, None)
    for _ in range(6):
        since, until = sorted(dice.choices(history.moments, k=2))
        yield from (period(since, until), period(since, None), period(None, until))


def amount(row: ActivityRow) -> Money:
    return gbp("0") if isinstance(row, RefusedRow) else row.amount


def change_of(posted: PostedEntry) -> int:
    changes = [
        (posting.amount.micros if posting.target == AVAILABLE else 0)
        - (posting.amount.micros if posting.source == AVAILABLE else 0)
        for posting in posted.entry.postings
    ]
    return sum(changes)


def test_opening_balance_and_rows_are_the_closing_balance_of_every_period(
    engine: Engine, history: History
) -> None:
    for wanted in periods(history):
        rows, found = all_pages(engine, wanted), totals_of(engine, wanted)
        total = found.opening
        for row in rows:
            total += amount(row)
        assert total == found.closing
        by_kind = found.opening + found.calls
        for of_kind in found.money.values():
            by_kind += of_kind
        assert by_kind == found.closing


def test_rows_are_what_the_entries_of_the_period_add_up_to(
    engine: Engine, history: History
) -> None:
    entries = entries_of(engine)
    for wanted in periods(history):
        since, until = wanted.calls.since, wanted.calls.until
        inside = [
            posted
            for posted in entries
            if (since is None or posted.posted_at >= since)
            and (until is None or posted.posted_at < until)
        ]
        expected: dict[str, tuple[int, int]] = {}  # last entry, and what it changed
        for posted in inside:
            name = posted.entry.call_id or posted.entry.key
            last, change = expected.get(name, (0, 0))
            stands = posted.entry.kind is not EntryKind.DEBIT
            expected[name] = (posted.number if stands else last, change + change_of(posted))
        shown = {
            (row.call.call_id if isinstance(row, PaidCallRow) else row.posted.entry.key): (
                row.number,
                row.amount.micros,
            )
            for row in all_pages(engine, wanted)
            if not isinstance(row, RefusedRow)
        }
        # A call of which the period holds debits alone changed nothing that could be spent in it.
        assert shown == {name: found for name, found in expected.items() if found[0]}


def test_each_row_bears_the_balance_that_its_entry_left(engine: Engine) -> None:
    balance, after = gbp("0"), {}
    for posted in entries_of(engine):
        balance = posted.balance_after(AVAILABLE) or balance
        after[posted.number] = balance
    rows = [row for row in all_pages(engine, period(None, None)) if not isinstance(row, RefusedRow)]
    assert rows
    assert all(row.balance_after == after[row.number] for row in rows)


@pytest.mark.parametrize("limit", [1, 3, 50, 1000])
def test_pages_of_any_size_hold_the_same_rows_once_newest_first(engine: Engine, limit: int) -> None:
    rows = all_pages(engine, period(None, None), limit=limit)
    assert list(rows) == list(all_pages(engine, period(None, None), limit=11))
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
    assert {type(row) for row in rows} == {PaidCallRow, MoneyRow, RefusedRow}


def test_a_filter_shows_some_of_the_rows_and_adds_them_up(engine: Engine, history: History) -> None:
    everything = all_pages(engine, period(None, None))
    middle = history.moments[STEPS // 2]
    filters = [
        *(WantedCalls(extension=phone) for phone in PHONES),
        *(WantedCalls(country=country) for country in COUNTRIES),
        WantedCalls(kind="mobile"),
        WantedCalls(number="+336"),
        WantedCalls(number="1234"),
        WantedCalls(extension="1001", country="FR", since=middle),
    ]
    for wanted in filters:
        rows = all_pages(engine, WantedActivity(calls=wanted))
        if wanted.since is None:
            assert list(rows) == [row for row in everything if is_of(row, wanted)]
        calls = [row for row in rows if isinstance(row, PaidCallRow)]
        total = gbp("0")
        for row in calls:
            total += row.amount
        found = sum_of(engine, WantedActivity(calls=wanted))
        assert (found.calls, found.amount, found.money) == (len(calls), total, gbp("0"))


def is_of(row: ActivityRow, wanted: WantedCalls) -> bool:
    if isinstance(row, MoneyRow):
        return False
    digits = "".join(filter(str.isdigit, wanted.number or ""))
    begins = (wanted.number or "").startswith("+")
    number = row.call.number
    return all(
        (
            wanted.extension in {None, row.call.endpoint},
            wanted.country in {None, row.call.country},
            wanted.kind in {None, row.call.kind},
            number.startswith(digits) if begins else digits in number + row.call.dialled,
        )
    )


@pytest.mark.parametrize("kind", [CALL, REFUSED, EntryKind.TOP_UP, EntryKind.TOP_UP_CANCEL])
def test_a_kind_shows_its_rows_alone(engine: Engine, kind: str) -> None:
    def kind_of(row: ActivityRow) -> str:
        match row:
            case PaidCallRow():
                return CALL
            case RefusedRow():
                return REFUSED
            case MoneyRow():
                return row.posted.entry.kind.value

    everything = all_pages(engine, period(None, None))
    rows = all_pages(engine, WantedActivity(kinds=frozenset({kind})))
    assert rows
    assert list(rows) == [row for row in everything if kind_of(row) == kind]


def test_the_list_of_calls_has_each_call_once_newest_first(engine: Engine) -> None:
    calls = all_calls(engine, EVERY_CALL)
    ids = [call.call_id for call in calls]
    assert len(set(ids)) == len(ids)
    assert [call.place for call in calls] == sorted((c.place for c in calls), reverse=True)
    paid = {posted.entry.call_id for posted in entries_of(engine) if posted.entry.call_id}
    assert {call.call_id for call in calls if call.outcome == "paid"} == paid
    assert {call.outcome for call in calls} == {"paid", "included", "refused"}
    assert list(all_calls(engine, EVERY_CALL, limit=1000)) == list(calls)


@pytest.mark.parametrize(
    "wanted",
    [
        WantedCalls(outcomes=frozenset({"paid"})),
        WantedCalls(outcomes=frozenset({"refused"})),
        WantedCalls(outcomes=frozenset({"included", "refused"})),
        WantedCalls(extension="1002"),
        WantedCalls(country="DE", outcomes=frozenset({"paid", "included"})),
        WantedCalls(number="030"),
        WantedCalls(since=START + timedelta(minutes=10), until=START + timedelta(minutes=30)),
    ],
    ids=["paid", "refused", "unpaid", "extension", "country", "number", "period"],
)
def test_a_filter_of_calls_shows_the_calls_it_names(engine: Engine, wanted: WantedCalls) -> None:
    def fits(call: ListedCall) -> bool:
        digits = wanted.number or ""
        return all(
            (
                call.outcome in wanted.every_outcome,
                wanted.extension in {None, call.endpoint},
                wanted.country in {None, call.country},
                digits in call.number or digits in call.dialled,
                wanted.since is None or call.started_at >= wanted.since,
                wanted.until is None or call.started_at < wanted.until,
            )
        )

    expected = [call for call in all_calls(engine, EVERY_CALL) if fits(call)]
    assert list(all_calls(engine, wanted, limit=3)) == expected


def test_a_filter_that_lets_little_through_ends_its_page_and_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = WantedActivity(calls=WantedCalls(extension="1001", country="FR"))
    rows, calls = all_pages(engine, wanted), all_calls(engine, wanted.calls)
    monkeypatch.setattr("db.activity.EXAMINED_MAX", 20)
    monkeypatch.setattr("db.call_lists.EXAMINED_MAX", 5)
    assert list(all_pages(engine, wanted)) == list(rows)
    assert list(all_calls(engine, wanted.calls)) == list(calls)
    assert list(all_pages(engine, period(None, None))) == list(
        all_pages(engine, period(None, None), limit=40)
    )


@pytest.mark.parametrize("text", ["", "x", "1", "1.2.3", "1.2.9e9.z", "99999999999999999.a"])
def test_a_cursor_that_no_page_gave_is_refused(text: str) -> None:
    for parse in (Cursor.parse, Place.parse):
        with pytest.raises(CursorError):
            parse(f"{text}!")


def test_of_an_office_without_calls_there_is_nothing(engine: Engine) -> None:
    nothing = read_from(engine, partial(activity, office_id="branch", limit=5))
    assert (nothing.rows, nothing.next) == ([], None)
    assert read_from(engine, partial(list_calls, office_id="branch", limit=5)).calls == []
    found = read_from(engine, partial(totals, office_id="branch"))
    assert (found.opening.micros, found.calls.micros, found.closing.micros) == (0, 0, 0)


def test_a_list_that_is_being_read_stays_the_same_list(engine: Engine) -> None:
    wanted = period(None, None)
    before = all_pages(engine, wanted)
    first = read_from(engine, partial(activity, office_id="main", limit=5, wanted=wanted))
    assert first.next is not None
    History(engine, seed=3).top_up_later()
    rows = [*first.rows]
    cursor: Cursor | None = first.next
    while cursor is not None:
        page = read_from(
            engine, partial(activity, office_id="main", limit=5, wanted=wanted, cursor=cursor)
        )
        rows += page.rows
        cursor = page.next
    assert rows == list(before)
