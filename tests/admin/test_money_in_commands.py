"""Commands about money in, run as an admin runs them; the test plays the card processor."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin import card_payments
from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile, Succeeded
from charging.money_state import StoredCard
from charging.payment_commands import RecordFact
from charging.receipts import Party, ReceiptTerms, VatAt
from charging.refill import Event
from db.engine import open_engine
from db.ledger import SqlLedger
from tests.admin.cli import run, told
from tests.fakes.charging import gbp
from tests.programs import make_ledger

TERMS = ReceiptTerms(
    seller=Party(name="Seller", vat_number="GB1"), vat_at=VatAt.TOP_UP, vat_basis_points=2000
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "tollgate.toml"
    file.write_text('[topups]\nseller_name = "Seller"\nvat_number = "GB1"\n', encoding="utf-8")
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    monkeypatch.setattr(card_payments, "WAIT_S", 0)
    make_ledger(tmp_path)
    return tmp_path


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


def carry_out(folder: Path, *commands: Any) -> None:
    async def all_of_them() -> None:
        async with SqlLedger(open_engine(f"sqlite:///{folder / 'ledger.sqlite'}")) as ledger:
            for command in commands:
                await ledger.carry_out(command)

    asyncio.run(all_of_them())


def save_card(folder: Path) -> None:
    card = CardOnFile(
        customer_id="cus",
        method_id="pm",
        brand="visa",
        last_four="4242",
        expiry_month=1,
        expiry_year=2031,
    )
    now = datetime.now(UTC)
    stored = StoredCard(
        office_id="main", processor="sandbox", card=card, added_by="user:anna", added_at=now
    )
    carry_out(folder, ReplaceCard(card=stored, at=now))


def tell(folder: Path, payment_id: str, fact: Event) -> None:
    carry_out(
        folder,
        RecordFact(
            office_id="main",
            payment_id=payment_id,
            fact=fact,
            at=datetime.now(UTC),
            terms=TERMS,
        ),
    )


def paid(folder: Path, amount: str = "20") -> str:
    payment_id: str = told("topup", amount, "--card", "--reason", "asked by Anna")["payment"]
    succeeded = Succeeded(
        intent_id="i", payment_id=payment_id, office_id="main", amount=gbp(amount)
    )
    tell(folder, payment_id, succeeded)
    return payment_id


def test_a_top_up_by_card_is_written_for_the_worker_and_shown(folder: Path) -> None:
    assert refused("topup", "20", "--card") == "office main has no card on file"
    save_card(folder)
    assert "is none of the amounts" in refused("topup", "15", "--card")
    payment_id = paid(folder)
    assert "20.00 GBP was bought" in refused("topup", "20", "--card")
    assert told("topup", "20", "--card", "--again")["state"] == "claimed"
    (_, first) = told("payments")["payments"]
    assert (first["payment"], first["state"], first["micros"]) == (
        payment_id,
        "credited",
        20 * 10**6,
    )
    assert (first["reason"], first["card"]) == ("asked by Anna", "visa 4242")
    assert told("payments", payment_id)["payments"] == [first]
    assert "visa 4242" in run("payments").stdout
    assert "state: credited" in run("payments", payment_id).stdout
    assert told("balance")["available_micros"] == 20 * 10**6
    assert refused("payments", "nothing") == "office main has no payment 'nothing'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("15",), "is none of the amounts"),
        (("-10",), "is none of the amounts"),
        (("0",), "is none of the amounts"),
        (("1e3",), "is none of the amounts"),
        (("10 EUR",), "is none of the amounts"),
        (("10", "--office", "nowhere"), "no office 'nowhere'"),
    ],
)
def test_bad_input_charges_nothing_and_is_one_clear_sentence(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    save_card(folder)
    assert said in refused("topup", "--card", *arguments[1:], "--", arguments[0])
    assert told("payments")["payments"] == []
    assert told("balance")["available_micros"] == 0


def test_a_payment_is_cancelled_and_so_is_money_that_came_by_hand(folder: Path) -> None:
    save_card(folder)
    payment_id = paid(folder)
    assert "paid by card" in refused("ledger", "cancel-topup", payment_id)
    cancelled = told("cancel-topup", payment_id, "--reason", "by mistake")
    assert (cancelled["state"], cancelled["taken_back_micros"]) == ("refunding", 20 * 10**6)
    told("topup", "5", "--key", "cash")
    assert told("cancel-topup", "cash") == {
        "cancelled_micros": 5 * 10**6,
        "available_micros": 0,
        "currency": "GBP",
    }
    assert refused("cancel-topup", "nothing") == "there is no top-up 'nothing'"


def test_the_operator_closes_what_took_nothing(folder: Path) -> None:
    save_card(folder)
    payment_id = told("topup", "10", "--card")["payment"]
    assert told("cancel-topup", payment_id)["state"] == "cancelled"


def test_a_refill_is_set_with_consent_and_says_what_it_charges_at_once(folder: Path) -> None:
    assert run("refill", "status").stdout.startswith("auto-refill is off\nno card on file\n")
    save_card(folder)
    said = refused("refill", "set", "10", "--below", "5")
    assert said == (
        "the balance is £0.00, so the card would be charged £10.00 at once: repeat it with --yes"
    )
    told("topup", "20")
    policy = told("refill", "set", "10", "--below", "5", "--day-max", "30")
    assert (policy["state"], policy["day_max_micros"]) == ("armed", 30 * 10**6)
    assert policy["consent_by"].startswith("cli:")
    assert "£30.00 in 24 hours" in policy["consent_words"]
    assert run("refill", "status").stdout == (
        "auto-refill adds £10.00 when the balance is below £5.00,"
        " at most £30.00 a day and £200.00 a month\ncard on file: visa 4242\n"
    )
    told("refill", "now")
    status = told("refill", "status")
    assert (status["open"]["kind"], status["open"]["state"]) == ("refill", "claimed")
    assert refused("refill", "now") == "a refill is under way already"
    assert told("refill", "off", "--reason", "closed")["state"] == "off"
    assert told("refill", "status")["open"] is None
    assert refused("refill", "try-again") == "the refill is off"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("15", "--below", "5"), "is none of the amounts"),
        (("10", "--below", "1e3"), "is not an amount of money"),
        (("10", "--below", "-5"), "positive"),
        (("10", "--below", "5", "--day-max", "5"), "ceiling of a day"),
        (("10", "--below", "5", "--month-max", "20"), "month is below"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    save_card(folder)
    told("topup", "20")
    assert said in refused("refill", "set", *arguments)
    assert told("refill", "status")["state"] == "off"


def test_a_receipt_is_written_as_a_page_and_as_pdf(folder: Path) -> None:
    save_card(folder)
    payment_id = paid(folder)
    page, pdf = folder / "receipt.html", folder / "receipt.pdf"
    assert told("receipt", payment_id, "--output", str(page))["receipt"] == "MAIN-000001"
    assert "£20.00" in page.read_text(encoding="utf-8")
    assert told("receipt", payment_id, "-o", str(pdf))["receipt"] == "MAIN-000001"
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert "ends with neither" in refused("receipt", payment_id, "-o", "receipt.txt")
    assert "no payment" in refused("receipt", "nothing", "-o", str(page))
