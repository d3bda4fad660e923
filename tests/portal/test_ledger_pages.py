"""Balance, activity, calls and reports: what they say is what the ledger says."""

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from charging.commands import AnswerCall, AuthoriseCall
from charging.ledger import CallRecord
from charging.money import Money
from db.audit_trail import changes
from db.batches import BatchRunner
from db.call_requests import requests_of
from db.call_rows import call_of
from db.managers_settings import read_settings
from db.models import calls
from db.reports import SpentLine
from portal.charts import bar_chart, days_left, gauge, rounded_up
from portal.routes.reports import By, by_month
from tests.fakes.charging import gbp
from tests.portal.served import NOW, lived_in
from tests.portal.site import Site, text_of


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lived_in(tmp_path_factory.mktemp("ledger-pages")) as site:
        yield site


def balance_of(site: Site) -> Decimal:
    query = "SELECT micros FROM balances WHERE office_id = 'main' AND account = 'available'"
    with site.engine.connect() as reader:
        return Decimal(reader.execute(text(query)).scalar_one()) / 1_000_000


async def test_the_balance_is_what_the_ledger_holds_and_lasts_as_long_as_it_did(
    week: Site,
) -> None:
    async with week.browser("vic") as browser:
        page = await browser.get("/")
    assert f"£{balance_of(week):.2f}"[:-1] in page.text
    assert re.search(r"it lasts about \d+ days", page.text)


@pytest.mark.parametrize(
    "filters", ["", "period=7", "period=dates&since=2026-11-18&until=2026-11-19", "period=30"]
)
async def test_opening_balance_and_rows_of_the_file_are_the_closing_balance(
    week: Site, filters: str
) -> None:
    async with week.browser("vic") as browser:
        page = await browser.get(f"/activity?{filters}")
        file = await browser.get(f"/activity.csv?{filters}")
    said = dict(re.findall(r"<dt>(At the \w+)</dt><dd>£([\d.,]+)</dd>", page.text))
    opening, closing = Decimal(said["At the beginning"]), Decimal(said["At the end"])
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert rows
    amounts = [Decimal(row["Amount"]) for row in rows if row["Amount"]]
    assert opening + sum(amounts) == closing
    posted = [row for row in rows if row["Balance after"]]
    for later, earlier in pairwise(posted):
        assert Decimal(earlier["Balance after"]) + Decimal(later["Amount"]) == Decimal(
            later["Balance after"]
        )


async def test_every_row_of_the_file_is_on_a_page(week: Site) -> None:
    address, rows = "/activity?period=30", 0
    async with week.browser("vic") as browser:
        file = await browser.get("/activity.csv?period=30")
        while address:
            page = await browser.get(address)
            rows += page.text.count("<tr") - 1
            found = re.search(r'href="([^"]+)">Earlier rows', page.text)
            address = found[1].replace("&amp;", "&") if found else ""
    assert rows == len(file.text.strip().splitlines()) - 1
    assert rows > 50


async def test_filters_leave_out_and_add_up_apart(week: Site) -> None:
    async with week.browser("vic") as browser:
        page = await browser.get("/activity?period=30&show=calls&extension=1001")
        none = await browser.get("/calls?period=30&number=%2B999")
    assert "Of the rows below" in page.text
    assert set(re.findall(r'<span class="sub" translate="no">(\d+)</span>', page.text)) == {"1001"}
    assert "No call in this period" in none.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("period=dates&since=soon", "This is not a date"),
        ("period=dates&since=2026-11-20&until=2026-11-01", "The last day is before the first."),
        ("number=abc", "A number has digits"),
        ("period=never", "Choose one of the list."),
        ("extension=9999", "Choose one of the list."),
    ],
)
async def test_a_wrong_filter_is_told_and_kept(week: Site, query: str, said: str) -> None:
    async with week.browser("vic") as browser:
        page = await browser.get(f"/activity?{query}")
    assert page.status_code == 200
    assert text_of(page).count(said) == 2


@pytest.mark.parametrize("path", ["/activity?after=x", "/calls?after=x", "/audit-trail?before=x"])
async def test_a_cursor_that_no_page_gave_is_no_page(week: Site, path: str) -> None:
    async with week.browser("vic") as browser:
        assert (await browser.get(path)).status_code == 404


def call_where(site: Site, condition: str) -> CallRecord:
    query = calls.select().where(text(condition)).limit(1)
    with site.engine.connect() as reader:
        return call_of(reader.execute(query).one())


