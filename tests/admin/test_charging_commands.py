"""The commands that need no Asterisk, run as an admin runs them."""

import re
from pathlib import Path

import pytest

from plans.files import SAMPLE_DECKS
from tests.admin.cli import run, told
from tests.programs import make_ledger


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "tollgate.toml"
    file.write_text('[ari]\npassword = "a"\n[ami]\nsecret = "b"\n', encoding="utf-8")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    make_ledger(tmp_path)
    return file


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert not result.stdout
    return result.stderr.strip()


def test_explain_tells_everything_about_a_paid_call() -> None:
    told("rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"))
    told("topup", "12.40")
    assert told("explain", "0033612345678") == {
        "office": "main",
        "dialled": "0033612345678",
        "e164": "33612345678",
        "country": "FR",
        "kind": "mobile",
        "destination": "France mobile",
        "category": "paid",
        "reason": "UK plan does not include mobiles in FR",
        "rate": {
            "per_minute_micros": 110_000,
            "connection_micros": 0,
            "per_call_micros": 0,
            "initial_s": 60,
            "increment_s": 60,
            "currency": "GBP",
        },
        "reserve_micros": 110_000,
        "affordable_s": 112 * 60,
        "decision": "allow",
        "refusal": None,
    }


@pytest.mark.parametrize(
    ("dialled", "category", "decision", "refusal"),
    [
        ("999", "emergency", "allow", None),
        ("08001234567", "free", "allow", None),
        ("02079460000", "included", "allow", None),
        ("0033612345678", "paid", "refuse", "insufficient_balance"),
        ("+881612345678", "barred", "refuse", "barred"),
        ("9999", "invalid", "refuse", "invalid_number"),
        ("0033&PJSIP/x@trunk", "invalid", "refuse", "invalid_number"),
        ("00998711234567", "paid", "refuse", "no_rate"),
    ],
)
def test_explain_decides_as_a_real_call_would(
    dialled: str, category: str, decision: str, refusal: str | None
) -> None:
    found = told("explain", dialled)
    assert (found["category"], found["decision"], found["refusal"]) == (category, decision, refusal)


@pytest.mark.parametrize(
    ("dialled", "category"),
    [("15", "emergency"), ("15000", "invalid"), ("0142685300", "included"), ("3949", "paid")],
)
def test_explain_answers_for_another_plan(dialled: str, category: str) -> None:
    assert told("explain", dialled, "--plan", "france")["category"] == category


def test_explain_answers_for_an_extension() -> None:
    assert told("explain", "02079460000", "--extension", "1001")["decision"] == "allow"
    assert "no extension has the endpoint '77'" in refused(
        "explain", "02079460000", "--extension", "77"
    )


def test_explain_answers_for_the_office_of_the_phone(tmp_path: Path) -> None:
    offices = '[offices.london]\n[offices.lyon]\nplan = "france"\n[site]\nphones_file = "p.toml"\n'
    with (tmp_path / "tollgate.toml").open("a", encoding="utf-8") as settings:
        settings.write(offices)
    (tmp_path / "p.toml").write_text(
        '[phones.1001]\noffice = "london"\n'
        '[phones.lyon-1001]\nextension = "1001"\noffice = "lyon"\n'
    )
    for phone, office, help_ in (("1001", "london", "999"), ("lyon-1001", "lyon", "15")):
        found = told("explain", help_, "--phone", phone)
        assert (found["office"], found["category"]) == (office, "emergency")
    assert told("explain", "15", "--phone", "1001")["category"] == "invalid"
    shown = run("explain", "15", "--phone", "lyon-1001").stdout
    assert "office       lyon (France plan, dials as in FR)" in shown


def test_explain_says_that_a_number_of_the_plans_country_is_help_too(tmp_path: Path) -> None:
    with (tmp_path / "tollgate.toml").open("a", encoding="utf-8") as settings:
        settings.write('[offices.main]\nplan = "uk"\ncountry = "FR"\n')
    for number in ("999", "15", "112"):
        assert told("explain", number)["category"] == "emergency"


