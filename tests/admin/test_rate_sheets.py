"""`tollgate rates import` as an admin meets it: sheets, amendments, holes, and what is printed."""

import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from typer.testing import Result

from admin.checks.account import check_rates
from plans.files import SAMPLE_DECKS
from tests.admin.conftest import Site
from tests.programs import make_ledger

SAMPLE = SAMPLE_DECKS / "sample-gbp.csv"


@pytest.fixture(autouse=True)
def ledger(site: Site) -> None:
    make_ledger(site.folder)


def sheet(site: Site, text: str, name: str = "sheet.csv") -> Path:
    file = site.folder / name
    file.write_text(text, encoding="utf-8")
    return file


def told(site: Site, *arguments: str | Path) -> Any:
    result = site.run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(site: Site, *arguments: str | Path) -> str:
    result: Result = site.run(*arguments)
    assert result.exit_code == 1, result.output
    assert not result.stdout
    return result.stderr.strip()


def price(site: Site, number: str) -> int:
    answer = told(site, "price", number, "--seconds", "60")
    micros: int = answer["charge_micros"]
    return micros


# --- amendments and holes --------------------------------------------------------------------


def test_a_part_of_a_deck_does_not_replace_the_deck(site: Site) -> None:
    site.make_ledger()
    part = sheet(site, "Code,Destination,Rate\n33,France landline,0.03\n34,Spain landline,0.03\n")
    said = refused(site, "rates", "import", part)
    assert "prefixes in force would have no rate any more: --amend" in said
    assert "--force" in said
    assert price(site, "0033142685300") == 20_000
    assert "--amend" in site.run("rates", "import", part, "--dry-run").stdout
    found = told(site, "rates", "import", part, "--amend")
    assert (found["holes"], found["dearer"]) == ([], 2)
    assert price(site, "0033142685300") == 30_000
    assert price(site, "0033612345678") == 110_000
    assert len(told(site, "rates", "show")["rates"]) > 400


def test_an_amendment_of_a_later_day_keeps_the_present_rate_until_then(site: Site) -> None:
    site.make_ledger()
    part = sheet(site, "Code,Destination,Rate,Effective\n33,France,0.05,2099-01-01\n")
    told(site, "rates", "import", part, "--amend")
    assert price(site, "0033142685300") == 20_000
    later = told(site, "price", "0033142685300", "--seconds", "60", "--at", "2099-01-01T12:00:00")
    assert later["charge_micros"] == 50_000


def test_a_removed_prefix_leaves_the_deck_by_amendment(site: Site) -> None:
    site.make_ledger()
    part = sheet(site, "Code,Destination,Rate,Status\n336,France mobile,,Removed\n")
    assert "--amend" in refused(site, "rates", "import", part)
    told(site, "rates", "import", part, "--amend")
    assert price(site, "0033612345678") == 20_000  # as the shorter prefix says
    assert price(site, "0033712345678") == 110_000


def test_force_replaces_a_deck_by_a_smaller_one(site: Site) -> None:
    site.make_ledger()
    part = sheet(site, "Code,Destination,Rate\n33,France,0.03\n")
    assert len(told(site, "rates", "import", part, "--force")["holes"]) > 400


def test_one_hole_in_ten_is_a_change_and_needs_no_force(site: Site) -> None:
    rows = [f"{3300 + n},France,0.02\n" for n in range(10)]
    told(site, "rates", "import", sheet(site, "Code,Destination,Rate\n" + "".join(rows)))
    told(site, "rates", "import", sheet(site, "Code,Destination,Rate\n" + "".join(rows[1:])))
    said = refused(
        site, "rates", "import", sheet(site, "Code,Destination,Rate\n" + "".join(rows[3:]))
    )
    assert said.startswith("2 of the 9 prefixes")


# --- what is printed -------------------------------------------------------------------------


