"""`python -m payments SETTINGS`: charge cards, take webhooks, send notices, until told to stop.

The only process that holds the card processor's key. Any number of it may run over one database.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Engine

from assembly.charging import AssemblyError, require_tables
from assembly.clock import SystemClock
from assembly.health import LEDGER, PROCESSOR, PROCESSORS_CLOCK, answering, ledger_question
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

CLOCKS_AGREE_WITHIN: Final = timedelta(seconds=60)  # of the 300 that a signature may be old


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
    async with (
        SqlLedger(engine, committed=of_commits(registry)) as ledger,
        connected(settings.payments) as processor,
    ):
        terms = receipt_terms(settings.topups)
        worker = Worker(
            processor=processor,
            ledger=ledger,
            engine=engine,
            inbox=SqlInbox(engine),
            terms_of=lambda _office_id: terms,
            is_office=settings.offices.__contains__,
        )
        questions = {
            LEDGER: ledger_question(engine),
            PROCESSOR: lambda: worker.trouble,
            PROCESSORS_CLOCK: lambda: clock_trouble(processor.clock_ahead),
        }
        async with (
            answering("payments", settings, questions),
            readable("payments", settings, registry, questions),
        ):
            await _work(settings, engine, processor, worker)


def clock_trouble(ahead: timedelta | None) -> str | None:
    """A webhook is signed with the time, and one of another time is taken for a forgery."""
    if ahead is None or abs(ahead) <= CLOCKS_AGREE_WITHIN:
        return None
    which = "behind" if ahead > timedelta(0) else "ahead of"
    return f"this machine's clock is {abs(ahead).total_seconds():.0f} s {which} it"


async def _work(
    settings: PaymentSections, engine: Engine, processor: CardProcessor, worker: Worker
) -> None:
    inbox = SqlInbox(engine)
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
