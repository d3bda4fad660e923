"""What every process of Tollgate needs before it can answer a question of money."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine

from assembly.extensions import LivePhones
from assembly.plans import OfficePlans, currencies_of, plan_files
from assembly.sites import OfficeSites
from charging.enquiries import Enquiries
from charging.errors import ChargingUnavailable
from charging.language import language_of
from charging.money import Money
from charging.usecases import Charging
from db.engine import DatabaseUrlError, open_engine
from db.ledger import SqlLedger
from db.rate_decks import LiveDecks
from db.schema import upgrade
from dialplan.phones import EXAMPLE, PhonesError
from plans.files import PlanFileError
from settings import SharedSections

log = structlog.get_logger()

REFRESH_EVERY_S = 5.0  # how soon an imported rate deck is in force
FILES_EVERY_S = 1.0  # how soon a plan or a phones file that was saved is in force
RETRY_EVERY_S = 1.0  # while the database is away


class AssemblyError(Exception):
    """Something the settings name cannot be used; the message is one sentence."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    charging: Charging
    enquiries: Enquiries
    engine: Engine
    plans: OfficePlans
    sites: OfficeSites
    extensions: LivePhones


@asynccontextmanager
async def open_charging(settings: SharedSections) -> AsyncIterator[Assembled]:
    """Charging, ready to be asked. Rate decks that are imported meanwhile take effect.

    With the database away it starts all the same: included and emergency calls need none, and paid
    ones are refused until it is back.

    Raises:
        AssemblyError: the database's address, the phones or a plan file cannot be used.
    """
    engine, plans, extensions = parts_of(settings)
    sites = OfficeSites(settings, plans)
    decks = LiveDecks(engine, {name: office.deck for name, office in settings.offices.items()})
    async with SqlLedger(engine) as ledger:
        charging = Charging(
            sites=sites,
            extensions=extensions,
            plans=plans,
            decks=decks,
            ledger=ledger,
            clock=SystemClock(),
        )
        enquiries = Enquiries(
            sites=sites,
            extensions=extensions,
            plans=plans,
            decks=decks,
            accounts=ledger,
            clock=SystemClock(),
        )
        ready = await prepare(engine, decks)
        refreshing = asyncio.gather(
            keep_fresh(engine, decks, ready=ready), keep_files_fresh(plans, extensions)
        )
        try:
            yield Assembled(
                charging=charging,
                enquiries=enquiries,
                engine=engine,
                plans=plans,
                sites=sites,
                extensions=extensions,
            )
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)


def parts_of(settings: SharedSections) -> tuple[Engine, OfficePlans, LivePhones]:
    """What is read before anything connects.

    Raises:
        AssemblyError: the database's address, the phones or a plan file cannot be used.
    """
    try:
        engine = open_engine(settings.database.url)
        plans = OfficePlans(settings, plan_files(settings, report_plan))
        phones = LivePhones(
            settings.site.phones_file or EXAMPLE,
            lambda: currencies_of(plans, settings),
            report=report_phones,
        )
    except (DatabaseUrlError, PhonesError, PlanFileError) as error:
        raise AssemblyError(str(error)) from error
    return engine, plans, phones


async def balance_of(settings: SharedSections, endpoint: str) -> tuple[Money, str]:
    """One phone's balance and language, for a process that lives no longer than one call.

    Reads no rate deck, and takes the tables as they are.

    Raises:
        AssemblyError, ChargingError: as everywhere.
    """
    engine, plans, extensions = parts_of(settings)
    extension = extensions.find(endpoint)
    plan = plans.plan_of(extension.office_id)
    async with SqlLedger(engine) as ledger:
        balances = await ledger.balances(extension.office_id, plan.currency)
    return balances.available, language_of(extension, plan)


def report_phones(error: PhonesError) -> None:
    log.error("phones_refused", error=str(error))


def report_plan(error: PlanFileError) -> None:
    log.error("plan_refused", error=str(error))


def _report_progress(done: int, of: int) -> None:
    log.info("ledger_migrating", postings=done, of=of)


async def prepare(engine: Engine, decks: LiveDecks) -> bool:
    """Bring the tables up to date and read the decks; whether that could be done."""
    try:
        await asyncio.to_thread(upgrade, engine, tell=_report_progress)
        await decks.refresh()
    except ChargingUnavailable as error:
        log.error("database_away", error=str(error))
        return False
    return True


async def keep_files_fresh(plans: OfficePlans, phones: LivePhones) -> None:
    """In a thread: a file may be large, on a slow disk, or on one that has gone away."""
    while True:
        await asyncio.sleep(FILES_EVERY_S)
        await asyncio.to_thread(plans.refresh)
        await asyncio.to_thread(phones.refresh)


async def keep_fresh(engine: Engine, decks: LiveDecks, *, ready: bool) -> None:
    while not ready:
        await asyncio.sleep(RETRY_EVERY_S)
        ready = await prepare(engine, decks)
    while True:
        await asyncio.sleep(REFRESH_EVERY_S)
        try:
            if await decks.refresh():
                log.info("rate_deck_changed")
        except ChargingUnavailable as error:
            log.warning("rate_deck_not_refreshed", error=str(error))
