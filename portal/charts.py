"""Figures become places in a drawing. Pure: templates write the SVG, and Babel every number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

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
    """Of a day or a month. Places across are in hundredths of the width, so that it fits any."""

    begins: date
    amount: Money
    x: float
    width: float
    middle: float
    y: int
    height: int
    named: bool  # whether it is named below: as many as there is room for
    named_wide: bool  # only where there is room for twice as many


@dataclass(frozen=True, slots=True)
class BarChart:
    height: int
    bars: Sequence[Bar]
    lines: Sequence[tuple[int, Money]]  # where, and what it stands for


CHART_HEIGHT, CHART_TOP, CHART_BOTTOM = 220, 8, 24
BAR_OF_STEP = 0.7
_NAMED_MAX = 4  # on a phone; twice as many elsewhere
_LINES_MAX = 4


def bar_chart(bars: Sequence[tuple[date, Money]], currency: str) -> BarChart:
    """One bar for each day or month, in their order."""
    between, count = scale(max((amount.micros for _, amount in bars), default=0))
    top, room = between * count, CHART_HEIGHT - CHART_BOTTOM
    step, every = 100 / max(1, len(bars)), -(-len(bars) // _NAMED_MAX)
    half = -(-every // 2)

    def bar_of(place: int, begins: date, amount: Money) -> Bar:
        height = amount.micros * (room - CHART_TOP) // top
        if amount.micros > 0:
            height = max(1, height)  # little is not nothing
        return Bar(
            begins=begins,
            amount=amount,
            x=round((place + (1 - BAR_OF_STEP) / 2) * step, 3),
            width=round(BAR_OF_STEP * step, 3),
            middle=round((place + 0.5) * step, 3),
            y=room - height,
            height=height,
            named=place % (2 * half) == 0,
            named_wide=place % (2 * half) == half,
        )

    lines = [
        (room - (room - CHART_TOP) * each // count, Money(between * each, currency))
        for each in range(count + 1)
    ]
    drawn = [bar_of(place, *bar) for place, bar in enumerate(bars)]
    return BarChart(CHART_HEIGHT, drawn, lines)


def scale(largest: int) -> tuple[int, int]:
    """How far apart the lines of a drawing are (1, 2, 5, 10, 20, 50 …), and how many it has."""
    between = rounded_up(-(-max(largest, 1) // _LINES_MAX))
    return between, max(1, -(-largest // between))


def share(part: Money, largest: Money) -> int:
    """Of a bar beside a row, in thousandths of the largest."""
    return part.micros * GAUGE_WIDTH // max(1, largest.micros)
