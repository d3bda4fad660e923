"""Sums of past days: who reads them reads what calls add up to, whatever is written later."""

import itertools
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from charging.commands import AuthoriseCall
from charging.unpaid_calls import UnpaidCall
from charging.usecases import new_call
from db import day_sums as module
from db.activity import ActivityPage, Cursor, WantedActivity, activity
from db.activity_sums import FilteredSum, filtered_sum, totals
from db.added_up import Days, added_up_days, others
from db.audit import audit
from db.batches import BatchRunner
from db.call_lists import WantedCalls
from db.day_sums import add_up_days, forget_sums, sums_that_disagree
from db.engine import WRITER, open_engine
from db.ledger import read_from
from db.reports import SpentBy, SpentLine, report
from db.schema import upgrade
from db.unpaid_calls import UnpaidCalls
from lab.postgresql import Server
from tests.conftest import TEMPLATE
from tests.db.activity_histories import COUNTRIES, PHONES, History
from tests.fakes.charging import UK_PLAN, gbp, office_on, rate, request
from tests.fakes.clock import START
from tests.fakes.offices import quotation_of, reception

LATER = START + timedelta(days=400)
FOUR_HOURS_S = 4 * 3600
STEPS = 120
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[History, str]:
    """Some weeks of calls, of which some last for days; and a few are under way still."""
    place = str(tmp_path_factory.mktemp("weeks") / "ledger.sqlite")
    url = f"sqlite:///{place}"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("server")
        request.getfixturevalue("create_database")(server, place := "weeks", TEMPLATE)
        url = server.url(place)
    opened = open_engine(url)
    upgrade(opened)
    history = History(opened, seed=11, pause_s=FOUR_HOURS_S)
    history.run(STEPS)
    opened.dispose()
    return history, place


