"""What we read of a processor's objects: each parsed once, into a type. PURE.

The words are Stripe's (API 2026-10-28), and the sandbox writes the same ones. Fields that we do not
name are not read; a field that is named and missing, or of another type, makes the object invalid.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _name_of(value: Any) -> Any:
    """Where an object may stand in place of its id, the id."""
    return value["id"] if isinstance(value, dict) and "id" in value else value


Id = Annotated[str, Field(min_length=1, max_length=255)]
Named = Annotated[str | None, BeforeValidator(_name_of)]
Minor = Annotated[int, Field(ge=0, lt=10**15, strict=True)]
Code = Annotated[str, Field(pattern=r"^[a-zA-Z]{3}$")]


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Metadata(_Object):
    """What we send with a request and read again."""

    office: str = ""
    payment: str = ""
    key: str = ""


class PaymentError(_Object):
    """Why a payment, or a request, came to nothing."""

    type: str = ""
    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None
    message: str | None = None


class Redirect(_Object):
    url: str


class NextAction(_Object):
    redirect_to_url: Redirect | None = None


class Intent(_Object):
    id: Id
    status: Literal[
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
        "requires_capture",
        "canceled",
        "succeeded",
    ]
    amount: Minor
    amount_received: Minor | None = None
    currency: Code
    metadata: Metadata = Metadata()
    next_action: NextAction | None = None
    last_payment_error: PaymentError | None = None


class RequestError(PaymentError):
    """The body of a reply that is no yes; a decline has the intent within it."""

    payment_intent: Intent | None = None


class ErrorReply(_Object):
    error: RequestError


class Refund(_Object):
    id: Id
    status: Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
    amount: Minor
    currency: Code
    payment_intent: Named = None
    metadata: Metadata = Metadata()
    failure_reason: str | None = None


class Dispute(_Object):
    id: Id
    status: str
    amount: Minor
    currency: Code
    payment_intent: Named = None
    reason: str = ""


class EarlyFraudWarning(_Object):
    id: Id
    payment_intent: Named = None


class Card(_Object):
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Method(_Object):
    id: Id
    customer: Named = None
    card: Card | None = None


class SetupIntent(_Object):
    id: Id
    status: str
    customer: Named = None
    payment_method: Method | str | None = None
    metadata: Metadata = Metadata()
    last_setup_error: PaymentError | None = None


class CardSession(_Object):
    """A page of the processor's in which a card is entered; Stripe calls it a Checkout Session."""

    id: Id
    mode: str = "setup"
    status: Literal["open", "complete", "expired"]
    url: str | None = None
    customer: Named = None
    setup_intent: SetupIntent | str | None = None
    metadata: Metadata = Metadata()


class Customer(_Object):
    id: Id


class Listed(_Object):
    """One page of a list, newest first."""

    data: list[dict[str, Any]]
    has_more: bool = False


class EventData(_Object):
    object: dict[str, Any]


class Event(_Object):
    id: Id
    type: Annotated[str, Field(min_length=1, max_length=100)]
    created: Annotated[int, Field(ge=0, lt=10**11, strict=True)]
    data: EventData
