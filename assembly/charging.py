"""What every process of Tollgate needs before it can answer a question of money."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine

from assembly.extensions import PhoneExtensions
from charging.errors import ChargingUnavailable
from charging.numbering import Site
from charging.plan import Plan
from charging.usecases import Charging
from db.engine import DatabaseUrlError, open_engine
from db.ledger import SqlLedger
from db.rate_decks import LiveDecks
from db.schema import upgrade
from dialplan.phones import EXAMPLE, PhonesError, load_phones
from dialplan.plan_files import SHIPPED_PLANS, PlanFileError, PlanFiles
from settings import Settings

log = structlog.get_logger()

REFRESH_DECKS_EVERY_S = 5.0


class AssemblyError(Exception):
    """Something the settings name cannot be used; the message is one sentence."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class OfficePlans:
    """The plan in force of each office."""

    def __init__(self, settings: Settings, files: PlanFiles) -> None:
        self._names = {office: found.plan for office, found in settings.offices.items()}
        self._files = files

    def plan_of(self, office_id: str) -> Plan:
        return self._files.plan(self._names[office_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    charging: Charging
    engine: Engine
    plans: OfficePlans
    site: Site


@asynccontextmanager
async def open_charging(settings: Settings) -> AsyncIterator[Assembled]:
    """Charging, ready to be asked; decks that are imported meanwhile are taken up.

    Raises:
        AssemblyError: the database's address, the phones or a plan file cannot be used.
        ChargingUnavailable: the database is away.
    """
    site = site_of(settings)
    try:
        engine = open_engine(settings.database.url)
        plans = OfficePlans(settings, plan_files(settings, report_plan))
        phones = load_phones(settings.site.phones_file or EXAMPLE)
        extensions = PhoneExtensions(phones, _currencies(settings, plans))
    except (DatabaseUrlError, PhonesError, PlanFileError) as error:
        raise AssemblyError(str(error)) from error
    await asyncio.to_thread(upgrade, engine)
    decks = LiveDecks(engine)
    await decks.refresh()
    async with SqlLedger(engine) as ledger:
        charging = Charging(
            site=site,
            extensions=extensions,
            plans=plans,
            decks=decks,
            ledger=ledger,
            clock=SystemClock(),
        )
        refreshing = asyncio.create_task(_keep_decks_fresh(decks))
        try:
            yield Assembled(charging=charging, engine=engine, plans=plans, site=site)
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)


def site_of(settings: Settings) -> Site:
    return Site(
        country=settings.site.country,
        outside_line_prefix=settings.site.outside_line_prefix,
        international_prefix=settings.site.international_prefix,
    )


def plan_files(settings: Settings, report: Callable[[PlanFileError], None]) -> PlanFiles:
    return PlanFiles(settings.site.plans_folder or SHIPPED_PLANS, report=report)


def report_plan(error: PlanFileError) -> None:
    log.error("plan_refused", error=str(error))


def _currencies(settings: Settings, plans: OfficePlans) -> dict[str, str]:
    """The currency of every office; a wrong plan must stop the start, not the first call."""
    return {office: plans.plan_of(office).currency for office in settings.offices}


async def _keep_decks_fresh(decks: LiveDecks) -> None:
    while True:
        await asyncio.sleep(REFRESH_DECKS_EVERY_S)
        try:
            if await decks.refresh():
                log.info("rate_deck_changed")
        except ChargingUnavailable as error:
            log.warning("rate_deck_not_refreshed", error=str(error))
