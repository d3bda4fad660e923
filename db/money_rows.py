"""Payments, policies, cards and receipts as rows, and rows as what `charging` decides on."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from charging.card_processor import CardOnFile
from charging.charge_backs import ChargedBack, TakenBy
from charging.entries import EntryKey
from charging.money import Money
from charging.money_state import (
    Issue,
    MoneyState,
    MoneyWanted,
    MoneyWrite,
    Payment,
    Record,
    RemoveCard,
    SaveBuyer,
    SaveCard,
    SavePayment,
    SavePolicy,
    StoredCard,
    Tell,
    Watch,
)
from charging.notices import Notice
from charging.orders import Consent, RefillRule
from charging.receipts import Party, Receipt, ReceiptKind, VatAt
from charging.refill import OPEN, Attempt, PauseReason, PaymentKind, State
from charging.refill_rules import MONTH, Policy, PolicyState
from db.audit_trail import record
from db.models import balances
from db.money_tables import buyers, cards, notices, payments, receipts, refill_policies

_LATELY = timedelta(minutes=2)  # longer than anybody waits for money, or is asked whether twice

_SELECT_POLICIES = select(refill_policies).where(
    refill_policies.c.office_id.in_(bindparam("offices", expanding=True))
)
_SELECT_CARDS = select(cards).where(
    cards.c.office_id.in_(bindparam("offices", expanding=True)), cards.c.removed_at.is_(None)
)
_SELECT_BUYERS = select(buyers).where(buyers.c.office_id.in_(bindparam("offices", expanding=True)))
_SELECT_PAYMENTS = select(payments).where(
    payments.c.office_id == bindparam("office"),
    or_(
        payments.c.state.in_([str(state) for state in sorted(OPEN)]),
        and_(payments.c.kind == "refill", payments.c.created_at >= bindparam("month_ago")),
        payments.c.created_at >= bindparam("lately"),
        payments.c.payment_id.in_(bindparam("ids", expanding=True)),
        payments.c.key.in_(bindparam("keys", expanding=True)),
    ),
)
_LAST_RECEIPTS = (
    select(receipts.c.office_id, func.max(receipts.c.number).label("last"))
    .where(receipts.c.office_id.in_(bindparam("offices", expanding=True)))
    .group_by(receipts.c.office_id)
)
_SELECT_RECEIPTS = select(receipts).where(
    receipts.c.payment_id.in_(bindparam("ids", expanding=True)),
    receipts.c.kind == ReceiptKind.RECEIPT.value,
)
_WATCH = (
    update(balances)
    .where(balances.c.office_id == bindparam("of_office"), balances.c.account == "available")
    .values(refill_below_micros=bindparam("refill"), notice_below_micros=bindparam("notice"))
)


def load_money(
    connection: Connection, wanted: Mapping[str, MoneyWanted], moments: Mapping[str, datetime]
) -> dict[str, MoneyState]:
    """What commands may read of offices; `moments` is as of when, for what counts as recent."""
    offices = sorted(wanted)
    policies = {
        row.office_id: policy_of(row)
        for row in connection.execute(_SELECT_POLICIES, {"offices": offices})
    }
    on_file = {
        row.office_id: card_of(row)
        for row in connection.execute(_SELECT_CARDS, {"offices": offices})
    }
    counts = {
        row.office_id: row.last for row in connection.execute(_LAST_RECEIPTS, {"offices": offices})
    }
    bought = {
        row.office_id: row for row in connection.execute(_SELECT_BUYERS, {"offices": offices})
    }
    states = {}
    for office_id in offices:
        buyer = bought.get(office_id)
        found = _payments_of(connection, office_id, wanted[office_id], moments[office_id])
        states[office_id] = MoneyState(
            policy=policies.get(office_id) or Policy(office_id=office_id),
            card=on_file.get(office_id),
            payments=found,
            receipts=_receipts_of(connection, wanted[office_id].payment_ids),
            receipts_count=counts.get(office_id, 0),
            buyer=None if buyer is None else buyer_of(buyer),
            language="en" if buyer is None else buyer.language,
        )
    return states


def _payments_of(
    connection: Connection, office_id: str, wanted: MoneyWanted, at: datetime
) -> dict[str, Payment]:
    rows = connection.execute(
        _SELECT_PAYMENTS,
        {
            "office": office_id,
            "month_ago": at - MONTH,
            "lately": at - _LATELY,
            "ids": wanted.payment_ids,
            "keys": wanted.keys,
        },
    )
    return {row.payment_id: payment_of(row) for row in rows}


def _receipts_of(connection: Connection, payment_ids: Iterable[str]) -> dict[str, Receipt]:
    ids = list(payment_ids)
    rows = connection.execute(_SELECT_RECEIPTS, {"ids": ids}) if ids else ()
    return {row.payment_id: receipt_of(row) for row in rows}


# --- writing -------------------------------------------------------------------------------------


def write_money(connection: Connection, writes: Iterable[MoneyWrite]) -> None:
    for write in writes:
        _write(connection, write)


def write_watches(connection: Connection, watches: Mapping[str, Watch]) -> None:
    """Beside the balances, whose rows are there by then, but for an office that never had money."""
    rows = [
        {
            "of_office": office_id,
            "refill": _micros(watch.refill_below),
            "notice": _micros(watch.notice_below),
        }
        for office_id, watch in sorted(watches.items())
    ]
    if rows:
        connection.execute(_WATCH, rows)


def _write(connection: Connection, write: MoneyWrite) -> None:
    match write:
        case SavePayment(payment):
            _put(connection, payments, _payment_row(payment), "payment_id")
        case SavePolicy(policy):
            _put(connection, refill_policies, _policy_row(policy), "office_id")
        case SaveCard(card):
            _remove_card(connection, card.office_id, card.added_at)
            connection.execute(insert(cards).values(**_card_row(card)))
        case RemoveCard(office_id, at):
            _remove_card(connection, office_id, at)
        case SaveBuyer():
            _put(connection, buyers, _buyer_row(write), "office_id")
        case Issue(receipt):
            connection.execute(insert(receipts).values(**_receipt_row(receipt)))
        case Tell(notice):
            tell(connection, notice)
        case Record(change):
            record(connection, change)


def tell(connection: Connection, notice: Notice) -> None:
    """Write a notice inside the caller's transaction; what was told under its key stays told."""
    row = {
        "key": notice.key,
        "office_id": notice.office_id,
        "kind": str(notice.kind),
        "created_at": notice.at,
        "due_at": notice.at,
        "facts": json.dumps(dict(notice.facts), ensure_ascii=False, sort_keys=True),
    }
    statement = _insert_into(connection, notices).values(**row)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))


