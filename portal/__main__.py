"""`python -m portal SETTINGS`: serve the managers' pages until told to stop."""

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial

import structlog
from sqlalchemy import Engine

from assembly.charging import (
    beside,
    keep_database_fresh,
    keep_files_fresh,
    look_at_database,
    parts_of,
    prepare,
)
from assembly.clock import SystemClock
from assembly.health import LEDGER, answering, ledger_question
from assembly.live_offices import LiveOffices
from assembly.managers_settings import change_setting
from assembly.metrics import count_log, of_commits, readable, registry_of
from assembly.money_in import money_in_of
from assembly.process import main
from assembly.serving import served
from charging.errors import ChargingUnavailable
from charging.managers_settings import SettingChange
from charging.money_in import MoneyIn
from db import people
from db.api_requests import purge_requests
from db.ledger import SqlLedger
from db.rate_decks import LiveDecks
from portal.adding_up import keep_added_up
from portal.app import portal_app
from portal.assets import Assets
from portal.languages import load_catalogues
from portal.mail import MailedLinks
from portal.metrics import MeasuredPages
from portal.offices import Offices
from portal.pages import Pages
from portal.parts import ChangeSetting, Parts
from portal.passwords import Passwords
from portal.printing import Printer
from portal.sessions import Sessions
from portal.store import Store
from settings import PortalSections, PortalSettings

log = structlog.get_logger()

PURGE_EVERY_S = 3600.0


async def serve(settings: PortalSections) -> None:
    """Run until cancelled; pages that are under way are finished."""
    registry = registry_of("portal")
    count_log(registry, settings, {})
    engine, offices = parts_of(settings)
    async with AsyncExitStack() as stack:
        stack.callback(engine.dispose)
        ledger = await stack.enter_async_context(SqlLedger(engine, committed=of_commits(registry)))
        known, decks = Offices(offices, lambda: offices.sources), LiveDecks(engine)
        ready = await prepare(engine, offices, decks)
        money_in = money_in_of(
            settings, ledger, currency_of=lambda office: known.office(office).currency
        )
        set_by_manager = partial(_change_setting, engine, offices)
        parts = _parts(
            settings.portal,
            engine,
            is_mailed=settings.notices.smtp_host is not None,
            offices=known,
            money_in=money_in,
            decks=decks,
            set_by_manager=set_by_manager,
        )
        stack.callback(parts.store.close)
        stack.callback(parts.passwords.close)
        stack.callback(parts.printer.close)
        questions = {LEDGER: ledger_question(engine)}
        await stack.enter_async_context(answering("portal", settings, questions))
        await stack.enter_async_context(readable("portal", settings, registry, questions))
        for kept in (
            _keep_purged(parts),
            keep_added_up(engine, parts.now),
            keep_files_fresh(offices),
            keep_database_fresh(engine, offices, decks, ready=ready),
        ):
            await stack.enter_async_context(beside(kept))
        portal = settings.portal
        pages = MeasuredPages(portal_app(parts, hosts=hosts_of(portal)), registry)
        async with served(
            pages,
            section="portal",
            address=portal.address,
            port=portal.port,
            trusted_proxy=portal.trusted_proxy,
        ):
            log.info("ready", address=portal.address, port=portal.port, url=parts.public_url)
            await asyncio.get_running_loop().create_future()


def _parts(  # noqa: PLR0913 - what the pages are made of
    settings: PortalSettings,
    engine: Engine,
    *,
    is_mailed: bool,
    offices: Offices,
    money_in: MoneyIn,
    decks: LiveDecks,
    set_by_manager: ChangeSetting,
) -> Parts:
    public_url = settings.address_for_browsers
    store, assets = Store(engine), Assets()
    now = SystemClock().now
    return Parts(
        store=store,
        sessions=Sessions(store, now, secure=public_url.startswith("https://")),
        passwords=Passwords(),
        printer=Printer(),
        pages=Pages(load_catalogues(), assets, lambda office: offices.office(office).time_zone),
        mail=MailedLinks(store, now, public_url=public_url, is_sent=is_mailed),
        offices=offices,
        money_in=money_in,
        decks=decks,
        change_setting=set_by_manager,
        assets=assets,
        now=now,
        public_url=public_url,
    )


async def _change_setting(
    engine: Engine, offices: LiveOffices, change: SettingChange, client_address: str
) -> None:
    """Keep it, and know it at once; the other processes follow within seconds."""
    keep = partial(change_setting, engine, offices.sources, change, client_address=client_address)
    await asyncio.to_thread(keep)
    await look_at_database(engine, offices)


def hosts_of(settings: PortalSettings) -> set[str]:
    """What browsers may ask for: one name, or this machine under both of its own."""
    if settings.public_url is not None:
        return {settings.public_url.partition("://")[2]}
    return {settings.host, f"localhost:{settings.port}"}


async def _keep_purged(parts: Parts) -> None:
    """Remove ended sessions and used links, now and then; one that fails is tried again."""
    while True:
        try:
            await parts.store.write(partial(people.purge, now=parts.now()))
            await parts.store.write(partial(purge_requests, now=parts.now()))
        except ChargingUnavailable as error:
            log.warning("people_not_purged", error=str(error))
        await asyncio.sleep(PURGE_EVERY_S)


if __name__ == "__main__":
    sys.exit(main(serve, PortalSections))
