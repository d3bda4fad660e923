"""What is refused by cell, heading and file, and what the reader is told."""

from datetime import date
from typing import Any

import pytest

from charging.deck_file import DeckFileError, DeckFormat, read_deck_text
from charging.errors import InvalidNumber
from charging.headings import Unit, parse_unit
from charging.kinds import LineKind
from charging.numbering import Site, parse_number, parse_written
from charging.plan import Category
from charging.reach import reaches
from dialplan.witnesses import witnesses
from plans.files import SHIPPED_PLANS, read_plan

TODAY = date(2026, 11, 21)
UK = Site(country="GB")


def form(**options: Any) -> DeckFormat:
    known: dict[str, Any] = {"columns": {}, "currency": "EUR", "effective": TODAY, "today": TODAY}
    return DeckFormat(**known | options)


def prefixes(*lines: str, **options: Any) -> list[str]:
    return [prefix for prefix, _ in read_deck_text(sheet(*lines), form(**options)).rows]


def sheet(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def refusal(data: bytes, read_as: DeckFormat | None = None, **options: Any) -> str:
    with pytest.raises(DeckFileError) as refused:
        read_deck_text(data, read_as or form(), **options)
    return "\n".join(map(str, refused.value.problems))


@pytest.mark.parametrize(
    ("code", "area", "said"),
    [
        ("0", "20", "is not a country code"),
        ("999", "20", "so areas cannot be joined to it"),
        ("x", "20", "'x' is not a country code"),
        ("44", "020", "begins with 0, which is not dialled after +44"),
        ("44", "2x", "'2x' is not an area"),
    ],
)
def test_what_makes_no_prefix_together_is_refused(code: str, area: str, said: str) -> None:
    assert said in refusal(sheet("country_code,area_code,rate", f"{code},{area},0.1"))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("abc", "is not an amount of money"),
        ("2 cents", "is in cents"),
        ("0.02/second", "names another time than its column"),
        ("0.02 apples", "is not an amount of money"),
        ("1.2.3", "is not an amount of money"),
        ("1,2.3,4", "is not an amount of money"),
        ("01.5", "is not an amount of money"),
        ("0.02 §", "is not an amount of money"),
    ],
)
def test_what_is_no_price_is_refused(cell: str, said: str) -> None:
    assert said in refusal(sheet("prefix,rate", f'33,"{cell}"'))


@pytest.mark.parametrize(
    ("cell", "date_format", "said"),
    [
        ("1066-10-14", None, "would be in the year 1066"),
        ("2026-13-45", None, "is not a date written with the year first"),
        ("31.12.2026", "%d/%m/%Y", "is not a date written %d/%m/%Y"),
    ],
)
def test_what_is_no_day_is_refused(cell: str, date_format: str | None, said: str) -> None:
    rows = sheet("prefix,rate,effective", f"33,0.1,{cell}")
    assert said in refusal(rows, form(date_format=date_format))


def test_no_area_of_north_america_begins_with_0_or_1() -> None:
    assert prefixes("prefix,rate", "1-242,0.1") == ["1242"]
    assert "begins with 0" in refusal(sheet("prefix,rate", "1-042,0.1"))
    assert "begins with its country code 1" in refusal(sheet("prefix,rate", "1-142,0.1"))


@pytest.mark.parametrize(
    ("headings", "said"),
    [
        ("prefix,rate,price", "both say per_minute"),
        ("prefix,area code,rate", "a part of the prefix?"),
        ("area code,rate", "stands without country codes"),
        ("prefix,rate (pence)", "pence, and the deck in EUR"),
    ],
)
def test_headings_that_contradict_are_refused(headings: str, said: str) -> None:
    row = ",".join("33" for _ in headings.split(","))
    assert said in refusal(sheet(headings, row))


def test_a_country_code_alone_is_a_prefix() -> None:
    assert prefixes("country code,rate", "33,0.1") == ["33"]


def test_a_heading_that_says_otherwise_than_the_option_is_refused() -> None:
    rows = sheet("prefix,rate per second", "33,0.1")
    assert "says otherwise than --unit" in refusal(rows, form(unit=Unit(minor="", seconds=60)))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("pence", Unit(minor="pence")),
        ("apples", None),
        ("", None),
    ],
)
def test_a_unit_is_read_as_it_is_said(text: str, unit: Unit | None) -> None:
    found = parse_unit(text)
    assert (found is None) == (unit is None)
    assert found is None or unit is None or found.minor == unit.minor
    whole = parse_unit("EUR/second")
    assert whole is not None
    assert (whole.minor, whole.seconds) == ("", 1)
    nothing_of_money = parse_unit("second")
    assert nothing_of_money is not None
    assert (nothing_of_money.minor, nothing_of_money.seconds) == ("", 1)


