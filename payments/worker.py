"""Carries out what is due: asks the card processor, and records what it said.

Any number of workers may run beside one another: each takes a lease of what it works at, and all
that it guards may happen twice without harm, since every request has a key that is on disk first
and every fact is recorded once.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine

from assembly.clock import SystemClock
from charging.card_processor import CardProcessor, Invalid, Unknown
from charging.errors import ChargingError, ChargingUnavailable
from charging.money_state import Payment
from charging.payment_commands import RecordFact, StartWork
from charging.ports import Clock, Ledger
from charging.receipts import ReceiptTerms
from charging.refill import Event
from charging.refill_commands import LookAgain
from db.card_forms import due_forms
from db.inbox import SqlInbox
from db.leases import acquire, release
from db.ledger import read_from
from db.money_reads import due_payments, due_policies
from db.restorations import restorations_since
from db.writing import write_to
from payments.card_forms import CardForms
from payments.facts import FactHandler
from payments.poll import FIRST_LOOK, LOOK_AGAIN, Poll
from payments.requests import ask

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.25  # a caller may be waiting for what is due
LEASE: Final = timedelta(seconds=30)  # longer than a request takes; a dead worker keeps it so long
POLL_EVERY: Final = timedelta(seconds=30)  # what no webhook told of is known within a minute
POLL_AGAIN: Final = timedelta(seconds=10)  # where there was no answer
CATCH_UP_EVERY: Final = timedelta(seconds=5)
LISTED_FOR: Final = timedelta(days=30)  # how long a processor lists what happened
AT_ONCE: Final = 32  # requests under way: a processor that stalls holds up none of the others
AWAY_S: Final = 1.0  # between two looks while the database is away


class Worker:
    def __init__(  # noqa: PLR0913 - its parts, given by name
        self,
        *,
        processor: CardProcessor,
        ledger: Ledger,
        engine: Engine,
        inbox: SqlInbox,
        terms_of: Callable[[str], ReceiptTerms | None],
        is_office: Callable[[str], bool],
        clock: Clock | None = None,
        name: str | None = None,
    ) -> None:
        """`name` tells this worker from others; made up where none is given."""
        self.name = name or f"worker-{secrets.token_hex(6)}"
        self._processor = processor
        self._ledger = ledger
        self._engine = engine
        self._inbox = inbox
        self._terms_of = terms_of
        self._clock = clock or SystemClock()
        self._facts = FactHandler(
            processor=processor,
            ledger=ledger,
            engine=engine,
            inbox=inbox,
            terms_of=terms_of,
            is_office=is_office,
            clock=self._clock,
        )
        self._forms = CardForms(
            processor=processor, ledger=ledger, engine=engine, clock=self._clock
        )
        self._poll = Poll(processor=processor, inbox=inbox)
        self._polled_at: datetime | None = None
        self._poll_every = POLL_EVERY
        self.trouble: str | None = None  # what the processor last answered that was no answer
        self._caught_up = False  # a ledger that was restored has heard of what it lost
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something may be due at this moment."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What is under way then is found again by whoever comes next."""
        try:
            while True:
                await self._pause(await self._look())
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def settle(self) -> None:
        """Look once, and wait for everything that was begun; for tests and commands."""
        await self._look_once()
        while self._under_way:
            await asyncio.gather(*self._under_way.values())

    async def _look(self) -> float:
        """How long to pause."""
        try:
            await self._look_once()
        except ChargingUnavailable as error:
            log.warning("database_away", error=str(error))
            return AWAY_S
        return LOOK_EVERY_S

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _look_once(self) -> None:
        now = self._clock.now()
        if not self._caught_up and not await self._catch_up(now):
            return
        free = AT_ONCE - len(self._under_way)
        for payment in await self._read(lambda reader: due_payments(reader, now, AT_ONCE)):
            if free > 0 and self._begin(f"payment:{payment.payment_id}", self._carry_out(payment)):
                free -= 1
        for office_id in await self._read(lambda reader: due_policies(reader, now, AT_ONCE)):
            await self._ledger.carry_out(LookAgain(office_id=office_id, at=now))
        for form in await self._read(lambda reader: due_forms(reader, now, AT_ONCE)):
            self._begin(f"card form:{form.form_id}", self._forms.go_on(form.form_id))
        self._begin("events", self._facts.handle_due())
        if self._polled_at is None or now - self._polled_at >= self._poll_every:
            self._polled_at = now
            self._begin("poll", self._ask_for_events())

    def _begin(self, name: str, work: Coroutine[Any, Any, object]) -> bool:
        """In a task, unless it is under way here, or another worker has its lease."""
        if name in self._under_way:
            work.close()
            return False
        task = asyncio.create_task(self._leased(name, work))
        self._under_way[name] = task
        task.add_done_callback(lambda done: self._end(name, done))
        return True

    def _end(self, name: str, task: asyncio.Task[None]) -> None:
        del self._under_way[name]
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("work_failed", work=name, exc_info=defect)

    async def _leased(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        try:
            async with self._lease(name) as ours:
                if ours:
                    await work
        except ChargingUnavailable as error:  # it is due still, and looked at again
            log.warning("work_postponed", work=name, error=str(error))
        except ChargingError as error:
            log.error("work_refused", work=name, error=str(error))
        finally:
            work.close()

    @contextlib.asynccontextmanager
    async def _lease(self, name: str) -> AsyncIterator[bool]:
        def take(writer: Connection) -> bool:
            now = self._clock.now()
            return acquire(writer, name[:120], holder=self.name, now=now, lasts=LEASE)

        ours = await asyncio.to_thread(write_to, self._engine, take)
        try:
            yield ours
        finally:
            if ours:
                await asyncio.to_thread(
                    write_to,
                    self._engine,
                    lambda writer: release(writer, name[:120], holder=self.name),
                )

    async def _carry_out(self, payment: Payment) -> None:
        """Write down what is asked, ask it, write down what was said."""
        work = await self._ledger.carry_out(
            StartWork(
                office_id=payment.office_id, payment_id=payment.payment_id, at=self._clock.now()
            )
        )
        if work.request is None:
            return
        answer = await ask(self._processor, work.payment, work.request)
        await self._record(work.payment, answer)
        self.wake()

    async def _record(self, payment: Payment, answer: Event) -> None:
        recorded = await self._ledger.carry_out(
            RecordFact(
                office_id=payment.office_id,
                payment_id=payment.payment_id,
                fact=answer,
                at=self._clock.now(),
                terms=self._terms_of(payment.office_id),
            )
        )
        log.info(
            "payment_asked",
            payment_id=payment.payment_id,
            kind=str(payment.attempt.kind),
            tries=payment.attempt.tries,
            answer=type(answer).__name__,
            state=str(recorded.payment.state),
        )

    async def _ask_for_events(self) -> bool:
        """Whether there was an answer."""
        found = await self._poll.ask(now=self._clock.now())
        self.trouble = None if isinstance(found, int) else _told(found)
        self._poll_every = POLL_AGAIN if isinstance(found, Unknown) else POLL_EVERY
        self.wake()
        return isinstance(found, int)

    async def _catch_up(self, now: datetime) -> bool:
        """A restored ledger hears of what it lost before a card is charged: it might be again."""
        oldest = now - LISTED_FOR
        restored = await self._read(lambda reader: restorations_since(reader, oldest))
        if not restored:
            self._caught_up = True
        elif self._polled_at is None or now - self._polled_at >= CATCH_UP_EVERY:
            self._polled_at = now
            self._poll.since = max(oldest, min(now - FIRST_LOOK, restored[0].taken_at - LOOK_AGAIN))
            self._caught_up = await self._ask_for_events()
            await self._facts.handle_due()
        return self._caught_up

    async def _read(self, query: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(read_from, self._engine, query)


def _told(answer: Unknown | Invalid) -> str:
    if isinstance(answer, Unknown):
        return f"it does not answer: {answer.cause}"
    return f"it refuses to answer: {answer.code}: {answer.message}"
