"""The sandbox's log against the ledger's payments: PURE.

The log is the processor's own word, and only added to: each row is one movement of money on a card.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from payments.minor_units import money_of

UNIT: Final = 1_000_000


def charged_otherwise(
    log: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> Sequence[str]:
    charged: dict[str, list[int]] = defaultdict(list)
    for row in log:
        if row["what"] == "charged":
            charged[row["payment"]].append(money_of(row["amount"], row["currency"]).micros)
    wrong = [f"charged, and no payment of ours: {name}" for name in charged.keys() - _names(rows)]
    for row in rows:
        name, amounts = row["payment_id"], charged[row["payment_id"]]
        if len(amounts) > 1:
            wrong.append(f"charged {len(amounts)} times: {name}")
        if amounts and row["entry_key"] is None:
            wrong.append(f"charged and not credited: {name}, {row['state']}, {row['code']}")
        if not amounts and row["entry_key"] is not None:
            wrong.append(f"credited and not charged: {name}")
        if amounts and amounts[0] != row["micros"]:
            wrong.append(f"charged {amounts[0]} instead of {row['micros']}: {name}")
    return wrong


def _names(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {row["payment_id"] for row in rows}


_SIGNS: Final = {
    "charged": 1,
    "refunded": -1,
    "refund_failed": 1,
    "disputed": -1,
    "dispute_won": 1,
}


def total_differs(log: Sequence[Mapping[str, Any]], from_cards: int) -> Sequence[str]:
    taken = sum(
        _SIGNS[row["what"]] * money_of(row["amount"], row["currency"]).micros for row in log
    )
    if taken == from_cards:
        return []
    return [f"the sandbox holds {taken / UNIT:.2f}, the ledger says {from_cards / UNIT:.2f}"]