def test_an_encoding_that_is_named_is_the_one_that_is_read() -> None:
    data = "prefix,destination,rate\n33,Réunion,0.1\n".encode("cp1252")
    ((_, fields),) = read_deck_text(data, form(), encoding="cp1252").rows
    assert fields.destination == "Réunion"
    assert "is not an encoding" in refusal(data, encoding="latin-99")
    assert "not text in utf-8" in refusal(data, encoding="utf-8")


def test_a_character_of_number_0_is_refused_with_its_line() -> None:
    data = "prefix,rate\n33,0.02\n44,0\0.02\n".encode("utf-16-le")
    said = refusal(data, encoding="utf-16-le")
    assert "line 3" in said
    assert "a character of number 0" in said


@pytest.mark.parametrize("delimiter", [",", None])
def test_a_cell_without_an_end_is_refused(delimiter: str | None) -> None:
    rows = sheet("prefix,destination,rate", '33,"' + "x" * 140_000 + '",0.1')
    assert "more than 131,072 characters" in refusal(rows, delimiter=delimiter)


def test_a_delimiter_that_may_be_either_is_asked_for() -> None:
    rows = sheet("prefix\t|rate", "33\t|1")
    assert "--delimiter says which" in refusal(rows)


def test_empty_cells_beyond_the_headings_do_no_harm() -> None:
    assert prefixes("prefix,rate", "33,0.1,,", "34,0.2") == ["33", "34"]


def test_a_removal_that_is_still_to_come_is_refused() -> None:
    headings = "prefix,rate,effective,status"
    later = sheet(headings, "33,0.1,2026-11-21,new", "34,0.1,2027-01-01,deleted")
    assert "a removal that is still to come" in refusal(later)
    now = sheet(headings, "33,0.1,2026-11-21,new", "34,0.1,2026-11-01,deleted")
    assert read_deck_text(now, form()).removed == {"34"}


def test_a_price_for_another_time_than_a_minute_is_refused() -> None:
    rows = sheet("prefix,rate,rate_unit", "33,0.1,60", "34,0.1,1")
    assert "the price is for 1" in refusal(rows, form(columns={"rate_unit": "rate_unit"}))


def test_terms_are_forgotten_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charging.deck_file.TERMS_KEPT", 1)
    assert prefixes("prefix,rate", "33,0.1", "34,0.2", "39,0.1") == ["33", "34", "39"]


@pytest.mark.parametrize(
    ("headings", "row", "said"),
    [
        ("prefix,rate,minimum_s,increment_s", "33,0.1,30,60", "is shorter than the block of 60 s"),
        ("prefix,rate,increments,initial_s", "33,0.1,60/1,30", "name different blocks"),
        ("prefix,rate,increments,increment_s", "33,0.1,60,30", "name different ones"),
    ],
)
def test_blocks_that_contradict_are_refused(headings: str, row: str, said: str) -> None:
    assert said in refusal(sheet(headings, row))


def test_a_second_column_of_names_is_no_contradiction() -> None:
    assert prefixes("prefix,destination,name,rate", "33,France,Paris,0.1") == ["33"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("A connection of 0.05 is charged", "may name a fee that no column has"),
        ("All prices are per second", "names prices per second"),
    ],
)
def test_a_remark_that_says_what_no_column_does_is_refused(line: str, said: str) -> None:
    assert said in refusal(sheet(line, "prefix,rate", "33,0.1"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("+999 1234567", "is no country code"),
        ("+44 20", "too short for a number of +44"),
        ("+44 20 7946 0000 0000 0", "too long for a number of +44"),
        ("33 1 42 68 53 00", "abroad begins with + or 00"),
        ("0207", "no such number can be dialled from GB"),
        ("0" + "1" * 19, "no such number can be dialled from GB"),
    ],
)
def test_a_written_number_that_cannot_be_is_told_why(written: str, said: str) -> None:
    with pytest.raises(InvalidNumber) as refused:
        parse_written(written, UK)
    assert said in refused.value.reason


def test_a_number_is_read_as_people_write_it() -> None:
    number = parse_written("+44 (0)20 7946-0000", UK)
    assert (number.digits, number.kind) == ("442079460000", LineKind.LANDLINE)


@pytest.mark.parametrize("dialled", ["09011234567", "02079460000"])
def test_what_begins_with_no_country_code_reaches_nobody(dialled: str) -> None:
    assert not reaches("999", parse_number(dialled, UK))


def test_what_is_no_number_where_one_dials_abroad_another_way_is_no_witness() -> None:
    site = Site(country="GB", international_prefix="0")
    found = witnesses(read_plan(SHIPPED_PLANS / "uk.toml"), site)
    paid = [each for each in found if each.category is Category.PAID]
    assert paid
    for each in paid:
        parse_number(each.dialled, site)
