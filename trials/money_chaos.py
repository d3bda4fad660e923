"""Money while everything is killed: nothing charged twice, nothing charged and lost.

Two workers charge cards of the sandbox for offices that call, and whose managers buy in the portal.
Any of these processes is killed at random moments, and at named ones: charged and not told, asked
and not charged, told and not recorded, a webhook taken and not handled, a form sent and nothing
written, a payment written and nobody told. The sandbox cuts, stalls, fails and loses webhooks as it
is ordered. In the end its own log, which is only added to, is compared with the ledger, and both
with what the managers wanted.
"""

import asyncio
import contextlib
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import httpx
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from charging.errors import ChargingUnavailable
from charging.refill import State
from db.audit import audit
from db.engine import open_engine
from db.ledger import SqlLedger, read_one_moment
from db.schema import upgrade
from lab.ports import find_free_port
from lab.postgresql import running_server
from lab.processes import signal_group
from lab.sandbox import Sandbox
from payments import sandbox as sandbox_processor
from trials import money_offices
from trials import money_records as records
from trials.faults import tables_locked
from trials.money_calls import settle_open_calls
from trials.money_customers import (
    CANCEL_SENT,
    CARD_ASKED,
    FORM_FILLED,
    REDIRECTED,
    Customer,
    Moments,
    Person,
    form_sent,
)
from trials.money_customers import REQUEST_TIMEOUT_S as BROWSERS_TIMEOUT_S
from trials.money_judge import (
    bought_otherwise,
    charged_otherwise,
    replayed_trouble,
    total_differs,
)
from trials.money_processes import REACH_S, WORKERS, Processes, until

SETTLED_WITHIN_S: Final = 60.0
SETTLE_PATIENCE_S: Final = 240.0
REQUEST_TIMEOUT_S: Final = 3.0
PACE: Final = 0.2  # of the sandbox's seconds
FROZEN_S: Final = 2.0
REPORTED_EVERY: Final = 25
VISITS_PER_S: Final = 2.5  # of all managers at the portal

Step = tuple[str, Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyPlan:
    kills: int
    breakages: int  # of the processor
    offices: int
    seed: int
    settled_within_s: float = SETTLED_WITHIN_S


@dataclass(slots=True)
class Outcome:
    kills: Counter[str] = field(default_factory=Counter)
    breakages: Counter[str] = field(default_factory=Counter)
    not_reached: Counter[str] = field(default_factory=Counter)
    bought: int = 0
    cards: int = 0
    cancelled: int = 0
    charged: int = 0
    credited: int = 0
    refunded: int = 0
    unknown: int = 0  # nothing was charged, and the processor does not say so
    settled_after_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self.wrong)

    def __str__(self) -> str:
        broken = self.kills + self.breakages
        done = ", ".join(f"{what} {times}" for what, times in sorted(broken.items()))
        missed = ", ".join(f"{what} {times}" for what, times in sorted(self.not_reached.items()))
        return (
            f"{sum(self.kills.values())} kills and {sum(self.breakages.values())} breakages of the"
            f" processor ({done}; not reached: {missed or 'none'}); {self.bought} bought in the"
            f" portal, {self.cards} cards replaced, {self.cancelled} cancelled: {self.charged}"
            f" charged,"
            f" {self.credited} credited, {self.refunded} refunded,"
            f" {self.unknown} unknown and not charged; settled {self.settled_after_s:.0f} s after"
            f" the last one; {len(self.wrong)} wrong"
        )


