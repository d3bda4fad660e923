"""Rate decks as carriers write them: a CSV with our headings or theirs, read row by row.

Everything is checked before anything is used, and every problem names its line.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import chain

import phonenumbers

from charging.money import MICROS_PER_UNIT, NO_CURRENCY, parse_money
from charging.rate_deck import RateFields

COLUMNS = (
    *("prefix", "destination", "per_minute", "connection", "per_call"),
    *("initial_s", "increment_s", "minimum_s", "increments", "effective"),
)
REQUIRED = ("prefix", "per_minute")
PRICE_MAX = 10_000 * MICROS_PER_UNIT  # a minute dearer than this is a misread column
BLOCK_MAX_S = 86_400
PREFIXES_MAX = 10_000  # in one cell; a range wider than this is a typing error

# Letters and digits of a heading, in lower case, to our column. From decks of A2Billing,
# MagnusBilling, ASTPP, Kazoo, Yeastar, IvozProvider, JeraSoft and carriers' mails.
_HEADINGS: Mapping[str, str] = {
    alias: column
    for column, aliases in {
        "prefix": "prefix prefixes dialprefix matchprefix code codes dialcode dialcodes areacode"
        " destinationcode countrycode dialingcode diallingcode",
        "destination": "destination destinationname name description zone location breakout",
        "per_minute": "perminute rateinitial rate rates ratecost costmin costperminute price"
        " pricemin priceperminute rateperminute ratemin ratepermin cost",
        "connection": "connection connectioncost connectcharge connectfee connectionfee"
        " connectioncharge connectcost connect ratesurcharge surcharge setupfee sf initialcost",
        "per_call": "percall pricepercall callcharge costpercall",
        "initial_s": "initials initial initblock initialincrement initialtimes initialtime"
        " firstincrement firstinterval min groupintervalstart",
        "increment_s": "increments increment billingblock rateincrement billableunits"
        " billableunit nextincrement interval int period step",
        "minimum_s": "minimums minimum rateminimum minimumduration minduration",
        "increments": "billingincrement billingincrements billing billingterms terms",
        "effective": "effective effectivedate effectivefrom validfrom startdate datefrom",
    }.items()
    for alias in aliases.split()
}


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class DeckFileError(Exception):
    """A deck that cannot be imported; nothing of it was."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems[:3]))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckFormat:
    """How to read a file that does not say it itself."""

    columns: Mapping[str, str]  # our column to the heading it has in the file
    initial_s: int = 60  # where the file has no such column
    increment_s: int = 60
    effective: date  # where a row has no date
    date_format: str = "%Y-%m-%d"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckFile:
    rows: list[tuple[str, RateFields]]
    ignored: tuple[str, ...]  # headings that mean nothing to us


def read_deck(lines: Iterable[str], form: DeckFormat) -> DeckFile:
    """Read a whole deck; one wrong row refuses all of it.

    Raises:
        DeckFileError: every problem found, with its line.
    """
    buffered = iter(lines)
    first = next(buffered, "").removeprefix("\ufeff")  # spreadsheets put a byte-order mark there
    rows = csv.reader(chain([first], buffered), delimiter=_delimiter_of(first))
    try:
        places, ignored = _places(next(rows, []), form)
        reader = _RowReader(places, form)
        for row in rows:
            if any(row):
                reader.read(row, rows.line_num)
    except csv.Error as error:
        raise DeckFileError([Problem(max(rows.line_num, 1), str(error))]) from error
    return DeckFile(rows=reader.finish(), ignored=ignored)


def _delimiter_of(heading: str) -> str:
    return max(",;\t|", key=heading.count)


