"""`tollgate export`: a period of the ledger for the bookkeeper, as CSV or as a workbook.

docs/bookkeeping.md says what each column is; a test compares.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Connection

from admin.context import AsJson, Context, Office, command, fail
from admin.output import print_json, say
from charging.bookkeeping import BookedEntry, booked, signed_of
from charging.csv_text import csv_line, harmless
from charging.money import MICROS_PER_UNIT, Money
from charging.plain_text import escaped
from charging.receipts import PERCENT, Receipt
from db.bookkeeping import balance_before, entries_of, receipts_between
from db.history import Wanted, bounds
from db.ledger import read_one_moment

app = typer.Typer()

XLSX: Final = ".xlsx"
MODE: Final = 0o600
ROWS_MAX: Final = 1_048_576  # of a sheet of a workbook
ENTRIES: Final = (
    *("office", "number", "posted_at", "kind", "against", "amount", "balance", "currency"),
    *("key", "call_id", "payment_id", "reverses", "actor", "reason"),
)
RECEIPTS: Final = (
    *("office", "receipt", "kind", "issued_at", "net", "vat_percent", "vat", "total", "currency"),
    *("buyer", "buyer_vat_number", "card", "payment_id", "credits_receipt"),
)
SUMMARY: Final = ("office", "first_day", "last_day", "what", "amount", "currency")
SHEETS: Final = {"entries": ENTRIES, "receipts": RECEIPTS, "summary": SUMMARY}

Cell = str | int | datetime | date | Money | Decimal | None
Write = Callable[[str, Sequence[Cell]], None]  # a row of a sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days, in the time zone of the office."""

    office_id: str
    currency: str
    zone: tzinfo
    first: date
    last: date

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time.min, self.zone)

    @property
    def until(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time.min, self.zone)


