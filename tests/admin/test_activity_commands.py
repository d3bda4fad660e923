"""`tollgate activity`, `calls`, `report` and `call`, over a ledger with a history."""

import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from admin import call as call_module
from admin.call_words import DETAILS, REFUSALS, talk_words
from charging.money import MICROS_PER_UNIT
from charging.unpaid_calls import OVERLOAD
from db.engine import open_engine
from prompts import phrases
from tests.admin.cli import run
from tests.admin.conftest import Site
from tests.db.activity_histories import History
from tests.programs import make_ledger


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = make_ledger(tmp_path_factory.mktemp("history"))
    engine = open_engine(f"sqlite:///{file}")
    History(engine, seed=5).run(120)
    engine.dispose()
    return file


@pytest.fixture
def ledger(site: Site, made: Path) -> None:
    shutil.copy(made, site.folder)


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def table(*arguments: str) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said(*arguments, "--csv"))))


pytestmark = pytest.mark.usefixtures("ledger")


def test_activity_adds_up_from_the_opening_to_the_closing_balance() -> None:
    found = told("activity", "--last", "1000")
    changed = sum(row.get("amount_micros", 0) for row in found["rows"])
    assert found["opening_micros"] + changed == found["closing_micros"]
    assert found["next"] is None
    assert {row["kind"] for row in found["rows"]} >= {"call", "refused", "top-up", "top-up-cancel"}


def test_pages_of_activity_follow_one_another() -> None:
    whole = told("activity", "--last", "1000")["rows"]
    rows, following = [], None
    while True:
        page = told("activity", "--last", "9", *(("--before", following) if following else ()))
        rows += page["rows"]
        following = page["next"]
        if following is None:
            break
    assert rows == whole


def test_activity_as_csv_adds_up_too_and_is_read_by_a_spreadsheet() -> None:
    rows = table("activity")
    first, *between, last = rows
    assert (first["kind"], last["kind"]) == ("closing balance", "opening balance")
    micros = [round(float(row["amount"]) * MICROS_PER_UNIT) for row in between if row["amount"]]
    assert round(float(first["balance_after"]) * MICROS_PER_UNIT) == sum(micros)
    assert any(amount < 0 for amount in micros)
    numbers = {row["extension"]: row for row in between if row["kind"] == "call"}
    assert numbers


def test_a_filter_shows_its_sum_apart() -> None:
    found = told("activity", "--extension", "1001", "--last", "1000")
    assert {row["endpoint"] for row in found["rows"]} == {"1001"}
    calls = [row for row in found["rows"] if row["kind"] == "call"]
    assert found["filtered"]["calls"] == len(calls)
    assert found["filtered"]["calls_micros"] == sum(row["amount_micros"] for row in calls)
    assert "of that, shown above" in said("activity", "--extension", "1001")


def test_words_of_activity_are_for_people() -> None:
    text = said("activity", "--last", "1000")
    assert "opening balance £0.00" in text
    assert "+£500.00" in text
    assert "not enough money" in text
    assert re.search(r"earlier rows: --before [0-9.]+", said("activity", "--last", "3"))


def test_the_list_of_calls_has_every_outcome() -> None:
    found = told("calls", "--last", "1000")["calls"]
    assert {call["outcome"] for call in found} == {"paid", "included", "refused"}
    assert {row["call_id"] for row in table("calls")} == {call["call_id"] for call in found}
    refused = told("calls", "--outcome", "refused", "--last", "1000")["calls"]
    assert refused
    assert {call["refusal"] for call in refused} == {"insufficient_balance"}
    assert told("calls", "--of-nobody")["calls"] == []
    assert "under way" in said("calls", "--last", "1000")


def test_a_period_is_of_the_offices_own_time_zone() -> None:
    assert told("calls", "--since", "2026-11-22")["calls"] == []
    assert told("calls", "--until", "2026-11-21T09:00:01", "--country", "FR")["calls"] == []
    assert told("calls", "--since", "2026-11-21", "--country", "FR")["calls"]


