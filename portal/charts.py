"""Figures become places in a drawing. Pure: templates write the SVG, and Babel every number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from charging.money import Money

GAUGE_WIDTH = 1000
_GAUGE_THRESHOLDS = 4  # a full gauge is this many times the level at which it is refilled
_SCALE = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Gauge:
    """Of a balance: how much of the bar is full, and where the level is marked."""

    level: int  # of GAUGE_WIDTH
    mark: int | None
    full: Money
    low: bool


def gauge(available: Money, threshold: Money | None) -> Gauge:
    marked = 0 if threshold is None else threshold.micros * _GAUGE_THRESHOLDS
    full = rounded_up(max(available.micros, marked, 1))
    return Gauge(
        level=available.micros * GAUGE_WIDTH // full,
        mark=None if threshold is None else threshold.micros * GAUGE_WIDTH // full,
        full=Money(full, available.currency),
        low=threshold is not None and available < threshold,
    )


def rounded_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 … that is not less."""
    power: int = 10 ** max(0, len(str(value)) - 1)
    return next(step * power for step in _SCALE if step * power >= value)


def days_left(available: Money, spent: Money, days: int) -> int | None:
    """For how many days the balance lasts at the pace of the last days; None: nobody can say."""
    if days <= 0 or spent.micros <= 0:
        return None
    return available.micros * days // spent.micros


@dataclass(frozen=True, slots=True)
class Bar:
    day: date
    amount: Money
    x: int
    width: int
    y: int
    height: int
    named: bool  # whether its day is written below: as many as there is room for


@dataclass(frozen=True, slots=True)
class BarChart:
    width: int
    height: int
    left: int  # where bars begin; amounts are written before it
    bars: Sequence[Bar]
    lines: Sequence[tuple[int, Money]]  # where, and what it stands for


CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, CHART_BOTTOM = 720, 220, 104, 24  # “1 250,00 £GB”
_NAMED_MAX = 8
_LINES = 4


def bar_chart(spent: dict[date, Money], first: date, last: date, currency: str) -> BarChart:
    """One bar for each day, days without a call included."""
    days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
    nothing = Money(0, currency)
    top = rounded_up(max([each.micros for each in spent.values()], default=0) or 1)
    room = CHART_HEIGHT - CHART_BOTTOM
    step = (CHART_WIDTH - CHART_LEFT) / len(days)
    every = -(-len(days) // _NAMED_MAX)
    bars = []
    for place, day in enumerate(days):
        amount = spent.get(day, nothing)
        height = amount.micros * (room - 8) // top
        bars.append(
            Bar(
                day=day,
                amount=amount,
                x=round(CHART_LEFT + place * step + step * 0.15),
                width=max(2, round(step * 0.7)),
                y=room - height,
                height=height,
                named=place % every == 0,
            )
        )
    lines = [
        (room - (room - 8) * each // _LINES, Money(top * each // _LINES, currency))
        for each in range(_LINES + 1)
    ]
    return BarChart(CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, bars, lines)


def share(part: Money, largest: Money) -> int:
    """Of a bar beside a row, in thousandths of the largest."""
    return part.micros * GAUGE_WIDTH // max(1, largest.micros)