async def run(
    plan: MoneyPlan,
    database: str,
    folder: Path,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """On an empty database of its own, "sqlite" or "postgresql"."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'ledger.sqlite'}"
        if database == "postgresql":
            url = stack.enter_context(running_server(durable=True)).url()
        engine = open_engine(url)
        stack.callback(engine.dispose)
        upgrade(engine)
        trial = _Trial(plan, folder, engine, url)
        try:
            await trial.open_offices()
            async with trial.people_at_the_portal():
                await trial.break_everything(report)
            await trial.settle()
            return await trial.judged()
        finally:
            await trial.end()


class _Trial:
    def __init__(self, plan: MoneyPlan, folder: Path, engine: Engine, url: str) -> None:
        self._plan = plan
        self._folder = folder
        self._engine = engine
        self._url = url
        self._chance = Random(plan.seed)  # noqa: S311 - what it draws is no secret
        self._offices = money_offices.names(plan.offices)
        self._sandbox = Sandbox.in_folder(folder / "sandbox", request_timeout_s=REQUEST_TIMEOUT_S)
        self._portal = f"127.0.0.1:{find_free_port()}"
        settings = money_offices.write_settings(
            folder, url, self._offices, portal_port=int(self._portal.rpartition(":")[2])
        )
        self._processes = Processes(
            folder,
            self._sandbox,
            settings,
            lambda start: (url, ",".join(self._offices), f"{plan.seed}-{start}"),
        )
        self._moments = Moments()
        self._customers: Sequence[Customer] = ()
        self._outcome = Outcome()
        self._last_fault_s = time.monotonic()

    # --- before, and beside ----------------------------------------------------------------------

    async def open_offices(self) -> None:
        """A card of some kind on file, and a refill that is armed, for each."""
        await self._processes.start("sandbox")
        await self._sandbox.order("choose", pace=PACE)
        async with (
            sandbox_processor.connected(self._sandbox.payments) as processor,
            SqlLedger(self._engine) as ledger,
        ):
            await money_offices.open_accounts(processor, ledger, self._offices)
        await self._processes.start(*WORKERS, "portal", "application")

    @contextlib.asynccontextmanager
    async def people_at_the_portal(self) -> AsyncIterator[None]:
        """A manager of each office, until the block ends; whoever wants something then gets it."""
        password = secrets.token_urlsafe(12)
        money_offices.let_people_in(self._engine, self._offices, password)
        enough = asyncio.Event()
        async with contextlib.AsyncExitStack() as browsers, asyncio.TaskGroup() as visits:
            browser = partial(self._browser, browsers)
            self._customers = [
                Customer(
                    manager=Person(await browser(), money_offices.manager_of(office_id), password),
                    care=Person(await browser(), money_offices.care_of(office_id), password),
                    card_number=card_number,
                    chance=Random(f"{self._plan.seed} {office_id}"),  # noqa: S311 - no secret
                    moments=self._moments,
                    pause_s=len(self._offices) / VISITS_PER_S,
                )
                for office_id, card_number in zip(
                    self._offices, money_offices.card_numbers(self._offices), strict=True
                )
            ]
            for customer in self._customers:
                visits.create_task(customer.go_on(enough))
            try:
                yield
            finally:
                enough.set()

    async def _browser(self, browsers: contextlib.AsyncExitStack) -> httpx.AsyncClient:
        address = f"http://{self._portal}"
        return await browsers.enter_async_context(
            httpx.AsyncClient(
                base_url=address,
                headers={"origin": address, "sec-fetch-site": "same-origin"},
                timeout=BROWSERS_TIMEOUT_S,
            )
        )

    async def end(self) -> None:
        await self._processes.end()

    # --- what is done to it ----------------------------------------------------------------------

    async def break_everything(self, report: Callable[[str], None]) -> None:
        kills, breakages = self._kills(), self._breakages()
        steps = [("kill", *kills[n % len(kills)]) for n in range(self._plan.kills)]
        steps += [("break", *breakages[n % len(breakages)]) for n in range(self._plan.breakages)]
        self._chance.shuffle(steps)
        for number, (group, name, do) in enumerate(steps, start=1):
            await asyncio.sleep(self._chance.uniform(0, 1))
            counted = self._outcome.kills if group == "kill" else self._outcome.breakages
            try:
                await do()
            except (aiohttp.ClientError, ChargingUnavailable, OperationalError, TimeoutError):
                self._outcome.not_reached[name] += 1
            else:
                counted[name] += 1
            self._last_fault_s = time.monotonic()
            if number % REPORTED_EVERY == 0:
                report(f"{number} of {len(steps)} faults")

    def _kills(self) -> Sequence[Step]:
        restart = self._processes.restart
        return (
            *(
                (name, partial(restart, name))
                for name in (*WORKERS, "application", "sandbox", "portal")
            ),
            ("charged, not told", lambda: self._kill_when_asked("stall_after")),
            ("asked, not charged", lambda: self._kill_when_asked("stall")),
            ("told, not recorded", self._kill_when_charged),
            ("webhook taken, not handled", self._kill_when_webhooks_are_taken),
            ("form sent, nothing written", self._kill_when_form_is_sent),
            ("written, not answered", self._kill_when_written),
            ("written, worker not told", lambda: self._kill_when_written(*WORKERS)),
            ("redirected, not shown", lambda: self._kill_portal_at(REDIRECTED)),
            ("cancellation sent, not answered", lambda: self._kill_portal_at(CANCEL_SENT)),
            ("card asked for, no form opened", self._kill_when_card_is_asked),
        )

    def _breakages(self) -> Sequence[Step]:
        return (
            *(
                (kind, partial(self._order_fault, kind))
                for kind in ("cut", "cut_after", "error", "error_after", "stall", "too_many")
            ),
            ("frozen", self._freeze),
            ("webhooks lost", lambda: self._choose_webhooks("lost")),
            ("webhooks doubled and shuffled", lambda: self._choose_webhooks("held")),
        )

    async def _kill_when_asked(self, fault: str) -> None:
        """The next request about a charge gets no reply, and then there is nobody to hear it."""
        await self._sandbox.order("fault", kind=fault, path="/v1/payment_intents")
        await until(lambda: self._sandbox.order("faults"), lambda left: left == 0)
        await self._processes.restart(*WORKERS)

    async def _kill_when_charged(self) -> None:
        before = len(await self._sandbox.order("log"))
        await until(lambda: self._sandbox.order("log"), lambda log: len(log) > before)
        await self._processes.restart(*WORKERS)

    async def _kill_when_webhooks_are_taken(self) -> None:
        await until(lambda: self._read(records.unhandled), bool)
        await self._processes.restart(*WORKERS)

    async def _kill_when_form_is_sent(self) -> None:
        """The portal has the form, cannot write, and is killed; the browser sends it again."""
        try:
            async with contextlib.AsyncExitStack() as lock:
                async with self._moments.held(FORM_FILLED, patience_s=REACH_S) as key:
                    await lock.enter_async_context(tables_locked(self._url, "payments"))
                async with self._moments.held(form_sent(key), patience_s=REACH_S):
                    await self._processes.kill("portal")
                    await lock.aclose()
                    if await self._state_of(key) is not None:
                        self._outcome.wrong.append(f"written while nobody could write: {key}")
        finally:
            await self._processes.restart("portal")

    async def _kill_when_written(self, *others: str) -> None:
        """The payment is written; whoever was to answer is gone, and others that were to hear."""
        await self._processes.kill(*others)
        try:
            async with self._moments.held(FORM_FILLED, patience_s=REACH_S) as key:
                pass
            async with self._moments.held(form_sent(key), patience_s=REACH_S, lost=True):
                await until(lambda: self._state_of(key), _is_written)
                await self._processes.kill("portal")
            if others and await self._state_of(key) != State.CLAIMED:
                self._outcome.wrong.append(f"carried out while no worker was there: {key}")
        finally:
            await self._processes.restart(*others, "portal")

    async def _kill_portal_at(self, moment: str) -> None:
        async with self._moments.held(moment, patience_s=REACH_S, lost=True):
            await self._processes.kill("portal")
        await self._processes.start("portal")

    async def _kill_when_card_is_asked(self) -> None:
        await self._processes.kill(*WORKERS)
        try:
            async with self._moments.held(CARD_ASKED, patience_s=REACH_S):
                await until(lambda: self._read(records.forms_not_opened), bool)
                await self._processes.kill("portal")
        finally:
            await self._processes.restart(*WORKERS, "portal")

    async def _state_of(self, key: str) -> str | None:
        found: str | None = await self._read(partial(records.state_of_key, key=key))
        return found

    async def _order_fault(self, kind: str) -> None:
        await self._sandbox.order("fault", kind=kind, path="/v1/", times=2)
        await until(lambda: self._sandbox.order("faults"), lambda left: left == 0)

    async def _freeze(self) -> None:
        server = self._processes.running("sandbox")
        signal_group(server, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        signal_group(server, signal.SIGCONT)

    async def _choose_webhooks(self, what: str) -> None:
        await self._sandbox.order("choose", webhooks=what)
        await asyncio.sleep(FROZEN_S)
        await self._sandbox.order("choose", webhooks="doubled")
        await self._sandbox.order("release")

    # --- afterwards ------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Nothing is broken any more: how long until everybody knows how each payment ended?"""
        await self._processes.kill("application")
        await self._sandbox.order("no-faults")
        await self._sandbox.order("release")
        async with SqlLedger(self._engine) as ledger:
            await settle_open_calls(ledger)
        with contextlib.suppress(TimeoutError):
            await until(self._left_to_do, lambda left: not left, SETTLE_PATIENCE_S)
        self._outcome.settled_after_s = time.monotonic() - self._last_fault_s

    async def _left_to_do(self) -> Sequence[str]:
        """Webhooks on their way, events that nobody handled, payments that nobody knows of."""
        waiting = await self._sandbox.order("waiting")
        on_their_way = [f"{waiting} webhooks on their way"] if waiting else []
        unhandled = [f"not handled: {name}" for name in await self._read(records.unhandled)]
        left = [*on_their_way, *unhandled, *await self._unsettled()]
        return left or await self._not_told()

    async def _not_told(self) -> Sequence[str]:
        """A dispute whose webhook was lost changes what the sandbox holds, and nothing of ours."""
        log, rows = await self._sandbox.order("log"), await self._read(records.all_payments)
        return total_differs(log, rows, await self._read(records.from_cards))

    async def _unsettled(self) -> Sequence[str]:
        log, rows = await self._sandbox.order("log"), await self._read(records.open_payments)
        replayed = replayed_trouble(log, rows)
        self._outcome.unknown = len(replayed)
        left = [row for row in rows if row not in replayed]
        return [f"{row['payment_id']}: {row['state']}, {row['code']}" for row in left]

    async def judged(self) -> Outcome:
        await self._sandbox.order("hasten")  # refunds that fail, cards that are disputed
        with contextlib.suppress(TimeoutError):
            await until(self._left_to_do, lambda left: not left)
        log = await self._sandbox.order("log")
        rows = await self._read(records.all_payments)
        outcome = self._outcome
        outcome.charged = sum(row["what"] == "charged" for row in log)
        outcome.refunded = sum(row["what"] == "refunded" for row in log)
        outcome.credited = sum(row["entry_key"] is not None for row in rows)
        purchases = [each for customer in self._customers for each in customer.purchases]
        outcome.bought = len(purchases)
        outcome.cards = sum(customer.cards for customer in self._customers)
        outcome.cancelled = sum(customer.cancelled for customer in self._customers)
        outcome.wrong += [
            *(problem for customer in self._customers for problem in customer.problems),
            *bought_otherwise(purchases, rows),
            *charged_otherwise(log, rows),
            *total_differs(log, rows, await self._read(records.from_cards)),
            *(await self._read(audit)).problems,
            *(f"open in the end: {name}" for name in await self._left_to_do()),
            *self._processes.complaints(),
        ]
        if outcome.settled_after_s > self._plan.settled_within_s:
            outcome.wrong.append(f"settled only after {outcome.settled_after_s:.0f} s")
        return outcome

    async def _read(self, query: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(read_one_moment, self._engine, query)


def _is_written(state: str | None) -> bool:
    return state is not None
