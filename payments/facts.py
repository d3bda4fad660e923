"""Handles what webhooks and the poll have put into the inbox: each event once, in any order."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine

from charging.card_commands import ForgetCard, ReplaceCard
from charging.card_processor import (
    AuthenticationRequired,
    Cancelled,
    CardFormClosed,
    CardProcessor,
    CardRemoved,
    CardUpdated,
    Declined,
    DisputeClosed,
    DisputeOpened,
    Fact,
    FraudWarning,
    Invalid,
    NothingOfOurs,
    NotThere,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
    Unknown,
    WebhookRefused,
)
from charging.errors import ChargingError, ChargingUnavailable
from charging.money_state import Payment, StoredCard
from charging.payment_commands import AdoptPayment, RecordFact
from charging.ports import Clock, Ledger
from charging.receipts import ReceiptTerms
from charging.refill import Event, Told
from db.card_forms import change_form, find_form_of
from db.inbox import KeptEvent, SqlInbox
from db.ledger import read_from
from db.money_reads import card_of_method, find_by_intent, find_payment
from db.restorations import restorations_since
from db.writing import write_to

log = structlog.get_logger()

AT_ONCE: Final = 64
TOO_EARLY_AGAIN: Final = timedelta(seconds=30)
STILL_TOO_EARLY_AGAIN: Final = timedelta(hours=1)
PROBLEM_AGAIN: Final = timedelta(minutes=5)
TRIES_MAX: Final = 50  # then it is the operator's: `tollgate doctor` tells of it
CLOCKS_APART: Final = timedelta(minutes=10)  # ours and the processor's, at most

PaymentFact = (
    Succeeded
    | Declined
    | AuthenticationRequired
    | Cancelled
    | Refunded
    | RefundPending
    | RefundFailed
    | DisputeOpened
    | DisputeClosed
    | FraudWarning
)


class FactHandler:
    def __init__(  # noqa: PLR0913 - its parts, given by name
        self,
        *,
        processor: CardProcessor,
        ledger: Ledger,
        engine: Engine,
        inbox: SqlInbox,
        terms_of: Callable[[str], ReceiptTerms | None],
        is_office: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._is_office = is_office
        self._processor = processor
        self._ledger = ledger
        self._engine = engine
        self._inbox = inbox
        self._terms_of = terms_of
        self._clock = clock

    async def handle_due(self) -> None:
        """Everything that waits, oldest first, many at once so that they share transactions.

        Raises:
            ChargingUnavailable: the database is away; what is left waits on.
        """
        while events := await self._inbox.due(self._clock.now(), AT_ONCE):
            found = await asyncio.gather(*map(self._problem_with, events), return_exceptions=True)
            handled = [each for each, problem in zip(events, found, strict=True) if not problem]
            await self._inbox.finish_all(handled)
            for event, problem in zip(events, found, strict=True):
                if isinstance(problem, BaseException):
                    raise problem
                if problem:
                    await self._put_aside(event, problem)

    async def _problem_with(self, event: KeptEvent) -> str | None:
        """Act on it; None: it is handled."""
        try:
            told = self._processor.read_event(event.body)
            return await self._act_on(told.fact, at=told.at)
        except ChargingUnavailable:
            raise
        except (ChargingError, WebhookRefused) as error:
            return f"{type(error).__name__}: {error}"

    async def _put_aside(self, event: KeptEvent, problem: str) -> None:
        often = event.tries + 1 >= TRIES_MAX
        pause = PROBLEM_AGAIN
        if too_early := problem in {_TOO_EARLY, _NOT_SAID}:  # its time comes, in days if need be
            pause = STILL_TOO_EARLY_AGAIN if often else TOO_EARLY_AGAIN
        if problem.startswith(_NOT_OURS) or (often and not too_early):
            log.error("event_not_handled", event_id=event.event_id, problem=problem)
            await self._inbox.finish(event, problem=problem)
        else:
            log.warning("event_postponed", event_id=event.event_id, problem=problem)
            until = self._clock.now() + pause
            await self._inbox.postpone(event, until, problem=problem)

    async def _act_on(self, fact: Fact, *, at: datetime) -> str | None:
        """What is the matter; None: it is handled."""
        match fact:
            case NothingOfOurs():
                return None
            case CardFormClosed(setup_id=setup_id):
                await self._look_at_form(setup_id)
            case CardUpdated() | CardRemoved():
                await self._change_card(fact)
            case _:
                return await self._record(fact, at=at)
        return None

    async def _record(self, fact: PaymentFact, *, at: datetime) -> str | None:
        name = getattr(fact, "payment_id", "") or await self._payment_named_by(fact.intent_id)
        if isinstance(name, Unknown | Invalid):
            return _NOT_SAID
        payment = await self._payment(name)
        if payment is None:
            return await self._of_no_payment(fact, name or fact.intent_id, at=at)
        recorded = await self._ledger.carry_out(
            RecordFact(
                office_id=payment.office_id,
                payment_id=payment.payment_id,
                fact=as_told(fact),
                at=self._clock.now(),
                terms=self._terms_of(payment.office_id),
            )
        )
        log.info(
            "payment_told",
            payment_id=payment.payment_id,
            kind=str(payment.attempt.kind),
            told=type(fact).__name__,
            state=str(recorded.payment.state),
        )
        return None if recorded.handled else _TOO_EARLY

    async def _of_no_payment(self, fact: PaymentFact, name: str, *, at: datetime) -> str | None:
        """Somebody else's; or lost, where the ledger was restored from a backup of before."""
        lost = await self._lost_at(at)
        if not isinstance(fact, Succeeded):
            follows = isinstance(fact, Refunded | RefundFailed | DisputeOpened | DisputeClosed)
            return _TOO_EARLY if lost and follows else None
        if not (lost and fact.payment_id and self._is_office(fact.office_id)):
            return f"{_NOT_OURS}: no payment {name}"
        adopted = await self._ledger.carry_out(
            AdoptPayment(
                fact=fact,
                processor=self._processor.name,
                charged_at=at,
                by="card processor",
                at=self._clock.now(),
                terms=self._terms_of(fact.office_id),
            )
        )
        log.warning("payment_adopted", payment_id=name, state=str(adopted.state))
        return None

    async def _lost_at(self, at: datetime) -> bool:
        """Whether what happened then may be missing, since the ledger is of an earlier moment."""
        restored = await asyncio.to_thread(
            read_from, self._engine, lambda reader: restorations_since(reader, at - CLOCKS_APART)
        )
        return any(each.taken_at - CLOCKS_APART <= at for each in restored)

    async def _payment_named_by(self, intent_id: str) -> str | Unknown | Invalid:
        """A dispute names the intent alone, and may come before the reply that tells it to us."""
        if not intent_id:
            return ""
        source = self._processor.name
        known = await asyncio.to_thread(
            read_from, self._engine, lambda reader: find_by_intent(reader, source, intent_id)
        )
        if known is not None:
            return known.payment_id
        answer = await self._processor.find_intent(intent_id)
        if isinstance(answer, Unknown | Invalid):
            return answer
        return "" if isinstance(answer, NotThere) else answer.payment_id

    async def _payment(self, payment_id: str) -> Payment | None:
        return await asyncio.to_thread(
            read_from, self._engine, lambda reader: find_payment(reader, payment_id)
        )

    async def _look_at_form(self, setup_id: str) -> None:
        now = self._clock.now()
        form = await asyncio.to_thread(
            read_from, self._engine, lambda reader: find_form_of(reader, setup_id)
        )
        if form is not None and form.state == "open":
            await asyncio.to_thread(
                write_to,
                self._engine,
                lambda writer: change_form(writer, form, due_at=now),
            )

    async def _change_card(self, fact: CardUpdated | CardRemoved) -> None:
        method_id = fact.card.method_id if isinstance(fact, CardUpdated) else fact.method_id
        source = self._processor.name
        stored: StoredCard | None = await asyncio.to_thread(
            read_from, self._engine, lambda reader: card_of_method(reader, source, method_id)
        )
        if stored is None:
            return
        now = self._clock.now()
        if isinstance(fact, CardUpdated):
            updated = StoredCard(
                office_id=stored.office_id,
                processor=source,
                card=fact.card,
                added_by="card processor",
                added_at=now,
            )
            await self._ledger.carry_out(ReplaceCard(card=updated, at=now))
        else:
            await self._ledger.carry_out(
                ForgetCard(
                    office_id=stored.office_id, method_id=method_id, by="card processor", at=now
                )
            )


_NOT_OURS = "not ours"
_NOT_SAID = "the processor does not say whose payment it is"
_TOO_EARLY = "the payment is not credited yet, or what became of its refund is not known yet"


def as_told(fact: PaymentFact) -> Event:
    """Only a reply says which try it is about; a success is one whoever says it."""
    if isinstance(fact, Declined | AuthenticationRequired | Cancelled):
        return Told(fact)
    return fact