@pytest.fixture
def history(
    made: tuple[History, str], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[History]:
    """The same for each test, in a database of its own."""
    template, place = made
    if template.engine.dialect.name == "postgresql":
        server: Server = request.getfixturevalue("server")
        name = f"weeks_{next(_numbers)}"
        request.getfixturevalue("create_database")(server, name, place)
        url = server.url(name)
    else:
        url = f"sqlite:///{shutil.copy(place, tmp_path / 'ledger.sqlite')}"
    opened = open_engine(url)
    copied = copy(template)
    copied.attach(opened)
    yield copied
    opened.dispose()


@pytest.fixture
def engine(history: History) -> Engine:
    return history.engine


def add_up(engine: Engine, now: datetime = LATER) -> int:
    return sum(add_up_days(engine, now=now))


def kept(engine: Engine) -> Sequence[str]:
    return [day.day for day in read_from(engine, partial(added_up_days, office_id="main"))]


def periods(history: History) -> Iterator[tuple[datetime | None, datetime | None]]:
    dice = random.Random(5)  # noqa: S311 - every run is the same
    days = sorted({moment.date() for moment in history.moments})
    midnights = [datetime.combine(day, datetime.min.time(), UTC) for day in days]
    yield (None, None)
    for moments in (midnights, history.moments):
        since, until = sorted(dice.sample(moments, k=2))
        yield from ((since, until), (since, None), (None, until))


FILTERS: Sequence[dict[str, Any]] = (
    *({"extension": phone} for phone in (*PHONES, "1999")),
    *({"country": country} for country in (*COUNTRIES, "JP")),
    {"extension": "1002", "country": "DE"},
    {"kind": "mobile"},
    {"number": "4930"},
    {},
)


def reports(engine: Engine, history: History) -> list[list[SpentLine]]:
    days = sorted({moment.date() for moment in history.moments})
    chosen = [(days[0], days[-1]), (days[3], days[9]), (days[5], days[5]), (days[-2], date.max)]
    return [
        read_from(
            engine,
            partial(report, office_id="main", by=by, first=first, last=last, currency="GBP"),
        )
        for by in SpentBy
        for first, last in chosen
    ]


def sums(engine: Engine, history: History) -> list[FilteredSum | None]:
    return [
        read_from(
            engine,
            partial(
                filtered_sum,
                office_id="main",
                wanted=WantedActivity(
                    kinds=frozenset({"call"}), calls=WantedCalls(since=since, until=until, **some)
                ),
            ),
        )
        for since, until in periods(history)
        for some in FILTERS
    ]


def pages(engine: Engine, history: History) -> list[list[ActivityPage]]:
    return [
        [*every_page(engine, WantedActivity(calls=WantedCalls(since=since, until=until, **some)))]
        for since, until in [*periods(history)][::2]
        for some in FILTERS
    ]


def every_page(engine: Engine, wanted: WantedActivity) -> Iterator[ActivityPage]:
    cursor: Cursor | None = None
    while True:
        page = read_from(
            engine, partial(activity, office_id="main", limit=9, wanted=wanted, cursor=cursor)
        )
        yield page
        if (cursor := page.next) is None:
            return


def test_reports_and_filtered_sums_are_the_same_with_sums_and_without(
    engine: Engine, history: History
) -> None:
    before = reports(engine, history), sums(engine, history)
    assert add_up(engine) > 5
    assert (reports(engine, history), sums(engine, history)) == before
    history.settle_all()
    before = reports(engine, history), sums(engine, history)
    add_up(engine)
    assert (reports(engine, history), sums(engine, history)) == before
    assert read_from(engine, audit).problems == ()


def test_filtered_pages_have_the_same_rows_with_sums_and_without(
    engine: Engine, history: History
) -> None:
    def rows() -> list[list[Any]]:
        return [[row for page in of for row in page.rows] for of in pages(engine, history)]

    before = rows()
    add_up(engine)
    assert rows() == before


def test_opening_balance_and_filtered_rows_are_the_closing_balance(
    engine: Engine, history: History
) -> None:
    """Of every filter that divides the calls: its parts, and the money, are the whole change."""
    add_up(engine)
    for since, until in periods(history):
        whole = read_from(
            engine,
            partial(
                totals,
                office_id="main",
                wanted=WantedActivity(calls=WantedCalls(since=since, until=until)),
            ),
        )
        for name, values in (("extension", PHONES), ("country", tuple(COUNTRIES))):
            total = whole.opening
            for amount in whole.money.values():
                total += amount
            for value in values:
                of_part: dict[str, Any] = {name: value}
                wanted = WantedActivity(calls=WantedCalls(since=since, until=until, **of_part))
                part = read_from(engine, partial(filtered_sum, office_id="main", wanted=wanted))
                assert part is not None
                shown = gbp("0")
                for page in every_page(engine, wanted):
                    for row in page.rows:
                        shown += getattr(row, "amount", gbp("0"))
                assert part.amount == shown
                total += part.amount
            assert total == whole.closing


def test_a_filter_that_nothing_passes_is_one_page_without_a_next_one(
    engine: Engine, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.settle_all()
    add_up(engine)
    monkeypatch.setattr("db.filtered_calls.EXAMINED_MAX", 1)  # there is nothing to be examined
    of_nobody: Sequence[dict[str, Any]] = ({"extension": "1999"}, {"country": "JP"})
    for nothing in of_nobody:
        wanted = WantedActivity(kinds=frozenset({"call"}), calls=WantedCalls(**nothing))
        (page,) = every_page(engine, wanted)
        assert (page.rows, page.next) == ([], None)


def test_digits_in_too_many_calls_are_not_added_up(engine: Engine, history: History) -> None:
    wanted = WantedActivity(calls=WantedCalls(number="4930"))
    calls = sum(line.paid_calls for line in reports(engine, history)[0])
    for searched_max, is_added_up in ((calls, True), (calls - 1, False)):
        found = read_from(
            engine,
            partial(filtered_sum, office_id="main", wanted=wanted, searched_max=searched_max),
        )
        assert (found is not None) == is_added_up


def test_a_day_is_added_up_when_it_is_over_everywhere_and_its_calls_are_settled(
    engine: Engine, history: History
) -> None:
    with engine.connect() as reader:
        still_open = {
            *reader.scalars(text("SELECT spending_day FROM calls WHERE settled_at IS NULL"))
        }
    assert still_open
    last = history.moments[-1].date()
    add_up(engine, datetime(last.year, last.month, last.day, 13, 59, tzinfo=UTC))
    first_added_up = kept(engine)
    assert first_added_up[-1] < str(last - timedelta(days=1))
    assert not still_open & {*first_added_up}
    history.settle_all()
    add_up(engine, datetime(last.year, last.month, last.day, 14, tzinfo=UTC))
    days = kept(engine)
    assert days[-1] == str(last - timedelta(days=1))
    assert all(
        date.fromisoformat(later) - date.fromisoformat(earlier) == timedelta(days=1)
        for earlier, later in pairwise(days)
    )
    assert add_up(engine, datetime(last.year, last.month, last.day, 15, tzinfo=UTC)) == 0


def late(history: History, **changed: Any) -> UnpaidCall:
    refused = history.refused_of("main")
    return replace(
        refused, started_at=history.moments[20], day=str(history.moments[20].date()), **changed
    )


@pytest.mark.parametrize("refusal", ["insufficient_balance", None])
def test_a_call_that_is_written_later_counts_at_once(
    engine: Engine, history: History, refusal: str | None
) -> None:
    history.settle_all()
    add_up(engine)
    call = late(history, refusal=refusal, category="paid" if refusal else "included")
    before = kept(engine)
    UnpaidCalls(engine).write(known=[call])
    assert {*before} - {*kept(engine)} == {call.day}
    with_it = reports(engine, history)
    assert sum(line.refused_calls + line.unpaid_calls for line in with_it[0]) > 0
    assert add_up(engine) == 1
    assert reports(engine, history) == with_it
    over = replace(call, ended_at=call.started_at, talk_s=None if refusal else 17)
    UnpaidCalls(engine).write(seen=[over])
    assert call.day not in kept(engine)
    add_up(engine)
    assert read_from(engine, audit).problems == ()


def test_a_call_that_is_written_while_its_day_is_added_up_is_not_missed(
    engine: Engine, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.settle_all()
    call, read = late(history), module.read_days

    def read_then_write(reader: Connection, **of: Any) -> Any:
        found = read(reader, **of)
        if call.day in of["days"]:
            reader.rollback()
            UnpaidCalls(engine).write(known=[call])
        return found

    monkeypatch.setattr(module, "read_days", read_then_write)
    add_up(engine)
    assert call.day not in kept(engine)
    monkeypatch.setattr(module, "read_days", read)
    assert add_up(engine) == 1
    assert read_from(engine, audit).problems == ()


def test_a_paid_call_that_is_dated_back_counts_from_the_next_time_on(
    engine: Engine, history: History
) -> None:
    history.settle_all()
    add_up(engine)
    began = history.moments[10]
    record = new_call(
        request=request("f" * 32, "0033612345678"),
        extension=reception(),
        office=office_on(UK_PLAN),
        language="en",
        quotation=quotation_of("0033612345678", rate("0.10")),
        rate=rate("0.10"),
        now=began,
    )
    runner = BatchRunner(engine)
    (outcome,) = runner.run([AuthoriseCall(record, calls_at_once=None)])
    runner.close()
    assert not isinstance(outcome, Exception)
    assert read_from(engine, audit).problems == ()  # nobody has looked yet
    add_up(engine)
    assert record.spending_day not in kept(engine)  # it is not over
    lines = read_from(
        engine,
        partial(
            report,
            office_id="main",
            by=SpentBy.DAY,
            first=began.date(),
            last=began.date(),
            currency="GBP",
        ),
    )
    with engine.connect() as reader:
        query = "SELECT count(*) FROM calls WHERE spending_day = :day"
        assert lines[0].paid_calls == reader.scalar(text(query), {"day": record.spending_day})
    assert read_from(engine, audit).problems == ()


CHANGES = (
    "UPDATE day_sums SET spent_micros = spent_micros + 1 WHERE part = 'country'",
    "UPDATE summed_days SET refused_calls = refused_calls + 1",
    "UPDATE summed_days SET last_at = first_at WHERE paid_calls > 1",
    "DELETE FROM day_sums WHERE part = 'both'",
    "DELETE FROM summed_days",
)


@pytest.mark.usefixtures("history")
def test_a_sum_that_is_not_what_the_calls_add_up_to_is_a_problem(engine: Engine) -> None:
    days = add_up(engine)
    assert read_from(engine, audit).problems == ()
    for change in CHANGES:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin() as changed:
            writer.execute(text(change))
            problems = [*sums_that_disagree(writer)]
            changed.rollback()
        assert problems
        assert all("`tollgate ledger add-up --anew`" in problem for problem in problems)
    forget_sums(engine)
    assert add_up(engine) == days


@pytest.mark.usefixtures("history")
def test_processes_that_add_up_at_once_do_it_once(engine: Engine) -> None:
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(add_up(engine))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(threads)
    assert sum(done) == len(kept(engine))
    assert read_from(engine, audit).problems == ()


def test_days_between_known_ones() -> None:
    days = Days("2026-03-01", "2026-03-10")
    known = ["2026-03-02", "2026-03-03", "2026-03-07"]
    assert [*others(known, days)] == [
        Days("2026-03-01", "2026-03-01"),
        Days("2026-03-04", "2026-03-06"),
        Days("2026-03-08", "2026-03-10"),
    ]
    assert [*others([], days)] == [days]
    assert [*others([str(date.max)])] == [Days(str(date.min), "9999-12-30")]