def _remove_card(connection: Connection, office_id: str, at: datetime) -> None:
    connection.execute(
        update(cards)
        .where(cards.c.office_id == office_id, cards.c.removed_at.is_(None))
        .values(removed_at=at)
    )


def _put(connection: Connection, table: Table, row: Mapping[str, Any], key: str) -> None:
    """Insert, or overwrite what is there: the office's locks are held."""
    statement = _insert_into(connection, table).values(**row)
    changed = {name: statement.excluded[name] for name in row if name != key}
    connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed))


def _insert_into(connection: Connection, table: Table) -> Any:
    """Both databases have the clause; SQLAlchemy has it for each of them."""
    on_sqlite = connection.dialect.name == "sqlite"
    return sqlite_insert(table) if on_sqlite else postgresql_insert(table)


def _payment_row(payment: Payment) -> dict[str, Any]:
    attempt = payment.attempt
    gone = attempt.charge_backs
    return {
        "payment_id": attempt.payment_id,
        "office_id": attempt.office_id,
        "key": payment.key,
        "kind": str(attempt.kind),
        "micros": attempt.amount.micros,
        "currency": attempt.amount.currency,
        "actor": payment.actor,
        "reason": payment.reason,
        "created_at": payment.created_at,
        "processor": payment.processor,
        "customer_id": payment.customer_id,
        "method_id": payment.method_id,
        "card": payment.card,
        "state": str(attempt.state),
        "return_url": attempt.return_url,
        "tries": attempt.tries,
        "declines": attempt.declines,
        "asked": attempt.asked,
        "sent_at": attempt.sent_at,
        "due_at": attempt.due_at,
        "intent_id": attempt.intent_id,
        "page_url": attempt.page_url,
        "code": attempt.code[:200],
        "by_look_up": attempt.by_look_up,
        "withdrawn": attempt.withdrawn,
        "refund_micros": _micros(attempt.refund),
        "taken_back_micros": _micros(attempt.taken_back),
        "refund_id": attempt.refund_id,
        "refund_failed": attempt.refund_failed,
        "charged_back": json.dumps(
            [(each.by, each.name, each.amount.micros, each.returned) for each in gone]
        ),
        "entry_key": payment.entry_key,
    }


