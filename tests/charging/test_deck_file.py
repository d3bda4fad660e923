from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.deck_file import DeckFileError, DeckFormat, read_deck_text
from charging.rate_deck import RateDeck, RateFields, RateRow, row_of
from charging.sheet_cells import parse_prefixes
from plans.files import SAMPLE_DECKS
from tests.fakes.charging import eur, rate

TODAY = date(2026, 11, 21)
OURS = "prefix,destination,per_minute,connection,per_call,initial_s,increment_s,effective"


def read(*lines: str, **options: object) -> list[tuple[str, RateFields]]:
    return read_deck_text(text_of(*lines), form(**options)).rows


def form(**options: Any) -> DeckFormat:
    known: dict[str, Any] = {"columns": {}, "currency": "EUR", "effective": TODAY, "today": TODAY}
    return DeckFormat(**known | options)


def text_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def problems(*lines: str, **options: object) -> list[str]:
    with pytest.raises(DeckFileError) as refusal:
        read(*lines, **options)
    return [str(problem) for problem in refusal.value.problems]


def only(rows: list[tuple[str, RateFields]]) -> RateRow:
    ((prefix, fields),) = rows
    return row_of(prefix, fields, "EUR")


def test_our_own_headings_are_read() -> None:
    row = only(read(OURS, "336,France mobile,0.11,0.05,0.5,30,6,2026-12-01"))
    assert row == RateRow(
        prefix="336",
        destination="France mobile",
        rate=rate("0.11", connection="0.05", per_call="0.5", blocks=(30, 6), currency="EUR"),
        effective=date(2026, 12, 1),
    )


@pytest.mark.parametrize(
    ("heading", "line", "blocks", "connection"),
    [
        ("dialprefix;destination;rateinitial", "336;France;0.11", (60, 60), "0"),  # A2Billing
        (
            "dialprefix,destination,rateinitial,initblock,billingblock,connectcharge",
            "336,France,0.11,30,6,0.05",  # MagnusBilling
            (30, 6),
            "0.05",
        ),
        (
            "Code,Destination,Connection Cost,Grace Time,Cost / Min,Initial Increment,Increment",
            "336,France,0.05,0,0.11,60,1",  # ASTPP
            (60, 1),
            "0.05",
        ),
        (
            "prefix,rate_cost,rate_increment,rate_minimum,rate_surcharge,iso_country_code",
            "336,0.11,6,30,0.05,FR",  # Kazoo
            (30, 6),  # a minimum is the first block
            "0.05",
        ),
        (
            "Name,Match Prefix,Number Length,Rate,Billable Unit(s),Initial Time(s),Initial Cost",
            "France,336,11,0.11,6,30,0.05",  # Yeastar
            (30, 6),
            "0.05",
        ),
        ("code,name,rate,effective,SF,Min,Int", "336,France,0.11,2026-01-01,0.05,30,6",
         (30, 6), "0.05"),  # JeraSoft
        ("Prefix\tCountry Name\tRate\tBilling Increment", "336\tFrance\t0.11\t30/6", (30, 6), "0"),
    ],
)  # fmt: skip
def test_headings_of_others_are_recognised(
    heading: str, line: str, blocks: tuple[int, int], connection: str
) -> None:
    row = only(read(heading, line))
    assert row.prefix == "336"
    assert row.rate == rate("0.11", connection=connection, blocks=blocks, currency="EUR")


def test_a_heading_that_is_not_recognised_is_mapped_by_option() -> None:
    row = only(
        read(
            "Vorwahl;Ziel;Preis;Rate",
            "336;France;0,11;9",
            columns={"prefix": "Vorwahl", "destination": "Ziel", "per_minute": "preis"},
        )
    )
    assert (row.destination, row.rate.per_minute) == ("France", eur("0.11"))


