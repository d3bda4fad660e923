"""Rate decks: every rate of one currency, found by longest prefix."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

from charging.money import Money
from charging.rates import SECONDS_PER_MINUTE, Rate

PREFIX_DIGITS_MAX: Final = 15  # E.164


STANDARD_DECK: Final = "standard"  # of every office whose settings name no other
_DECK_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # so that no name is a deck's number


class DeckKey(NamedTuple):
    """Which deck an office is on: imported, put in force and rolled back apart from the others."""

    currency: str
    name: str = STANDARD_DECK

    def __str__(self) -> str:
        return self.currency if self.name == STANDARD_DECK else f"{self.currency} {self.name}"


def require_deck_name(name: str) -> str:
    """Raises ValueError: nothing a deck can be called."""
    if not _DECK_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a deck: a lower-case letter, then letters, digits, - and _"
        )
    return name


class RateFields(NamedTuple):
    """What a row of a deck says of its prefix, in plain integers: decks have a million rows."""

    destination: str
    per_minute_micros: int
    connection_micros: int
    per_call_micros: int
    initial_s: int
    increment_s: int
    effective_day: int  # date.toordinal(); from the beginning of this day, in the office's zone


class RateRow(NamedTuple):
    """One row of a rate deck. `prefix` is E.164 digits, or `FR:3919` for a country's short code."""

    prefix: str
    destination: str
    rate: Rate
    effective: date