def test_explain_answers_for_another_day(tmp_path: Path) -> None:
    deck = tmp_path / "deck.csv"
    deck.write_text("prefix,rate,effective\n33,0.1,2026-01-01\n33,0.2,2030-01-01\n")
    told("rates", "import", str(deck))
    later = told("explain", "0033612345678", "--at", "2030-01-01T00:00:00")
    assert later["rate"]["per_minute_micros"] == 200_000
    before = told("explain", "0033612345678", "--at", "2029-12-31T23:59:59")
    assert before["rate"]["per_minute_micros"] == 100_000


def test_price_tells_charge_and_billable_seconds() -> None:
    told("rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"))
    found = told("price", "0033612345678", "--seconds", "61")
    assert (found["charge_micros"], found["billable_s"]) == (220_000, 120)
    found = told("price", "02079460000", "--seconds", "61")
    assert (found["charge_micros"], found["billable_s"]) == (0, 0)
    assert "9999" in refused("price", "9999", "--seconds", "61")
    assert run("price", "0033612345678", "--seconds", "-1").exit_code == 2


def test_money_is_put_in_once_per_key_and_taken_out_again() -> None:
    run("ledger", "prepare")
    assert told("balance")["available_micros"] == 0
    for _ in range(2):
        found = told("topup", "20", "--key", "k1", "--note", "cash")
        assert (found["available_micros"], found["key"]) == (20_000_000, "k1")
    assert "already names something else" in refused("topup", "21", "--key", "k1")
    found = told("ledger", "cancel-topup", "k1")
    assert (found["cancelled_micros"], found["available_micros"]) == (20_000_000, 0)
    assert told("ledger", "cancel-topup", "k1")["cancelled_micros"] == 20_000_000
    assert "no top-up 'k2'" in refused("ledger", "cancel-topup", "k2")


def test_a_key_that_is_none_is_refused_in_words() -> None:
    run("ledger", "prepare")
    for key in ("", "inv7:cancel", "a b"):
        assert "a top-up's key is 1 to 64 of the characters" in refused("topup", "5", "--key", key)
    assert told("balance")["available_micros"] == 0


def test_a_key_is_shown_whole_and_a_note_is_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    key = "invoice-2026-11-of-the-Manchester-office/" + "7" * 20
    told("topup", "5", "--key", key, "--note", "[/ref 12] [bold]cash[/bold]")
    shown = run("ledger", "show").stdout
    assert key in shown
    assert "[/ref 12] [bold]cash[/bold]" in shown


@pytest.mark.parametrize("amount", ["0", "x", "1.2345678", "1e9", "NaN", "٣", "1000000.01"])
def test_what_is_no_amount_is_not_put_in(amount: str) -> None:
    run("ledger", "prepare")
    assert refused("topup", amount)
    assert told("balance")["available_micros"] == 0


def test_the_ledger_is_shown_and_verified() -> None:
    told("topup", "20", "--key", "k1", "--note", "cash")
    (entry,) = told("ledger", "show")["entries"]
    assert (entry["key"], entry["reason"], entry["call_id"]) == ("top-up:main:k1", "cash", None)
    assert entry["postings"] == [
        {
            "source": "operator:funding:manual",
            "target": "office:main:available",
            "micros": 20_000_000,
            "currency": "GBP",
            "source_after_micros": None,
            "target_after_micros": 20_000_000,
        }
    ]
    assert (entry["number"], entry["kind"], entry["direction"]) == (1, "top-up", "in")
    assert entry["actor"].startswith("cli:")
    assert told("ledger", "verify") == {
        "sound": True,
        "accounts": 1,
        "entries": 1,
        "calls": 0,
        "problems": [],
    }


def test_the_ledger_is_filtered_and_paged() -> None:
    for number in range(3):
        told("topup", "1", "--key", f"k{number}")
    told("ledger", "cancel-topup", "k1", "--reason", "twice")

    def numbers(*filters: str) -> list[int]:
        return [entry["number"] for entry in told("ledger", "show", *filters)["entries"]]

    assert numbers() == [1, 2, 3, 4]
    assert numbers("--last", "2") == [3, 4]
    assert numbers("--last", "2", "--before", "3") == [1, 2]
    assert numbers("--kind", "top-up-cancel") == [4]
    assert numbers("--kind", "top-up-cancel", "--kind", "top-up") == [1, 2, 3, 4]
    assert numbers("--direction", "out") == [4]
    assert numbers("--extension", "1001") == numbers("--call", "c1") == []
    assert numbers("--from", "2000-01-01", "--to", "2001-01-01") == []
    (cancelled,) = told("ledger", "show", "--direction", "out")["entries"]
    assert (cancelled["reverses"], cancelled["reason"]) == ("top-up:main:k1", "twice")


