"""What the ledger of a trial of money says, read as it stands."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from charging.entries import FundingSource
from charging.refill import State
from db.models import postings
from db.money_tables import card_forms, payments, processor_events

Row = Mapping[str, Any]
UNSETTLED: Final = [
    str(state) for state in (State.CLAIMED, State.SENT, State.UNKNOWN, State.REFUNDING)
]


def all_payments(reader: Connection) -> Sequence[Row]:
    return [dict(row) for row in reader.execute(select(payments)).mappings()]


def open_payments(reader: Connection) -> Sequence[Row]:
    query = select(payments).where(payments.c.state.in_(UNSETTLED))
    return [dict(row) for row in reader.execute(query).mappings()]


def state_of_key(reader: Connection, key: str) -> str | None:
    """Of the payment that is asked for under this key; None: there is none."""
    found: str | None = reader.scalar(select(payments.c.state).where(payments.c.key == key))
    return found


def forms_not_opened(reader: Connection) -> int:
    query = select(func.count()).select_from(card_forms).where(card_forms.c.state == "asked")
    return reader.scalar(query) or 0


def unhandled(reader: Connection) -> Sequence[str]:
    query = select(processor_events.c.event_id).where(processor_events.c.due_at.is_not(None))
    return list(reader.scalars(query))


def from_cards(reader: Connection) -> int:
    """What came into all accounts from cards, less what went back, in micro-units."""
    account = f"funding:{FundingSource.CARD}"

    def moved(side: Any) -> int:
        return int(reader.scalar(select(func.sum(postings.c.micros)).where(side == account)) or 0)

    return moved(postings.c.source) - moved(postings.c.target)
