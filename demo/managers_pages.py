"""What the manager of the demonstrated office has: a month of calls, the portal, a card sandbox."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sqlalchemy import select

from assembly.charging import parts_of
from assembly.money_in import receipt_terms
from charging.people import Role
from db import people
from db.engine import WRITER, open_engine
from db.models import entries
from db.rate_decks import LiveDecks
from lab.application import Application
from lab.believable import Setting, fill, phones
from lab.paid_office import OFFICE_ID, PaidOffice
from lab.ports import find_free_port
from lab.sandbox import EXPIRED_CARD, TEST_CARD, put_card_on_file
from portal.passwords import Passwords
from settings import PortalSections, TopUpSections, load_sections

LOOPBACK = "127.0.0.1"
MANAGER = "manager@example.com"
DIRECT_NUMBERS = 442079460100  # of a range that belongs to nobody; each phone adds its own
PROGRAMS = ("payments.sandbox_server", "payments", "portal")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    url: str
    mail_address: str
    password: str
    test_card: str = TEST_CARD


def write_phones(file: Path) -> None:
    """Ten phones of one office, as an admin would write them down."""
    sections = [
        f"[phones.{phone.endpoint}]\n"
        f"name = {json.dumps(phone.name)}\n"
        f'incoming = ["{DIRECT_NUMBERS + place}"]\n'
        for place, phone in enumerate(phones(OFFICE_ID), start=1)
    ]
    file.write_text("\n".join(sections), encoding="utf-8")


def sections_for(sip_address: str) -> Mapping[str, Mapping[str, Any]]:
    """The portal where a browser of this machine finds it; cards and webhooks wherever is room."""
    loopback = ip_address(sip_address).is_loopback
    return {
        "portal": {"address": sip_address if loopback else LOOPBACK},
        "payments": {"port": find_free_port(), "sandbox_port": find_free_port()},
        "topups": {"seller_name": "Example Telecom Ltd", "vat_number": "GB123456789"},
    }


async def live_a_month(paid: PaidOffice) -> bool:
    """Write the month that is over, into a ledger that holds nothing. Whether it did."""
    settings = load_sections(TopUpSections, paid.settings_file)
    engine, offices = parts_of(settings)
    try:
        with engine.connect() as reader:
            if reader.execute(select(entries.c.number).limit(1)).first() is not None:
                return False
        office = offices.snapshot().office(OFFICE_ID)
        decks = LiveDecks(engine)
        await decks.refresh()
        # The worker must not be there while the month plays the card processor.
        async with running(paid, "payments.sandbox_server", "payments"):
            await put_card_on_file(engine, currency=office.currency, number=EXPIRED_CARD)
    finally:
        engine.dispose()
    setting = Setting(
        office=office,
        deck=decks.deck(office.deck_key),
        until=datetime.now(UTC),
        by_card=True,
        terms=receipt_terms(settings.topups),
    )
    await asyncio.to_thread(fill, settings.database.url, setting)
    return True


async def let_in(settings_file: Path) -> SignIn:
    """One manager, with a new password at each start."""
    password = secrets.token_urlsafe(9)
    passwords = Passwords()
    password_hash = await passwords.hash(password)
    passwords.close()
    settings = load_sections(PortalSections, settings_file)
    engine = open_engine(settings.database.url)
    with engine.connect().execution_options(**WRITER) as writer, writer.begin():
        known = people.find_user(writer, MANAGER)
        user_id = (
            known.user_id
            if known is not None
            else people.add_user(writer, address=MANAGER, name="Anna", at=datetime.now(UTC))
        )
        people.give_role(writer, user_id, OFFICE_ID, Role.MANAGER)
        people.set_password(writer, user_id, password_hash)
    engine.dispose()
    return SignIn(url=settings.portal.address_for_browsers, mail_address=MANAGER, password=password)


@asynccontextmanager
async def running(paid: PaidOffice, *programs: str) -> AsyncIterator[None]:
    """Programs of the office, for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        for program in programs:
            folder = paid.office.folder / program
            await stack.enter_async_context(Application(paid.settings_file, folder, module=program))
        yield


@asynccontextmanager
async def managers_pages(paid: PaidOffice) -> AsyncIterator[SignIn]:
    """The portal, card payments and their sandbox, for as long as the block lasts."""
    async with running(paid, *PROGRAMS):
        yield await let_in(paid.settings_file)
