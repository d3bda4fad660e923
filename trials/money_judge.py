"""The sandbox's log, and what people bought, against the ledger's payments: PURE.

The log is the processor's own word, and only added to: each row is one movement of money on a card.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from charging.refill import PaymentKind, State
from payments.minor_units import money_of

UNIT: Final = 1_000_000
REPLAYED: Final = "HTTP 500"


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


class Wanted(Protocol):
    """What somebody wanted to buy once, however often the form was sent."""

    @property
    def key(self) -> str: ...
    @property
    def micros(self) -> int: ...
    @property
    def shown(self) -> str: ...


def bought_otherwise(
    purchases: Sequence[Wanted], rows: Sequence[Mapping[str, Any]]
) -> Sequence[str]:
    """Each purchase is one payment, of its amount, and the one that was shown."""
    by_key = {row["key"]: row for row in rows}
    wanted = {each.key for each in purchases}
    wrong = [
        f"a payment that nobody wanted: {row['payment_id']}"
        for row in rows
        if row["kind"] == PaymentKind.TOP_UP and row["key"] not in wanted
    ]
    for each in purchases:
        row = by_key.get(each.key)
        if row is None:
            wrong.append(f"bought, and no payment: {each.key}")
        elif (row["payment_id"], row["micros"]) != (each.shown, each.micros):
            wrong.append(f"bought {each.micros} and shown {each.shown!r}: {row['payment_id']}")
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


def replayed_trouble(
    log: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """What a 500 was answered for and nothing done: its key replays that, so it stays unknown."""
    did = {(row["what"], row["payment"]) for row in log}
    return [
        row
        for row in rows
        if (
            row["state"] == State.UNKNOWN
            and row["code"] == REPLAYED
            and ("charged", row["payment_id"]) not in did
        )
        or (row["state"] == State.REFUNDING and ("refunded", row["payment_id"]) not in did)
    ]


def total_differs(
    log: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], from_cards: int
) -> Sequence[str]:
    """Whether the ledger holds of cards what the sandbox does, less what is on its way back."""
    taken = sum(
        _SIGNS[row["what"]] * money_of(row["amount"], row["currency"]).micros for row in log
    )
    on_its_way = sum(
        row["refund_micros"]
        for row in replayed_trouble(log, rows)
        if row["state"] == State.REFUNDING
    )
    if taken - on_its_way == from_cards:
        return []
    sandbox, back, ledger = (each / UNIT for each in (taken, on_its_way, from_cards))
    return [
        f"the sandbox holds {sandbox:.2f}, {back:.2f} is to go back, the ledger has {ledger:.2f}"
    ]
