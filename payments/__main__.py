"""`python -m payments SETTINGS`: charge cards, take webhooks, send notices, until told to stop.

The only process that holds the card processor's key. Any number of it may run over one database.
"""

import asyncio
import sys

import structlog
from sqlalchemy import Engine

from assembly.charging import AssemblyError, require_tables
from assembly.clock import SystemClock
from assembly.health import LEDGER, answering, ledger_question
from assembly.ledger_metrics import LedgerCollector
from assembly.metrics import count_log, of_commits, readable, registry_of
from assembly.money_in import receipt_terms
from assembly.process import main
from charging.card_processor import CardProcessor
from db.engine import DatabaseUrlError, open_engine
from db.inbox import SqlInbox
from db.ledger import SqlLedger
from payments.keys import keys_of
from payments.metrics import payment_counts
from payments.notices import Outbox, mailer_of
from payments.processors import connected
from payments.webhooks import Webhooks, webhooks_served
from payments.worker import Worker
from settings import PaymentSections

log = structlog.get_logger()


async def serve(settings: PaymentSections) -> None:
    """Run until cancelled. What is under way then is found again by whoever comes next."""
    registry = registry_of("payments")
    count_log(registry, settings, payment_counts(registry))
    try:
        engine = open_engine(settings.database.url)
    except DatabaseUrlError as error:
        raise AssemblyError(str(error)) from error
    await require_tables(engine)
    registry.register(LedgerCollector(engine))
    questions = {LEDGER: ledger_question(engine)}
    async with (
        SqlLedger(engine, committed=of_commits(registry)) as ledger,
        connected(settings.payments) as processor,
        answering("payments", settings, questions),
        readable("payments", settings, registry, questions),
    ):
        await _work(settings, engine, ledger, processor)


async def _work(
    settings: PaymentSections, engine: Engine, ledger: SqlLedger, processor: CardProcessor
) -> None:
    inbox = SqlInbox(engine)
    terms = receipt_terms(settings.topups)
    worker = Worker(
        processor=processor,
        ledger=ledger,
        engine=engine,
        inbox=inbox,
        terms_of=lambda _office_id: terms,
    )
    outbox = Outbox(
        engine=engine,
        mailer=mailer_of(settings.notices),
        settings=settings.notices,
        clock=SystemClock(),
        name=worker.name,
    )
    webhooks = Webhooks(
        source=processor.name,
        secrets=keys_of(settings.payments).webhook_secrets,
        read_event=processor.read_event,
        inbox=inbox,
        kept=worker.wake,
    )
    async with webhooks_served(settings.payments, webhooks), asyncio.TaskGroup() as tasks:
        log.info("ready", processor=processor.name, worker=worker.name)
        tasks.create_task(worker.run())
        tasks.create_task(outbox.run())


if __name__ == "__main__":
    sys.exit(main(serve, PaymentSections))