async def test_a_call_says_in_one_sentence_why_it_cost_that(week: Site) -> None:
    call = call_where(week, "talk_s > 130 AND initial_s = 60 AND increment_s = 60")
    async with week.browser("vic") as browser:
        page = await browser.get(f"/calls/{call.call_id}")
    minutes = -(-(call.talk_s or 0) // 60)
    assert f"Each 60 seconds begun is charged, so {minutes} minutes at" in page.text
    assert page.text.count("what was set aside is charged") == minutes
    assert "<h1>Call to +" in page.text


async def test_a_call_of_another_office_is_not_there(week: Site) -> None:
    call = call_where(week, "office_id = 'main'")
    async with week.browser("remi") as browser:
        assert (await browser.get(f"/calls/{call.call_id}")).status_code == 404
        assert (await browser.post(f"/calls/{call.call_id}/hang-up")).status_code == 404
        assert call.call_id not in (await browser.get("/calls?period=30")).text
        assert "£" not in (await browser.get("/")).text
    assert week.read(lambda reader: requests_of(reader, call.call_id)) == []


async def test_a_live_call_shows_its_cost_and_is_asked_to_be_hung_up(week: Site) -> None:
    before = call_where(week, "talk_s > 60")
    nothing = Money(0, "GBP")
    live = CallRecord(
        **{
            name: getattr(before, name)
            for name in CallRecord.__slots__
            if name not in {"call_id", "caller_channel", "authorised_at"}
        }
        | {
            "reserved_intervals": 0,
            "debited_intervals": 0,
            "held": nothing,
            "debited": nothing,
            "leg": None,
            "answered_at": None,
            "ended_at": None,
            "talk_s": None,
            "released": None,
            "settled_at": None,
            "hangup_cause": None,
        },
        call_id="live",
        caller_channel="PJSIP/1001-live",
        authorised_at=NOW,
    )
    batches = BatchRunner(week.engine)
    batches.run([AuthoriseCall(live, calls_at_once=None)])
    batches.run([AnswerCall(call_id="live", leg="PJSIP/trunk-live", answered_at=NOW)])
    batches.close()
    async with week.browser("vic") as viewer:
        assert "Hang up" not in (await viewer.get("/live")).text
    async with week.browser("anna") as browser:
        assert "/calls/live/hang-up" in (await browser.get("/")).text
        for _ in range(2):
            answer = await browser.post("/calls/live/hang-up")
            assert answer.status_code == 303
    [asked] = week.read(lambda reader: requests_of(reader, "live"))
    assert (asked.actor, asked.outcome) == ("user:anna@example.com", None)
    trail = [each.change for each in week.read(lambda reader: changes(reader, "main", limit=99))]
    asked_for = [change.subject for change in trail if change.action == "call.hang_up"]
    assert asked_for == ["live"]


async def test_reports_add_up_to_the_same_by_whatever_they_are(week: Site) -> None:
    totals = set()
    async with week.browser("vic") as browser:
        for by in By:
            page = await browser.get(f"/reports?period=30&by={by}")
            totals.add(re.search(r'<p class="balance">([^<]+)</p>', page.text)[1])  # type: ignore[index]
    assert len(totals) == 1


async def test_a_report_of_many_days_has_a_line_for_each_month(week: Site) -> None:
    first, last = NOW.date() - timedelta(days=800), NOW.date()
    async with week.browser("vic") as browser:
        page = await browser.get(f"/reports?period=dates&since={first}&until={last}&by=day")
        days = await browser.get("/reports?by=day")
    assert "November 2026" in page.text
    assert "More than 100 days are shown by month." in page.text
    assert "shown by month" not in days.text
    assert page.text.count('<th scope="row">') == 2  # the month in which there were calls, the sum
    assert len(page.content) < 150_000


def test_months_are_the_sums_of_their_days() -> None:
    def line(key: str, spent: str, calls: int) -> SpentLine:
        return SpentLine(
            key=key,
            name="",
            paid_calls=calls,
            answered_calls=calls,
            paid_talk_s=60 * calls,
            spent=gbp(spent),
            unpaid_calls=2,
            unpaid_talk_s=5,
            refused_calls=1,
        )

    days = [line("2026-10-31", "1.00", 1), line("2026-11-01", "0.20", 2)]
    october, november = by_month([*days, line("2026-11-30", "0.05", 4)])
    assert october == replace(days[0], key="2026-10-01")
    assert november == replace(
        line("2026-11-01", "0.25", 6), unpaid_calls=4, unpaid_talk_s=10, refused_calls=2
    )


@pytest.mark.parametrize(
    ("path", "said"), [("/calls", "No such call so far"), ("/activity", "No such row so far")]
)
async def test_a_page_on_which_nothing_was_found_says_how_far_it_looked(
    week: Site, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    for module in ("db.call_lists", "db.filtered_calls"):
        monkeypatch.setattr(f"{module}.SEARCHED_MAX", 5)
    monkeypatch.setattr("db.filtered_calls._FIRST_WINDOW", 0.1)
    async with week.browser("vic") as browser:
        page = await browser.get(f"{path}?period=30&number=99999999")
        assert re.search(rf"{said}, looking back to \d\d? Nov 2026, \d\d:\d\d\.", text_of(page))
        further = re.search(r'class="button" href="([^"]+)"', page.text)
        assert further is not None
        assert (await browser.get(html.unescape(further[1]))).status_code == 200


async def test_amounts_stand_in_fields_as_they_are_typed_in_the_language(week: Site) -> None:
    for accepted, shown in (("en", "5.00"), ("fr", "5,00")):
        async with week.browser("anna") as browser:
            browser.headers["accept-language"] = accepted
            page = await browser.get("/notices")
            assert f'value="{shown}"' in page.text
            level = {"level": shown}
            saved = await browser.post("/notices/level", data=level, follow_redirects=True)
            assert f'value="{shown}"' in saved.text
            limits = {"allow": ["included"], "day_limit": shown}
            extension = await browser.post("/extensions/1004", data=limits, follow_redirects=True)
            assert f'value="{shown}"' in extension.text


def test_a_gauge_is_full_at_four_times_the_level_or_more() -> None:
    low = gauge(gbp("4.00"), gbp("5.00"))
    assert (low.level, low.mark, low.low, low.full) == (200, 250, True, gbp("20.00"))
    assert gauge(gbp("0"), None).level == 0
    assert gauge(gbp("12.00"), None).full == gbp("20.00")
    assert [rounded_up(each) for each in (1, 2, 3, 10, 11, 51)] == [1, 2, 5, 10, 20, 100]


def test_days_left_are_rounded_down_and_nobody_guesses_from_nothing() -> None:
    assert days_left(gbp("10.00"), gbp("14.00"), 14) == 10
    assert days_left(gbp("9.99"), gbp("14.00"), 14) == 9
    assert days_left(gbp("10.00"), gbp("0"), 14) is None


def test_a_chart_has_a_bar_for_every_day_and_lines_at_round_amounts() -> None:
    first = NOW.date().replace(day=1)
    days = [first + timedelta(days=each) for each in range(21)]
    chart = bar_chart([*((day, gbp("0")) for day in days[:-1]), (days[-1], gbp("2.66"))], "GBP")
    assert [bar.height > 0 for bar in chart.bars] == [False] * 20 + [True]
    assert [amount for _, amount in chart.lines] == [gbp(str(each)) for each in range(4)]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=400))
