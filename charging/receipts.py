"""Receipts and notes: numbered without gaps in their office, with what a bookkeeper needs.

Prices include VAT. Whether it is due when money is paid in or when it is used is for an accountant
to say, so it is a setting. What is issued is never changed: it keeps seller and buyer as they were.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from charging.money import Money
from charging.plain_text import require_plain

CENT_MICROS = 10_000
PERCENT = 10_000  # basis points in a whole
_ZERO = 0


class ReceiptKind(StrEnum):
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit_note"  # money was sent back
    DEBIT_NOTE = "debit_note"  # it came back to us, so that the credit note no longer holds


class VatAt(StrEnum):
    """When the tax is due: with the money (French "acompte"), or when the credit is used."""

    TOP_UP = "topup"
    USE = "use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who sells, or buys. Of what is not known nothing is printed, and no placeholder."""

    name: str
    address: tuple[str, ...] = ()  # lines
    vat_number: str = ""
    registration: str = ""  # such as a company number, or SIRET

    def __post_init__(self) -> None:
        for line in (self.name, *self.address, self.vat_number, self.registration):
            require_plain(line, "a name or an address")
        if not self.name.strip():
            raise ValueError("somebody on a receipt has a name")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptTerms:
    """What the operator's settings say of receipts."""

    seller: Party
    vat_at: VatAt
    vat_basis_points: int  # 2000 is 20 %
    # Without a number of its own nobody may charge the tax, so none is shown.

    def __post_init__(self) -> None:
        if not 0 <= self.vat_basis_points < PERCENT:
            raise ValueError(f"{self.vat_basis_points} basis points are no rate of VAT")

    @property
    def shows_vat(self) -> bool:
        return self.vat_at is VatAt.TOP_UP and bool(self.seller.vat_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    office_id: str
    number: int  # from 1, without gaps; notes are in the same row of numbers
    kind: ReceiptKind
    payment_id: str
    at: datetime
    seller: Party
    buyer: Party
    total: Money  # what was paid, or paid back; tax included
    vat: Money
    vat_basis_points: int | None  # None: no tax is shown
    vat_at: VatAt
    card: str = ""  # "visa 4242"
    of_number: int | None = None  # the receipt that a note is about
    language: str = "en"

    def __post_init__(self) -> None:
        if self.total.micros <= 0 or not 0 <= self.vat.micros < self.total.micros:
            raise ValueError(f"a receipt of {self.total} with {self.vat} of tax")
        if self.number < 1:
            raise ValueError(f"receipts are numbered from 1, not from {self.number}")

    @property
    def net(self) -> Money:
        return self.total - self.vat

    @property
    def name(self) -> str:
        """As it is called in letters: "MAIN-000012"."""
        return self.name_of(self.number)

    def name_of(self, number: int) -> str:
        """The same of another receipt of the office."""
        return f"{self.office_id.upper()}-{number:06d}"


def receipt(  # noqa: PLR0913 - everything that is on it
    *,
    office_id: str,
    number: int,
    payment_id: str,
    total: Money,
    buyer: Party,
    terms: ReceiptTerms,
    at: datetime,
    card: str,
    language: str,
) -> Receipt:
    basis_points = terms.vat_basis_points if terms.shows_vat else None
    return Receipt(
        office_id=office_id,
        number=number,
        kind=ReceiptKind.RECEIPT,
        payment_id=payment_id,
        at=at,
        seller=terms.seller,
        buyer=buyer,
        total=total,
        vat=vat_within(total, basis_points or _ZERO),
        vat_basis_points=basis_points,
        vat_at=terms.vat_at,
        card=card,
        language=language,
    )


def note_on(of: Receipt, *, number: int, stood: Money, stands: Money, at: datetime) -> Receipt:
    """Takes back a receipt, or a part of it, or puts it into force again, at the tax it had.

    Its tax is that of what stood less that of what stands. So a receipt less its notes has the tax
    of what is left of it, and none where nothing is, however many notes there were. A note of one
    cent has none.

    Args:
        of: the receipt.
        number: of the note.
        stood: what of the receipt was in force before.
        stands: what of it is from now on.
        at: when.

    Raises:
        ValueError: nothing changes, or more than the receipt does.
    """
    less, more = min(stood, stands), max(stood, stands)
    if less == more or less.micros < 0 or more > of.total:
        raise ValueError(f"{stood} before and {stands} after of the {of.total} of {of.name}")
    total = more - less
    basis_points = of.vat_basis_points or _ZERO
    tax = vat_within(more, basis_points) - vat_within(less, basis_points)
    return Receipt(
        office_id=of.office_id,
        number=number,
        kind=ReceiptKind.CREDIT_NOTE if stands < stood else ReceiptKind.DEBIT_NOTE,
        payment_id=of.payment_id,
        at=at,
        seller=of.seller,
        buyer=of.buyer,
        total=total,
        vat=min(tax, total - Money(CENT_MICROS, total.currency)),
        vat_basis_points=of.vat_basis_points,
        vat_at=of.vat_at,
        card=of.card,
        of_number=of.number,
        language=of.language,
    )


def vat_within(total: Money, basis_points: int) -> Money:
    """The tax that an amount contains, to the nearest cent, halves up."""
    share = total.micros * basis_points * 2 + (PERCENT + basis_points) * CENT_MICROS
    cents = share // (2 * (PERCENT + basis_points) * CENT_MICROS)
    return Money(cents * CENT_MICROS if basis_points else 0, total.currency)
