"""The judge of the trials of money sees what is wrong, and nothing else."""

from typing import Any

import pytest

from trials.money_customers import Purchase
from trials.money_judge import (
    bought_otherwise,
    charged_otherwise,
    replayed_trouble,
    total_differs,
)


def logged(what: str, payment: str = "p1", amount: int = 1000) -> dict[str, Any]:
    return {"what": what, "payment": payment, "amount": amount, "currency": "gbp"}


def row(payment_id: str = "p1", *, credited: bool = True, micros: int = 10_000_000) -> Any:
    key = f"top-up:main:{payment_id}" if credited else None
    state = "credited" if credited else "unknown"
    return {
        "payment_id": payment_id,
        "entry_key": key,
        "micros": micros,
        "state": state,
        "code": "",
    }


def test_what_was_charged_and_credited_once_is_right() -> None:
    log = [logged("charged"), logged("refunded", amount=400), logged("charged", "p2")]
    rows = [row(), row("p2"), row("p3", credited=False)]
    assert charged_otherwise(log, rows) == []
    assert total_differs(log, rows, 16_000_000) == []


@pytest.mark.parametrize(
    ("log", "rows", "said"),
    [
        ([logged("charged")] * 2, [row()], "charged 2 times"),
        ([logged("charged")], [row(credited=False)], "charged and not credited"),
        ([], [row()], "credited and not charged"),
        ([logged("charged", amount=999)], [row()], "charged 9990000 instead of 10000000"),
        ([logged("charged", "p9")], [], "no payment of ours"),
    ],
)
def test_what_is_wrong_is_said(log: list[Any], rows: list[Any], said: str) -> None:
    (wrong,) = charged_otherwise(log, rows)
    assert said in wrong


@pytest.mark.parametrize(
    "what", ["charged", "refunded", "refund_failed", "disputed", "dispute_won"]
)
def test_a_movement_that_the_ledger_does_not_have_changes_the_total(what: str) -> None:
    assert total_differs([logged(what)], [row()], 0)


def test_what_a_replayed_500_holds_up_is_no_fault_unless_it_was_done() -> None:
    unknown = {**row("p2", credited=False), "code": "HTTP 500"}
    refunding = {**row(), "state": "refunding", "refund_micros": 4_000_000}
    log = [logged("charged")]
    assert replayed_trouble(log, [unknown, refunding, row()]) == [unknown, refunding]
    assert total_differs(log, [unknown, refunding], 6_000_000) == []
    done = [*log, logged("charged", "p2"), logged("refunded", amount=400)]
    assert replayed_trouble(done, [unknown, refunding]) == []
    assert replayed_trouble(log, [{**unknown, "code": "TimeoutError"}]) == []


def bought(payment_id: str = "p1", *, key: str = "form-1", kind: str = "top-up") -> Any:
    return {**row(payment_id), "key": key, "kind": kind}


def test_what_was_bought_once_and_shown_is_right() -> None:
    purchases = [Purchase("form-1", 10_000_000, shown="p1")]
    assert bought_otherwise(purchases, [bought(), bought("r1", key="r1", kind="refill")]) == []


@pytest.mark.parametrize(
    ("purchase", "rows", "said"),
    [
        (Purchase("form-1", 10_000_000, shown="p1"), [], "bought, and no payment"),
        (Purchase("form-1", 10_000_000), [bought()], "shown ''"),
        (Purchase("form-1", 10_000_000, shown="p2"), [bought()], "shown 'p2'"),
        (Purchase("form-1", 20_000_000, shown="p1"), [bought()], "bought 20000000"),
        (
            Purchase("form-1", 10_000_000, shown="p1"),
            [bought(), bought("p2", key="form-2")],
            "nobody wanted: p2",
        ),
    ],
)
def test_what_was_bought_otherwise_is_said(purchase: Purchase, rows: list[Any], said: str) -> None:
    (wrong,) = bought_otherwise([purchase], rows)
    assert said in wrong