def test_columns_that_mean_nothing_are_told() -> None:
    form = DeckFormat(columns={}, effective=TODAY)
    lines = text_of("prefix,rate,ISO code,Comment", "33,1,FR,hello")
    assert read_deck_text(lines, form).ignored == ("ISO code", "Comment")


def test_a_byte_order_mark_carriage_returns_and_empty_lines_do_no_harm() -> None:
    rows = read("\ufeffprefix,rate\r", "33,0.02\r", "\r", "49,0.03\r", "")
    assert [prefix for prefix, _ in rows] == ["33", "49"]


@pytest.mark.parametrize(
    ("cell", "prefixes"),
    [
        ("33", ("33",)),
        ("+33", ("33",)),
        ("0033", ("33",)),
        ("336 337", ("336", "337")),
        ("336,337", ("336", "337")),
        ("336;337/338", ("336", "337", "338")),
        ("52 33,34", ("5233", "5234")),
        ("+44 1534", ("441534",)),
        ("+1 242", ("1242",)),
        ("1-242", ("1242",)),
        ("52 33, 34-36", ("5233", "5234", "5235", "5236")),
        ("52 33/34", ("5233", "5234")),
        ("+44 20 7946", ("44207946",)),
        ("33.0", ("33",)),
        ("'0033", ("33",)),
        ('="0033"', ("33",)),
        ("447700 - 447701", ("447700", "447701")),
        ("447700-447702", ("447700", "447701", "447702")),
        ("GB:118", ("GB:118",)),
        ("FR:32 FR:33", ("FR:32", "FR:33")),
    ],
)
def test_one_cell_may_hold_several_prefixes(cell: str, prefixes: tuple[str, ...]) -> None:
    assert parse_prefixes(cell) == prefixes


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "x",
        "0",
        "33x",
        "1234567890123456",
        "5-4",
        "44-4455",
        "1-99999",
        "0-9",
        "gb:118",
        "٣٣",
        "33 34",
        "44 1534",
        "1 242",
        "44-70",
        "370-379",
        "33 336,337",
        "33 336 337",
        "4.47E+11",
        "33-336",
        "33 34-5",
    ],
)
def test_what_is_no_prefix_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        parse_prefixes(cell)


def test_a_minimum_lengthens_the_first_block_by_whole_increments() -> None:
    heading = "prefix,rate,initial_s,increment_s,minimum"
    assert only(read(heading, "33,1,30,6,60")).rate.initial_s == 60
    assert only(read(heading, "33,1,60,6,30")).rate.initial_s == 60
    assert problems(heading, "33,1,30,7,60") == [
        "line 2: a minimum of 60 s is no end of a block of 30/7 s"
    ]


def test_blocks_and_dates_come_from_options_where_no_column_says() -> None:
    row = only(read("prefix,rate,valid from", "33,1,31/12/2026", increments=(1, 1),
                    date_format="%d/%m/%Y"))  # fmt: skip
    assert (row.rate.initial_s, row.rate.increment_s) == (1, 1)
    assert row.effective == date(2026, 12, 31)
    assert only(read("prefix,rate", "33,1")).effective == TODAY


def test_a_deck_without_names_gets_the_countrys() -> None:
    assert only(read("prefix,rate", "336,1")).destination == "FR 336"
    assert only(read("prefix,rate", "GB:118,1")).destination == "GB:118"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("33,France,cheap,0,0,60,60,", "line 2: 'cheap' is not an amount of money"),
        ("33,France,-0.01,0,0,60,60,", "line 2: '-0.01' is not an amount from 0 to 10000"),
        ("33,France,20000,0,0,60,60,", "line 2: '20000' is not an amount from 0 to 10000"),
        ("33,France,0.0000001,0,0,60,60,", "line 2: '0.0000001' has more than six decimals of EUR"),
        ("33,France,,0,0,60,60,", "line 2: '' is not an amount of money"),
        (",France,1,0,0,60,60,", "line 2: the row has no prefix"),
        ("abc,France,1,0,0,60,60,", "line 2: 'abc' is not a prefix"),
        ("33,France,1,0,0,0,60,", "line 2: '0' is not a number of seconds from 1 to 86400"),
        ("33,France,1,0,0,60,a,", "line 2: 'a' is not a number of seconds from 1 to 86400"),
        (
            "33,France,1,0,0,60,60,tomorrow",
            (
                "line 2: 'tomorrow' is not a date written with the year first: --date-format says"
                " how, such as %d/%m/%Y"
            ),
        ),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_the_reason(line: str, problem: str) -> None:
    assert problems(OURS, line) == [problem]