def test_commands_speak_to_people_too() -> None:
    run("rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"))
    topped_up = run("topup", "12.40").stdout
    assert topped_up.startswith("£12.40 available\n")
    assert re.search(r"key [0-9a-f]{32}\n", topped_up)
    assert run("balance").stdout == "£12.40 available\n"
    assert "£0.11 a minute; blocks of 60/60 s" in run("explain", "0033612345678").stdout
    assert "refuse: '9999'" in run("explain", "9999").stdout
    assert "£0.22 for 61 s" in run("price", "0033612345678", "--seconds", "61").stdout
    assert "top-up" in run("ledger", "show").stdout
    assert "sound" in run("ledger", "verify").stdout


def test_a_wrong_deck_is_refused_line_by_line(tmp_path: Path) -> None:
    deck = tmp_path / "deck.csv"
    deck.write_text("prefix,rate\n33,0.1\nx,0.1\n")
    said = refused("rates", "import", str(deck))
    assert f"{deck}, line 3: 'x' is not a prefix" in said
    assert "nothing was imported" in said
    assert "cannot be read" in refused("rates", "import", str(tmp_path / "missing.csv"))
    assert "is not one of" in refused("rates", "import", str(deck), "--column", "nonsense")
    assert "is not two numbers" in refused("rates", "import", str(deck), "--increments", "60")


def test_a_dry_run_changes_nothing() -> None:
    found = told("rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"), "--dry-run")
    assert found["imported"] is False
    assert "sample deck" in run("explain", "0033612345678").stderr


def test_an_import_shows_what_it_changes_and_can_be_rolled_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("prefix,destination,rate\n33,France,0.02\n336,mobile,0.1\n49,Germany,0.01\n")
    second.write_text("prefix,destination,rate,colour\n33,France,0.3,red\n336,mobile,0.09,blue\n")
    assert told("rates", "import", str(first))["added"] == 3
    found = told("rates", "import", str(second), "--dry-run")
    assert (found["imported"], found["deck_id"]) == (False, None)
    assert (found["same"], found["added"], found["dearer"], found["cheaper"]) == (0, 0, 1, 1)
    assert (found["holes"], found["ignored_columns"]) == (["49"], ["colour"])
    assert found["jumps"] == [
        {
            "prefix": "33",
            "destination": "France",
            "before_micros": 20_000,
            "after_micros": 300_000,
        }
    ]
    assert "1 of the 3 prefixes in force" in refused("rates", "import", str(second))
    said = run("rates", "import", str(second), "--force").stdout
    assert "column 'colour' means nothing here" in said
    assert "HOLE, no rate any more: 49 Germany: £0.01 -> nothing a minute" in said
    assert "JUMP of 10 times or more: 33 France: £0.02 -> £0.30 a minute" in said
    assert "0 same, 0 new, 1 dearer, 1 cheaper, 1 holes, 1 jumps" in said
    assert "2 GBP rates imported and in force" in said
    (rate,) = told("rates", "show", "336")["rates"]
    assert (rate["prefix"], rate["per_minute_micros"]) == ("336", 90_000)
    assert told("rates", "rollback")["currency"] == "GBP"
    (rate,) = told("rates", "show", "336")["rates"]
    assert rate["per_minute_micros"] == 100_000
    assert [c["action"] for c in told("rates", "history")["changes"]] == [
        *("rollback", "import", "import")
    ]
    assert "no earlier GBP deck" in refused("rates", "rollback")
    assert "deck 2 is in force" in run("rates", "rollback", "--deck", "2").stdout
    assert "import   deck 1 (first.csv)" in run("rates", "history").stdout


