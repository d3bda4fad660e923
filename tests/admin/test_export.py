"""What the bookkeeper gets: it adds up, it names its columns, and no cell of it is a formula."""

import csv
import json
import re
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner, Result

from admin.__main__ import app
from admin.export import SHEETS
from charging.commands import TopUp
from db.engine import open_engine
from db.models import balances
from tests.admin.cli import run
from tests.admin.test_money_in_commands import carry_out, folder, paid, save_card, tell
from tests.db.money import Spend
from tests.fakes.charging import gbp
from tests.test_tidy import ROOT

__all__ = ["folder"]  # a fixture: pytest finds it by its name here

TODAY = datetime.now(UTC).date()


def exported(place: Path, *more: str) -> Result:
    days = ("--from", str(TODAY - timedelta(days=1)), "--to", str(TODAY + timedelta(days=1)))
    result = CliRunner().invoke(app, ["export", str(place), *days, *more])
    assert result.exit_code == 0, result.output
    return result


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def busy(folder: Path) -> None:
    """Money in by hand and by card, a refund, money spent, and a charge-back of spent money."""
    now = datetime.now(UTC)
    carry_out(
        folder,
        TopUp(office_id="main", amount=gbp("7"), key="cash", actor="cli:x", reason="=1+1", at=now),
        Spend("main", gbp("3.333333"), key="spent", at=now),
    )
    save_card(folder)
    paid(folder)
    sent_back = paid_again(folder)
    run("cancel-topup", sent_back)
    from charging.card_processor import DisputeOpened, Refunded  # noqa: PLC0415 - what is told

    refunded = Refunded(
        refund_id="r",
        intent_id="i2",
        payment_id=sent_back,
        amount=gbp("10"),
        key=f"refund:{sent_back}",
    )
    tell(folder, sent_back, refunded)
    carry_out(folder, Spend("main", None, key="all", at=datetime.now(UTC)))
    first = json.loads(run("payments", "--json").stdout)["payments"][-1]["payment"]
    disputed = DisputeOpened(
        dispute_id="d", intent_id="i", payment_id=first, amount=gbp("20"), reason="fraudulent"
    )
    tell(folder, first, disputed)


def paid_again(folder: Path) -> str:
    from charging.card_processor import Succeeded  # noqa: PLC0415 - as above

    bought = json.loads(run("topup", "10", "--card", "--json").stdout)["payment"]
    tell(
        folder,
        bought,
        Succeeded(intent_id="i2", payment_id=bought, office_id="main", amount=gbp("10")),
    )
    return str(bought)


def test_what_is_owed_is_told_with_the_balance(folder: Path) -> None:
    assert "owed" not in run("balance").stdout
    busy(folder)
    assert json.loads(run("balance", "--json").stdout)["owed_micros"] == 20_000_000
    assert "£20.00 owed for a payment that the bank took back" in run("balance").stdout


def test_opening_and_rows_are_the_closing_balance_which_is_the_ledgers(folder: Path) -> None:
    busy(folder)
    exported(folder / "out")
    rows = rows_of(folder / "out/entries.csv")
    assert (rows[0]["kind"], rows[-1]["kind"]) == ("opening balance", "closing balance")
    balance = Decimal(rows[0]["balance"])
    for row in rows[1:-1]:
        balance += Decimal(row["amount"])
        assert Decimal(row["balance"]) == balance
    assert Decimal(rows[-1]["balance"]) == balance
    engine = open_engine(f"sqlite:///{folder / 'ledger.sqlite'}")
    with engine.connect() as reader:
        held = reader.scalar(select(func.sum(balances.c.micros)))
    engine.dispose()
    assert balance * 10**6 == held
    assert balance == -20  # what was charged back was spent, so it is owed
    assert {row["kind"] for row in rows} > {"top-up", "top-up-cancel", "deduct", "chargeback"}


def test_the_closing_balance_of_a_period_opens_the_next_one(folder: Path) -> None:
    busy(folder)
    before, after = folder / "before", folder / "after"
    until_today = ("--from", "2020-01-01", "--to", str(TODAY + timedelta(days=1)))
    from_tomorrow = (
        "--from",
        str(TODAY + timedelta(days=2)),
        "--to",
        str(TODAY + timedelta(days=9)),
    )
    for place, days in ((before, until_today), (after, from_tomorrow)):
        assert run("export", str(place), *days).exit_code == 0
    closing = rows_of(before / "entries.csv")[-1]["balance"]
    following = rows_of(after / "entries.csv")
    assert [row["balance"] for row in following] == [closing, closing]


