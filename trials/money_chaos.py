"""Money while everything is killed: nothing charged twice, nothing charged and lost.

Two workers charge cards of the sandbox for offices that call and buy. Any of these processes is
killed at random moments, and at named ones: charged and not told, asked and not charged, told and
not recorded, a webhook taken and not handled. The sandbox cuts, stalls, fails and loses webhooks as
it is ordered. In the end its own log, which is only added to, is compared with the ledger.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
from sqlalchemy import Connection, Engine, func, select

from charging.card_processor import CardForm, CardSaved, SaveCardRequest
from charging.entries import FundingSource
from charging.money import Money
from charging.money_commands import ReplaceCard, SetRefill
from charging.money_state import StoredCard
from charging.orders import Consent, RefillRule
from charging.refill import State
from db.audit import audit
from db.engine import open_engine
from db.ledger import SqlLedger, read_one_moment
from db.models import postings
from db.money_tables import payments, processor_events
from db.schema import upgrade
from lab.errors import LabError
from lab.postgresql import running_server
from lab.processes import kill, signal_group, spawn
from lab.sandbox import PROGRAM, Sandbox, enter_card
from payments import sandbox as sandbox_processor
from payments.sandbox_server.cards import CARDS
from telephony.tools import Tool
from trials.money_buyer import CURRENCY, settle_open_calls
from trials.money_judge import UNIT, charged_otherwise, replayed_trouble, total_differs

REACH_S: Final = 20.0  # how long a named point is waited for
SETTLED_WITHIN_S: Final = 60.0
SETTLE_PATIENCE_S: Final = 240.0
START_S: Final = 120.0
READY: Final = {
    "sandbox": '"event": "ready"',
    "worker": '"event": "ready"',
    "second worker": '"event": "ready"',
    "buyer": "ready",
}
LOOK_EVERY_S: Final = 0.05
REQUEST_TIMEOUT_S: Final = 3.0
PACE: Final = 0.2  # of the sandbox's seconds
FROZEN_S: Final = 2.0
CARD_OF_EVERY_OFFICE: Final = (
    "succeeds",
    "succeeds",
    "succeeds",
    "never_answers",
    "answers_late",
    "decides_later",
    "refund_fails",
    "disputed_later",
)
UNSETTLED: Final = [
    str(state) for state in (State.CLAIMED, State.SENT, State.UNKNOWN, State.REFUNDING)
]
_REPOSITORY: Final = Path(__file__).parents[1]
_PYTHON: Final = Tool("python", (sys.executable,))


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
    not_reached: int = 0
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
        return (
            f"{sum(self.kills.values())} kills and {sum(self.breakages.values())} breakages of the"
            f" processor ({done}; {self.not_reached} points not reached): {self.charged} charged,"
            f" {self.credited} credited, {self.refunded} refunded,"
            f" {self.unknown} unknown and not charged; settled {self.settled_after_s:.0f} s after"
            f" the last one; {len(self.wrong)} wrong"
        )


async def run(plan: MoneyPlan, database: str, folder: Path) -> Outcome:
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
            await trial.begin()
            await trial.break_everything()
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
        self._offices = [f"office{number}" for number in range(plan.offices)]
        self._sandbox = Sandbox.in_folder(folder / "sandbox", request_timeout_s=REQUEST_TIMEOUT_S)
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._starts: Counter[str] = Counter()
        self._outcome = Outcome()
        self._settings = folder / "tollgate.toml"
        self._last_fault_s = time.monotonic()

    # --- before ----------------------------------------------------------------------------------

    async def open_offices(self) -> None:
        """A card of some kind on file, and a refill that is armed, for each."""
        sections = "".join(f"[offices.{name}]\n" for name in self._offices)
        self._settings.write_text(f'[database]\nurl = "{self._url}"\n{sections}', encoding="utf-8")
        await self._start("sandbox")
        await self._until_ready("sandbox")
        await self._sandbox.order("choose", pace=PACE)
        numbers = {card.name: card.number for card in CARDS}
        async with (
            sandbox_processor.connected(self._sandbox.payments) as processor,
            SqlLedger(self._engine) as ledger,
        ):
            for office_id, name in zip(
                self._offices, itertools.cycle(CARD_OF_EVERY_OFFICE), strict=False
            ):
                form = await processor.begin_card(_form_of(office_id))
                if not isinstance(form, CardForm):
                    raise LabError(f"no form for a card: {form}")
                await enter_card(form.page_url, numbers[name])
                found = await processor.find_card(form.setup_id)
                if not isinstance(found, CardSaved):
                    raise LabError(f"no card was saved: {found}")
                await _arm(ledger, office_id, found)

    # --- processes -------------------------------------------------------------------------------

    async def begin(self) -> None:
        names = ("worker", "second worker", "buyer")
        for name in names:
            await self._start(name)
        await self._until_ready(*names)

    async def end(self) -> None:
        await asyncio.gather(*map(kill, self._processes.values()))

    async def _start(self, name: str) -> None:
        arguments: Sequence[str | Path]
        environment = dict(self._sandbox.environment)
        match name:
            case "sandbox":
                arguments = ("-m", PROGRAM, self._settings)
            case "buyer":
                seed = f"{self._plan.seed}-{self._starts[name]}"
                offices = ",".join(self._offices)
                arguments = ("-m", "trials.money_buyer", self._url, offices, seed)
            case _:
                arguments = ("-m", "payments", self._settings)
                if name == "second worker":  # webhooks are taken by the first
                    port = Sandbox.in_folder(self._folder).payments.port
                    environment["TOLLGATE_PAYMENTS__PORT"] = str(port)
        self._starts[name] += 1
        self._processes[name] = await spawn(
            _PYTHON,
            arguments,
            folder=_REPOSITORY,
            output=self._folder / f"{name}.log",
            env={**environment, "PYTHONPATH": str(_REPOSITORY)},
        )

    async def _until_ready(self, *names: str) -> None:
        """Each has said so since it was started last: who is only starting is no loss."""
        for name in names:
            await self._until(partial(self._times_ready, name), self._starts[name].__le__, START_S)

    async def _times_ready(self, name: str) -> int:
        text = (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return text.count(READY[name])

    async def _kill(self, *names: str) -> None:
        await asyncio.gather(*(kill(self._processes[name]) for name in names))
        for name in names:
            await self._start(name)
        await self._until_ready(*names)

    # --- what is done to it ----------------------------------------------------------------------

    async def break_everything(self) -> None:
        kills: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            ("worker", lambda: self._kill("worker")),
            ("second worker", lambda: self._kill("second worker")),
            ("buyer", lambda: self._kill("buyer")),
            ("sandbox", lambda: self._kill("sandbox")),
            ("charged, not told", lambda: self._kill_when_asked("stall_after")),
            ("asked, not charged", lambda: self._kill_when_asked("stall")),
            ("told, not recorded", self._kill_when_charged),
            ("webhook taken, not handled", self._kill_when_webhooks_are_taken),
        )
        breakages: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            *(
                (kind, lambda kind=kind: self._order_fault(kind))
                for kind in ("cut", "cut_after", "error", "error_after", "stall", "too_many")
            ),
            ("frozen", self._freeze),
            ("webhooks lost", lambda: self._choose_webhooks("lost")),
            ("webhooks doubled and shuffled", lambda: self._choose_webhooks("held")),
        )
        steps = [("kill", *kills[n % len(kills)]) for n in range(self._plan.kills)]
        steps += [("break", *breakages[n % len(breakages)]) for n in range(self._plan.breakages)]
        self._chance.shuffle(steps)
        for group, name, do in steps:
            await asyncio.sleep(self._chance.uniform(0, 1))
            counted = self._outcome.kills if group == "kill" else self._outcome.breakages
            try:
                await do()
            except (aiohttp.ClientError, TimeoutError):
                self._outcome.not_reached += 1
            else:
                counted[name] += 1
            self._last_fault_s = time.monotonic()

    async def _kill_when_asked(self, fault: str) -> None:
        """The next request about a charge gets no reply, and then there is nobody to hear it."""
        await self._sandbox.order("fault", kind=fault, path="/v1/payment_intents")
        await self._until(lambda: self._sandbox.order("faults"), lambda left: left == 0)
        await self._kill("worker", "second worker")

    async def _kill_when_charged(self) -> None:
        before = len(await self._sandbox.order("log"))
        await self._until(lambda: self._sandbox.order("log"), lambda log: len(log) > before)
        await self._kill("worker", "second worker")

    async def _kill_when_webhooks_are_taken(self) -> None:
        await self._until(lambda: self._read(_unhandled), bool)
        await self._kill("worker", "second worker")

    async def _order_fault(self, kind: str) -> None:
        await self._sandbox.order("fault", kind=kind, path="/v1/", times=2)
        await self._until(lambda: self._sandbox.order("faults"), lambda left: left == 0)

    async def _freeze(self) -> None:
        server = self._processes["sandbox"]
        signal_group(server, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        signal_group(server, signal.SIGCONT)

    async def _choose_webhooks(self, what: str) -> None:
        await self._sandbox.order("choose", webhooks=what)
        await asyncio.sleep(FROZEN_S)
        await self._sandbox.order("choose", webhooks="doubled")
        await self._sandbox.order("release")

    async def _until(
        self,
        ask: Callable[[], Awaitable[Any]],
        reached: Callable[[Any], bool],
        patience_s: float = REACH_S,
    ) -> None:
        async with asyncio.timeout(patience_s):
            while not reached(await ask()):  # noqa: ASYNC110 - other programs' records
                await asyncio.sleep(LOOK_EVERY_S)

    # --- afterwards ------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Nothing is broken any more: how long until everybody knows how each payment ended?"""
        await kill(self._processes.pop("buyer"))
        await self._sandbox.order("no-faults")
        await self._sandbox.order("release")
        async with SqlLedger(self._engine) as ledger:
            await settle_open_calls(ledger)
        with contextlib.suppress(TimeoutError):
            await self._until(self._left_to_do, lambda left: not left, SETTLE_PATIENCE_S)
        self._outcome.settled_after_s = time.monotonic() - self._last_fault_s

    async def _left_to_do(self) -> Sequence[str]:
        """Webhooks on their way, events that nobody handled, payments that nobody knows of."""
        waiting = await self._sandbox.order("waiting")
        on_their_way = [f"{waiting} webhooks on their way"] if waiting else []
        unhandled = [f"not handled: {name}" for name in await self._read(_unhandled)]
        return [*on_their_way, *unhandled, *await self._unsettled()]

    async def _unsettled(self) -> Sequence[str]:
        log, rows = await self._sandbox.order("log"), await self._read(_open_payments)
        replayed = replayed_trouble(log, rows)
        self._outcome.unknown = len(replayed)
        left = [row for row in rows if row not in replayed]
        return [f"{row['payment_id']}: {row['state']}, {row['code']}" for row in left]

    async def judged(self) -> Outcome:
        await self._sandbox.order("hasten")  # refunds that fail, cards that are disputed
        with contextlib.suppress(TimeoutError):
            await self._until(self._left_to_do, lambda left: not left)
        log = await self._sandbox.order("log")
        rows = await self._read(_payments)
        outcome = self._outcome
        outcome.charged = sum(row["what"] == "charged" for row in log)
        outcome.refunded = sum(row["what"] == "refunded" for row in log)
        outcome.credited = sum(row["entry_key"] is not None for row in rows)
        outcome.wrong += [
            *charged_otherwise(log, rows),
            *total_differs(log, rows, await self._read(_from_cards)),
            *(await self._read(audit)).problems,
            *(f"open in the end: {name}" for name in await self._left_to_do()),
            *self._complaints(),
        ]
        if outcome.settled_after_s > self._plan.settled_within_s:
            outcome.wrong.append(f"settled only after {outcome.settled_after_s:.0f} s")
        return outcome

    def _complaints(self) -> Sequence[str]:
        """What the processes say that none should."""
        marks = ("fault:", "work_failed", "Traceback")
        return [
            f"{file.name}: {line[:200]}"
            for file in sorted(self._folder.glob("*.log"))
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(mark in line for mark in marks)
        ]

    async def _read(self, query: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(read_one_moment, self._engine, query)


def _form_of(office_id: str) -> SaveCardRequest:
    return SaveCardRequest(
        key=f"trial-{office_id}-{os.getpid()}",
        office_id=office_id,
        customer_id=None,
        currency=CURRENCY,
        return_url="http://127.0.0.1:9/",
        cancel_url="http://127.0.0.1:9/",
        language="en",
    )


async def _arm(ledger: SqlLedger, office_id: str, saved: CardSaved) -> None:
    now = datetime.now(UTC)
    stored = StoredCard(
        office_id=office_id,
        processor=sandbox_processor.NAME,
        card=saved.card,
        added_by="user:trial",
        added_at=now,
    )
    await ledger.carry_out(ReplaceCard(card=stored, at=now))
    rule = RefillRule(
        amount=Money(10 * UNIT, CURRENCY),
        threshold=Money(5 * UNIT, CURRENCY),
        day_max=Money(10_000 * UNIT, CURRENCY),
        month_max=Money(10_000 * UNIT, CURRENCY),
    )
    consent = Consent(by="user:trial", at=now, words="The card is charged whenever it is low.")
    await ledger.carry_out(SetRefill(office_id=office_id, rule=rule, consent=consent, at=now))


# --- what the ledger says ------------------------------------------------------------------------


def _payments(reader: Connection) -> Sequence[Mapping[str, Any]]:
    return [dict(row) for row in reader.execute(select(payments)).mappings()]


def _open_payments(reader: Connection) -> Sequence[Mapping[str, Any]]:
    query = select(payments).where(payments.c.state.in_(UNSETTLED))
    return [dict(row) for row in reader.execute(query).mappings()]


def _unhandled(reader: Connection) -> Sequence[str]:
    query = select(processor_events.c.event_id).where(processor_events.c.due_at.is_not(None))
    return list(reader.scalars(query))


def _from_cards(reader: Connection) -> int:
    """What came into all accounts from cards, less what went back, in micro-units."""
    account = f"funding:{FundingSource.CARD}"

    def moved(side: Any) -> int:
        return int(reader.scalar(select(func.sum(postings.c.micros)).where(side == account)) or 0)

    return moved(postings.c.source) - moved(postings.c.target)
