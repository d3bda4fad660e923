"""Notices: who is mailed about what, and what was sent."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.money import MICROS_PER_UNIT, Money
from charging.money_state import NOTICE_UNITS
from charging.notices import NoticeKind
from charging.people import require_mail_address
from db.outbox import NoticeAddress, add_address, addresses_of, last_notices, remove_address
from portal.access import Manager, Reader, visit_in
from portal.languages import marked
from portal.lists import sheet_of
from portal.money_forms import NoticeAddressForm, NoticeLevelForm, plain
from portal.pages import done
from portal.parts import Needs, Parts

router = APIRouter()

SHOWN = 20

KINDS: Final = {
    NoticeKind.LOW_BALANCE: marked("The balance is low"),
    NoticeKind.REFILL_DONE: marked("The account was refilled"),
    NoticeKind.REFILL_DECLINED: marked("A refill was declined, and is tried again"),
    NoticeKind.REFILL_PAUSED: marked("The refill is paused"),
    NoticeKind.REFILL_CEILING: marked("The refill has reached its ceiling"),
    NoticeKind.REFILL_BURST: marked("Several refills within an hour"),
    NoticeKind.RECEIPT: marked("A receipt"),
    NoticeKind.REFUND_DONE: marked("A refund was made"),
    NoticeKind.REFUND_FAILED: marked("A refund failed"),
    NoticeKind.DISPUTE: marked("A payment is disputed"),
    NoticeKind.OPERATOR: marked("For the operator"),
    NoticeKind.INVITATION: marked("An invitation, to one person"),
    NoticeKind.ACCESS: marked("An invitation, to one person"),
    NoticeKind.NEW_PASSWORD: marked("A link for a new password, to one person"),
}


@router.get("/notices")
async def notices(request: Request, _: Reader, parts: Needs) -> Response:
    return await _page(request, parts)


async def _page(
    request: Request,
    parts: Parts,
    *,
    status: int = HTTPStatus.OK,
    form: NoticeAddressForm | None = None,
    level: NoticeLevelForm | None = None,
) -> Response:
    office_id = visit_in(request).office_id
    currency = parts.offices.office(office_id).currency
    addresses, sent = await parts.store.read(
        lambda reader: (addresses_of(reader, office_id), last_notices(reader, office_id, SHOWN))
    )
    below = (await parts.money_in.status(office_id)).policy.notice_below
    if below is None:
        below = Money(NOTICE_UNITS * MICROS_PER_UNIT, currency)
    return parts.pages.page(
        request,
        "notices.html",
        status=status,
        sheet=sheet_of(addresses, request),
        sent=sent,
        kinds=KINDS,
        form=form or NoticeAddressForm(data={"language": parts.pages.language(request)}),
        level=level
        or NoticeLevelForm(data={"level": parts.pages.words(request).typed(plain(below))}),
        currency=currency,
    )


@router.post("/notices")
async def add(request: Request, visit: Manager, parts: Needs) -> Response:
    form = NoticeAddressForm(await request.form())
    if not form.validate():
        return await _page(request, parts, status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    address = NoticeAddress(form.address.data or "", form.language.data or "en")

    def change(writer: Connection) -> None:
        add_address(writer, visit.office_id, address, by=visit.user.actor, at=visit.at)

    await parts.store.write(change)
    return done("/notices", "saved")


@router.post("/notices/remove")
async def remove(request: Request, visit: Manager, parts: Needs) -> Response:
    try:
        address = require_mail_address(str((await request.form()).get("address", "")))
    except ValueError:
        return done("/notices", "saved")  # no address of any list
    await parts.store.write(
        lambda writer: remove_address(
            writer, visit.office_id, address, by=visit.user.actor, at=visit.at
        )
    )
    return done("/notices", "saved")


@router.post("/notices/level")
async def set_level(request: Request, visit: Manager, parts: Needs) -> Response:
    """Below which balance a mail is sent; empty or zero: never."""
    form = NoticeLevelForm(await request.form())
    amount = form.amount(parts.offices.office(visit.office_id).currency)
    if amount is None:
        return await _page(request, parts, status=HTTPStatus.UNPROCESSABLE_ENTITY, level=form)
    await parts.money_in.set_notice_level(visit.office_id, amount, by=visit.user.actor)
    return done("/notices", "saved")
