"""Forms in which a person enters a card at the processor: asked for here, opened by the worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Update, insert, select, update

from db.money_tables import card_forms


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFormRow:
    """`state`: asked, open (its page is at `page_url`), saved, not_saved (`code` says why)."""

    form_id: str
    office_id: str
    asked_by: str
    asked_at: datetime
    return_url: str
    cancel_url: str
    language: str
    currency: str
    state: str = "asked"
    setup_id: str = ""
    page_url: str = ""
    code: str = ""
    due_at: datetime | None = None


def ask_for_form(writer: Connection, form: CardFormRow) -> None:
    """Written by a page; the worker opens the form within a second or two."""
    writer.execute(insert(card_forms).values(**_row_of(form)))


def find_form(reader: Connection, form_id: str) -> CardFormRow | None:
    row = reader.execute(select(card_forms).where(card_forms.c.form_id == form_id)).first()
    return None if row is None else _form_of(row)


def find_form_of(reader: Connection, setup_id: str) -> CardFormRow | None:
    """By the processor's name of it."""
    query = select(card_forms).where(card_forms.c.setup_id == setup_id, card_forms.c.setup_id != "")
    row = reader.execute(query).first()
    return None if row is None else _form_of(row)


def due_forms(reader: Connection, now: datetime, limit: int) -> Sequence[CardFormRow]:
    query = select(card_forms).where(card_forms.c.due_at <= now).order_by(card_forms.c.due_at)
    return [_form_of(row) for row in reader.execute(query.limit(limit))]


def change_form(writer: Connection, form: CardFormRow, **values: Any) -> None:
    """Only while it is in that state: whoever was slower than another has no say any more."""
    writer.execute(_in_state_of(form).values(**values))


def put_form_off(writer: Connection, form: CardFormRow, *, until: datetime) -> None:
    """Unless somebody wants it looked at sooner by now."""
    writer.execute(
        _in_state_of(form).where(card_forms.c.due_at == form.due_at).values(due_at=until)
    )


def _in_state_of(form: CardFormRow) -> Update:
    return update(card_forms).where(
        card_forms.c.form_id == form.form_id, card_forms.c.state == form.state
    )


def _row_of(form: CardFormRow) -> dict[str, Any]:
    return {name: getattr(form, name) for name in CardFormRow.__dataclass_fields__}


def _form_of(row: Any) -> CardFormRow:
    return CardFormRow(**{name: getattr(row, name) for name in CardFormRow.__dataclass_fields__})