def test_what_was_taken_for_granted_is_printed(site: Site) -> None:
    file = sheet(site, "Carrier Ltd\nCode,Destination,Rate\n33,France,0.02\n")
    said = site.run("rates", "import", file).stdout
    assert "line 1 is no rate: Carrier Ltd" in said
    assert "prices were read as GBP a minute; --unit says otherwise" in said
    assert "60/60 s was taken; --increments says otherwise" in said
    assert re.search(r"the rates begin on 20\d\d-\d\d-\d\d; --effective says otherwise", said)


def test_a_rate_of_zero_is_a_warning_at_import_and_in_the_doctor(site: Site) -> None:
    file = sheet(site, "Code,Destination,Rate\n33,France,0\n34,Spain,0.02\n")
    assert "FREE OF CHARGE: 33 France has a rate of 0" in site.run("rates", "import", file).stdout
    said = [message for _, message in site.said(check_rates)]
    assert any("1 GBP rates of sheet.csv are 0" in message for message in said)


def test_whom_a_row_does_not_price_is_said_at_import_and_refused_at_a_call(site: Site) -> None:
    file = sheet(site, "Code,Destination,Rate\n1,USA and Canada,0.01\n49,Germany fixed,0.02\n")
    said = site.run("rates", "import", file).stdout
    assert "1 USA and Canada names none of AG, AI" in said
    assert "49 Germany fixed also prices mobiles in DE" in said
    assert price(site, "0012025550123") == 10_000
    assert price(site, "0014165550123") == 10_000
    jamaica = told(site, "explain", "0018765550123")
    assert jamaica["refusal"] == "no_rate"
    assert "1 USA and Canada does not mean JM" in jamaica["reason"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--unit", "shillings"), "'shillings' is not a unit such as pence, GBP/second"),
        (("--increments", "60"), "'60' is not two numbers of seconds such as 60/60"),
        (("--delimiter", "dot"), "'dot' is not one of comma, semicolon, tab, bar"),
        (("--encoding", "klingon"), "'klingon' is not an encoding: --encoding wants one"),
        (("--column", "prefix"), "is not one of prefix, destination"),
    ],
)
def test_an_option_that_says_nothing_is_refused(
    site: Site, options: tuple[str, ...], sentence: str
) -> None:
    file = sheet(site, "Code,Destination,Rate\n33,France,0.02\n")
    assert sentence in refused(site, "rates", "import", file, *options)


def test_options_settle_what_a_sheet_leaves_open(site: Site) -> None:
    file = sheet(site, "Zone|Area Code|Tarif|Charging Class|From the\nFrance|33|2|B|31.12.2020\n")
    found = told(
        site, "rates", "import", file, "--column", "prefix=Area Code", "--column",
        "effective=From the", "--ignore", "Charging Class", "--unit", "pence", "--increments",
        "1/1", "--date-format", "%d.%m.%Y", "--delimiter", "bar",
    )  # fmt: skip
    assert found["rates"] == 1
    (rate,) = told(site, "rates", "show")["rates"]
    assert (rate["per_minute_micros"], rate["increment_s"]) == (20_000, 1)
    assert rate["effective"] == "2020-12-31"


def test_the_first_day_may_be_given(site: Site) -> None:
    file = sheet(site, "Effective from 1 May 2020\nCode,Destination,Rate\n33,France,0.02\n")
    assert "--effective" in refused(site, "rates", "import", file)
    told(site, "rates", "import", file, "--effective", "2020-05-01")
    assert told(site, "rates", "show")["rates"][0]["effective"] == "2020-05-01"


# --- workbooks -------------------------------------------------------------------------------


def workbook(site: Site, rows: Sequence[Sequence[Any]], *, more: tuple[str, ...] = ()) -> Path:
    file = site.folder / "rates.xlsx"
    with xlsxwriter.Workbook(str(file), {"default_date_format": "dd/mm/yyyy"}) as book:
        page = book.add_worksheet("Rates")
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
        for name in more:
            book.add_worksheet(name).write(0, 0, "Terms")
        book.add_worksheet("Hidden").hide()
    return file


HEADINGS: list[Any] = ["Code", "Destination", "Rate", "Connection fee", "Effective", "Billing"]


