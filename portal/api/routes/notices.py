"""Who is mailed about what, and what was sent: as the page of notices has it."""

from typing import Annotated

from fastapi import Path
from sqlalchemy import Connection

from charging.money import MICROS_PER_UNIT, Money
from charging.money_state import NOTICE_UNITS
from charging.people import require_mail_address
from db.outbox import NoticeAddress, add_address, addresses_of, last_notices, remove_address
from portal.api.access import Caller, Manager, Reader
from portal.api.notices_models import AddressShown, AddressWanted, LevelWanted, Notices, NoticeSent
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.values import Amount, Language, amount_of
from portal.languages import marked
from portal.parts import Needs, Parts

router = api_router()

SHOWN = 20
MailAddress = Annotated[str, Path(pattern=r"^[!-.0-~]{3,254}$", examples=["anna@example.com"])]


@router.get(
    "/notices",
    responses=declared(),
    summary=marked("Who is mailed, below which balance, and what was sent last"),
)
async def show_notices(caller: Reader, parts: Needs) -> Notices:
    office_id = caller.office_id
    addresses, sent = await parts.store.read(
        lambda reader: (addresses_of(reader, office_id), last_notices(reader, office_id, SHOWN))
    )
    return Notices(
        addresses=[
            AddressShown(address=each.address, language=Language(each.language))
            for each in addresses
        ],
        below=await _below(caller, parts),
        sent=[
            NoticeSent(
                kind=each.notice.kind,
                at=each.notice.at,
                sent_at=each.sent_at,
                problem=each.problem,
            )
            for each in sent
        ],
    )


async def _below(caller: Caller, parts: Parts) -> Amount | None:
    """None: never. Of an office that has set nothing, what is in force all the same."""
    currency = parts.offices.office(caller.office_id).currency
    below = (await parts.money_in.status(caller.office_id)).policy.notice_below
    if below is None:
        below = Money(NOTICE_UNITS * MICROS_PER_UNIT, currency)
    return amount_of(below, currency) if below.micros else None


@router.put(
    "/notices/addresses/{address}",
    responses=declared("invalid_mail_address"),
    summary=marked("Have an address mailed, in one of the languages"),
)
async def set_address(
    address: MailAddress, wanted: AddressWanted, caller: Manager, parts: Needs
) -> Notices:
    known = NoticeAddress(_mail_address(address), wanted.language.value)

    def change(writer: Connection) -> None:
        add_address(writer, caller.office_id, known, by=caller.actor, at=caller.at)

    await parts.store.write(change)
    return await show_notices(caller, parts)


@router.delete(
    "/notices/addresses/{address}",
    responses=declared("invalid_mail_address"),
    summary=marked("Have an address mailed no more"),
)
async def end_address(address: MailAddress, caller: Manager, parts: Needs) -> Notices:
    known = _mail_address(address)

    def change(writer: Connection) -> None:
        remove_address(writer, caller.office_id, known, by=caller.actor, at=caller.at)

    await parts.store.write(change)
    return await show_notices(caller, parts)


@router.put(
    "/notices/below",
    responses=declared("invalid_amount", "currency_mismatch"),
    summary=marked("Below which balance a mail is sent; null: never"),
)
async def set_level(wanted: LevelWanted, caller: Manager, parts: Needs) -> Notices:
    await parts.money_in.set_notice_level(
        caller.office_id, _level(wanted, parts, caller), by=caller.actor
    )
    return await show_notices(caller, parts)


def _level(wanted: LevelWanted, parts: Parts, caller: Caller) -> Money:
    currency = parts.offices.office(caller.office_id).currency
    return Money(0, currency) if wanted.below is None else wanted.below.positive(currency)


def _mail_address(text: str) -> str:
    try:
        return require_mail_address(text)
    except ValueError:
        raise ProblemError("invalid_mail_address") from None
