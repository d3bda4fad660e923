"""`python -m portal SETTINGS`: serve the managers' pages until told to stop."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import structlog
import uvicorn
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
from charging.errors import ChargingUnavailable
from charging.managers_settings import SettingChange
from charging.money_in import MoneyIn
from db import people
from db.ledger import SqlLedger
from db.rate_decks import LiveDecks
from portal.app import portal_app
from portal.assets import Assets
from portal.languages import load_catalogues
from portal.mail import LoggedMail
from portal.metrics import MeasuredPages
from portal.offices import Offices
from portal.pages import Pages
from portal.parts import ChangeSetting, Parts
from portal.passwords import Passwords
from portal.sessions import Sessions
from portal.store import Store
from settings import PortalSections, PortalSettings, SettingsError

log = structlog.get_logger()

CONNECTIONS_MAX = 500
KEEP_ALIVE_S = 15
STOP_TIMEOUT_S = 5
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
            offices=known,
            money_in=money_in,
            decks=decks,
            set_by_manager=set_by_manager,
        )
        stack.callback(parts.store.close)
        stack.callback(parts.passwords.close)
        questions = {LEDGER: ledger_question(engine)}
        await stack.enter_async_context(answering("portal", settings, questions))
        await stack.enter_async_context(readable("portal", settings, registry, questions))
        for kept in (
            _keep_purged(parts),
            keep_files_fresh(offices),
            keep_database_fresh(engine, offices, decks, ready=ready),
        ):
            await stack.enter_async_context(beside(kept))
        pages = MeasuredPages(portal_app(parts, hosts=hosts_of(settings.portal)), registry)
        await _run(settings.portal, parts, pages)


def _parts(  # noqa: PLR0913 - what the pages are made of
    settings: PortalSettings,
    engine: Engine,
    *,
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
        pages=Pages(load_catalogues(), assets, lambda office: offices.office(office).time_zone),
        mail=LoggedMail(),
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


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to the process it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(settings: PortalSettings, parts: Parts, pages: MeasuredPages) -> None:
    server = _Server(
        uvicorn.Config(
            pages,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            proxy_headers=settings.trusted_proxy is not None,
            forwarded_allow_ips=settings.trusted_proxy or "",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    )
    with _listening(settings) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        log.info("ready", address=settings.address, port=settings.port, url=parts.public_url)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving


def _listening(settings: PortalSettings) -> socket.socket:
    """Bound before anything is served, so that a port that is taken is one sentence."""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.address, settings.port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"portal: port {settings.port} of {settings.address} cannot be listened at:"
            f" {error.strerror}"
        ) from error
    return listener


async def _keep_purged(parts: Parts) -> None:
    """Remove ended sessions and used links, now and then; one that fails is tried again."""
    while True:
        try:
            await parts.store.write(partial(people.purge, now=parts.now()))
        except ChargingUnavailable as error:
            log.warning("people_not_purged", error=str(error))
        await asyncio.sleep(PURGE_EVERY_S)


if __name__ == "__main__":
    sys.exit(main(serve, PortalSections))