def test_every_wrong_row_is_told_and_one_refuses_the_whole_deck() -> None:
    found = problems("prefix,rate", "33,1", "x,1", "34,y", "36,1")
    assert found == ["line 3: 'x' is not a prefix", "line 4: 'y' is not an amount of money"]


def test_two_rates_for_one_prefix_and_day_are_refused_and_equal_ones_are_not() -> None:
    assert problems("prefix,rate", "33,1", "33;34,2") == [
        "line 3: prefix 33 has another rate on line 2"
    ]
    assert len(read("prefix,rate", "33,1", "33;34,1")) == 2


@pytest.mark.parametrize(
    ("heading", "problem"),
    [
        ("prefix,destination", "no column says per_minute"),
        ("rate,destination", "no column says prefix"),
        (
            "prefix,code,rate",
            "'prefix' and 'code' both say prefix: choose one with --column prefix=HEADING",
        ),
    ],
)
def test_headings_that_leave_the_question_open_are_refused(heading: str, problem: str) -> None:
    found = problems(heading, "33,1,1")
    assert any(said.startswith(f"line 1: {problem}") for said in found)


def test_an_ambiguous_heading_is_decided_by_option() -> None:
    row = only(read("prefix,code,rate", "33,34,1", columns={"prefix": "code"}))
    assert row.prefix == "34"


def test_an_empty_file_is_refused() -> None:
    assert problems() == problems(" ", ",") == ["line 1: the file is empty"]
    assert problems("prefix,rate") == ["line 1: the file has no rates"]


@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_is_read_or_refused(lines: list[str]) -> None:
    form = DeckFormat(columns={}, effective=TODAY)
    try:
        read_deck_text(text_of("prefix,rate", *lines), form)
    except DeckFileError:
        return


@pytest.mark.timeout(20)
@pytest.mark.parametrize("cell", ["'", " ", "0", "-", ",", "1 ", "1-", "a", "/ sec ", "£", "33 "])
@pytest.mark.parametrize("row", ["{},0.02,60/60", "33,{},60/60", "33,0.02,{}", "{}"])
def test_a_cell_of_any_length_is_read_or_refused_at_once(row: str, cell: str) -> None:
    long = cell * (100_000 // len(cell))
    said = refusals("prefix,rate,billing", row.format(f'"{long}"'))
    assert said or not long.strip()
    assert all(len(problem) < 400 for problem in said)


def refusals(*lines: str) -> list[str]:
    try:
        read(*lines)
    except DeckFileError as refusal:
        return [str(problem) for problem in refusal.problems]
    return []


@pytest.mark.parametrize("currency", ["GBP", "EUR"])
def test_the_sample_decks_have_sixty_countries_with_landlines_and_mobiles(currency: str) -> None:
    data = (SAMPLE_DECKS / f"sample-{currency.lower()}.csv").read_bytes()
    rows = read_deck_text(data, DeckFormat(columns={}, effective=TODAY)).rows
    names = {fields.destination for _, fields in rows}
    landline = {name.removesuffix(" landline") for name in names if name.endswith(" landline")}
    mobile = {name.removesuffix(" mobile") for name in names if name.endswith(" mobile")}
    assert len(landline & mobile) >= 60
    assert len(RateDeck(rows, currency=currency)) == len(rows)
