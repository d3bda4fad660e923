"""What every process of Tollgate needs before it can answer a question of money."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Engine

from assembly.offices import LiveOffices, OfficesError
from charging.enquiries import Enquiries
from charging.errors import ChargingUnavailable, Refusal
from charging.money import Money
from charging.usecases import Charging
from db.engine import DatabaseUrlError, open_engine
from db.ledger import SqlLedger
from db.rate_decks import LiveDecks
from db.schema import require_version
from settings import SharedSections

log = structlog.get_logger()

REFRESH_EVERY_S = 5.0  # how soon an imported rate deck is in force
FILES_EVERY_S = 1.0  # how soon a file that was saved is in force
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
    offices: LiveOffices


@asynccontextmanager
async def open_charging(settings: SharedSections) -> AsyncIterator[Assembled]:
    """Charging, ready to be asked. Rate decks that are imported meanwhile take effect.

    With the database away it starts all the same: included and emergency calls need none, and paid
    ones are refused until it is back.

    Raises:
        SchemaVersionError: the tables are of another version; now, or when the database is back.
        AssemblyError: the database's address, the phones or a plan file cannot be used.
    """
    engine, offices = parts_of(settings)
    decks = LiveDecks(engine)
    async with SqlLedger(engine) as ledger:
        charging = Charging(offices=offices, decks=decks, ledger=ledger, clock=SystemClock())
        enquiries = Enquiries(offices=offices, decks=decks, accounts=ledger, clock=SystemClock())
        ready = await prepare(engine, decks)
        async with (
            beside(keep_fresh(engine, decks, ready=ready)),
            beside(keep_files_fresh(offices)),
        ):
            yield Assembled(charging=charging, enquiries=enquiries, engine=engine, offices=offices)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do the work for as long as the block runs; what it raises ends the block."""
    block = asyncio.current_task()
    doing = asyncio.create_task(work)

    def failed() -> BaseException | None:
        return doing.exception() if doing.done() and not doing.cancelled() else None

    def end_block(_: asyncio.Task[None]) -> None:
        if block is not None and failed() is not None:
            block.cancel()

    doing.add_done_callback(end_block)
    try:
        yield
    except asyncio.CancelledError:
        if block is not None and (error := failed()) is not None:
            block.uncancel()
            raise error from None
        raise
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


def parts_of(settings: SharedSections) -> tuple[Engine, LiveOffices]:
    """What is read before anything connects.

    Raises:
        AssemblyError: the database's address, or what makes the offices, cannot be used.
    """
    try:
        return open_engine(settings.database.url), LiveOffices(settings, report=report_refused)
    except (DatabaseUrlError, OfficesError) as error:
        raise AssemblyError(str(error)) from error


async def balance_of(
    settings: SharedSections, endpoint: str, *, chosen: str
) -> tuple[str, Money | Refusal]:
    """One phone's language and balance, for a process that lives no longer than one call.

    Reads no rate deck, and takes the tables as they are.

    Raises:
        AssemblyError, ChargingUnavailable: as everywhere.
    """
    engine, live = parts_of(settings)
    offices = live.snapshot()
    language = offices.language_for(endpoint, chosen=chosen)
    try:
        office = offices.office_at(endpoint)
    except Refusal as refusal:
        return language, refusal
    async with SqlLedger(engine) as ledger:
        balances = await ledger.balances(office.id, office.currency)
    return language, balances.available


def report_refused(problem: str) -> None:
    """Of a file that was saved, or of what is in the database: the last good one is in force."""
    log.error("change_refused", error=problem)


async def require_tables(engine: Engine) -> bool:
    """Whether the ledger answers.

    Raises:
        SchemaVersionError: its tables are of another version.
    """
    try:
        await asyncio.to_thread(require_version, engine)
    except ChargingUnavailable as error:
        log.error("database_away", error=str(error))
        return False
    return True


async def prepare(engine: Engine, decks: LiveDecks) -> bool:
    """Read the decks; whether that could be done.

    Raises:
        SchemaVersionError: the tables are of another version.
    """
    if not await require_tables(engine):
        return False
    try:
        await decks.refresh()
    except ChargingUnavailable as error:
        log.error("database_away", error=str(error))
        return False
    return True


async def keep_files_fresh(offices: LiveOffices) -> None:
    """In a thread: a file may be large, on a slow disk, or on one that has gone away."""
    while True:
        await asyncio.sleep(FILES_EVERY_S)
        await asyncio.to_thread(offices.refresh)


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
