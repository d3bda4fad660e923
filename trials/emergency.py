"""Emergency calls while everything of ours that could say no does; the carrier is the judge."""

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from charging.money import Money
from lab.caller import Calls, PlacedCall, place_calls
from lab.paid_office import PaidOffice, Sections, make_paid_office
from lab.telephony import find_telephony
from telephony.tools import Telephony
from trials.numbers import DECK

NUMBERS = ("112", "999")
PAID_NUMBER = "0033110000000"
TALK_MS = 300
RATE_PER_S = 10
EXTENSION = "1001"

# Money enough for a paid call, and a phone that may spend next to none of it.
_LIMITED = f'[phones.{EXTENSION}]\nname = "Reception"\nday_limit = "0.001"\n'


@dataclass(frozen=True, slots=True)
class Condition:
    """What stands against a paid call, from the outside: a paid call must be refused."""

    name: str
    opening: Money | None = None
    phones: str = ""  # the phones file, where it is not the one that comes with Tollgate
    refusal: str = ""  # the application's word for it; "" while it is dead
    while_it_lasts: Callable[[PaidOffice], AbstractAsyncContextManager[None]] = lambda _: (
        nullcontext()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyOutcome:
    condition: str
    placed: int
    answered: Mapping[str, int]  # by the carrier's log, for each emergency number
    slowest_s: float  # from the dial to the answer, as the caller saw it
    problems: tuple[str, ...]


@asynccontextmanager
async def application_dead(paid: PaidOffice) -> AsyncIterator[None]:
    await paid.application.kill()
    yield


@asynccontextmanager
async def database_locked(paid: PaidOffice) -> AsyncIterator[None]:
    """Hold SQLite's one lock for writing: the application then gets an error after its patience."""
    _, _, file = paid.settings.database.url.partition("sqlite:///")
    holder = await asyncio.to_thread(sqlite3.connect, file, timeout=30, check_same_thread=False)
    try:
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        yield
        holder.rollback()
    finally:
        holder.close()


CONDITIONS = (
    Condition("zero balance", refusal="insufficient_balance"),
    Condition("application dead", Money(10_000_000, "GBP"), while_it_lasts=application_dead),
    Condition(
        "database locked",
        Money(10_000_000, "GBP"),
        refusal="unavailable",
        while_it_lasts=database_locked,
    ),
    Condition("limit hit", Money(10_000_000, "GBP"), phones=_LIMITED, refusal="limit_reached"),
)


async def run(condition: Condition, calls: int, folder: Path | None = None) -> EmergencyOutcome:
    """Place the calls under one condition, in a folder of its own."""
    if folder is not None:
        return await _run(condition, calls, folder)
    with tempfile.TemporaryDirectory(prefix="tollgate-emergency-") as temporary:
        return await _run(condition, calls, Path(temporary))


async def _run(condition: Condition, calls: int, folder: Path) -> EmergencyOutcome:
    async with _office(find_telephony(lambda _: None), folder, condition) as paid:
        before = await paid.entries()
        async with condition.while_it_lasts(paid):
            in_force = await _paid_call_is_refused(paid, condition)
            placed = await _place(paid, "emergency", list(NUMBERS), calls)
        problems = [*in_force, *_unconnected(paid, placed, calls)]
        if await paid.calls():
            problems.append("a call is in the calls table")
        if await paid.entries() != before:
            problems.append("the ledger has new entries")
    reached = [call.dialled for call in paid.office.carrier.calls() if call.answered]
    return EmergencyOutcome(
        condition=condition.name,
        placed=len(placed),
        answered={number: reached.count(number) for number in NUMBERS},
        slowest_s=max((call.set_up_s for call in placed if call.answered_at_s), default=0),
        problems=tuple(problems),
    )


def _office(telephony: Telephony, folder: Path, condition: Condition) -> PaidOffice:
    settings: Sections = {}
    if condition.phones:
        file = folder / "phones.toml"
        file.write_text(condition.phones, encoding="utf-8")
        settings = {"site": {"phones_file": str(file)}}
    return make_paid_office(
        telephony,
        folder / "office",
        deck=DECK,
        opening=condition.opening,
        settings=settings,
        media=False,
    )


async def _paid_call_is_refused(paid: PaidOffice, condition: Condition) -> list[str]:
    """Proof that the condition is in force: otherwise the trial would show nothing."""
    call = (await _place(paid, "paid", [PAID_NUMBER], 1))[0]
    if call.refused_with is None or paid.office.carrier.calls():
        return ["a paid call was not refused"]
    if condition.refusal:
        await paid.application.wait_for("call_refused", code=condition.refusal)
    return []


async def _place(paid: PaidOffice, name: str, numbers: list[str], calls: int) -> list[PlacedCall]:
    config = paid.office.config
    return await place_calls(
        paid.office.telephony,
        paid.office.folder / name,
        Calls(
            number=numbers,
            user=EXTENSION,
            password=config.secrets.phones[EXTENSION],
            calls=calls,
            rate_per_s=RATE_PER_S,
            talk_ms=TALK_MS,
        ),
        address=paid.office.addresses.next(),
        server=config.sip_address,
    )


def _unconnected(paid: PaidOffice, placed: list[PlacedCall], wanted: int) -> list[str]:
    problems = []
    dialled = list(itertools.islice(itertools.cycle(NUMBERS), wanted))
    reached = sorted(call.dialled for call in paid.office.carrier.calls() if call.answered)
    if reached != sorted(dialled):
        problems.append(f"the carrier answered {len(reached)} of {wanted} calls")
    refused = [call for call in placed if not call.answered_at_s]
    if refused:
        problems.append(f"{len(refused)} callers were not connected")
    return problems
