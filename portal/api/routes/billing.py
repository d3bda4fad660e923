"""Whom receipts name, and the form in which a person enters a card: as the page has it."""

from http import HTTPStatus

from fastapi import Request
from starlette.responses import Response

from charging.receipts import Party
from db.card_forms import CardFormRow, find_form
from db.money_reads import find_buyer
from portal.api.access import Manager, Reader
from portal.api.billing_models import Billing, BuyerShown, BuyerWanted, CardFormShown, CardFormState
from portal.api.money_models import card_shown
from portal.api.once import ONCE, OnlyOnce
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.values import Id, Language
from portal.card_forms import ask_for_card
from portal.languages import marked, preferred
from portal.parts import Needs

router = api_router()


@router.get(
    "/billing",
    responses=declared(),
    summary=marked("The card on file, and whom receipts are made out to"),
)
async def show_billing(caller: Reader, parts: Needs) -> Billing:
    party, language = await parts.store.read(lambda reader: find_buyer(reader, caller.office_id))
    card = (await parts.money_in.status(caller.office_id)).card
    buyer = None
    if party is not None:
        buyer = BuyerShown(
            name=party.name,
            address=[*party.address],
            vat_number=party.vat_number,
            registration=party.registration,
            language=Language(language),
        )
    return Billing(card=None if card is None else card_shown(card), buyer=buyer)


@router.put(
    "/billing/buyer",
    responses=declared("invalid_text"),
    summary=marked("Whom receipts are made out to from now on"),
)
async def set_buyer(wanted: BuyerWanted, caller: Manager, parts: Needs) -> Billing:
    try:
        party = Party(
            name=wanted.name.strip(),
            address=tuple(line.strip() for line in wanted.address if line.strip()),
            vat_number=wanted.vat_number.strip(),
            registration=wanted.registration.strip(),
        )
    except ValueError:
        raise ProblemError("invalid_text") from None
    await parts.money_in.set_buyer(
        caller.office_id, party, language=wanted.language.value, by=caller.actor
    )
    return await show_billing(caller, parts)


@router.post(
    "/billing/card-forms",
    status_code=HTTPStatus.CREATED,
    response_model=CardFormShown,
    responses=declared(*ONCE),
    summary=marked("Ask for a form of the card processor, in which a person enters a card"),
)
async def ask_for_card_form(
    request: Request, caller: Manager, parts: Needs, once: OnlyOnce
) -> Response:
    async def ask() -> CardFormShown:
        form = await ask_for_card(
            parts,
            office_id=caller.office_id,
            by=caller.actor,
            at=caller.at,
            client_address=caller.client_address,
            language=preferred(request.headers.get("accept-language", "")),
        )
        return _shown(form)

    return await once(ask)


@router.get(
    "/billing/card-forms/{form_id}",
    responses=declared("unknown_card_form"),
    summary=marked("A form for a card: where it is, and what became of it"),
)
async def show_card_form(form_id: Id, caller: Reader, parts: Needs) -> CardFormShown:
    found = await parts.store.read(lambda reader: find_form(reader, form_id))
    if found is None or found.office_id != caller.office_id:
        raise ProblemError("unknown_card_form")
    return _shown(found)


def _shown(form: CardFormRow) -> CardFormShown:
    return CardFormShown(
        id=form.form_id, state=CardFormState(form.state), page=form.page_url or None, code=form.code
    )
