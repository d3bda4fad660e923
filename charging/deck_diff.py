"""What a new rate deck would change: dearer, cheaper, holes, and jumps that look like mistakes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache

from charging.rate_deck import RateDeck, RateFields, minute_micros

HOLES_MAX = Fraction(1, 10)  # of what could be called: more is a part of a deck, not a deck
_NEVER = date.max.toordinal() + 1
JUMP = 10  # times: a misplaced decimal point, or a misread column


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One prefix before and after; None where there is no rate at all, not even a shorter one's."""

    prefix: str
    before: RateFields | None
    after: RateFields | None

    @property
    def destination(self) -> str:
        fields = self.after or self.before
        return "" if fields is None else fields.destination


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckDiff:
    added: tuple[Change, ...]  # could not be called before
    holes: tuple[Change, ...]  # cannot be called any more
    dearer: tuple[Change, ...]
    cheaper: tuple[Change, ...]
    jumps: tuple[Change, ...]  # of the two before: ten times or more, up or down
    same: int


def compare_decks(before: RateDeck, after: RateDeck, *, on: date) -> DeckDiff:
    """Compare what a minute costs, for every prefix that either deck names, on a day."""
    found: dict[str, list[Change]] = {"added": [], "holes": [], "dearer": [], "cheaper": []}
    jumps: list[Change] = []
    same = 0
    for prefix in _union(before, after):
        change = Change(prefix=prefix, before=before.find(prefix, on), after=after.find(prefix, on))
        kind = _kind_of(change)
        if kind is None:
            same += 1
            continue
        found[kind].append(change)
        if _is_jump(change):
            jumps.append(change)
    return DeckDiff(
        added=tuple(found["added"]),
        holes=tuple(found["holes"]),
        dearer=tuple(found["dearer"]),
        cheaper=tuple(found["cheaper"]),
        jumps=tuple(jumps),
        same=same,
    )


def amended(
    before: RateDeck, rows: Iterable[tuple[str, RateFields]], removed: Iterable[str]
) -> list[tuple[str, RateFields]]:
    """A deck with some of its rates replaced: each from the first day that the amendment names."""
    new = list(rows)
    first_day = _first_days(new)
    gone = frozenset(removed)
    kept = [
        (prefix, fields)
        for prefix, fields in before.rows()
        if prefix not in gone and fields.effective_day < first_day.get(prefix, _NEVER)
    ]
    return kept + new


def free_of_charge(rows: Iterable[tuple[str, RateFields]]) -> list[tuple[str, RateFields]]:
    """Rates that cost nothing: nearly always a misread sheet, and calls without end."""
    return [(prefix, fields) for prefix, fields in rows if _minute(fields) == 0]


def share_of_holes(diff: DeckDiff, before: RateDeck) -> Fraction:
    """How much of what could be called could not be called any more."""
    known = len(set(before.prefixes()))
    return Fraction(len(diff.holes), known) if known else Fraction(0)


def carried_over(
    rows: Iterable[tuple[str, RateFields]], before: RateDeck, *, today: date
) -> list[tuple[str, RateFields]]:
    """Today's rates of prefixes whose first rate in a new deck begins later.

    A deck that is imported in November for December must not leave November without rates.
    """
    first_day = _first_days(rows)
    later = (prefix for prefix, day in first_day.items() if day > today.toordinal())
    found = ((prefix, before.find(prefix, today)) for prefix in later)
    return [(prefix, fields) for prefix, fields in found if fields is not None]


def _first_days(rows: Iterable[tuple[str, RateFields]]) -> dict[str, int]:
    first_day: dict[str, int] = {}
    for prefix, fields in rows:
        day = fields.effective_day
        first_day[prefix] = min(day, first_day.get(prefix, day))
    return first_day


def _union(before: RateDeck, after: RateDeck) -> Iterable[str]:
    return sorted({*before.prefixes(), *after.prefixes()})


def _kind_of(change: Change) -> str | None:
    if change.before is None:
        return None if change.after is None else "added"
    if change.after is None:
        return "holes"
    old, new = _minute(change.before), _minute(change.after)
    if old == new:
        return None
    return "dearer" if new > old else "cheaper"


def _is_jump(change: Change) -> bool:
    if change.before is None or change.after is None:
        return False
    low, high = sorted((_minute(change.before), _minute(change.after)))
    return high >= JUMP * low


@lru_cache(maxsize=65_536)
def _minute(fields: RateFields) -> int:
    return minute_micros(fields)
