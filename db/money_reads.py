"""Reading about money in: for screens, commands and the worker."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from charging.money_state import Payment, StoredCard
from charging.receipts import Party, Receipt
from charging.refill import OPEN
from charging.refill_rules import Policy
from db.ledger import SqlLedger
from db.money_rows import buyer_of, card_of, payment_of, policy_of, receipt_of
from db.money_tables import buyers, cards, payments, receipts, refill_policies

_OPEN = [str(state) for state in sorted(OPEN)]


class SqlMoney:
    """charging.ports.MoneyReader, in the reading threads of the ledger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def refill_status(
        self, office_id: str
    ) -> tuple[Policy, StoredCard | None, Payment | None]:
        return await self._ledger.read(lambda reader: refill_status(reader, office_id))

    async def find_payment(self, payment_id: str) -> Payment | None:
        return await self._ledger.read(lambda reader: find_payment(reader, payment_id))

    async def payments(
        self, office_id: str, *, limit: int, before: str | None = None
    ) -> Sequence[Payment]:
        return await self._ledger.read(
            lambda reader: last_payments(reader, office_id, limit=limit, before=before)
        )

    async def receipts(self, office_id: str, *, limit: int) -> Sequence[Receipt]:
        return await self._ledger.read(lambda reader: last_receipts(reader, office_id, limit))


def refill_status(
    reader: Connection, office_id: str
) -> tuple[Policy, StoredCard | None, Payment | None]:
    policy = reader.execute(
        select(refill_policies).where(refill_policies.c.office_id == office_id)
    ).first()
    card = reader.execute(
        select(cards).where(cards.c.office_id == office_id, cards.c.removed_at.is_(None))
    ).first()
    open_refill = reader.execute(
        select(payments).where(
            payments.c.office_id == office_id,
            payments.c.kind == "refill",
            payments.c.state.in_(_OPEN),
        )
    ).first()
    return (
        Policy(office_id=office_id) if policy is None else policy_of(policy),
        None if card is None else card_of(card),
        None if open_refill is None else payment_of(open_refill),
    )


def find_payment(reader: Connection, payment_id: str) -> Payment | None:
    row = reader.execute(select(payments).where(payments.c.payment_id == payment_id)).first()
    return None if row is None else payment_of(row)


def find_by_intent(reader: Connection, processor: str, intent_id: str) -> Payment | None:
    """For what the processor tells of an intent alone."""
    row = reader.execute(
        select(payments).where(
            payments.c.processor == processor,
            payments.c.intent_id == intent_id,
            payments.c.intent_id != "",
        )
    ).first()
    return None if row is None else payment_of(row)


def last_payments(
    reader: Connection, office_id: str, *, limit: int, before: str | None = None
) -> Sequence[Payment]:
    query = select(payments).where(payments.c.office_id == office_id)
    if before is not None:
        cursor = find_payment(reader, before)
        if cursor is None or cursor.office_id != office_id:
            return ()
        at = cursor.created_at
        query = query.where(
            or_(
                payments.c.created_at < at,
                and_(payments.c.created_at == at, payments.c.payment_id < before),
            )
        )
    newest_first = query.order_by(payments.c.created_at.desc(), payments.c.payment_id.desc())
    return [payment_of(row) for row in reader.execute(newest_first.limit(limit))]


def last_receipts(
    reader: Connection, office_id: str, limit: int, *, before: int | None = None
) -> Sequence[Receipt]:
    """Newest first, below a number."""
    query = (
        select(receipts)
        .where(receipts.c.office_id == office_id)
        .order_by(receipts.c.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(receipts.c.number < before)
    return [receipt_of(row) for row in reader.execute(query)]


def papers_of(reader: Connection, payment_id: str) -> Sequence[Receipt]:
    """Its receipt and the notes on it, as they were issued."""
    query = select(receipts).where(receipts.c.payment_id == payment_id).order_by(receipts.c.number)
    return [receipt_of(row) for row in reader.execute(query)]


def find_receipt_number(reader: Connection, office_id: str, number: int) -> Receipt | None:
    """The receipt or note of that number in its office."""
    row = reader.execute(
        select(receipts).where(receipts.c.office_id == office_id, receipts.c.number == number)
    ).first()
    return None if row is None else receipt_of(row)


def find_buyer(reader: Connection, office_id: str) -> tuple[Party | None, str]:
    """Whom receipts are made out to, and their language."""
    row = reader.execute(select(buyers).where(buyers.c.office_id == office_id)).first()
    return (None, "en") if row is None else (buyer_of(row), row.language)


def last_customer(reader: Connection, office_id: str, processor: str) -> str | None:
    """What the processor calls the office, from the last card that it had there."""
    query = (
        select(cards.c.customer_id)
        .where(cards.c.office_id == office_id, cards.c.processor == processor)
        .order_by(cards.c.id.desc())
        .limit(1)
    )
    return reader.scalar(query)


class ReplacedCard(NamedTuple):
    method_id: str
    in_use: bool  # a payment may still be asked for with it


def replaced_cards(
    reader: Connection, office_id: str, processor: str, *, since: datetime
) -> Sequence[ReplacedCard]:
    """What was on file until then or later, and is not now."""
    on_file = select(cards.c.method_id).where(
        cards.c.office_id == office_id, cards.c.removed_at.is_(None)
    )
    asked_for = select(payments.c.payment_id).where(
        payments.c.office_id == office_id,
        payments.c.method_id == cards.c.method_id,
        payments.c.state.in_(_OPEN),
    )
    query = select(cards.c.method_id, asked_for.exists().label("in_use")).where(
        cards.c.office_id == office_id,
        cards.c.processor == processor,
        cards.c.removed_at >= since,
        cards.c.method_id.not_in(on_file),
    )
    return [ReplacedCard(*row) for row in reader.execute(query)]


def card_of_method(reader: Connection, processor: str, method_id: str) -> StoredCard | None:
    """The card on file that the processor calls so."""
    row = reader.execute(
        select(cards).where(
            cards.c.processor == processor,
            cards.c.method_id == method_id,
            cards.c.removed_at.is_(None),
        )
    ).first()
    return None if row is None else card_of(row)


def due_payments(reader: Connection, now: datetime, limit: int) -> Sequence[Payment]:
    query = (
        select(payments)
        .where(payments.c.due_at <= now)
        .order_by(payments.c.due_at, payments.c.payment_id)
        .limit(limit)
    )
    return [payment_of(row) for row in reader.execute(query)]


def due_policies(reader: Connection, now: datetime, limit: int) -> Sequence[str]:
    query = (
        select(refill_policies.c.office_id)
        .where(refill_policies.c.look_at <= now)
        .order_by(refill_policies.c.look_at)
        .limit(limit)
    )
    return list(reader.scalars(query))


def charged_elsewhere(reader: Connection) -> Sequence[Payment]:
    """Payments that may have taken money that is in no account, as far as was told."""
    query = select(payments).where(payments.c.code.in_(("differs", "charged_twice", "not_found")))
    return [payment_of(row) for row in reader.execute(query)]


def pays_by_card(reader: Connection) -> bool:
    """Whether any office has a card on file, or ever had."""
    return reader.execute(select(cards.c.id).limit(1)).first() is not None
