"""Receipts as people and bookkeepers get them: with a VAT number and without, in both languages."""

from typing import Any
from zoneinfo import ZoneInfo

import html5lib
import pytest

from charging.receipts import Party, Receipt, ReceiptTerms, VatAt, note_on, receipt
from papers.receipts import receipt_page, receipt_pdf
from tests.fakes.charging import eur, gbp
from tests.fakes.clock import START

PARIS = ZoneInfo("Europe/Paris")
SELLER = Party(
    name="Télécom & Fils <SARL>",
    address=("1 rue de l'Église", "75001 Paris"),
    vat_number="FR12345678901",
    registration="SIRET 123 456 789 00012",
)


def issued(**other: Any) -> Receipt:
    fields: dict[str, Any] = {
        "office_id": "nice",
        "number": 7,
        "payment_id": "pay-1",
        "total": eur("20"),
        "buyer": Party(name="Anna & Co", vat_number="FR999"),
        "terms": ReceiptTerms(seller=SELLER, vat_at=VatAt.TOP_UP, vat_basis_points=2000),
        "at": START,
        "card": "visa 4242",
        "language": "fr",
    }
    return receipt(**(fields | other))


def text_of(page: str) -> str:
    """What a reader sees; the page is valid HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    body = parser.parse(page).find("body")
    return " ".join("".join(body.itertext()).split())


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "fr",
            ("Reçu", "NICE-000007", "21 novembre 2026", "TVA 20\xa0%", "20,00\xa0€", "3,33\xa0€"),
        ),
        ("en", ("Receipt", "NICE-000007", "21 November 2026", "VAT 20%", "€20.00", "€3.33")),
    ],
)
def test_a_receipt_says_who_what_and_how_much(language: str, words: tuple[str, ...]) -> None:
    page = receipt_page(issued(), zone=PARIS, language=language)
    seen = text_of(page)
    for word in words:
        assert " ".join(word.split()) in seen
    for known in (*SELLER.address, SELLER.name, SELLER.vat_number, "Anna & Co", "FR999"):
        assert known in seen


@pytest.mark.parametrize("language", ["en", "fr"])
def test_without_a_vat_number_no_tax_is_shown_and_no_placeholder(language: str) -> None:
    terms = ReceiptTerms(
        seller=Party(name="Small Seller"), vat_at=VatAt.TOP_UP, vat_basis_points=2000
    )
    small = issued(terms=terms, buyer=Party(name="nice"))
    seen = text_of(receipt_page(small, zone=PARIS, language=language))
    for absent in ("VAT", "TVA", "None", "N/A", "SIRET", "{", "}"):
        assert absent not in seen


def test_where_the_tax_is_due_on_use_the_receipt_says_so() -> None:
    terms = ReceiptTerms(seller=SELLER, vat_at=VatAt.USE, vat_basis_points=2000)
    seen = text_of(receipt_page(issued(terms=terms), zone=PARIS))
    assert "La TVA est due au moment où le crédit est utilisé." in seen
    assert "3,33" not in seen


def test_a_credit_note_names_the_receipt_that_it_takes_back() -> None:
    note = note_on(issued(), number=8, stood=eur("20"), stands=eur("14"), at=START)
    seen = text_of(receipt_page(note, zone=PARIS))
    assert "Avoir" in seen
    assert "Annule le reçu NICE-000007" in seen
    assert "Remboursé6,00 €" in seen


def test_a_debit_note_says_that_a_refund_did_not_arrive() -> None:
    note = note_on(issued(), number=9, stood=eur("14"), stands=eur("20"), at=START)
    seen = text_of(receipt_page(note, zone=PARIS))
    assert "Note de débit" in seen
    assert "Annule un avoir sur le reçu NICE-000007 : le remboursement n'a pas abouti" in seen
    assert "Rétabli6,00 €" in seen
    assert "Par carte : visa 4242" in seen
    assert "Debit note" in text_of(receipt_page(note, zone=PARIS, language="en"))


def test_the_day_is_that_of_the_office() -> None:
    late = issued(at=START.replace(hour=23, minute=30))
    assert "22 novembre 2026" in receipt_page(late, zone=PARIS)


def test_names_are_text_and_never_markup() -> None:
    page = receipt_page(issued(buyer=Party(name="<script>x</script>")), zone=PARIS)
    assert "<script>" not in page


def test_the_same_receipt_as_pdf() -> None:
    drawn = receipt_pdf(issued(total=gbp("20")), zone=PARIS)
    assert drawn.startswith(b"%PDF-")
    assert len(drawn) > 5_000