def test_a_workbook_is_read_as_it_shows(site: Site) -> None:
    rows = [
        ["Carrier Ltd"],
        [],
        HEADINGS,
        [33, "France", 0.1 + 0.2, "", date(2020, 12, 1), "60/60"],
        ["0034", "Spain", "£0.02", 0.05, "2020-12-01", 1],
    ]
    told(site, "rates", "import", workbook(site, rows))
    spain, france = sorted(
        told(site, "rates", "show")["rates"],
        key=lambda rate: str(rate["destination"]),
        reverse=True,
    )
    assert (france["prefix"], france["per_minute_micros"]) == ("33", 300_000)
    assert france["effective"] == "2020-12-01"
    assert (spain["prefix"], spain["connection_micros"]) == ("34", 50_000)
    assert (spain["initial_s"], spain["increment_s"]) == (1, 1)


def test_a_wrong_row_of_a_workbook_is_refused_with_its_number(site: Site) -> None:
    file = workbook(site, [[""], HEADINGS, [33, "France", 0.02], [34, "Spain", "free"]])
    assert f"{file}, row 4: " in refused(site, "rates", "import", file)


def test_a_cell_with_an_error_is_no_fee_of_zero(site: Site) -> None:
    file = site.folder / "rates.xlsx"
    with xlsxwriter.Workbook(str(file)) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEADINGS)
        page.write_row(1, 0, [33, "France", 0.02])
        page.write_formula(1, 3, "=NA()", None, "#N/A")
    assert "row 2: '#N/A' is not an amount" in refused(site, "rates", "import", file)


def test_of_several_sheets_one_is_named(site: Site) -> None:
    rows = [HEADINGS, [33, "France", 0.02]]
    file = workbook(site, rows, more=("Terms",))
    said = refused(site, "rates", "import", file)
    assert "sheets with cells: Rates, Terms; --sheet says which" in said
    assert "no sheet 'Rate'" in refused(site, "rates", "import", file, "--sheet", "Rate")
    assert told(site, "rates", "import", file, "--sheet", "Rates")["rates"] == 1


def test_a_damaged_workbook_is_refused(site: Site) -> None:
    file = workbook(site, [HEADINGS, [33, "France", 0.02]])
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert "save the sheet as CSV or XLSX" in refused(site, "rates", "import", file)


# --- numbers as people write them ------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        *("+44 (0)20 7946 0000", "020 7946 0000", "(020) 7946-0000", "0044 20 7946 0000"),
        *(
            "+44\u00a020\u00a07946\u00a00000",
            "020.7946.0000",
            "020 7946\u20110000",
            "tel:+442079460000",
            "\u202a+44 20 7946 0000\u202c",
        ),
    ],
)
def test_a_number_is_taken_as_people_write_it(site: Site, written: str) -> None:
    assert told(site, "explain", written)["e164"] == "442079460000"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0207 OFFICE", "'O' is no part of a number"),
        ("020 7946 ext. 5", "'e' is no part of a number"),
        ("44+20", "a plus sign stands once, and first"),
        ("()", "there is no digit in it"),
        ("+999 123456", "+999 is no country code"),
        ("44 20 7946 0000", "abroad begins with + or 00"),
        ("00", "there is no number after it"),
        ("0033 1 42 68", "too short"),
        ("0033 1 42 68 53 00 00 00 00 00 00", "2 to 20 digits"),
        ("٠٢٠", "is no part of a number"),
    ],
)
def test_what_is_wrong_with_a_number_is_said(site: Site, written: str, why: str) -> None:
    assert why in told(site, "explain", written)["reason"]
    assert why in refused(site, "price", written, "--seconds", "60")


def test_rates_are_searched_for_by_number_too(site: Site) -> None:
    assert site.run("ledger", "prepare").exit_code == 0
    assert "no GBP deck was imported yet: `tollgate rates import" in refused(site, "rates", "show")
    site.make_ledger()
    for written in ("+44 (0)1534", "01534", "0044 1534", "44-1534"):
        prefixes = [rate["prefix"] for rate in told(site, "rates", "show", written)["rates"]]
        assert prefixes == ["441534"], written
    assert "'x' is no part of a number" in refused(site, "rates", "show", "01x")