def minute_micros(fields: RateFields) -> int:
    """What one minute costs, with everything that is paid once."""
    further_s = max(0, SECONDS_PER_MINUTE - fields.initial_s)
    billable_s = fields.initial_s + -(-further_s // fields.increment_s) * fields.increment_s
    time_micros = -(-billable_s * fields.per_minute_micros // SECONDS_PER_MINUTE)
    return fields.connection_micros + fields.per_call_micros + time_micros


class _Terms(NamedTuple):
    """What many rows have in common."""

    connection: Money
    per_call: Money
    initial_s: int
    increment_s: int
    effective_day: int


_NO_PARENT: Final = -1
_LENGTH_BITS: Final = 4  # the length of a prefix is packed below its digits
_LENGTH_MASK: Final = 15
_BUCKET_DIGITS: Final = 5
_BUCKET_SPAN: Final = 10 ** (PREFIX_DIGITS_MAX - _BUCKET_DIGITS)
# How many padded numbers begin with a prefix of so many digits.
_SPANS: Final = tuple(10 ** (PREFIX_DIGITS_MAX - length) for length in range(_LENGTH_MASK + 1))
_RATES_KEPT: Final = 16_384


class RateDeck:
    """The rates of one currency; immutable, and replaced as a whole.

    Prefixes live in sorted arrays of machine integers, 28 bytes each. One short bisection finds
    the nearest prefix, and links lead from it to the shorter ones. A dictionary of 1,000,000
    strings would cost more than 100 MB.
    """

    def __init__(self, rows: Iterable[tuple[str, RateFields]], *, currency: str) -> None:
        """Take prefixes with their rows, in any order; of equal prefix and day the last counts.

        Raises:
            ValueError: a prefix is neither 1 to 15 digits nor a short code such as `FR:3919`.
        """
        self.currency = currency
        columns = _Columns(currency)
        for prefix, fields in rows:
            columns.add(prefix, fields)
        columns.sort()
        self._keys = columns.keys
        self._per_minute = columns.per_minute
        self._terms_of = columns.terms_of
        self._destination_of = columns.destination_of
        self._terms = columns.terms
        self._destinations = list(columns.destinations)
        self._short = columns.short
        self._parents = _link_to_shorter(self._keys)
        self._buckets = _bucket_starts(self._keys)
        self._rates: dict[tuple[int, int], Rate] = {}

    def __len__(self) -> int:
        return len(self._keys) + sum(map(len, self._short.values()))

    def lookup(self, key: str, on: date) -> RateRow | None:
        """The row of the longest prefix of `key` that is in effect on a day."""
        if ":" in key:
            return self._lookup_short(key, on)
        position = self._find(key, on.toordinal())
        if position == _NO_PARENT:
            return None
        terms = self._terms_of[position]
        return RateRow(
            key[: self._keys[position] & _LENGTH_MASK],
            self._destinations[self._destination_of[position]],
            self._rate(self._per_minute[position], terms),
            date.fromordinal(self._terms[terms].effective_day),
        )

    def find(self, key: str, on: date) -> RateFields | None:
        """What `lookup` finds, in plain integers: for comparing whole decks."""
        if ":" in key:
            row = self._lookup_short(key, on)
            return None if row is None else fields_of(row)
        position = self._find(key, on.toordinal())
        return None if position == _NO_PARENT else self._fields(position)

    def _fields(self, position: int) -> RateFields:
        terms = self._terms[self._terms_of[position]]
        return RateFields(
            self._destinations[self._destination_of[position]],
            self._per_minute[position],
            terms.connection.micros,
            terms.per_call.micros,
            terms.initial_s,
            terms.increment_s,
            terms.effective_day,
        )

    def rows(self) -> Iterator[tuple[str, RateFields]]:
        """Every rate, with its prefix."""
        for position, packed in enumerate(self._keys):
            yield _unpack(packed), self._fields(position)
        for prefix, rows in self._short.items():
            yield from ((prefix, fields) for fields in rows)

    def prefixes(self) -> Iterator[str]:
        """Every prefix, once for each day that a rate of it begins."""
        yield from map(_unpack, self._keys)
        for prefix, rows in self._short.items():
            yield from (prefix for _ in rows)

    def _find(self, key: str, day: int) -> int:
        digits = int(key[:PREFIX_DIGITS_MAX].ljust(PREFIX_DIGITS_MAX, "0"))
        bucket = digits // _BUCKET_SPAN
        keys, length_max = self._keys, len(key)
        first, last = self._buckets[bucket], self._buckets[bucket + 1]
        position = bisect_right(keys, digits << _LENGTH_BITS | _LENGTH_MASK, first, last) - 1
        while position != _NO_PARENT:
            packed = keys[position]
            length = packed & _LENGTH_MASK
            begins_so = digits - (packed >> _LENGTH_BITS) < _SPANS[length] and length <= length_max
            if begins_so and self._terms[self._terms_of[position]].effective_day <= day:
                return position
            position = self._parents[position]
        return _NO_PARENT

    def _lookup_short(self, key: str, on: date) -> RateRow | None:
        day = on.toordinal()
        for length in range(len(key), key.index(":"), -1):
            for fields in reversed(self._short.get(key[:length], ())):
                if fields.effective_day <= day:
                    return row_of(key[:length], fields, self.currency)
        return None

    def _rate(self, per_minute_micros: int, terms: int) -> Rate:
        """Prices repeat, and making a Rate costs more than finding it."""
        known = self._rates.get((per_minute_micros, terms))
        if known is not None:
            return known
        if len(self._rates) >= _RATES_KEPT:
            self._rates.clear()
        connection, per_call, initial_s, increment_s, _ = self._terms[terms]
        rate = Rate(
            per_minute=Money(per_minute_micros, self.currency),
            connection_charge=connection,
            per_call=per_call,
            initial_s=initial_s,
            increment_s=increment_s,
        )
        self._rates[per_minute_micros, terms] = rate
        return rate


class _Columns:
    """A deck while it is being built: one array for each column."""

    def __init__(self, currency: str) -> None:
        self.keys = array("Q")
        self.per_minute = array("Q")
        self.terms_of = array("I")
        self.destination_of = array("I")
        self.terms: list[_Terms] = []
        self.destinations: dict[str, int] = {}
        self.short: dict[str, list[RateFields]] = {}
        self._currency = currency
        self._terms_known: dict[tuple[int, ...], int] = {}
        self._is_sorted = True

    def add(self, prefix: str, fields: RateFields) -> None:
        if ":" in prefix:
            self.short.setdefault(prefix, []).append(fields)
            return
        key = _pack(prefix)
        terms = self._index_of_terms(fields)
        if self.keys and self._is_sorted:
            self._is_sorted = self._follows(key, fields.effective_day)
        self.keys.append(key)
        self.per_minute.append(fields.per_minute_micros)
        self.terms_of.append(terms)
        self.destination_of.append(
            self.destinations.setdefault(fields.destination, len(self.destinations))
        )

    def sort(self) -> None:
        """By prefix, then by the day it takes effect. A deck from the database arrives sorted."""
        for rows in self.short.values():
            rows.sort(key=lambda fields: fields.effective_day)
        if self._is_sorted:
            return
        order = sorted(range(len(self.keys)), key=lambda p: (self.keys[p], self._day_of(p)))
        self.keys = array("Q", (self.keys[p] for p in order))
        self.per_minute = array("Q", (self.per_minute[p] for p in order))
        self.terms_of = array("I", (self.terms_of[p] for p in order))
        self.destination_of = array("I", (self.destination_of[p] for p in order))

    def _follows(self, key: int, day: int) -> bool:
        last = self.keys[-1]
        return key > last or (key == last and day >= self._day_of(-1))

    def _day_of(self, position: int) -> int:
        return self.terms[self.terms_of[position]].effective_day

    def _index_of_terms(self, fields: RateFields) -> int:
        index = self._terms_known.setdefault(fields[2:], len(self.terms))
        if index == len(self.terms):
            self.terms.append(
                _Terms(
                    Money(fields.connection_micros, self._currency),
                    Money(fields.per_call_micros, self._currency),
                    fields.initial_s,
                    fields.increment_s,
                    fields.effective_day,
                )
            )
        return index


def row_of(prefix: str, fields: RateFields, currency: str) -> RateRow:
    rate = Rate(
        per_minute=Money(fields.per_minute_micros, currency),
        connection_charge=Money(fields.connection_micros, currency),
        per_call=Money(fields.per_call_micros, currency),
        initial_s=fields.initial_s,
        increment_s=fields.increment_s,
    )
    return RateRow(prefix, fields.destination, rate, date.fromordinal(fields.effective_day))


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


def _pack(prefix: str) -> int:
    """Digits, padded to 15, above their number: sorts a prefix directly before what it begins."""
    if not 0 < len(prefix) <= PREFIX_DIGITS_MAX or not (prefix.isascii() and prefix.isdecimal()):
        raise ValueError(f"{prefix!r} is not a prefix")
    return int(prefix.ljust(PREFIX_DIGITS_MAX, "0")) << _LENGTH_BITS | len(prefix)


def _unpack(packed: int) -> str:
    return f"{packed >> _LENGTH_BITS:015d}"[: packed & _LENGTH_MASK]


def _link_to_shorter(keys: "array[int]") -> "array[int]":
    """For every prefix the position of the next one to try: the same earlier, or a shorter one."""
    parents = array("i")
    open_prefixes: list[tuple[int, int, int]] = []  # first and last number, position
    for position, packed in enumerate(keys):
        first = packed >> _LENGTH_BITS
        while open_prefixes and open_prefixes[-1][1] < first:
            open_prefixes.pop()
        parents.append(open_prefixes[-1][2] if open_prefixes else _NO_PARENT)
        last = first + _SPANS[packed & _LENGTH_MASK] - 1
        if open_prefixes and open_prefixes[-1][:2] == (first, last):
            open_prefixes.pop()  # the same prefix, from an earlier day
        open_prefixes.append((first, last, position))
    return parents


def _bucket_starts(keys: "array[int]") -> "array[int]":
    """Where the prefixes of every five first digits begin: a bisection among few, not a million."""
    starts = array("I")
    for position, packed in enumerate(keys):
        bucket = (packed >> _LENGTH_BITS) // _BUCKET_SPAN
        if bucket >= len(starts):
            _fill(starts, up_to=bucket, position=position)
    _fill(starts, up_to=10**_BUCKET_DIGITS, position=len(keys))
    return starts


def _fill(starts: "array[int]", *, up_to: int, position: int) -> None:
    """Every bucket that has no start yet begins there."""
    starts.extend(array("I", (position,)) * (up_to + 1 - len(starts)))
