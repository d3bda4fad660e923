"""`python -m tests.payments.webhooks_on_databases 10000`: webhooks and what they credit.

They are handled as `python -m payments` does, by the use cases, on SQLite and on PostgreSQL.
"""

import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine, func, select

from assembly.clock import SystemClock
from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile
from charging.entries import EntryKind
from charging.money_state import StoredCard
from charging.notices import NoticeKind
from charging.orders import TopUpOrder
from charging.payment_commands import BeginTopUp, StartWork
from db.audit import audit
from db.engine import open_engine
from db.inbox import SqlInbox
from db.ledger import SqlLedger, read_from
from db.models import entries, postings
from db.money_tables import notices, processor_events
from db.schema import upgrade
from lab.postgresql import running_server
from payments.facts import FactHandler
from payments.minor_units import money_of
from tests.fakes.card_processor import MemoryProcessor
from tests.payments.webhook_storm import AT_ONCE, MINOR, SOURCE, Payment, drawn, weather


class OnDatabase:
    """Implements `webhook_storm.Crediting`."""

    def __init__(self, engine: Engine, ledger: SqlLedger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._amount = money_of(MINOR, "gbp")
        self.inbox = SqlInbox(engine)
        self._handler = FactHandler(
            processor=MemoryProcessor(),
            ledger=ledger,
            engine=engine,
            inbox=self.inbox,
            terms_of=lambda _office_id: None,
            is_office=lambda _: True,
            clock=SystemClock(),
        )

    async def begin(self, payments: Sequence[Payment]) -> None:
        now = datetime.now(UTC)
        for office_id in sorted({payment.office_id for payment in payments}):
            await self._ledger.carry_out(ReplaceCard(card=_card_of(office_id, now), at=now))
        waiting = asyncio.Semaphore(AT_ONCE)

        async def send(payment: Payment) -> None:
            async with waiting:
                await self._send(payment, now)

        await asyncio.gather(*map(send, payments))

    async def _send(self, payment: Payment, now: datetime) -> None:
        """The processor was asked, and its reply was lost."""
        await self._ledger.carry_out(
            BeginTopUp(
                office_id=payment.office_id,
                payment_id=payment.payment_id,
                order=TopUpOrder(amount=self._amount, confirmed=True),
                key=payment.payment_id,
                by="test",
                at=now,
            )
        )
        await self._ledger.carry_out(
            StartWork(office_id=payment.office_id, payment_id=payment.payment_id, at=now)
        )

    async def handle(self) -> None:
        await self._handler.handle_due()

    async def left(self) -> bool:
        """Whether something that was told is still to be handled, by another process."""
        due = select(func.count()).where(processor_events.c.due_at.is_not(None))
        return bool(await asyncio.to_thread(read_from, self._engine, lambda r: r.scalar(due)))

    async def credits(self) -> Counter[str]:
        query = select(entries.c.key).where(
            entries.c.kind == EntryKind.TOP_UP, entries.c.payment_id.is_not(None)
        )
        with self._engine.connect() as reader:
            keys = list(reader.scalars(query))
            came_in = select(func.sum(postings.c.micros)).where(postings.c.source == "funding:card")
            micros = reader.scalar(came_in) or 0
        assert micros == len(keys) * self._amount.micros
        assert read_from(self._engine, audit).sound
        return Counter(key.rpartition(":")[2] for key in keys)

    async def told_of(self) -> set[str]:
        query = select(notices.c.facts).where(notices.c.kind == NoticeKind.OPERATOR)
        with self._engine.connect() as reader:
            return {json.loads(facts)["payment"] for facts in reader.scalars(query)}


def _card_of(office_id: str, now: datetime) -> StoredCard:
    card = CardOnFile(
        customer_id=f"cus_{office_id}",
        method_id=f"pm_{office_id}",
        brand="visa",
        last_four="4242",
        expiry_month=12,
        expiry_year=2034,
    )
    return StoredCard(
        office_id=office_id, processor=SOURCE, card=card, added_by="test", added_at=now
    )


@asynccontextmanager
async def on_database(url: str) -> AsyncIterator[OnDatabase]:
    """A database that has no tables yet, or all of them."""
    engine = open_engine(url)
    upgrade(engine)
    async with SqlLedger(engine) as ledger:
        yield OnDatabase(engine, ledger)
    engine.dispose()


async def main(count: int) -> int:
    """On both databases; how much is wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wrong = 0
    with running_server(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/ledger.sqlite", server.url()):
            storm = drawn(count, seed=count)
            started_s = time.monotonic()
            async with on_database(url) as crediting:
                problems = await weather(storm, crediting)
            taken_s = time.monotonic() - started_s
            print(  # noqa: T201 - the result of a command
                f"{url.partition(':')[0]}: {count} webhooks, {len(storm.paid)} payments paid of"
                f" {len(storm.payments)}; {taken_s:.0f} s; {len(problems)} wrong {problems}"
            )
            wrong += len(problems)
    return wrong


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(int(sys.argv[1]))) else 0)
