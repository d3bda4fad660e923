"""What every process of Tollgate needs before it can answer a question of money."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Engine

from assembly.clock import SystemClock
from assembly.live_offices import LiveOffices
from assembly.offices import OfficesError
from charging.enquiries import Enquiries
from charging.errors import ChargingUnavailable, Refusal
from charging.money import Money
from charging.offices import OfficesSnapshot
from charging.usecases import Charging
from db.engine import DatabaseUrlError, open_engine
from db.group_commit import Committed, tell_nobody
from db.ledger import SqlLedger, read_from
from db.managers_settings import read_currencies, read_settings
from db.rate_decks import LiveDecks
from db.schema import require_version
from settings import SharedSections

log = structlog.get_logger()

REFRESH_EVERY_S = 5.0  # how soon an imported rate deck, or what a manager set, is in force
FILES_EVERY_S = 1.0  # how soon a file that was saved is in force
RETRY_EVERY_S = 1.0  # while the database is away


class AssemblyError(Exception):
    """Something the settings name cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    charging: Charging
    enquiries: Enquiries
    engine: Engine
    offices: LiveOffices


@asynccontextmanager
async def open_charging(
    settings: SharedSections, *, committed: Committed = tell_nobody
) -> AsyncIterator[Assembled]:
    """Charging, ready to be asked. Rate decks that are imported meanwhile take effect.

    `committed` is told of each batch of commands that the ledger carried out.

    With the database away it starts all the same: included and emergency calls need none, and paid
    ones are refused until it is back.

    Raises:
        SchemaVersionError: the tables are of another version; now, or when the database is back.
        AssemblyError: the database's address, the phones or a plan file cannot be used.
    """
    engine, offices = parts_of(settings)
    decks = LiveDecks(engine)
    async with SqlLedger(engine, committed=committed) as ledger:
        charging = Charging(offices=offices, decks=decks, ledger=ledger, clock=SystemClock())
        enquiries = Enquiries(offices=offices, decks=decks, accounts=ledger, clock=SystemClock())
        ready = await prepare(engine, offices, decks)
        async with (
            beside(keep_database_fresh(engine, offices, decks, ready=ready)),
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
        offices = LiveOffices(settings, report=report_refused, changed=report_changed)
        return open_engine(settings.database.url), offices
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
    async with SqlLedger(engine) as ledger:
        await look_at_database(engine, live)
        offices = live.snapshot()
        language = offices.language_for(endpoint, chosen=chosen)
        try:
            office = offices.office_at(endpoint)
        except Refusal as refusal:
            return language, refusal
        balances = await ledger.balances(office.id, office.currency)
    return language, balances.available


def report_changed(offices: OfficesSnapshot) -> None:
    """Of a file that was saved, or of what is in the database: it is in force."""
    names = [office.id for office in offices.offices]
    log.info("offices_changed", offices=names, extensions=len(offices.extensions))


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


async def prepare(engine: Engine, offices: LiveOffices, decks: LiveDecks) -> bool:
    """Read what calls go by; whether that could be done.

    Raises:
        SchemaVersionError: the tables are of another version.
    """
    if not await require_tables(engine):
        return False
    try:
        await look_at_database(engine, offices, decks)
    except ChargingUnavailable as error:
        log.error("database_away", error=str(error))
        return False
    return True


async def look_at_database(
    engine: Engine, offices: LiveOffices, decks: LiveDecks | None = None
) -> bool:
    """Let what managers set and what was imported take effect; whether a deck was imported.

    Raises:
        ChargingUnavailable: the database is away; what was read of it before stays in force.
    """
    managers = await asyncio.to_thread(read_from, engine, read_settings)
    currencies = await asyncio.to_thread(read_from, engine, read_currencies)
    await asyncio.to_thread(offices.take, managers, currencies)
    return decks is not None and await decks.refresh()


async def keep_files_fresh(offices: LiveOffices) -> None:
    """In a thread: a file may be large, on a slow disk, or on one that has gone away."""
    while True:
        await asyncio.sleep(FILES_EVERY_S)
        await asyncio.to_thread(offices.refresh)


async def keep_database_fresh(
    engine: Engine, offices: LiveOffices, decks: LiveDecks, *, ready: bool
) -> None:
    while not ready:
        await asyncio.sleep(RETRY_EVERY_S)
        ready = await prepare(engine, offices, decks)
    await keep_looking(engine, offices, decks)


async def keep_looking(
    engine: Engine, offices: LiveOffices, decks: LiveDecks | None = None
) -> None:
    while True:
        await asyncio.sleep(REFRESH_EVERY_S)
        try:
            if await look_at_database(engine, offices, decks):
                log.info("rate_deck_changed")
        except ChargingUnavailable as error:
            log.warning("database_not_read", error=str(error))