@app.command("export")
def export(
    place: Annotated[
        Path, typer.Argument(help="A folder for three CSV files, or a workbook: a name in .xlsx.")
    ],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, which belongs to it.")
    ],
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write what changed each office's balance in a period, its receipts, and their sums.

    Of every office, or of one. Opening balance and rows are the closing balance.
    """
    if last < first:
        fail(f"the last day, {last:%Y-%m-%d}, is before the first, {first:%Y-%m-%d}")
    with command() as context:
        offices = [context.office(office)] if office else [*context.settings.offices]
        periods = [_period(context, each, first.date(), last.date()) for each in offices]
        open_sheets = _workbook if place.suffix == XLSX else _csv_files
        try:
            with open_sheets(place) as write:
                query = partial(_write_all, write=write, periods=periods)
                sums = read_one_moment(context.reader, query)
        except OSError as error:
            fail(f"{place} cannot be written: {error.strerror}")
    if as_json:
        print_json({"place": str(place), "offices": sums})
        return
    for each in sums:
        say(
            f"office {each['office']}: opening {each['opening']}, {each['entries']} entries,"
            f" closing {each['closing']}; {each['receipts']} receipts and notes"
        )
    say(f"in {place}")


def _period(context: Context, office_id: str, first: date, last: date) -> Period:
    known = context.offices.office(office_id)
    return Period(
        office_id=office_id,
        currency=known.currency,
        zone=known.time_zone,
        first=first,
        last=last,
    )


# --- rows ----------------------------------------------------------------------------------------


def _write_all(
    reader: Connection, *, write: Write, periods: Sequence[Period]
) -> Sequence[dict[str, Any]]:
    for sheet, heading in SHEETS.items():
        write(sheet, heading)
    return [_write_office(reader, write, period) for period in periods]


def _write_office(reader: Connection, write: Write, period: Period) -> dict[str, Any]:
    wanted = Wanted(since=period.since, until=period.until)
    numbers = range(*bounds(reader, period.office_id, wanted))
    opening = Money(balance_before(reader, period.office_id, numbers.start), period.currency)
    write("entries", _end_row(period, "opening balance", opening, period.since))
    by_kind: dict[str, Money] = {}
    count, closing = 0, opening
    for row in booked(entries_of(reader, period.office_id, numbers), opening):
        write("entries", _entry_row(period, row))
        kind = row.posted.entry.kind.value
        by_kind[kind] = by_kind.get(kind, Money(0, period.currency)) + row.amount
        count, closing = count + 1, row.balance
    write("entries", _end_row(period, "closing balance", closing, period.until))
    issued = receipts_between(reader, period.office_id, period.since, period.until)
    for receipt in issued:
        write("receipts", _receipt_row(period, receipt))
    for what, amount in (
        ("opening balance", opening),
        *sorted(by_kind.items()),
        ("closing balance", closing),
        *_sums_of(issued, period.currency),
    ):
        days = (period.office_id, period.first, period.last)
        write("summary", (*days, what, amount, amount.currency))
    return {
        "office": period.office_id,
        "opening": str(opening),
        "closing": str(closing),
        "entries": count,
        "receipts": len(issued),
    }


def _end_row(period: Period, what: str, balance: Money, at: datetime) -> Sequence[Cell]:
    cells: dict[str, Cell] = {
        "office": period.office_id,
        "posted_at": at,
        "kind": what,
        "balance": balance,
        "currency": period.currency,
    }
    return [cells.get(name) for name in ENTRIES]


def _entry_row(period: Period, row: BookedEntry) -> Sequence[Cell]:
    entry = row.posted.entry
    return (
        *(period.office_id, row.posted.number, row.posted.posted_at.astimezone(period.zone)),
        *(entry.kind.value, row.against, row.amount, row.balance, row.amount.currency),
        *(entry.key, entry.call_id, entry.payment_id, entry.reverses, entry.actor, entry.reason),
    )


def _receipt_row(period: Period, receipt: Receipt) -> Sequence[Cell]:
    net, vat, total = signed_of(receipt)
    points = receipt.vat_basis_points
    credits_number = receipt.of_number
    return (
        *(period.office_id, receipt.name, receipt.kind.value),
        receipt.at.astimezone(period.zone),
        *(net, None if points is None else Decimal(points) * 100 / PERCENT, vat, total),
        *(total.currency, receipt.buyer.name, receipt.buyer.vat_number, receipt.card),
        receipt.payment_id,
        None if credits_number is None else receipt.name_of(credits_number),
    )


def _sums_of(issued: Sequence[Receipt], currency: str) -> Iterator[tuple[str, Money]]:
    if not issued:
        return
    parts = [signed_of(receipt) for receipt in issued]
    nothing = Money(0, currency)
    for what, amounts in zip(("net", "VAT", "total"), zip(*parts, strict=True), strict=True):
        yield f"receipts, {what}", sum(amounts, nothing)


# --- files ---------------------------------------------------------------------------------------


@contextmanager
def _csv_files(folder: Path) -> Iterator[Write]:
    folder.mkdir(parents=True, exist_ok=True)
    opened = {}
    try:
        for sheet in SHEETS:
            opened[sheet] = _opened(folder / f"{sheet}.csv")

        def write(sheet: str, cells: Sequence[Cell]) -> None:
            opened[sheet].write(csv_line(map(_csv_cell, cells)).encode())

        yield write
    finally:
        for file in opened.values():
            file.close()


def _csv_cell(cell: Cell) -> str | int | datetime | None:
    match cell:
        case Money():
            return str(cell).partition(" ")[0]
        case str():
            return escaped(cell)
        case int() | datetime() | None:
            return cell
        case Decimal():
            return f"{cell.normalize():f}"
        case date():
            return cell.isoformat()


@contextmanager
def _workbook(file: Path) -> Iterator[Write]:
    """Rows are written as they come, to the library's own file; nothing else holds them."""
    from openpyxl import Workbook  # noqa: PLC0415 - a second to load, and rarely wanted

    book = Workbook(write_only=True)
    sheets = {name: book.create_sheet(name) for name in SHEETS}
    counts = dict.fromkeys(SHEETS, 0)

    def write(sheet: str, cells: Sequence[Cell]) -> None:
        counts[sheet] += 1
        if counts[sheet] > ROWS_MAX:
            fail(f"a sheet of a workbook has no more than {ROWS_MAX:,} rows: export fewer days")
        sheets[sheet].append([_workbook_cell(cell) for cell in cells])

    yield write
    with _opened(file) as out:
        book.save(out)


def _workbook_cell(cell: Cell) -> object:
    match cell:
        case Money():
            return Decimal(cell.micros) / MICROS_PER_UNIT
        case str():
            return harmless(escaped(cell))
        case datetime():  # a workbook knows no time zones: it is the office's clock
            return cell.replace(tzinfo=None)
        case _:
            return cell


def _opened(file: Path) -> Any:
    """For its owner alone: it says who pays, and for what."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    os.fchmod(descriptor, MODE)
    return os.fdopen(descriptor, "wb")
