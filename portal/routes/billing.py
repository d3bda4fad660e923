"""Billing: the card on file, payments, receipts, and whom they are made out to."""

from http import HTTPStatus
from typing import NamedTuple

import structlog
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from charging.receipts import Party, Receipt
from db.card_forms import find_form
from db.money_reads import find_buyer, find_receipt_number
from papers.receipts import NoPdfError
from portal import money_words
from portal.access import ProvenManager, Reader, Visit, visit_in
from portal.card_forms import ask_for_card
from portal.languages import marked
from portal.links import web_address
from portal.money_forms import BuyerForm, card_name
from portal.pages import done
from portal.parts import Needs, Parts
from portal.support_codes import make_code

router = APIRouter()
log = structlog.get_logger()

PAYMENTS, RECEIPTS = 12, 24

NOT_SAVED = marked("No card was saved. Nothing was changed and nothing was charged.")


class _Buyer(NamedTuple):
    party: Party | None
    language: str


@router.get("/billing")
async def billing(request: Request, _: Reader, parts: Needs) -> Response:
    return await _page(request, parts)


async def _page(
    request: Request, parts: Parts, *, status: int = HTTPStatus.OK, form: BuyerForm | None = None
) -> Response:
    office_id = visit_in(request).office_id
    buyer = await parts.store.read(lambda reader: _Buyer(*find_buyer(reader, office_id)))
    standing = await parts.money_in.status(office_id)
    return parts.pages.page(
        request,
        "billing.html",
        status=status,
        card=standing.card,
        card_name=card_name,
        payments=await parts.money_in.payments(office_id, limit=PAYMENTS),
        receipts=await parts.money_in.receipts(office_id, limit=RECEIPTS),
        kinds=money_words.KINDS,
        payment_said=money_words.payment_said,
        form=form or _filled(buyer),
    )


def _filled(buyer: _Buyer) -> BuyerForm:
    party = buyer.party
    return BuyerForm(
        data={
            "name": "" if party is None else party.name,
            "address": "" if party is None else "\n".join(party.address),
            "vat_number": "" if party is None else party.vat_number,
            "registration": "" if party is None else party.registration,
            "language": buyer.language,
        }
    )


@router.post("/billing/buyer")
async def set_buyer(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    form = BuyerForm(await request.form())
    if not form.validate():
        return await _page(request, parts, status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    await parts.money_in.set_buyer(
        visit.office_id, form.party(), language=form.language.data or "en", by=visit.user.actor
    )
    return done("/billing", "saved")


@router.post("/billing/card")
async def enter_card(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    """A row: the worker opens the card processor's own form, in which the card is entered."""
    form = await ask_for_card(
        parts,
        office_id=visit.office_id,
        by=visit.user.actor,
        at=visit.at,
        client_address=visit.client_address,
        language=parts.pages.language(request),
    )
    return RedirectResponse(f"/billing/card/{form.form_id}", status_code=HTTPStatus.SEE_OTHER)


@router.get("/billing/card/{form_id}")
async def card_form(request: Request, form_id: str, visit: Reader, parts: Needs) -> Response:
    found = await parts.store.read(lambda reader: find_form(reader, form_id))
    if found is None or found.office_id != visit.office_id:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return parts.pages.page(
        request, "card_form.html", form=found, page_url=web_address(found.page_url)
    )


@router.get("/receipts/{number}.pdf")
async def receipt_as_pdf(number: int, visit: Reader, parts: Needs) -> Response:
    """For whoever keeps files; the same in every year."""
    found = await _receipt(visit, parts, number)
    zone = parts.offices.office(visit.office_id).time_zone
    try:
        drawn = await parts.printer.pdf(found, zone=zone)
    except NoPdfError as error:
        log.warning("no_pdf", error=str(error))
        return done(f"/receipts/{number}", "no_pdf")
    headers = {"content-disposition": f'attachment; filename="{found.name}.pdf"'}
    return Response(drawn, media_type="application/pdf", headers=headers)


@router.get("/receipts/{number}")
async def receipt(request: Request, number: int, visit: Reader, parts: Needs) -> Response:
    """As it was issued; printed by the browser."""
    found = await _receipt(visit, parts, number)
    return parts.pages.page(request, "receipt.html", receipt=found)


async def _receipt(visit: Visit, parts: Parts, number: int) -> Receipt:
    """A receipt of another office is not there."""
    found = await parts.store.read(
        lambda reader: find_receipt_number(reader, visit.office_id, number)
    )
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found


@router.post("/billing/support-code")
async def support_code(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    """Shown once; whoever has it may cancel one payment of this office, within minutes."""
    code = await make_code(
        parts,
        office_id=visit.office_id,
        by=visit.user.actor,
        client_address=visit.client_address,
    )
    return parts.pages.page(request, "support_code.html", code=f"{code[:4]} {code[4:]}")