def test_the_summary_says_what_the_rows_add_up_to(folder: Path) -> None:
    busy(folder)
    exported(folder / "out")
    sums: dict[str, Decimal] = {}
    for row in rows_of(folder / "out/entries.csv"):
        if row["amount"]:
            sums[row["kind"]] = sums.get(row["kind"], Decimal(0)) + Decimal(row["amount"])
    said = {row["what"]: Decimal(row["amount"]) for row in rows_of(folder / "out/summary.csv")}
    ends = {"opening balance", "closing balance"}
    assert {w: a for w, a in said.items() if w not in ends and "receipts" not in w} == sums
    assert said["closing balance"] - said["opening balance"] == sum(sums.values())
    receipts = rows_of(folder / "out/receipts.csv")
    for what, column in (("net", "net"), ("VAT", "vat"), ("total", "total")):
        assert said[f"receipts, {what}"] == sum(Decimal(row[column]) for row in receipts)


def test_receipts_and_credit_notes_are_listed_with_their_tax(folder: Path) -> None:
    busy(folder)
    exported(folder / "out")
    rows = rows_of(folder / "out/receipts.csv")
    assert [row["receipt"] for row in rows] == ["MAIN-000001", "MAIN-000002", "MAIN-000003"]
    assert [row["kind"] for row in rows] == ["receipt", "receipt", "credit_note"]
    assert [row["total"] for row in rows] == ["20.00", "10.00", "-10.00"]
    assert [row["vat"] for row in rows] == ["3.33", "1.67", "-1.67"]
    assert {row["vat_percent"] for row in rows} == {"20"}
    assert rows[2]["credits_receipt"] == "MAIN-000002"
    for row in rows:
        assert Decimal(row["net"]) + Decimal(row["vat"]) == Decimal(row["total"])


def test_a_workbook_says_the_same_as_the_csv_files(folder: Path) -> None:
    busy(folder)
    exported(folder / "out")
    exported(folder / "out.xlsx")
    book = openpyxl.load_workbook(folder / "out.xlsx")
    assert book.sheetnames == list(SHEETS)
    for sheet in SHEETS:
        in_book = [[_text(cell) for cell in row] for row in book[sheet].iter_rows(values_only=True)]
        with (folder / f"out/{sheet}.csv").open(encoding="utf-8", newline="") as opened:
            in_csv = [[_of_csv(cell) for cell in row] for row in csv.reader(opened)]
        assert in_book == in_csv


def _text(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool() | str():
            return str(cell)
        case int() | float():
            return f"{Decimal(str(cell)).normalize():f}"
        case datetime():
            return cell.strftime("%Y-%m-%d %H:%M")
        case _:
            return str(cell)


def _of_csv(cell: str) -> str:
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", cell):
        return f"{Decimal(cell).normalize():f}"
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T", cell):
        return datetime.fromisoformat(cell).strftime("%Y-%m-%d %H:%M")
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        return f"{cell} 00:00"
    return cell


def test_no_cell_is_a_formula(folder: Path) -> None:
    busy(folder)
    exported(folder / "out")
    exported(folder / "out.xlsx")
    (cash,) = (row for row in rows_of(folder / "out/entries.csv") if row["reason"].endswith("=1+1"))
    assert cash["reason"] == "'=1+1"
    book = openpyxl.load_workbook(folder / "out.xlsx")
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds


def test_the_files_are_for_whoever_made_them_alone(folder: Path) -> None:
    place = folder / "out"
    place.mkdir()
    (place / "entries.csv").touch(mode=0o644)
    exported(place)
    exported(folder / "out.xlsx")
    files = [*place.iterdir(), folder / "out.xlsx"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_column_is_documented_in_its_order(sheet: str) -> None:
    text = (ROOT / "docs/bookkeeping.md").read_text(encoding="utf-8")
    section = text.partition(f"## {sheet}\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == SHEETS[sheet]


def test_what_cannot_be_exported_is_said_in_one_sentence(folder: Path) -> None:
    def refused(*arguments: str) -> str:
        result = run("export", *arguments)
        assert result.exit_code == 1, result.output
        assert result.stderr.count("\n") == 1
        return result.stderr

    assert "before the first" in refused("x", "--from", "2026-02-01", "--to", "2026-01-01")
    days: Sequence[str] = ("--from", "2026-01-01", "--to", "2026-01-31")
    assert "no office" in refused("x", *days, "--office", "nowhere")
    (folder / "taken").touch()
    assert "cannot be written" in refused(str(folder / "taken"), *days)
