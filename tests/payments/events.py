"""Events as a processor tells them."""

import json
from typing import Any


def event(event_id: str, kind: str, about: dict[str, Any], *, created: int = 1_800_000_000) -> str:
    return json.dumps({"id": event_id, "type": kind, "created": created, "data": {"object": about}})


def intent(
    *,
    payment_id: str,
    status: str = "succeeded",
    amount: int = 2000,
    currency: str = "gbp",
    office_id: str = "main",
) -> dict[str, Any]:
    return {
        "id": f"pi_{payment_id}",
        "status": status,
        "amount": amount,
        "amount_received": amount if status == "succeeded" else 0,
        "currency": currency,
        "metadata": {"office": office_id, "payment": payment_id},
        "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"},
    }


def succeeded(event_id: str, *, payment_id: str, **fields: Any) -> str:
    return event(event_id, "payment_intent.succeeded", intent(payment_id=payment_id, **fields))