def _places(headings: Sequence[str], form: DeckFormat) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each of our columns stands. A mapping given by option wins over a guess."""
    mapped = {_plain(heading): column for column, heading in form.columns.items()}
    places: dict[str, int] = {}
    ignored, problems = [], []
    for place, heading in enumerate(headings):
        plain = _plain(heading)
        column = mapped.get(plain) or _HEADINGS.get(plain)
        if column is None or (column in form.columns and plain not in mapped):
            ignored.append(heading.strip())
        elif column in places:
            problems.append(f"two columns say {column}: choose one with --column {column}=HEADING")
        else:
            places[column] = place
    missing = [column for column in (*REQUIRED, *form.columns) if column not in places]
    problems += [f"no column says {column}" for column in dict.fromkeys(missing)]
    if problems:
        raise DeckFileError([Problem(1, problem) for problem in problems])
    return places, tuple(ignored)


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.lower())


class _RowReader:
    """Reads rows, and remembers what was wrong with them."""

    def __init__(self, places: Mapping[str, int], form: DeckFormat) -> None:
        self._places = places
        self._form = form
        self._rows: dict[tuple[str, int], tuple[RateFields, int]] = {}
        self._problems: list[Problem] = []

    def read(self, row: Sequence[str], line: int) -> None:
        try:
            self._add(row, line)
        except ValueError as error:
            self._problems.append(Problem(line, str(error)))

    def finish(self) -> list[tuple[str, RateFields]]:
        """Raises DeckFileError if a row was wrong, or none was there."""
        if not self._rows and not self._problems:
            self._problems.append(Problem(1, "the file has no rates"))
        if self._problems:
            raise DeckFileError(self._problems)
        return [(prefix, fields) for (prefix, _), (fields, _) in self._rows.items()]

    def _add(self, row: Sequence[str], line: int) -> None:
        prefixes = parse_prefixes(self._cell(row, "prefix"))
        initial_s, increment_s = self._blocks(row)
        effective = _day(self._cell(row, "effective"), self._form)
        fields = RateFields(
            self._cell(row, "destination") or _destination_of(prefixes[0]),
            _micros(self._cell(row, "per_minute")),
            _micros(self._cell(row, "connection") or "0"),
            _micros(self._cell(row, "per_call") or "0"),
            initial_s,
            increment_s,
            effective,
        )
        for prefix in prefixes:
            before, line_before = self._rows.setdefault((prefix, effective), (fields, line))
            if before != fields:
                raise ValueError(f"prefix {prefix} has another rate on line {line_before}")

    def _cell(self, row: Sequence[str], column: str) -> str:
        place = self._places.get(column)
        if place is None or place >= len(row):
            return ""
        return row[place].strip()

    def _blocks(self, row: Sequence[str]) -> tuple[int, int]:
        both = self._cell(row, "increments")
        return _blocks(
            self._cell(row, "initial_s") or both.partition("/")[0] or str(self._form.initial_s),
            self._cell(row, "increment_s") or both.partition("/")[2] or str(self._form.increment_s),
            self._cell(row, "minimum_s") or "0",
        )


@lru_cache
def _blocks(initial: str, increment: str, minimum: str) -> tuple[int, int]:
    """First and further block. A minimum is a first block long enough to hold it."""
    initial_s, increment_s = _seconds(initial), _seconds(increment)
    minimum_s = 0 if minimum == "0" else _seconds(minimum)
    further = max(0, -(-(minimum_s - initial_s) // increment_s))
    return initial_s + further * increment_s, increment_s


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= BLOCK_MAX_S:
        raise ValueError(f"{text!r} is not a number of seconds from 1 to {BLOCK_MAX_S}")
    return int(text)


@lru_cache(maxsize=65_536)
def _micros(text: str) -> int:
    """An amount; a decimal comma is read as a point."""
    micros = parse_money(text.replace(",", ".") if "." not in text else text, NO_CURRENCY).micros
    if not 0 <= micros <= PRICE_MAX:
        raise ValueError(f"{text!r} is not an amount from 0 to {PRICE_MAX // MICROS_PER_UNIT}")
    return micros


def _day(text: str, form: DeckFormat) -> int:
    return _day_of(text, form.date_format) if text else form.effective.toordinal()


@lru_cache
def _day_of(text: str, date_format: str) -> int:
    try:
        return datetime.strptime(text, date_format).date().toordinal()  # noqa: DTZ007 - a date
    except ValueError:
        raise ValueError(f"{text!r} is not a date written {date_format}") from None


_PLAIN = re.compile(r"[1-9][0-9]{0,14}")
_DIGITS = re.compile(r"(?:\+|00)?([1-9][0-9]{0,14})")
_SHORT = re.compile(r"[A-Z]{2}:[0-9]{2,6}")
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_COUNTRY_THEN_AREAS = re.compile(r"\+?([1-9][0-9]{0,2})\s+([0-9]+(?:\s*[,;/]\s*[0-9]+)*)")


def parse_prefixes(cell: str) -> tuple[str, ...]:
    """The prefixes of one cell: `33`, `+44 1534`, `336 337`, `52 33,34`, `447700-447705`, `GB:118`.

    A country code, a space, and area codes are that country's areas: `52 33,34` is 5233 and 5234.

    Raises:
        ValueError: something in the cell is no prefix.
    """
    if _PLAIN.fullmatch(cell):
        return (cell,)  # nearly always, and quick
    if (areas := _COUNTRY_THEN_AREAS.fullmatch(cell)) and _is_country_code(areas[1]):
        return tuple(areas[1] + area for area in re.split(r"[\s,;/]+", areas[2]))
    prefixes: list[str] = []
    for token in filter(None, re.split(r"[\s,;/]+", cell)):
        prefixes += _expand(token)
    if not prefixes:
        raise ValueError("the row has no prefix")
    return tuple(prefixes)


def _is_country_code(digits: str) -> bool:
    return int(digits) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


def _expand(token: str) -> Sequence[str]:
    if _SHORT.fullmatch(token):
        return (token,)
    if plain := _DIGITS.fullmatch(token):
        return (plain[1],)
    limits = _RANGE.fullmatch(token)
    if limits is None or len(limits[1]) != len(limits[2]) or limits[1][0] == "0":
        raise ValueError(f"{token!r} is not a prefix")
    first, last = int(limits[1]), int(limits[2])
    if not 0 <= last - first < PREFIXES_MAX:
        raise ValueError(f"{token!r} is a range of {last - first + 1} prefixes")
    return [str(prefix) for prefix in range(first, last + 1)]


def _destination_of(prefix: str) -> str:
    """A name for decks that have none: the country's code."""
    if ":" in prefix:
        return prefix
    codes = (int(prefix[:length]) for length in (1, 2, 3))
    known = (phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code) for code in codes)
    return next((f"{regions[0]} {prefix}" for regions in known if regions), prefix)