def test_a_named_deck_is_imported_shown_and_rolled_back_apart(tmp_path: Path) -> None:
    run("ledger", "prepare")
    sheets = []
    for name, price in (("standard", "0.02"), ("first", "0.05"), ("second", "0.07")):
        sheets.append(tmp_path / f"{name}.csv")
        sheets[-1].write_text(f"prefix,destination,rate\n33,France,{price}\n")
    run("rates", "import", str(sheets[0]))
    named = ("--deck", "international")
    assert "no GBP international deck was imported" in refused("rates", "show", *named)
    found = told("rates", "import", str(sheets[1]), *named)
    assert (found["deck"], found["added"], found["dearer"]) == ("international", 1, 0)
    said = run("rates", "import", str(sheets[2]), *named).stdout
    assert "1 GBP international rates imported and in force" in said

    def price_of(*options: str) -> int:
        (rate,) = told("rates", "show", "33", *options)["rates"]
        micros: int = rate["per_minute_micros"]
        return micros

    assert (price_of(), price_of(*named)) == (20_000, 70_000)
    assert "deck 2 is in force" in run("rates", "rollback", *named).stdout
    assert (price_of(), price_of(*named)) == (20_000, 50_000)
    assert "no earlier GBP deck" in refused("rates", "rollback")
    history = told("rates", "history", *named)["changes"]
    assert [change["deck_id"] for change in history] == [2, 3, 2]
    for wrong in ("International", "9lives", "a b", "", "x" * 41):
        assert "is no name of a deck" in refused("rates", "show", "--deck", wrong)


def test_an_office_pays_the_prices_of_the_deck_it_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("ledger", "prepare")
    for name, price in (("standard", "0.02"), ("international", "0.05")):
        sheet = tmp_path / f"{name}.csv"
        sheet.write_text(f"prefix,destination,rate\n33,France,{price}\n")
        run("rates", "import", str(sheet), "--deck", name)
    call = ("price", "0033142685300", "--seconds", "60")
    assert told(*call)["charge_micros"] == 20_000
    monkeypatch.setenv("TOLLGATE_OFFICES__MAIN__DECK", "international")
    assert told(*call)["charge_micros"] == 50_000
    assert told("rates", "show", "33")["deck"] == "international"
    monkeypatch.setenv("TOLLGATE_OFFICES__MAIN__DECK", "3")
    assert "is no name of a deck" in refused(*call)


def test_rates_are_shown_by_country_name_or_prefix() -> None:
    assert "no GBP deck was imported yet" in refused("rates", "show")
    run("ledger", "prepare")
    assert "no GBP deck was imported yet" in refused("rates", "show")
    told("rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"))
    everything = told("rates", "show")
    assert everything["currency"] == "GBP"
    assert len(everything["rates"]) > 400
    for wanted in ("fr", "France", "+33", "0033"):
        prefixes = {rate["prefix"] for rate in told("rates", "show", wanted)["rates"]}
        assert {"33", "336", "337"} <= prefixes
    assert {r["prefix"] for r in told("rates", "show", "GB")["rates"]} >= {"44", "GB:118"}
    assert "France mobile" in run("rates", "show", "FR").stdout
    assert "no rate for Atlantis" in refused("rates", "show", "Atlantis")


def test_a_long_list_of_changes_is_cut(tmp_path: Path) -> None:
    deck = tmp_path / "deck.csv"
    for price in ("0.10", "0.20"):
        rows = "".join(f"3{n:03d},France,{price}\n" for n in range(100, 130))
        deck.write_text(f"prefix,destination,rate\n{rows}")
        said = run("rates", "import", str(deck)).stdout
    assert "dearer: and 10 more" in said


def test_missing_settings_and_unknown_offices_are_one_sentence(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no office 'paris'" in refused("balance", "--office", "paris")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(settings.with_name("missing.toml")))
    assert "there is no settings file" in refused("balance")


def test_an_unusable_database_is_one_sentence(settings: Path) -> None:
    text = settings.read_text() + '[database]\nurl = "mysql://x"\n'
    settings.write_text(text)
    assert "neither sqlite nor postgresql" in refused("balance")
    ledger = settings.parent / "nowhere" / "at" / "all.sqlite"
    settings.write_text(text.replace("mysql://x", f"sqlite:///{ledger}"))
    assert f"there is no ledger in {ledger}" in refused("balance")
    said = run("ledger", "prepare").stderr
    assert f"the ledger {ledger} cannot be used: unable to open database file" in said
