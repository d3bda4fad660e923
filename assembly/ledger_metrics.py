"""The ledger's figures for Prometheus, read from the database each time that it asks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from charging.errors import ChargingUnavailable
from charging.money import MICROS_PER_UNIT, Money
from db.ledger import read_from
from db.ledger_figures import LedgerFigures, ledger_figures

Labels = TypeVar("Labels", bound=tuple[str, ...])


class LedgerCollector(Collector):
    """One process of an installation has it: with two, each figure is there twice, and equal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        """Named beforehand: to register it asks no database."""
        yield _gauge("tollgate_ledger_up", _UP)

    def collect(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        up = _gauge("tollgate_ledger_up", _UP)
        try:
            figures = read_from(self._engine, partial(ledger_figures, now=now))
        except ChargingUnavailable:
            up.add_metric([], 0.0)
            yield up
            return
        up.add_metric([], 1.0)
        yield up
        yield from _metrics(figures, now)


_UP = "Whether the ledger could be read: 1, or 0"


def _metrics(figures: LedgerFigures, now: datetime) -> Iterator[Metric]:
    yield _of_money(
        "tollgate_ledger_balance",
        "What all offices have, in whole units of the currency",
        figures.balances,
    )
    yield _single("tollgate_ledger_entries", "Entries of all offices", figures.entries)
    yield _single(
        "tollgate_ledger_open_calls", "Calls that are not settled yet", figures.open_calls
    )
    yield _of_money(
        "tollgate_ledger_held",
        "What open calls have reserved, in whole units of the currency",
        {"reserved": figures.held},
    )
    yield _single(
        "tollgate_ledger_oldest_open_call_seconds",
        "How long ago the oldest open call was authorised",
        _age_s(figures.oldest_open_at, now),
    )
    yield _labelled(
        "tollgate_ledger_disagreements",
        "Balances that other rows of the ledger contradict",
        ("about",),
        {
            ("last entry",): figures.balances_not_last,
            ("reservations",): figures.reserved_not_held,
        },
    )
    yield _labelled(
        "tollgate_refill_rules",
        "Offices by the state of their automatic refill, and what it is paused for",
        ("state", "paused_for"),
        figures.refill_policies,
    )
    yield _labelled(
        "tollgate_payments_due",
        "Payments that the card processor is still to be asked about",
        ("kind", "state"),
        figures.payments_due,
    )
    yield _single(
        "tollgate_payments_overdue_seconds",
        "How long ago the first of them was due",
        _age_s(figures.payment_due_at, now),
    )
    yield _single(
        "tollgate_processor_events_waiting",
        "Events of a card processor that nobody has handled",
        figures.events_waiting,
    )
    yield _single("tollgate_notices_waiting", "Mails to be sent", figures.notices_waiting)
    yield _single(
        "tollgate_ungated_legs_of_a_day",
        "Answered legs to a carrier of the last day that nobody pays for",
        figures.ungated_legs,
    )


def _age_s(moment: datetime | None, now: datetime) -> float:
    """None, or what is still to come, is no time ago."""
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)


def _single(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return _labelled(name, meaning, (), {(): value})


def _labelled(
    name: str, meaning: str, labels: Sequence[str], values: Mapping[Labels, float]
) -> GaugeMetricFamily:
    family = _gauge(name, meaning, labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _of_money(name: str, meaning: str, sums: Mapping[str, Sequence[Money]]) -> GaugeMetricFamily:
    """A gauge is a floating-point number: it is for a picture, and nothing is reckoned with it."""
    values = {
        (account, money.currency): money.micros / MICROS_PER_UNIT
        for account, of_account in sums.items()
        for money in of_account
    }
    return _labelled(name, meaning, ("account", "currency"), values)
