"""Asking for the form in which a person enters a card: a row, which the worker opens."""

import secrets
from datetime import datetime

from sqlalchemy import Connection

from charging.changes import Change
from db.audit_trail import record
from db.card_forms import CardFormRow, ask_for_form
from portal.parts import Parts


async def ask_for_card(  # noqa: PLR0913 - who asks, by name
    parts: Parts, *, office_id: str, by: str, at: datetime, client_address: str, language: str
) -> CardFormRow:
    """The worker opens the card processor's own form, in which the card is entered."""
    form_id = secrets.token_hex(16)
    form = CardFormRow(
        form_id=form_id,
        office_id=office_id,
        asked_by=by,
        asked_at=at,
        return_url=f"{parts.public_url}/billing/card/{form_id}",
        cancel_url=f"{parts.public_url}/billing",
        language=language,
        currency=parts.offices.office(office_id).currency,
        due_at=at,
    )

    def ask(writer: Connection) -> None:
        ask_for_form(writer, form)
        record(
            writer,
            Change(
                office_id=office_id,
                at=at,
                actor=by,
                action="card.form",
                client_address=client_address,
            ),
        )

    await parts.store.write(ask)
    return form