def payment_of(row: Row[Any]) -> Payment:
    return Payment(
        attempt=_attempt_of(row),
        key=row.key,
        actor=row.actor,
        reason=row.reason,
        created_at=row.created_at,
        processor=row.processor,
        customer_id=row.customer_id,
        method_id=row.method_id,
        card=row.card,
        entry_key=None if row.entry_key is None else EntryKey(row.entry_key),
    )


def _attempt_of(row: Row[Any]) -> Attempt:
    charge_backs = tuple(
        ChargedBack(TakenBy(by), name, Money(micros, row.currency), returned)
        for by, name, micros, returned in json.loads(row.charged_back)
    )
    return Attempt(
        payment_id=row.payment_id,
        office_id=row.office_id,
        kind=PaymentKind(row.kind),
        amount=Money(row.micros, row.currency),
        return_url=row.return_url,
        state=State(row.state),
        tries=row.tries,
        declines=row.declines,
        asked=row.asked,
        sent_at=row.sent_at,
        due_at=row.due_at,
        intent_id=row.intent_id,
        page_url=row.page_url,
        code=row.code,
        by_look_up=row.by_look_up,
        withdrawn=row.withdrawn,
        refund=_money(row.refund_micros, row.currency),
        refund_id=row.refund_id,
        refund_failed=row.refund_failed,
        charge_backs=charge_backs,
    )


def _policy_row(policy: Policy) -> dict[str, Any]:
    rule, consent = policy.rule, policy.consent
    amounts = [rule.amount] if rule is not None else []
    amounts += [policy.notice_below] if policy.notice_below is not None else []
    return {
        "office_id": policy.office_id,
        "state": str(policy.state),
        "paused_for": None if policy.paused_for is None else str(policy.paused_for),
        "currency": amounts[0].currency if amounts else None,
        "amount_micros": None if rule is None else rule.amount.micros,
        "threshold_micros": None if rule is None else rule.threshold.micros,
        "day_max_micros": None if rule is None else rule.day_max.micros,
        "month_max_micros": None if rule is None else rule.month_max.micros,
        "consent_by": None if consent is None else consent.by,
        "consent_at": None if consent is None else consent.at,
        "consent_words": None if consent is None else consent.words,
        "look_at": policy.look_at,
        "notice_below_micros": _micros(policy.notice_below),
    }


def policy_of(row: Row[Any]) -> Policy:
    rule = None
    if row.amount_micros is not None:
        rule = RefillRule(
            amount=Money(row.amount_micros, row.currency),
            threshold=Money(row.threshold_micros, row.currency),
            day_max=Money(row.day_max_micros, row.currency),
            month_max=Money(row.month_max_micros, row.currency),
        )
    consent = None
    if row.consent_by is not None:
        consent = Consent(by=row.consent_by, at=row.consent_at, words=row.consent_words)
    return Policy(
        office_id=row.office_id,
        state=PolicyState(row.state),
        paused_for=None if row.paused_for is None else PauseReason(row.paused_for),
        rule=rule,
        consent=consent,
        look_at=row.look_at,
        notice_below=_money(row.notice_below_micros, row.currency),
    )


