"""The made-up month: what a manager should find in it, and a ledger that is sound."""

from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile
from charging.money_state import StoredCard
from charging.refill import PauseReason, PaymentKind, State
from charging.refill_rules import PolicyState
from db.activity import MoneyRow, activity
from db.audit import audit
from db.batches import BatchRunner
from db.engine import open_engine
from db.ledger import read_from
from db.money_reads import last_payments, last_receipts, refill_status
from lab.believable import Setting, fill
from tests.db.money import SELLER_TERMS
from tests.fakes.charging import office_on
from tests.fakes.clock import START
from tests.portal.served import sample_deck
from tests.programs import make_ledger

NOW = START + timedelta(hours=6)
CARD = CardOnFile(
    customer_id="cus-1",
    method_id="pm-1",
    brand="visa",
    last_four="0069",
    expiry_month=12,
    expiry_year=2034,
)


def test_a_month_by_card_has_refills_a_refund_and_ends_with_a_decline(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{make_ledger(tmp_path)}")
    batches = BatchRunner(engine)
    stored = StoredCard(
        office_id="main", processor="sandbox", card=CARD, added_by="user:anna", added_at=NOW
    )
    batches.run([ReplaceCard(card=stored, at=NOW)])
    batches.close()
    setting = Setting(
        office=office_on(),
        deck=sample_deck(),
        until=NOW,
        days=12,
        by_card=True,
        terms=SELLER_TERMS,
    )
    fill(str(engine.url), setting)
    payments = read_from(engine, partial(last_payments, office_id="main", limit=200))
    states = Counter((payment.attempt.kind, payment.state) for payment in payments)
    assert states[PaymentKind.REFILL, State.CREDITED] >= 2
    assert states[PaymentKind.TOP_UP, State.REFUNDED] == 1
    assert payments[0].state is State.REFUSED  # the newest
    assert states.total() == states[PaymentKind.REFILL, State.CREDITED] + 2
    policy, _, waiting = read_from(engine, partial(refill_status, office_id="main"))
    assert (policy.state, policy.paused_for) == (PolicyState.PAUSED, PauseReason.CARD)
    assert waiting is None
    first = payments[-1].payment_id
    papers = read_from(engine, partial(last_receipts, office_id="main", limit=1000))
    assert any(each.payment_id == first for each in papers)
    rows = read_from(engine, partial(activity, office_id="main", limit=1000)).rows
    assert any(isinstance(row, MoneyRow) and row.amount.micros < 0 for row in rows)
    assert read_from(engine, audit).problems == ()
    engine.dispose()
