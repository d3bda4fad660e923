"""What the table of a charge asks for, as a request of the card processor."""

from charging.card_processor import (
    CardProcessor,
    ChargeRequest,
    ConfirmRequest,
    NotThere,
    PaymentQuery,
    RefundRequest,
)
from charging.money_state import Payment
from charging.refill import (
    CancelIntent,
    Charge,
    Confirm,
    Event,
    LookUp,
    LookUpRefund,
    Request,
    SendRefund,
)


async def ask(  # noqa: PLR0911 - one arm per request
    processor: CardProcessor, payment: Payment, request: Request
) -> Event:
    """One request, within the processor's own time limit. What it answers is an event."""
    attempt = payment.attempt
    match request:
        case Charge():
            return await processor.charge(charge_request(payment))
        case Confirm():
            return await processor.confirm(confirm_request(payment))
        case LookUp() if attempt.intent_id:
            return await processor.find_intent(attempt.intent_id)
        case LookUp():
            return await processor.find_payment(payment_query(payment))
        case CancelIntent() if attempt.intent_id:
            return await processor.cancel(attempt.intent_id)
        case CancelIntent():
            return NotThere()
        case SendRefund():
            return await processor.refund(refund_request(payment))
        case LookUpRefund():
            return await processor.find_refund(intent_id=attempt.intent_id, key=attempt.refund_key)


def charge_request(payment: Payment) -> ChargeRequest:
    """The same for the same try, whoever asks again: a key names one request."""
    return ChargeRequest(
        key=payment.attempt.key,
        payment_id=payment.payment_id,
        office_id=payment.office_id,
        amount=payment.amount,
        customer_id=payment.customer_id,
        method_id=payment.method_id,
        off_session=payment.attempt.off_session,
        return_url=payment.attempt.return_url,
    )


def confirm_request(payment: Payment) -> ConfirmRequest:
    return ConfirmRequest(
        key=payment.attempt.key,
        intent_id=payment.attempt.intent_id,
        method_id=payment.method_id,
        off_session=payment.attempt.off_session,
        return_url=payment.attempt.return_url,
    )


def refund_request(payment: Payment) -> RefundRequest:
    return RefundRequest(
        key=payment.attempt.refund_key,
        intent_id=payment.attempt.intent_id,
        payment_id=payment.payment_id,
        office_id=payment.office_id,
        amount=payment.attempt.refund or payment.amount,
    )


def payment_query(payment: Payment) -> PaymentQuery:
    return PaymentQuery(
        payment_id=payment.payment_id,
        customer_id=payment.customer_id,
        begun_at=payment.created_at,
    )