def test_a_chart_stays_within_its_frame_and_names_as_many_bars_as_there_is_room_for(
    amounts: list[int],
) -> None:
    first = NOW.date()
    chart = bar_chart(
        [
            (first + timedelta(days=place), Money(micros, "GBP"))
            for place, micros in enumerate(amounts)
        ],
        "GBP",
    )
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 for bar in chart.bars)
    assert all(bar.y >= 0 and (bar.height > 0) == (bar.amount.micros > 0) for bar in chart.bars)
    assert 1 <= sum(bar.named for bar in chart.bars) <= 4
    assert sum(bar.named or bar.named_wide for bar in chart.bars) <= 8
    assert not any(bar.named and bar.named_wide for bar in chart.bars)
    assert 2 <= len(chart.lines) <= 5
    assert chart.lines[-1][1].micros >= max(amounts)


async def test_a_manager_sets_what_no_file_fixes_and_nothing_else(week: Site) -> None:
    wanted = {
        "name": "Somebody else",
        "language": "fr",
        "allow": ["included", "national"],
        "day_limit": "2,50",
        "month_limit": "",
        "calls_at_once": "2",
    }
    async with week.browser("anna") as browser:
        assert (
            "Fixed by the administrator in a file." in (await browser.get("/extensions/1001")).text
        )
        assert (await browser.post("/extensions/1001", data=wanted)).status_code == 303
    with week.engine.connect() as reader:
        kept = read_settings(reader)["main", "1001"]
    assert {name: each.text for name, each in kept.items()} == {
        "language": "fr",
        "allow": "included, national",
        "day_limit": "2.50",
        "calls_at_once": "2",
    }
    async with week.browser("remi") as browser:
        assert (await browser.get("/extensions/1001")).status_code == 404
        assert (await browser.post("/extensions/1001", data=wanted)).status_code == 404
        assert "1001" not in (await browser.get("/extensions")).text


@pytest.mark.parametrize(
    "wrong",
    [{"day_limit": "much"}, {"day_limit": "-1"}, {"calls_at_once": "two"}, {"language": "de"}],
)
async def test_a_wrong_setting_is_told_and_none_is_kept(week: Site, wrong: dict[str, str]) -> None:
    async with week.browser("anna") as browser:
        data = {"month_limit": "7", "allow": "included"} | wrong
        answer = await browser.post("/extensions/1002", data=data)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert 'value="7"' in answer.text
    with week.engine.connect() as reader:
        assert ("main", "1002") not in read_settings(reader)
