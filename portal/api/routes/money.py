"""The account: its balance, what fills it, receipts; and what customer care may do about it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from charging.adjustments import require_reason
from charging.errors import UnknownPayment
from charging.money import Money
from charging.money_state import Payment
from charging.orders import RefillRule, TopUpOrder, refill_rule
from charging.receipts import Receipt
from db.ledger import balances_of
from db.money_reads import find_receipt_number, last_receipts
from papers.receipts import NoPdfError
from portal.api.access import Caller, CustomerCare, Manager, Reader
from portal.api.money_models import (
    AdjustedShown,
    AdjustmentWanted,
    BalanceShown,
    CancelWanted,
    CodeShown,
    Offered,
    Payments,
    PaymentShown,
    Receipts,
    ReceiptShown,
    RefillShown,
    RefillWanted,
    TopUpWanted,
    adjusted_shown,
    balance_shown,
    offered,
    payment_shown,
    receipt_shown,
    refill_shown,
)
from portal.api.once import ONCE, OnlyOnce
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.speaking import words_for
from portal.api.values import ROWS, AfterNumber, Amount, Id, Limit
from portal.languages import marked
from portal.parts import Needs, Parts
from portal.support_codes import Redeemed, make_code, redeem_code

router = api_router()

PDF = "application/pdf"

ReceiptNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/balance", responses=declared(), summary=marked("What the office can spend"))
async def show_balance(caller: Reader, parts: Needs) -> BalanceShown:
    currency = parts.offices.office(caller.office_id).currency
    found = await parts.store.read(lambda reader: balances_of(reader, caller.office_id, currency))
    return balance_shown(found)


# --- buying ----------------------------------------------------------------------------------


@router.get("/offer", responses=declared(), summary=marked("The amounts that may be bought"))
async def show_offer(caller: Reader, parts: Needs) -> Offered:
    return offered(parts.money_in.offer(caller.office_id))


@router.post(
    "/top-ups",
    status_code=HTTPStatus.CREATED,
    response_model=PaymentShown,
    responses=declared(
        *ONCE,
        *("invalid_amount", "currency_mismatch", "amount_not_offered", "no_card"),
        "bought_just_now",
    ),
    summary=marked("Buy an amount with the card on file"),
)
async def top_up(
    request: Request, wanted: TopUpWanted, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def buy() -> PaymentShown:
        order = TopUpOrder(
            amount=wanted.amount.positive(_currency(parts, caller)),
            confirmed=wanted.confirmed,
            return_url=f"{parts.public_url}/payments/latest",
        )
        payment = await parts.money_in.begin_top_up(
            caller.office_id, order, by=caller.actor, key=once.name
        )
        return payment_shown(words_for(request, parts, caller), payment)

    return await once(buy)


def _currency(parts: Parts, caller: Caller) -> str:
    return parts.offices.office(caller.office_id).currency


@router.get(
    "/payments",
    responses=declared("invalid_cursor"),
    summary=marked("Payments by card, newest first"),
)
async def list_payments(
    request: Request,
    caller: Reader,
    parts: Needs,
    limit: Limit = ROWS,
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9A-Za-z_.:-]{1,64}$", description="“next” of the page before."),
    ] = None,
) -> Payments:
    if after is not None:
        await _require_payment(parts, caller, after, otherwise="invalid_cursor")
    found = await parts.money_in.payments(caller.office_id, limit=limit, before=after)
    words = words_for(request, parts, caller)
    further = found[-1].payment_id if len(found) == limit else None
    return Payments(payments=[payment_shown(words, each) for each in found], next=further)


async def _require_payment(
    parts: Parts, caller: Caller, payment_id: str, *, otherwise: str = "unknown_payment"
) -> Payment:
    """A payment of another office is not there."""
    try:
        return await parts.money_in.payment(caller.office_id, payment_id)
    except UnknownPayment:
        raise ProblemError(otherwise) from None


@router.get(
    "/payments/{payment_id}",
    responses=declared("unknown_payment"),
    summary=marked("One payment, and what became of it"),
)
async def show_payment(
    request: Request, payment_id: Id, caller: Reader, parts: Needs
) -> PaymentShown:
    found = await _require_payment(parts, caller, payment_id)
    return payment_shown(words_for(request, parts, caller), found)


@router.post(
    "/payments/{payment_id}/confirm",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PaymentShown,
    responses=declared(*ONCE, "unknown_payment"),
    summary=marked("Somebody is there now to answer the bank about a payment"),
)
async def confirm_payment(
    request: Request, payment_id: Id, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def confirm() -> PaymentShown:
        await _require_payment(parts, caller, payment_id)
        payment = await parts.money_in.confirm(
            caller.office_id,
            payment_id,
            by=caller.actor,
            return_url=f"{parts.public_url}/payments/{payment_id}",
        )
        return payment_shown(words_for(request, parts, caller), payment)

    return await once(confirm, HTTPStatus.ACCEPTED)


# --- the rule of refill ----------------------------------------------------------------------


@router.get("/refill", responses=declared(), summary=marked("How the refill stands"))
async def show_refill(request: Request, caller: Reader, parts: Needs) -> RefillShown:
    status = await parts.money_in.status(caller.office_id)
    return refill_shown(words_for(request, parts, caller), status)


@router.put(
    "/refill",
    responses=declared(
        *("invalid_amount", "invalid_rule", "invalid_text", "currency_mismatch"),
        *("amount_not_offered", "no_card"),
    ),
    summary=marked("Switch the refill on, or change its rule; it may charge the card at once"),
)
async def set_refill(
    request: Request, wanted: RefillWanted, caller: Manager, parts: Needs
) -> RefillShown:
    rule = _rule(wanted, _currency(parts, caller))
    try:
        await parts.money_in.set_refill(
            caller.office_id, rule, by=caller.actor, words=wanted.consent
        )
    except ValueError:
        raise ProblemError("invalid_text") from None
    return await show_refill(request, caller, parts)


def _rule(wanted: RefillWanted, currency: str) -> RefillRule:
    def money(amount: Amount | None) -> Money | None:
        return None if amount is None else amount.positive(currency)

    try:
        return refill_rule(
            amount=wanted.amount.positive(currency),
            threshold=wanted.below.positive(currency),
            day_max=money(wanted.day_max),
            month_max=money(wanted.month_max),
        )
    except ValueError:
        raise ProblemError("invalid_rule") from None


@router.delete("/refill", responses=declared(), summary=marked("Switch the refill off"))
async def switch_refill_off(request: Request, caller: Manager, parts: Needs) -> RefillShown:
    await parts.money_in.disable_refill(caller.office_id, by=caller.actor)
    return await show_refill(request, caller, parts)


@router.post(
    "/refill/try-again",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RefillShown,
    responses=declared(*ONCE, "refill_not_allowed"),
    summary=marked("End a pause of the refill; it may charge the card at once"),
)
async def try_refill_again(
    request: Request, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def try_again() -> RefillShown:
        await parts.money_in.try_again(caller.office_id, by=caller.actor)
        return await show_refill(request, caller, parts)

    return await once(try_again, HTTPStatus.ACCEPTED)


# --- receipts --------------------------------------------------------------------------------


@router.get(
    "/receipts",
    responses=declared(),
    summary=marked("Receipts, credit and debit notes, newest first"),
)
async def list_receipts(
    caller: Reader,
    parts: Needs,
    limit: Limit = ROWS,
    after: AfterNumber = None,
) -> Receipts:
    found = await parts.store.read(
        lambda reader: last_receipts(reader, caller.office_id, limit, before=after)
    )
    further = found[-1].number if len(found) == limit else None
    return Receipts(receipts=[receipt_shown(each) for each in found], next=further)


@router.get(
    "/receipts/{number}",
    responses=declared("unknown_receipt"),
    summary=marked("One receipt, credit or debit note"),
)
async def show_receipt(number: ReceiptNumber, caller: Reader, parts: Needs) -> ReceiptShown:
    return receipt_shown(await _require_receipt(parts, caller, number))


async def _require_receipt(parts: Parts, caller: Caller, number: int) -> Receipt:
    found = await parts.store.read(
        lambda reader: find_receipt_number(reader, caller.office_id, number)
    )
    if found is None:
        raise ProblemError("unknown_receipt")
    return found


@router.get(
    "/receipts/{number}/pdf",
    response_class=Response,
    responses=declared("unknown_receipt", "no_pdf")
    | {200: {"description": "PDF/UA", "content": {PDF: {"schema": {"type": "string"}}}}},
    summary=marked("The same as PDF"),
)
async def receipt_as_pdf(number: ReceiptNumber, caller: Reader, parts: Needs) -> Response:
    found = await _require_receipt(parts, caller, number)
    zone = parts.offices.office(caller.office_id).time_zone
    try:
        drawn = await parts.printer.pdf(found, zone=zone)
    except NoPdfError:
        raise ProblemError("no_pdf") from None
    name = {"content-disposition": f'attachment; filename="{found.name}.pdf"'}
    return Response(drawn, media_type=PDF, headers=name)


# --- customer care ---------------------------------------------------------------------------


@router.post(
    "/support-codes",
    status_code=HTTPStatus.CREATED,
    responses=declared(),
    summary=marked("A code to read out to customer care, who may then cancel one payment"),
)
async def make_support_code(caller: Manager, parts: Needs) -> CodeShown:
    code = await make_code(
        parts, office_id=caller.office_id, by=caller.actor, client_address=caller.client_address
    )
    return CodeShown(code=code)


@router.post(
    "/payments/{payment_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PaymentShown,
    responses=declared(
        *ONCE,
        *("unknown_payment", "wrong_code", "too_many_codes", "topup_spent", "not_refundable"),
        "invalid_text",
    ),
    summary=marked("Cancel a payment against the office's code: what is unspent goes back"),
)
async def cancel_payment(  # noqa: PLR0913, PLR0917 - each is one part of the request
    request: Request,
    payment_id: Id,
    wanted: CancelWanted,
    caller: CustomerCare,
    parts: Needs,
    once: OnlyOnce,
) -> Response:
    async def cancel() -> PaymentShown:
        _require_plain(wanted.reason)
        await _require_payment(parts, caller, payment_id)
        await _redeem(parts, caller, wanted.code)
        payment = await parts.money_in.cancel_top_up(
            caller.office_id, payment_id, by=caller.actor, reason=wanted.reason
        )
        return payment_shown(words_for(request, parts, caller), payment)

    return await once(cancel, HTTPStatus.ACCEPTED)


def _require_plain(reason: str) -> None:
    try:
        require_reason(reason)
    except ValueError:
        raise ProblemError("invalid_text") from None


async def _redeem(parts: Parts, caller: Caller, code: str) -> None:
    redeemed = await redeem_code(
        parts,
        office_id=caller.office_id,
        code=code,
        client_address=caller.client_address,
    )
    match redeemed:
        case Redeemed.TOO_OFTEN:
            raise ProblemError("too_many_codes")
        case Redeemed.WRONG:
            raise ProblemError("wrong_code")
        case Redeemed.YES:
            return


@router.post(
    "/adjustments",
    status_code=HTTPStatus.CREATED,
    response_model=AdjustedShown,
    responses=declared(
        *ONCE,
        *("invalid_amount", "invalid_text", "currency_mismatch", "insufficient_balance"),
    ),
    summary=marked("Add to the account, or take from what is free in it, with a reason"),
)
async def adjust(
    wanted: AdjustmentWanted, caller: CustomerCare, parts: Needs, once: OnlyOnce
) -> Response:
    async def carry_out() -> AdjustedShown:
        _require_plain(wanted.reason)
        amount = wanted.amount.positive(_currency(parts, caller))
        try:
            done = await parts.money_in.adjust(
                caller.office_id,
                wanted.adjustment,
                amount,
                by=caller.actor,
                key=once.name,
                reason=wanted.reason,
            )
        except ValueError:
            raise ProblemError("invalid_amount") from None
        return adjusted_shown(done)

    return await once(carry_out)
