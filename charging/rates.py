"""What a call costs: one rate, one price function, and a rate deck with longest-prefix match."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from charging.money import Money

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One row of a rate deck, as far as price goes. All amounts are of one currency."""

    per_minute: Money
    connection_charge: Money  # once, on answer
    per_call: Money  # the service part of a number that is priced per call; once, on answer
    initial_s: int  # the first block, billed whole
    increment_s: int  # every later block, billed whole

    def __post_init__(self) -> None:
        amounts = (self.per_minute, self.connection_charge, self.per_call)
        if any(amount.micros < 0 for amount in amounts):
            raise ValueError("a rate is never negative")
        if self.initial_s < 1 or self.increment_s < 1:
            raise ValueError("an increment is at least one second")
        _ = self.per_minute + self.connection_charge + self.per_call  # one currency

    @property
    def currency(self) -> str:
        return self.per_minute.currency


def billable_seconds(talk_s: int, rate: Rate) -> int:
    """Round talk time up to whole increments; 0 if nobody answered.

    Raises:
        ValueError: talk_s is negative.
    """
    if talk_s < 0:
        raise ValueError(f"talk_s is {talk_s}")
    if talk_s == 0:
        return 0
    further_s = max(0, talk_s - rate.initial_s)
    return rate.initial_s + -(-further_s // rate.increment_s) * rate.increment_s


def charge_for(talk_s: int, rate: Rate) -> Money:
    """Price a call from its total talk time.

    Always price the whole call, then settle the difference from what was settled before, so that
    rounding happens once per call and not once per minute.

    Args:
        talk_s: whole seconds from answer to hang-up; 0 if nobody answered.
        rate: the row of the rate deck chosen when the call was authorised.

    Returns:
        Connection charge, price per call and billable time, rounded up to one micro-unit.

    Raises:
        ValueError: talk_s is negative.

    Source: docs/adr/0003-rounding.md.
    """
    if talk_s == 0:
        return Money(0, rate.currency)
    time_micros = -(-billable_seconds(talk_s, rate) * rate.per_minute.micros // SECONDS_PER_MINUTE)
    once_micros = rate.connection_charge.micros + rate.per_call.micros
    return Money(once_micros + time_micros, rate.currency)


def funded_s(interval: int, rate: Rate) -> int:
    """Talk time paid for, from answer, once intervals 0 to `interval` are debited."""
    return rate.initial_s + interval * rate.increment_s


def interval_price(interval: int, rate: Rate) -> Money:
    """The price up to the end of an interval, less the price up to its start.

    The sum of the first n intervals is therefore the price of the whole call, whatever n is.
    Interval 0 carries the connection charge and the price per call.
    """
    to_end = charge_for(funded_s(interval, rate), rate)
    if interval == 0:
        return to_end
    return to_end - charge_for(funded_s(interval - 1, rate), rate)


def affordable_s(available: Money, rate: Rate) -> int | None:
    """The longest talk time `available` pays for; 0 if not even the first block; None if endless.

    Raises:
        CurrencyMismatch: the balance and the rate are of different currencies.
    """
    if available < charge_for(1, rate):
        return 0
    if rate.per_minute.micros == 0:
        return None
    once_micros = rate.connection_charge.micros + rate.per_call.micros
    # ceil(billable * per_minute / 60) <= money is billable * per_minute <= money * 60, exactly.
    paid_s = (available.micros - once_micros) * SECONDS_PER_MINUTE // rate.per_minute.micros
    return rate.initial_s + (paid_s - rate.initial_s) // rate.increment_s * rate.increment_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow:
    """One row of a rate deck. `prefix` is E.164 digits, or `FR:3919` for a country's short code."""

    prefix: str
    destination: str
    rate: Rate
    effective: date  # from the beginning of this day, in the office's time zone


class RateFields(NamedTuple):
    """A row without its prefix, in plain integers: what rows of a big deck have in common."""

    destination: str
    per_minute_micros: int
    connection_micros: int
    per_call_micros: int
    initial_s: int
    increment_s: int
    effective_day: int  # date.toordinal()

    def row(self, prefix: str, currency: str) -> RateRow:
        rate = Rate(
            per_minute=Money(self.per_minute_micros, currency),
            connection_charge=Money(self.connection_micros, currency),
            per_call=Money(self.per_call_micros, currency),
            initial_s=self.initial_s,
            increment_s=self.increment_s,
        )
        return RateRow(
            prefix=prefix,
            destination=self.destination,
            rate=rate,
            effective=date.fromordinal(self.effective_day),
        )


def fields_of(row: RateRow) -> RateFields:
    return RateFields(
        row.destination,
        row.rate.per_minute.micros,
        row.rate.connection_charge.micros,
        row.rate.per_call.micros,
        row.rate.initial_s,
        row.rate.increment_s,
        row.effective.toordinal(),
    )


PREFIX_DIGITS_MAX = 15  # E.164
_LENGTH_BITS = 4  # the length of a prefix is packed below its digits
_NO_PARENT = -1


class RateDeck:
    """Every rate of one currency, found by longest prefix; immutable and replaced as a whole.

    E.164 prefixes live in sorted arrays of machine integers (16 bytes a prefix): one bisection
    finds the nearest prefix, links lead to its shorter ones. A dictionary of 1,000,000 strings
    would cost more than 100 MB.
    """

    def __init__(self, rows: Iterable[tuple[str, RateFields]], *, currency: str) -> None:
        """Take prefixes with their rows, in any order; of equal prefix and day the last counts.

        Raises:
            ValueError: a prefix is neither 1 to 15 digits nor a short code such as `FR:3919`.
        """
        self.currency = currency
        self._fields: list[RateFields] = []
        self._short: dict[str, list[int]] = {}
        keys, fields = self._intern(rows)
        self._keys, self._rows = _sorted_by_prefix(keys, fields, self._fields)
        self._parents = _link_to_shorter(self._keys)
        for positions in self._short.values():
            positions.sort(key=lambda position: self._fields[position].effective_day)

    def __len__(self) -> int:
        return len(self._keys) + sum(map(len, self._short.values()))

    def lookup(self, key: str, on: date) -> RateRow | None:
        """The row of the longest prefix of `key` that is in effect on a day."""
        found = self._find_short(key, on) if ":" in key else self._find(key, on)
        if found is None:
            return None
        prefix, fields = found
        return fields.row(prefix, self.currency)

    def _find(self, key: str, on: date) -> tuple[str, RateFields] | None:
        position = bisect_right(self._keys, _pack(key[:PREFIX_DIGITS_MAX]) | 15) - 1
        day = on.toordinal()
        while position != _NO_PARENT:
            prefix = _unpack(self._keys[position])
            fields = self._fields[self._rows[position]]
            if fields.effective_day <= day and key.startswith(prefix):
                return prefix, fields
            position = self._parents[position]
        return None

    def _find_short(self, key: str, on: date) -> tuple[str, RateFields] | None:
        day = on.toordinal()
        for length in range(len(key), key.index(":"), -1):
            for row in reversed(self._short.get(key[:length], ())):
                if self._fields[row].effective_day <= day:
                    return key[:length], self._fields[row]
        return None

    def _intern(self, rows: Iterable[tuple[str, RateFields]]) -> "tuple[array[int], array[int]]":
        """Rows of equal fields share them: a deck of a million prefixes has few thousand prices."""
        known: dict[RateFields, int] = {}
        keys, shared = array("Q"), array("I")
        for prefix, fields in rows:
            index = known.setdefault(fields, len(self._fields))
            if index == len(self._fields):
                self._fields.append(fields)
            if ":" in prefix:
                self._short.setdefault(prefix, []).append(index)
            else:
                keys.append(_pack(prefix))
                shared.append(index)
        return keys, shared


def _pack(prefix: str) -> int:
    """Digits, padded to 15, above their number: sorts a prefix directly before what it begins."""
    if not 0 < len(prefix) <= PREFIX_DIGITS_MAX or not prefix.isdecimal():
        raise ValueError(f"{prefix!r} is not a prefix")
    return int(prefix.ljust(PREFIX_DIGITS_MAX, "0")) << _LENGTH_BITS | len(prefix)


def _unpack(packed: int) -> str:
    return f"{packed >> _LENGTH_BITS:015d}"[: packed & 15]


def _sorted_by_prefix(
    keys: "array[int]", rows: "array[int]", fields: list[RateFields]
) -> "tuple[array[int], array[int]]":
    """By prefix, then by the day it takes effect. A deck from the database arrives sorted."""

    def order(position: int) -> tuple[int, int]:
        return keys[position], fields[rows[position]].effective_day

    positions = range(len(keys))
    if all(order(position - 1) <= order(position) for position in positions[1:]):
        return keys, rows
    by_prefix = sorted(positions, key=order)
    return array("Q", (keys[p] for p in by_prefix)), array("I", (rows[p] for p in by_prefix))


def _link_to_shorter(keys: "array[int]") -> "array[int]":
    """For every prefix the position of the next one to try: the same earlier, or a shorter one."""
    parents = array("i")
    open_prefixes: list[tuple[str, int]] = []  # those that the current one begins with
    previous = _NO_PARENT
    for position, packed in enumerate(keys):
        prefix = _unpack(packed)
        while open_prefixes and not prefix.startswith(open_prefixes[-1][0]):
            open_prefixes.pop()
        parents.append(open_prefixes[-1][1] if open_prefixes else _NO_PARENT)
        if packed == previous:
            open_prefixes.pop()
        open_prefixes.append((prefix, position))
        previous = packed
    return parents
