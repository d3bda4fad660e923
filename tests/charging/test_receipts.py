"""Receipts: tax within the price, seller and buyer, credit notes."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.bookkeeping import signed_of
from charging.money import Money
from charging.receipts import (
    CENT_MICROS,
    Party,
    Receipt,
    ReceiptKind,
    ReceiptTerms,
    VatAt,
    note_on,
    receipt,
    vat_within,
)
from tests.fakes.charging import gbp
from tests.fakes.clock import START

SELLER = Party(name="Tollgate Ltd", address=("1 High Street", "London"), vat_number="GB123456789")
BUYER = Party(name="Anna's Office", address=("2 Low Street", "Leeds"))


def terms(**other: Any) -> ReceiptTerms:
    fields: dict[str, Any] = {"seller": SELLER, "vat_at": VatAt.TOP_UP, "vat_basis_points": 2000}
    return ReceiptTerms(**(fields | other))


def issued(of: ReceiptTerms, total: str = "20") -> Receipt:
    return receipt(
        office_id="main",
        number=12,
        payment_id="p1",
        total=gbp(total),
        buyer=BUYER,
        terms=of,
        at=START,
        card="visa 4242",
        language="en",
    )


def test_the_price_contains_the_tax() -> None:
    found = issued(terms())
    assert (found.total, found.vat, found.net) == (gbp("20"), gbp("3.33"), gbp("16.67"))
    assert found.name == "MAIN-000012"


@pytest.mark.parametrize(
    "of",
    [
        terms(vat_at=VatAt.USE),
        terms(seller=Party(name="Tollgate Ltd")),  # who has no number may charge no tax
    ],
)
def test_no_tax_is_shown_where_it_is_due_later_or_nobody_may_charge_it(of: ReceiptTerms) -> None:
    found = issued(of)
    assert (found.vat, found.net, found.vat_basis_points) == (gbp("0"), gbp("20"), None)


def test_a_credit_note_takes_back_a_part_at_the_same_tax() -> None:
    note = note_on(issued(terms()), number=13, stood=gbp("20"), stands=gbp("14"), at=START)
    assert (note.kind, note.of_number, note.total) == (ReceiptKind.CREDIT_NOTE, 12, gbp("6"))
    assert (note.vat, note.net) == (gbp("1"), gbp("5"))
    assert (note.seller, note.buyer, note.card) == (SELLER, BUYER, "visa 4242")
    for stood, stands in (("20", "-0.01"), ("20.01", "20"), ("14", "14")):
        with pytest.raises(ValueError, match="of the"):
            note_on(issued(terms()), number=13, stood=gbp(stood), stands=gbp(stands), at=START)


def test_a_debit_note_puts_a_part_into_force_again() -> None:
    note = note_on(issued(terms()), number=14, stood=gbp("14"), stands=gbp("20"), at=START)
    assert (note.kind, note.of_number) == (ReceiptKind.DEBIT_NOTE, 12)
    assert (note.total, note.vat) == (gbp("6"), gbp("1"))
    assert signed_of(note) == (gbp("5"), gbp("1"), gbp("6"))


def test_note_of_one_cent_has_no_tax() -> None:
    """Else its net would be nothing: of 19.95, 3.33 are tax, and of 19.94 3.32."""
    notes = [
        note_on(issued(terms()), number=13, stood=more, stands=more - gbp("0.01"), at=START)
        for more in (gbp("20"), gbp("19.95"))
    ]
    assert [(each.vat, each.net) for each in notes] == [(gbp("0"), gbp("0.01"))] * 2


@given(
    cents=st.integers(2, 10**9), basis_points=st.integers(0, 9_999), parts=st.lists(st.floats(0, 1))
)
def test_a_receipt_less_its_notes_has_the_tax_of_what_is_left(
    cents: int, basis_points: int, parts: list[float]
) -> None:
    """Money comes and goes: what stands after each note is any part of the receipt."""
    of = issued(terms(vat_basis_points=basis_points), str(Decimal(cents) / 100))
    stood, tax = of.total, of.vat
    for part in [*parts, 0.0]:
        stands = Money(int(cents * part) * CENT_MICROS, "GBP")
        if abs(stands.micros - stood.micros) > CENT_MICROS:
            note = note_on(of, number=13, stood=stood, stands=stands, at=START)
            tax += signed_of(note)[1]
            stood = stands
    assert tax == vat_within(stood, basis_points)


@given(cents=st.integers(1, 10**9), basis_points=st.integers(0, 9_999))
def test_tax_is_the_nearest_whole_cent(cents: int, basis_points: int) -> None:
    total = Money(cents * 10_000, "GBP")
    vat = vat_within(total, basis_points)
    assert vat.micros % 10_000 == 0
    assert 0 <= vat.micros <= total.micros
    exact_times = total.micros * basis_points
    assert abs(vat.micros * (10_000 + basis_points) - exact_times) * 2 <= 10_000 * (
        10_000 + basis_points
    )


@pytest.mark.parametrize("name", ["", " ", "a\x1b[2J"])
def test_a_party_has_a_name_that_can_be_shown(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Party(name=name)


@pytest.mark.parametrize("basis_points", [-1, 10_000])
def test_a_rate_of_tax_is_less_than_the_whole(basis_points: int) -> None:
    with pytest.raises(ValueError, match="rate of VAT"):
        terms(vat_basis_points=basis_points)


@pytest.mark.parametrize(
    "wrong", [{"number": 0}, {"total": gbp("0")}, {"vat": gbp("20")}, {"vat": gbp("-1")}]
)
def test_a_receipt_that_makes_no_sense_cannot_be_made(wrong: dict[str, Any]) -> None:
    good = issued(terms())
    fields = {name: getattr(good, name) for name in Receipt.__dataclass_fields__}
    with pytest.raises(ValueError, match="receipt"):
        Receipt(**(fields | wrong))
