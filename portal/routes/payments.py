"""Payments by card: what became of each, and what a person can still do about it."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from charging.errors import NotRefundable, TopUpSpent, UnknownPayment
from charging.money_state import Payment
from charging.refill import State
from db.money_reads import papers_of
from portal import money_words
from portal.access import CustomerCare, Manager, Reader, Visit
from portal.languages import marked
from portal.links import web_address
from portal.money_forms import CancelForm
from portal.pages import done
from portal.parts import Needs, Parts
from portal.support_codes import Redeemed, redeem_code

router = APIRouter()

_MOVES = frozenset({State.CLAIMED, State.SENT, State.UNKNOWN, State.REFUNDING})
ANSWERED = "answered"  # in the address to which a bank's page sends the browser back
WRONG_CODE = marked("This is not the code that works now. The office can make a new one.")
TOO_MANY_CODES = marked("Too many codes were tried for this office. Wait a quarter of an hour.")
SPENT = marked("Nothing of this payment is unspent.")
NOT_REFUNDABLE = marked("This payment cannot be sent back to the card any more.")


@router.get("/payments/latest")
async def latest(visit: Reader, parts: Needs) -> Response:
    """Where a bank's page sends the browser back to."""
    found = await parts.money_in.payments(visit.office_id, limit=1)
    to = f"/payments/{found[0].payment_id}?{ANSWERED}" if found else "/"
    return RedirectResponse(to, status_code=HTTPStatus.SEE_OTHER)


@router.get("/payments/{payment_id}")
async def payment(request: Request, payment_id: str, visit: Reader, parts: Needs) -> Response:
    return await _page(request, parts, await _find(visit, parts, payment_id), CancelForm())


async def _find(visit: Visit, parts: Parts, payment_id: str) -> Payment:
    """A payment of another office is not there."""
    try:
        return await parts.money_in.payment(visit.office_id, payment_id)
    except UnknownPayment:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


async def _page(
    request: Request, parts: Parts, found: Payment, form: CancelForm, *, status: int = 200
) -> Response:
    words = parts.pages.words(request)
    papers = await parts.store.read(lambda reader: papers_of(reader, found.payment_id))
    return parts.pages.page(
        request,
        "payment.html",
        status=status,
        payment=found,
        said=money_words.payment_said(words, found),
        kind=money_words.KINDS[found.attempt.kind],
        asks_bank=found.state is State.AUTHENTICATION,
        # Back from the bank, of which the card processor tells us in a moment.
        answered=ANSWERED in request.query_params and found.state is State.AUTHENTICATION,
        bank_page=web_address(found.attempt.page_url),
        moves=found.state in _MOVES,
        declined=found.state in {State.REFUSED, State.DECLINED},
        refundable=found.state is State.CREDITED,
        papers=papers,
        form=form,
    )


@router.post("/payments/{payment_id}/confirm")
async def confirm(payment_id: str, visit: Manager, parts: Needs) -> Response:
    """Somebody is there now to answer the bank."""
    await _find(visit, parts, payment_id)
    await parts.money_in.confirm(
        visit.office_id,
        payment_id,
        by=visit.user.actor,
        return_url=f"{parts.public_url}/payments/{payment_id}?{ANSWERED}",
    )
    return RedirectResponse(f"/payments/{payment_id}", status_code=HTTPStatus.SEE_OTHER)


@router.post("/payments/{payment_id}/cancel")
async def cancel(request: Request, payment_id: str, visit: CustomerCare, parts: Needs) -> Response:
    """By customer care alone, against the code that the office reads out."""
    form = CancelForm(await request.form())
    found = await _find(visit, parts, payment_id)
    if not form.validate():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _page(request, parts, found, form, status=status)
    redeemed = await redeem_code(
        parts,
        office_id=visit.office_id,
        code=form.code.data or "",
        client_address=visit.client_address,
    )
    if redeemed is not Redeemed.YES:
        form.refuse(form.code, WRONG_CODE if redeemed is Redeemed.WRONG else TOO_MANY_CODES)
        return await _page(request, parts, found, form, status=HTTPStatus.CONFLICT)
    try:
        await parts.money_in.cancel_top_up(
            visit.office_id, payment_id, by=visit.user.actor, reason=form.reason.data or ""
        )
    except (TopUpSpent, NotRefundable) as error:
        form.refuse(form.reason, SPENT if isinstance(error, TopUpSpent) else NOT_REFUNDABLE)
        return await _page(request, parts, found, form, status=HTTPStatus.CONFLICT)
    return done(f"/payments/{payment_id}", "cancelled")
