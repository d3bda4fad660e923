"""What a person does at a processor's pages, and requests that want only what a test is about."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from charging.card_processor import (
    CardForm,
    CardOnFile,
    CardProcessor,
    CardSaved,
    ChargeRequest,
    PaymentQuery,
    SaveCardRequest,
)
from lab.sandbox import TEST_CARD, enter_card
from tests.fakes.charging import gbp

BACK = "http://127.0.0.1:9/back"


def new(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(6)}"


def save_card(
    *, office_id: str = "main", customer_id: str | None = None, language: str = "en"
) -> SaveCardRequest:
    return SaveCardRequest(
        office_id=office_id,
        customer_id=customer_id,
        currency="GBP",
        return_url=BACK,
        cancel_url=BACK,
        language=language,
    )


async def card_of(processor: CardProcessor, number: str = TEST_CARD) -> CardOnFile:
    """A card that a person has entered in the sandbox's page."""
    form = await processor.begin_card(save_card())
    assert isinstance(form, CardForm)
    assert await enter_card(form.page_url, number) == BACK
    found = await processor.find_card(form.setup_id)
    assert isinstance(found, CardSaved)
    return found.card


def charge_of(card: CardOnFile, *, amount: str = "20", **more: Any) -> ChargeRequest:
    fields = {
        "key": new("k"),
        "payment_id": new("p"),
        "office_id": "main",
        "amount": gbp(amount),
        "customer_id": card.customer_id,
        "method_id": card.method_id,
        "off_session": True,
        **more,
    }
    return ChargeRequest(**fields)


def query_of(request: ChargeRequest) -> PaymentQuery:
    return PaymentQuery(
        payment_id=request.payment_id,
        customer_id=request.customer_id,
        begun_at=datetime.now(UTC),
    )


def around_now() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"since": now - timedelta(minutes=10), "until": now + timedelta(minutes=10)}
