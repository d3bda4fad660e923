"""Customer care corrects an account: adds to it, or takes from what is free in it, and says why."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from charging.adjustments import Adjustment
from charging.errors import EntryKeyReused, InsufficientBalance
from portal.access import CareReader, CustomerCare, visit_in
from portal.languages import marked
from portal.money_forms import KEY_USED, AdjustForm
from portal.pages import done
from portal.parts import Needs, Parts

router = APIRouter()

NOT_FREE = marked("Less than that is free in the account.")


@router.get("/adjust")
async def adjust_page(request: Request, _: CareReader, parts: Needs) -> Response:
    form = AdjustForm()
    form.offer()
    return await _page(request, parts, form)


async def _page(
    request: Request, parts: Parts, form: AdjustForm, *, status: int = HTTPStatus.OK
) -> Response:
    form.renew_key()
    balances = await parts.money_in.balances(visit_in(request).office_id)
    return parts.pages.page(request, "adjust.html", status=status, form=form, balances=balances)


@router.post("/adjust")
async def adjust(request: Request, visit: CustomerCare, parts: Needs) -> Response:
    """Once for each time that the page was shown, however often it is sent."""
    form = AdjustForm(await request.form())
    form.offer()
    amount = form.amount_in(parts.offices.office(visit.office_id).currency)
    if amount is None:
        return await _page(request, parts, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        await parts.money_in.adjust(
            visit.office_id,
            Adjustment(form.adjustment.data),
            amount,
            by=visit.user.actor,
            key=str(form.key.data),
            reason=str(form.reason.data),
        )
    except InsufficientBalance:
        form.refuse(form.amount, NOT_FREE)
        return await _page(request, parts, form, status=HTTPStatus.CONFLICT)
    except EntryKeyReused:
        form.refuse(form.amount, KEY_USED)
        return await _page(request, parts, form, status=HTTPStatus.CONFLICT)
    return done("/activity?show=money", "adjusted")
