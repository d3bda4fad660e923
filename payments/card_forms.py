"""Opens the processor's form for a card; what a person entered there becomes the card on file."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Engine

from charging.card_commands import ReplaceCard
from charging.card_processor import (
    CardForm,
    CardNotEntered,
    CardNotSaved,
    CardProcessor,
    CardSaved,
    Invalid,
    NotThere,
    SaveCardRequest,
    Unknown,
)
from charging.money_state import StoredCard
from charging.ports import Clock, Ledger
from db.card_forms import CardFormRow, change_form, find_form, put_form_off
from db.ledger import read_from
from db.money_reads import ReplacedCard, last_customer, replaced_cards
from db.writing import write_to

log = structlog.get_logger()

ASK_AGAIN: Final = timedelta(seconds=5)
LOOK_EVERY: Final = timedelta(seconds=20)  # a webhook tells of it sooner
FORM_LASTS: Final = timedelta(hours=24)


class CardForms:
    def __init__(
        self, *, processor: CardProcessor, ledger: Ledger, engine: Engine, clock: Clock
    ) -> None:
        self._processor = processor
        self._ledger = ledger
        self._engine = engine
        self._clock = clock

    async def go_on(self, form_id: str) -> None:
        """As it stands now: between the list of what is due and this, another may have gone on."""
        form: CardFormRow | None = await self._read(lambda reader: find_form(reader, form_id))
        if form is None or form.due_at is None or form.due_at > self._clock.now():
            return
        match form.state:
            case "asked":
                await self._open(form)
            case "open":
                await self._look(form)
            case "saved":
                await self._remove_replaced(form)

    async def _open(self, form: CardFormRow) -> None:
        """Where a reply was lost it is opened once more; the first one that is known is shown."""
        now = self._clock.now()
        name = self._processor.name
        customer_id = await self._read(lambda r: last_customer(r, form.office_id, name))
        answer = await self._processor.begin_card(
            SaveCardRequest(
                office_id=form.office_id,
                customer_id=customer_id,
                currency=form.currency,
                return_url=form.return_url,
                cancel_url=form.cancel_url,
                language=form.language,
            )
        )
        match answer:
            case CardForm(setup_id=setup_id, page_url=page_url):
                await self._change(
                    form,
                    state="open",
                    setup_id=setup_id,
                    page_url=page_url,
                    due_at=now + LOOK_EVERY,
                )
            case Unknown(cause):
                log.warning("card_form_unknown", form_id=form.form_id, cause=cause)
                await self._put_off(form, until=now + ASK_AGAIN)
            case Invalid(code):
                log.error("card_form_refused", form_id=form.form_id, code=code)
                await self._change(form, state="not_saved", code=code, due_at=None)

    async def _look(self, form: CardFormRow) -> None:
        now = self._clock.now()
        match await self._processor.find_card(form.setup_id):
            case CardSaved() as saved if saved.office_id == form.office_id:
                await self._take(form, saved, now)
            case CardSaved():
                await self._change(form, state="not_saved", code="another_office", due_at=None)
            case CardNotSaved(code=code) | Invalid(code=code):
                await self._change(form, state="not_saved", code=code, due_at=None)
            case NotThere():
                await self._change(form, state="not_saved", code="expired", due_at=None)
            case CardNotEntered() if now - form.asked_at > FORM_LASTS:
                await self._change(form, state="not_saved", code="expired", due_at=None)
            case CardNotEntered() | Unknown():
                await self._put_off(form, until=now + LOOK_EVERY)

    async def _take(self, form: CardFormRow, saved: CardSaved, now: datetime) -> None:
        """The card first: a form that is looked at twice saves the same card again."""
        stored = StoredCard(
            office_id=form.office_id,
            processor=self._processor.name,
            card=saved.card,
            added_by=form.asked_by,
            added_at=now,
        )
        await self._ledger.carry_out(ReplaceCard(card=stored, at=now))
        await self._change(form, state="saved", due_at=now)

    async def _remove_replaced(self, form: CardFormRow) -> None:
        """At the processor, too; but no card with which a payment may still have to be asked for.

        A question without an answer is asked again under the same key, and with another card it
        would be another question.
        """
        name = self._processor.name
        replaced: Sequence[ReplacedCard] = await self._read(
            lambda r: replaced_cards(r, form.office_id, name, since=form.asked_at)
        )
        answers = [
            await self._processor.remove_card(each.method_id)
            for each in replaced
            if not each.in_use
        ]
        left = any(each.in_use for each in replaced)
        unknown = any(isinstance(answer, Unknown) for answer in answers)
        again = self._clock.now() + LOOK_EVERY
        await self._change(form, due_at=again if left or unknown else None)

    async def _change(self, form: CardFormRow, **values: Any) -> None:
        await asyncio.to_thread(
            write_to, self._engine, lambda writer: change_form(writer, form, **values)
        )

    async def _put_off(self, form: CardFormRow, *, until: datetime) -> None:
        await asyncio.to_thread(
            write_to, self._engine, lambda writer: put_form_off(writer, form, until=until)
        )

    async def _read(self, query: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(read_from, self._engine, query)
