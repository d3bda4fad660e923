"""A sheet written from known rates, in any dialect, is read back exactly or refused."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import xlsxwriter
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from admin.workbooks import read_workbook
from charging.deck_file import DeckFile, DeckFileError, DeckFormat, read_deck, read_deck_text
from charging.rate_deck import RateFields

TODAY = date(2026, 11, 21)
# Real beginnings, so that a row is of one country: `33 34` would be two.
BEGINNINGS = (
    "1 1242 1416 7 77 20 27 30 33 336 3370 34 346 352 39 3906 44 447 4420 441534 49 4915 52 5233"
    " 590590 61 880 8801 225 22507"
)
PREFIXES = st.sampled_from(BEGINNINGS.split(" "))
NAMES = st.text(
    st.characters(codec="cp1252", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20
).filter(lambda name: name.strip() and not name.strip().isdigit())
PRICES_MICROS = st.one_of(
    st.integers(0, 10**4).map(lambda n: n * 100),
    st.integers(0, 50 * 10**6),
    st.integers(0, 5000).map(lambda n: n * 10**6),
)
BLOCKS = st.sampled_from([(60, 60), (1, 1), (60, 1), (30, 6), (30, 30), (6, 6), (120, 60)])
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@dataclass(frozen=True)
class Known:
    prefix: str
    fields: RateFields


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    encoding: str
    comma: bool  # decimal comma
    sign: str  # around a price: "", "£{}", "{} GBP"
    minor: bool  # pence
    per_second: bool
    float_noise: bool
    blocks: str  # how blocks are written
    plus: str  # before a prefix
    quoting: Literal[0, 1]  # csv.QUOTE_MINIMAL, csv.QUOTE_ALL
    above: tuple[str, ...]
    below: tuple[str, ...]
    blank_rows: bool
    line_end: str
    day_format: str
    has_status: bool
    has_currency: bool


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]),
    comma=st.booleans(),
    sign=st.sampled_from(["{}", "£{}", "{} GBP", "£ {}"]),
    minor=st.booleans(),
    per_second=st.booleans(),
    float_noise=st.booleans(),
    blocks=st.sampled_from(["pair", "spaced pair", "two columns", "minimum", "seconds"]),
    plus=st.sampled_from(["", "+", "00", "'"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    above=st.sampled_from([(), ("Carrier Ltd",), ("Rate sheet", "", "Prices in GBP")]),
    below=st.sampled_from([(), ("End of sheet",), ("", "* VAT is added")]),
    blank_rows=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    day_format=st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"]),
    has_status=st.booleans(),
    has_currency=st.booleans(),
)
RATES = st.lists(
    st.builds(
        Known,
        PREFIXES,
        st.builds(
            RateFields,
            NAMES.map(lambda name: " ".join(name.split())),
            PRICES_MICROS,
            PRICES_MICROS,
            st.just(0),
            st.just(60),
            st.just(60),
            DAYS.map(date.toordinal),
        ),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda known: known.prefix,
)


def written_price(micros: int, dialect: Dialect, *, per_minute: bool) -> str:
    amount = Decimal(micros) / 10**6
    if dialect.minor:
        amount *= 100
    if dialect.per_second and per_minute:
        amount /= 60
    text = f"{amount.normalize():f}" if amount else "0"
    if dialect.float_noise and "." in text:
        text = repr(float(text)) if "e" not in repr(float(text)) else text
    if dialect.comma:
        text = text.replace(".", ",")
    sign = "{}" if dialect.minor else dialect.sign
    return sign.format(text)


def written_blocks(initial: int, further: int, dialect: Dialect) -> dict[str, str]:
    match dialect.blocks:
        case "pair":
            return {"Billing": f"{initial}/{further}"}
        case "spaced pair":
            return {"Billing Increment": f"{initial} / {further}"}
        case "two columns":
            return {"Initial Increment": str(initial), "Next Increment": str(further)}
        case "minimum":
            return {"Min Duration": str(initial), "Increment": str(further)}
        case _:
            return {"Increments": f"{initial}s/{further}s"}


def row_of(known: Known, dialect: Dialect) -> Mapping[str, str]:
    fields = known.fields
    unit = "p" if dialect.minor else "GBP"
    time = "sec" if dialect.per_second else "min"
    fee = "Connection fee (p)" if dialect.minor else "Connection fee"
    row = {
        "Code": dialect.plus + known.prefix,
        "Destination": fields.destination,
        f"Rate ({unit}/{time})": written_price(fields.per_minute_micros, dialect, per_minute=True),
        fee: written_price(fields.connection_micros, dialect, per_minute=False),
        **written_blocks(fields.initial_s, fields.increment_s, dialect),
        "Effective date": date.fromordinal(fields.effective_day).strftime(dialect.day_format),
    }
    if dialect.has_status:
        row["Status"] = "Current"
    if dialect.has_currency:
        row["Currency"] = "GBP"
    return row


def sheet(rates: Sequence[Known], dialect: Dialect) -> bytes:
    out = io.StringIO()
    rows = [row_of(known, dialect) for known in rates]
    writer = csv.writer(
        out, delimiter=dialect.delimiter, quoting=dialect.quoting, lineterminator=dialect.line_end
    )
    for line in dialect.above:
        writer.writerow([line])
    writer.writerow(rows[0].keys())
    for row in rows:
        writer.writerow(row.values())
        if dialect.blank_rows:
            writer.writerow([" "] * len(row))
    for line in dialect.below:
        writer.writerow([line])
    return out.getvalue().encode(dialect.encoding)


def read(data: bytes, **options: str) -> DeckFile | None:
    form = DeckFormat(columns={}, currency="GBP", effective=TODAY, today=TODAY)
    try:
        return read_deck_text(data, replace(form, date_format=options.get("date_format")))
    except DeckFileError as refusal:
        note(str(refusal))
        return None


def is_also_utf8(data: bytes, dialect: Dialect) -> bool:
    """Whether the Windows-1252 of some names happens to be the UTF-8 of others."""
    try:
        return dialect.encoding == "cp1252" and not data.isascii() and bool(data.decode())
    except UnicodeDecodeError:
        return False


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(RATES, DIALECTS, BLOCKS)
def test_known_rates_are_read_back_exactly_or_refused(
    rates: list[Known], dialect: Dialect, blocks: tuple[int, int]
) -> None:
    initial, further = blocks
    rates = [
        replace(known, fields=known.fields._replace(initial_s=initial, increment_s=further))
        for known in rates
    ]
    data = sheet(rates, dialect)
    assume(not is_also_utf8(data, dialect))
    note(data.decode(dialect.encoding))
    found = read(data, date_format=dialect.day_format)
    if found is not None:
        assert dict(found.rows) == {known.prefix: known.fields for known in rates}
        assert len(found.rows) == len(rates)


@settings(max_examples=80, deadline=None)
@given(RATES, DIALECTS, st.data())
def test_a_damaged_sheet_is_refused_or_only_loses_what_was_damaged(
    rates: list[Known], dialect: Dialect, data: st.DataObject
) -> None:
    """One cell too many or too few, or an open quote, never becomes another price."""
    lines = sheet(rates, replace(dialect, quoting=csv.QUOTE_MINIMAL)).decode(dialect.encoding)
    rows = lines.split(dialect.line_end)
    place = data.draw(st.integers(0, len(rows) - 1))
    damage = data.draw(st.sampled_from([_one_cell_more, _one_cell_less, _open_quote]))
    rows[place] = damage(rows[place], dialect.delimiter)
    text = dialect.line_end.join(rows)
    note(text)
    found = read(text.encode(dialect.encoding), date_format=dialect.day_format)
    if found is not None:
        known = {known.prefix: known.fields for known in rates}
        for prefix, fields in found.rows:
            assert fields[1:] == known[prefix][1:], prefix


def _one_cell_more(row: str, delimiter: str) -> str:
    return row.replace(delimiter, f"{delimiter}0{delimiter}", 1)


def _one_cell_less(row: str, delimiter: str) -> str:
    return row.replace(delimiter, "", 1)


def _open_quote(row: str, delimiter: str) -> str:
    return row.replace(delimiter, f'{delimiter}"', 1) if delimiter in row else f'"{row}'


@settings(max_examples=40, deadline=None)
@given(RATES)
def test_the_plain_dialect_is_never_refused(rates: list[Known]) -> None:
    plain = Dialect(
        delimiter=";",
        encoding="utf-8",
        comma=False,
        sign="{}",
        minor=False,
        per_second=False,
        float_noise=False,
        blocks="pair",
        plus="",
        quoting=csv.QUOTE_ALL,
        above=(),
        below=(),
        blank_rows=False,
        line_end="\n",
        day_format="%Y-%m-%d",
        has_status=False,
        has_currency=False,
    )
    found = read(sheet(rates, plain))
    assert found is not None
    assert dict(found.rows) == {known.prefix: known.fields for known in rates}


@settings(max_examples=30, deadline=None)
@given(rates=RATES, as_numbers=st.booleans(), with_title=st.booleans())
def test_a_workbook_of_known_rates_is_read_back_exactly(
    rates: list[Known], *, as_numbers: bool, with_title: bool
) -> None:
    """As spreadsheets hold them: prices and prefixes as binary fractions, days as days."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"default_date_format": "dd/mm/yyyy"}) as book:
        page = book.add_worksheet("Rates")
        above: list[list[object]] = [["Carrier Ltd"], []] if with_title else []
        rows: list[list[object]] = [
            *above,
            ["Code", "Destination", "Rate", "Setup fee", "Billing", "Valid from"],
        ]
        for known in rates:
            fields = known.fields
            prices = [Decimal(fields.per_minute_micros), Decimal(fields.connection_micros)]
            rows.append(
                [
                    float(known.prefix) if as_numbers else known.prefix,
                    fields.destination,
                    *[
                        float(price / 10**6) if as_numbers else f"{price / 10**6:f}"
                        for price in prices
                    ],
                    "60/60",
                    date.fromordinal(fields.effective_day),
                ]
            )
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                write = page.write_string if isinstance(cell, str) else page.write
                write(number, place, cell)
    form = DeckFormat(columns={}, currency="GBP", effective=TODAY, today=TODAY)
    found = read_deck(read_workbook(out.getvalue(), None), form)
    assert dict(found.rows) == {known.prefix: known.fields for known in rates}