def _card_row(stored: StoredCard) -> dict[str, Any]:
    return {
        "office_id": stored.office_id,
        "processor": stored.processor,
        "customer_id": stored.card.customer_id,
        "method_id": stored.card.method_id,
        "brand": stored.card.brand,
        "last_four": stored.card.last_four,
        "expiry_month": stored.card.expiry_month,
        "expiry_year": stored.card.expiry_year,
        "added_by": stored.added_by,
        "added_at": stored.added_at,
    }


def card_of(row: Row[Any]) -> StoredCard:
    card = CardOnFile(
        customer_id=row.customer_id,
        method_id=row.method_id,
        brand=row.brand,
        last_four=row.last_four,
        expiry_month=row.expiry_month,
        expiry_year=row.expiry_year,
    )
    return StoredCard(
        office_id=row.office_id,
        processor=row.processor,
        card=card,
        added_by=row.added_by,
        added_at=row.added_at,
    )


def _buyer_row(write: SaveBuyer) -> dict[str, Any]:
    return {
        "office_id": write.office_id,
        "name": write.buyer.name,
        "address": "\n".join(write.buyer.address),
        "vat_number": write.buyer.vat_number,
        "registration": write.buyer.registration,
        "language": write.language,
    }


def buyer_of(row: Row[Any]) -> Party:
    return Party(
        name=row.name,
        address=tuple(row.address.split("\n")) if row.address else (),
        vat_number=row.vat_number,
        registration=row.registration,
    )


def _receipt_row(receipt: Receipt) -> dict[str, Any]:
    content = {
        "seller": _party_fields(receipt.seller),
        "buyer": _party_fields(receipt.buyer),
        "vat_at": str(receipt.vat_at),
        "card": receipt.card,
        "language": receipt.language,
    }
    return {
        "office_id": receipt.office_id,
        "number": receipt.number,
        "kind": str(receipt.kind),
        "payment_id": receipt.payment_id,
        "issued_at": receipt.at,
        "total_micros": receipt.total.micros,
        "vat_micros": receipt.vat.micros,
        "currency": receipt.total.currency,
        "vat_basis_points": receipt.vat_basis_points,
        "of_number": receipt.of_number,
        "content": json.dumps(content, ensure_ascii=False, sort_keys=True),
    }


def receipt_of(row: Row[Any]) -> Receipt:
    content = json.loads(row.content)
    return Receipt(
        office_id=row.office_id,
        number=row.number,
        kind=ReceiptKind(row.kind),
        payment_id=row.payment_id,
        at=row.issued_at,
        seller=_party_of(content["seller"]),
        buyer=_party_of(content["buyer"]),
        total=Money(row.total_micros, row.currency),
        vat=Money(row.vat_micros, row.currency),
        vat_basis_points=row.vat_basis_points,
        vat_at=VatAt(content["vat_at"]),
        card=content["card"],
        of_number=row.of_number,
        language=content["language"],
    )


def _party_fields(party: Party) -> dict[str, Any]:
    return {
        "name": party.name,
        "address": list(party.address),
        "vat_number": party.vat_number,
        "registration": party.registration,
    }


def _party_of(fields: Mapping[str, Any]) -> Party:
    return Party(
        name=fields["name"],
        address=tuple(fields["address"]),
        vat_number=fields["vat_number"],
        registration=fields["registration"],
    )


def both(one: MoneyWanted, other: MoneyWanted) -> MoneyWanted:
    return MoneyWanted(
        payment_ids=(*one.payment_ids, *other.payment_ids), keys=(*one.keys, *other.keys)
    )


def _micros(amount: Money | None) -> int | None:
    return None if amount is None else amount.micros


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money(micros, currency)