@pytest.mark.parametrize("by", ["day", "country", "extension"])
def test_a_report_adds_up_to_what_calls_cost(by: str) -> None:
    found = told("report", by, "--since", "2026-11-01", "--until", "2026-11-30")
    calls = told("calls", "--last", "1000")["calls"]
    spent = sum(call["cost_micros"] or 0 for call in calls)
    assert sum(line["spent_micros"] for line in found["lines"]) == spent
    assert sum(line["paid_calls"] for line in found["lines"]) == len(
        [call for call in calls if call["outcome"] == "paid"]
    )
    assert sum(line["refused_calls"] for line in found["lines"]) == len(
        [call for call in calls if call["outcome"] == "refused"]
    )
    assert len(table("report", by, "--since", "2026-11-01", "--until", "2026-11-30")) == len(
        found["lines"]
    )


def test_the_life_of_a_paid_call_says_why_it_costs_what_it_costs() -> None:
    calls = told("calls", "--outcome", "paid", "--last", "1000")["calls"]
    over = next(call for call in calls if call["talk_s"])
    found = told("call", over["call_id"])
    assert (
        found["connection_micros"] + found["per_call_micros"] + found["time_micros"]
        == (found["price_micros"])
    )
    assert found["charged_micros"] == over["cost_micros"]
    assert found["entries"][0]["key"] == f"call:{over['call_id']}:reserve:0"
    text = said("call", over["call_id"])
    assert "a minute, billed for the first 60 s" in text
    assert "Charged: £" in text


def test_the_life_of_a_refused_call_says_why() -> None:
    (call, *_) = told("calls", "--outcome", "refused")["calls"]
    assert "Refused: not enough money." in said("call", call["call_id"])
    assert told("call", call["call_id"])["refusal"] == "insufficient_balance"
    (included, *_) = told("calls", "--outcome", "included")["calls"]
    assert "nothing is charged" in said("call", included["call_id"])


def test_live_calls_are_those_that_nothing_has_settled() -> None:
    listed = told("calls", "--outcome", "paid", "--last", "1000")["calls"]
    found = told("call", "live")["calls"]
    assert {call["call_id"] for call in found} == {
        call["call_id"] for call in listed if call["under_way"]
    }
    assert found
    assert f"{len(found)} paid calls under way" in said("call", "live")


def test_a_request_that_no_application_carries_out_is_said_to_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_module, "CARRIED_OUT_MAX_S", 0)
    (call, *_) = told("call", "live")["calls"]
    result = run("call", "hangup", call["call_id"], "--reason", "too long")
    assert result.exit_code == 1
    assert "is the application that carries it running?" in result.stderr
    (asked,) = told("call", call["call_id"])["requests"]
    assert (asked["outcome"], asked["reason"]) == (None, "too long")
    assert "asked to hang up" in said("call", call["call_id"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("call", "nothing"), "has no call 'nothing'"),
        (("call", "hangup", "nothing"), "has no paid call 'nothing'"),
        (("activity", "--before", "x"), "'x' is no place in a list of activity"),
        (("calls", "--before", "x"), "'x' is no place in a list of calls"),
        (("activity", "--kind", "gift"), "'gift' is no kind; there is call, "),
        (("calls", "--outcome", "lost"), "'lost' is no outcome; there is free, "),
    ],
)
def test_what_there_is_not_is_said_in_one_sentence(arguments: Sequence[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert not result.stdout


def test_every_reason_has_words() -> None:
    assert phrases.REFUSALS.keys() - {"forwarded"} | {OVERLOAD} <= REFUSALS.keys()
    assert phrases.LIMITS.keys() <= DETAILS.keys()


@pytest.mark.parametrize(
    ("talk_s", "words"), [(None, ""), (0, ""), (7, "0:07"), (270, "4:30"), (3909, "1:05:09")]
)
def test_talk_time_is_read_as_a_clock(talk_s: int | None, words: str) -> None:
    assert talk_words(talk_s) == words


def test_numbers_that_were_kept_long_enough_are_counted_and_then_masked(site: Site) -> None:
    counted = told("privacy", "purge", "--dry-run")
    assert told("privacy", "purge")["masked"] == counted["masked"]
    assert told("privacy", "purge")["masked"] == {"calls": 0, "unpaid_calls": 0}
    site.add("[privacy]\nkeep_numbers_days = 0\n")
    assert "kept for ever" in said("privacy", "purge")


def test_past_days_are_added_up_once_and_anew_on_request() -> None:
    days = told("ledger", "add-up")["days"]
    assert days > 0
    assert told("ledger", "add-up") == {"days": 0}
    assert f"{days} days added up" in said("ledger", "add-up", "--anew")
    assert told("ledger", "verify")["sound"]
