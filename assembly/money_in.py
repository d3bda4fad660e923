"""Money in from the settings: what is offered, what receipts say, and the use case itself."""

import secrets
import time
from collections.abc import Callable
from typing import Protocol

from assembly.clock import SystemClock
from charging.money_in import MoneyIn
from charging.orders import Offer, offer_of
from charging.receipts import Party, ReceiptTerms, VatAt
from db.ledger import SqlLedger
from db.money_reads import SqlMoney
from settings import TopUpSettings

_BASIS_POINTS_PER_PERCENT = 100


class HasTopUps(Protocol):
    """Settings that a process reads who sells anything."""

    @property
    def topups(self) -> TopUpSettings: ...


def money_in_of(
    settings: HasTopUps, ledger: SqlLedger, *, currency_of: Callable[[str], str]
) -> MoneyIn:
    """The use case over a ledger that is open; `currency_of` an office."""
    terms = receipt_terms(settings.topups)
    return MoneyIn(
        ledger=ledger,
        reader=SqlMoney(ledger),
        clock=SystemClock(),
        offer_of=lambda office_id: offer(settings.topups, currency_of(office_id)),
        new_id=new_payment_id,
        terms_of=lambda _office_id: terms,
    )


def offer(topups: TopUpSettings, currency: str) -> Offer:
    return offer_of(currency, topups.amounts)


def receipt_terms(topups: TopUpSettings) -> ReceiptTerms | None:
    """None: the settings name no seller, so no receipt is issued."""
    if topups.seller_name is None:
        return None
    return ReceiptTerms(
        seller=Party(
            name=topups.seller_name,
            address=topups.seller_address,
            vat_number=topups.vat_number,
            registration=topups.seller_registration,
        ),
        vat_at=VatAt(topups.vat_at),
        vat_basis_points=int(topups.vat_percent * _BASIS_POINTS_PER_PERCENT),
    )


def new_payment_id() -> str:
    """Milliseconds since 1970, then chance: the index of ids grows at its end."""
    return f"pay-{time.time_ns() // 1_000_000:x}-{secrets.token_hex(8)}"
