"""Each dispute and each refund at the processor's desk of a payment, and several credit notes.

How often a payment was taken back becomes what was taken, by the processor's name for it. Amounts
and what was returned are in the entries; the names are in the events that the processor told.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_payments = sa.table(
    "payments",
    *map(
        sa.column,
        (
            *("payment_id", "office_id", "intent_id", "taken_back_micros", "refund_micros"),
            *("charged_back", "charge_backs", "closed_dispute"),
        ),
    ),
)
_BANK, _DESK = "bank", "desk"
_ENTRIES = sa.text(
    "SELECT e.key, e.kind, p.micros FROM entries e JOIN postings p"
    " ON p.office_id = e.office_id AND p.entry_number = e.number WHERE e.payment_id = :payment_id"
)
_EVENTS = sa.text(
    "SELECT kind, body FROM processor_events WHERE body LIKE :intent"
    " AND (kind LIKE 'charge.dispute.%' OR kind LIKE 'refund.%') ORDER BY happened_at, event_id"
)


def upgrade() -> None:
    op.add_column(
        "payments", sa.Column("charged_back", sa.Text(), nullable=False, server_default="[]")
    )
    op.add_column("payments", sa.Column("refund_micros", sa.BigInteger(), nullable=True))
    op.add_column(
        "payments",
        sa.Column("refund_id", sa.String(length=255), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    changed = sa.or_(
        _payments.c.charge_backs > 0,
        _payments.c.taken_back_micros.is_not(None),
        _payments.c.closed_dispute != "",
    )
    for payment in connection.execute(sa.select(_payments).where(changed)).all():
        sums = _sums(connection.execute(_ENTRIES, {"payment_id": payment.payment_id}))
        names = _names(connection.execute(_EVENTS, {"intent": f"%{payment.intent_id}%"}))
        charged_back = _charged_back(payment, sums, names)
        kept = sum(micros for _, _, micros, returned in charged_back if not returned)
        office = f"{payment.office_id}:{payment.payment_id}"
        restored = sums.get(f"top-up-restore:{office}", 0)
        refund = sums.get(f"top-up-cancel:{office}", 0) - restored
        connection.execute(
            sa.update(_payments)
            .where(_payments.c.payment_id == payment.payment_id)
            .values(
                charged_back=json.dumps(charged_back),
                refund_micros=refund or None,
                taken_back_micros=(kept + refund) or None,
            )
        )
    op.drop_column("payments", "charge_backs")
    op.drop_column("payments", "closed_dispute")
    op.drop_index("ix_receipts_payment_id", "receipts")
    op.create_index("ix_receipts_payment_id", "receipts", ["payment_id", "kind"])
    only_one = sa.text("kind = 'receipt'")
    op.create_index(
        "ix_receipts_one",
        "receipts",
        ["payment_id"],
        unique=True,
        sqlite_where=only_one,
        postgresql_where=only_one,
    )


def downgrade() -> None:
    """Of each payment only how often it was taken back stays; a second credit note forbids it."""
    op.drop_index("ix_receipts_one", "receipts")
    op.drop_index("ix_receipts_payment_id", "receipts")
    op.create_index("ix_receipts_payment_id", "receipts", ["payment_id", "kind"], unique=True)
    op.add_column(
        "payments", sa.Column("charge_backs", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "payments",
        sa.Column("closed_dispute", sa.String(length=255), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    taken = _payments.c.charged_back != "[]"
    for payment in connection.execute(sa.select(_payments).where(taken)).all():
        charged_back = json.loads(payment.charged_back)
        connection.execute(
            sa.update(_payments)
            .where(_payments.c.payment_id == payment.payment_id)
            .values(
                charge_backs=len(charged_back),
                closed_dispute=next((each[1] for each in charged_back[::-1] if each[3]), ""),
            )
        )
    op.drop_column("payments", "refund_id")
    op.drop_column("payments", "refund_micros")
    op.drop_column("payments", "charged_back")


def _sums(entries: Iterable[Any]) -> dict[str, int]:
    """What each entry moved; a charge-back may be paid in part by the account, and owed in part."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.key] = sums.get(entry.key, 0) + entry.micros
    return sums


def _names(events: Iterable[Any]) -> list[tuple[str, str]]:
    """Who took, and the processor's name for it, as they came; a refund that is ours has a key."""
    names: dict[str, str] = {}
    for event in events:
        about = json.loads(event.body)["data"]["object"]
        ours = (about.get("metadata") or {}).get("key")
        if not ours:
            names.setdefault(about["id"], _DESK if event.kind.startswith("refund.") else _BANK)
    return [(by, name) for name, by in names.items()]


def _charged_back(
    payment: Any, sums: dict[str, int], names: Sequence[tuple[str, str]]
) -> list[tuple[str, str, int, bool]]:
    office = f"{payment.office_id}:{payment.payment_id}"
    found = []
    for time in range(1, payment.charge_backs + 1):
        by, name = names[time - 1] if time <= len(names) else (_BANK, f"unknown-{time}")
        micros = sums.get(f"chargeback:{office}" + (f".{time}" if time > 1 else ""), 0)
        returned = not micros or f"top-up-restore:{office}.{time}" in sums
        found.append((by, name, micros, returned))
    if payment.closed_dispute not in {"", *(name for _, name, _, _ in found)}:
        found.append((_BANK, payment.closed_dispute, 0, True))  # its opening may still be told
    return found
