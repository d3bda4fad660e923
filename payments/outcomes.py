"""What a processor's answer means for a payment. PURE: objects in, facts of `charging` out.

A reply, a webhook and a poll all come through here, so one thing that happened is one fact.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from charging.card_processor import (
    Advice,
    AuthenticationRequired,
    Cancelled,
    CardFormClosed,
    CardNotEntered,
    CardNotSaved,
    CardOnFile,
    CardRemoved,
    CardSaved,
    CardUpdated,
    ChargeAnswer,
    Declined,
    DisputeClosed,
    DisputeOpened,
    Fact,
    FindCardAnswer,
    FraudWarning,
    Invalid,
    NothingOfOurs,
    Pending,
    ProcessorEvent,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
    Unknown,
    WebhookRefused,
)
from payments.minor_units import money_of
from payments.objects import (
    Card,
    CardSession,
    Dispute,
    EarlyFraudWarning,
    Event,
    Intent,
    Method,
    PaymentError,
    Refund,
    RequestError,
    SetupIntent,
)

# Every decline code of docs.stripe.com/declines/codes. The card schemes count tries after a final
# one and fine for them; what is wrong with the card itself does not mend by waiting.
FINAL_CODES: Final = frozenset(
    {
        "authentication_not_handled",
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_pin",
        "incorrect_zip",
        "invalid_account",
        "invalid_amount",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "invalid_pin",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "not_permitted",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "pickup_card",
        "pin_try_exceeded",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
SOFT_CODES: Final = frozenset(
    {
        "approve_with_id",
        "call_issuer",
        "card_declined",  # without a decline code: the issuer says nothing
        "card_velocity_exceeded",
        "do_not_honor",
        "duplicate_transaction",
        "generic_decline",
        "insufficient_funds",
        "issuer_not_available",
        "no_action_taken",
        "payment_intent_authentication_failure",  # the person did not convince their bank
        "processing_error",
        "reenter_transaction",
        "try_again_later",
        "withdrawal_count_limit_exceeded",
    }
)
AUTHENTICATION_CODES: Final = frozenset(
    {"authentication_required", "mobile_device_authentication_required"}
)
NO_CODE: Final = "card_declined"

_TOO_MANY = 429
_CONFLICT = 409  # the same key, while its first request is still being worked on
_PAYMENT_REQUIRED = 402
_SERVER_ERROR = 500
_NO_MONEY_TAKEN = "warning_"  # a dispute that is only a question of the bank
_Parsed = TypeVar("_Parsed", bound=BaseModel)

# --- payments ------------------------------------------------------------------------------------


def of_intent(intent: Intent) -> ChargeAnswer:
    """What the state of an intent says about its payment."""
    payment = intent.metadata.payment
    match intent.status:
        case "succeeded":
            received = intent.amount if intent.amount_received is None else intent.amount_received
            return Succeeded(
                intent_id=intent.id,
                payment_id=payment,
                office_id=intent.metadata.office,
                amount=money_of(received, intent.currency),
            )
        case "canceled":
            return Cancelled(intent_id=intent.id, payment_id=payment)
        case "requires_action":
            return AuthenticationRequired(
                intent_id=intent.id, payment_id=payment, page_url=_page_of(intent)
            )
        case "requires_payment_method":
            error = intent.last_payment_error or PaymentError()
            return _of_failure(error, intent_id=intent.id, payment_id=payment)
        case "processing" | "requires_confirmation" | "requires_capture":
            return Pending(intent_id=intent.id, payment_id=payment)


def of_refusal(
    status: int, error: RequestError, *, intent_id: str = "", payment_id: str = ""
) -> ChargeAnswer:
    """What a reply with an HTTP status of 400 or more says about the payment asked for.

    The intent stands in it; the ids that the request named are for a processor that leaves it out.
    """
    if is_unknown(status):
        return Unknown(f"HTTP {status}")
    if status != _PAYMENT_REQUIRED:
        return invalid(status, error)
    if error.payment_intent is not None:
        intent_id = error.payment_intent.id
        payment_id = error.payment_intent.metadata.payment
    return _of_failure(error, intent_id=intent_id, payment_id=payment_id)


def is_unknown(status: int) -> bool:
    """Whether a request with this answer may have been carried out all the same."""
    return status >= _SERVER_ERROR or status in {_TOO_MANY, _CONFLICT}


def invalid(status: int, error: PaymentError) -> Invalid:
    return Invalid(error.code or error.type or f"http_{status}", error.message or "")


def _of_failure(
    error: PaymentError, *, intent_id: str, payment_id: str
) -> Declined | AuthenticationRequired:
    code = error.decline_code or error.code or NO_CODE
    if not AUTHENTICATION_CODES.isdisjoint({code, error.code}):
        return AuthenticationRequired(intent_id=intent_id, payment_id=payment_id)
    advice = _advice_of(error)
    return Declined(
        intent_id=intent_id,
        payment_id=payment_id,
        final=is_final(code, advice),
        code=code,
        advice=advice,
    )


def is_final(code: str, advice: Advice) -> bool:
    """A code that is not known to us is soft: three tries are safe, and a person hears of each."""
    return advice in {Advice.DO_NOT_TRY_AGAIN, Advice.CONFIRM_CARD_DATA} or code in FINAL_CODES


def _advice_of(error: PaymentError) -> Advice:
    try:
        return Advice(error.advice_code or "")
    except ValueError:  # a word that is newer than this list
        return Advice.NONE


def _page_of(intent: Intent) -> str:
    action = intent.next_action
    return "" if action is None or action.redirect_to_url is None else action.redirect_to_url.url


# --- cards ---------------------------------------------------------------------------------------


def of_card_session(session: CardSession) -> FindCardAnswer:
    """What became of a page in which a card is entered."""
    office = session.metadata.office
    if session.status == "open":
        return CardNotEntered(setup_id=session.id)
    if session.status == "expired" or not isinstance(session.setup_intent, SetupIntent):
        return CardNotSaved(setup_id=session.id, office_id=office, code="form_expired")
    return of_setup_intent(session.setup_intent, setup_id=session.id, office_id=office)


def of_setup_intent(setup: SetupIntent, *, setup_id: str, office_id: str) -> FindCardAnswer:
    method = setup.payment_method
    if setup.status == "succeeded" and isinstance(method, Method) and method.card is not None:
        card = card_on_file(method, method.card, customer_id=setup.customer)
        return CardSaved(setup_id=setup_id, office_id=office_id, card=card)
    error = setup.last_setup_error
    if setup.status == "canceled" or error is not None:
        code = (error.decline_code or error.code) if error else "cancelled"
        return CardNotSaved(setup_id=setup_id, office_id=office_id, code=code or NO_CODE)
    return CardNotEntered(setup_id=setup_id)


def card_on_file(method: Method, card: Card, *, customer_id: str | None = None) -> CardOnFile:
    """Raises ValueError: the processor says something that is no card."""
    return CardOnFile(
        customer_id=method.customer or customer_id or "",
        method_id=method.id,
        brand=card.brand,
        last_four=card.last4,
        expiry_month=card.exp_month,
        expiry_year=card.exp_year,
    )


# --- money back ----------------------------------------------------------------------------------


def of_refund(refund: Refund) -> Refunded | RefundPending | RefundFailed:
    intent_id, payment_id = refund.payment_intent or "", refund.metadata.payment
    amount, key = money_of(refund.amount, refund.currency), refund.metadata.key
    match refund.status:
        case "succeeded":
            return Refunded(
                refund_id=refund.id,
                intent_id=intent_id,
                payment_id=payment_id,
                amount=amount,
                key=key,
            )
        case "pending" | "requires_action":
            return RefundPending(
                refund_id=refund.id,
                intent_id=intent_id,
                payment_id=payment_id,
                amount=amount,
                key=key,
            )
        case "failed" | "canceled":
            return RefundFailed(
                refund_id=refund.id,
                intent_id=intent_id,
                payment_id=payment_id,
                amount=amount,
                code=refund.failure_reason or refund.status,
                key=key,
            )


def _of_dispute_opened(dispute: Dispute) -> DisputeOpened | FraudWarning:
    if dispute.status.startswith(_NO_MONEY_TAKEN):
        return FraudWarning(intent_id=dispute.payment_intent or "")
    return DisputeOpened(
        dispute_id=dispute.id,
        intent_id=dispute.payment_intent or "",
        payment_id="",
        amount=money_of(dispute.amount, dispute.currency),
        reason=dispute.reason,
    )


def _of_dispute_closed(dispute: Dispute) -> DisputeClosed | NothingOfOurs:
    if dispute.status.startswith(_NO_MONEY_TAKEN):
        return NothingOfOurs(f"dispute closed: {dispute.status}")
    return DisputeClosed(
        dispute_id=dispute.id,
        intent_id=dispute.payment_intent or "",
        payment_id="",
        amount=money_of(dispute.amount, dispute.currency),
        won=dispute.status == "won",
    )


# --- events --------------------------------------------------------------------------------------


def read_event(body: str) -> ProcessorEvent:
    """Read what a webhook or a poll brought, already known to be the processor's.

    Raises:
        WebhookRefused: it is no event, or one of a kind that we know and cannot read.
    """
    try:
        event = Event.model_validate_json(body)
        fact = _fact_of(event)
    except (ValidationError, ValueError) as error:
        raise WebhookRefused(f"it is no event: {type(error).__name__}") from error
    at = datetime.fromtimestamp(event.created, UTC)
    return ProcessorEvent(event_id=event.id, kind=event.type, at=at, fact=fact, body=body)


def event_of(fields: Mapping[str, Any]) -> ProcessorEvent:
    """The same for one of a list."""
    return read_event(json.dumps(fields, separators=(",", ":"), sort_keys=True))


def _fact_of(event: Event) -> Fact:
    read = _READERS.get(event.type)
    return NothingOfOurs(event.type) if read is None else read(event.data.object)


def _intent_fact(fields: dict[str, Any]) -> Fact:
    answer = of_intent(Intent.model_validate(fields))
    if isinstance(answer, Pending | Unknown | Invalid):
        return NothingOfOurs("payment_intent in progress")
    return answer


def _card_form_closed(fields: dict[str, Any]) -> Fact:
    session = CardSession.model_validate(fields)
    if session.mode != "setup":
        return NothingOfOurs(f"checkout of mode {session.mode}")
    return CardFormClosed(setup_id=session.id, office_id=session.metadata.office)


def _card_updated(fields: dict[str, Any]) -> Fact:
    method = Method.model_validate(fields)
    if method.card is None:
        return NothingOfOurs("a method that is no card")
    return CardUpdated(card=card_on_file(method, method.card))


def _reader(model: type[_Parsed], fact: Callable[[_Parsed], Fact]) -> Callable[[Any], Fact]:
    return lambda fields: fact(model.model_validate(fields))


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Fact]]] = {
    "payment_intent.succeeded": _intent_fact,
    "payment_intent.payment_failed": _intent_fact,
    "payment_intent.requires_action": _intent_fact,
    "payment_intent.canceled": _intent_fact,
    "checkout.session.completed": _card_form_closed,
    "checkout.session.expired": _card_form_closed,
    "payment_method.automatically_updated": _card_updated,
    "payment_method.detached": _reader(Method, lambda method: CardRemoved(method_id=method.id)),
    "refund.created": _reader(Refund, of_refund),
    "refund.updated": _reader(Refund, of_refund),
    "refund.failed": _reader(Refund, of_refund),
    "charge.dispute.created": _reader(Dispute, _of_dispute_opened),
    "charge.dispute.funds_withdrawn": _reader(Dispute, _of_dispute_opened),
    "charge.dispute.closed": _reader(Dispute, _of_dispute_closed),
    "radar.early_fraud_warning.created": _reader(
        EarlyFraudWarning, lambda told: FraudWarning(intent_id=told.payment_intent or "")
    ),
}
LISTENED_TO: Final = tuple(_READERS)
