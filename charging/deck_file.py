"""Rate decks as carriers write them, read row by row: exactly, or not at all.

Everything is checked before anything is used, and every problem names its line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Final, NamedTuple

import phonenumbers

from charging.headings import COLUMNS, Unit, unit_of, words_of
from charging.rate_deck import RateFields
from charging.sheet import DeckFileError, Problem, Row, Sheet, read_text, refuse
from charging.sheet_cells import (
    Mark,
    country_code_of,
    is_removed,
    join_prefixes,
    parse_amount,
    parse_blocks,
    parse_day,
    parse_prefixes,
    parse_seconds,
)
from charging.sheet_layout import (
    DeckFormat,
    Layout,
    best_headings,
    headings_found,
    layout_of,
    note_problem,
    words_like_headings,
)

__all__ = [
    "COLUMNS",
    "DeckFile",
    "DeckFileError",
    "DeckFormat",
    "Problem",
    "read_deck",
    "read_deck_text",
]

HEADING_ROWS: Final = 60  # headings stand among the first ones
DEFAULT_BLOCKS: Final = (60, 60)
NAME_CHARACTERS_MAX: Final = 200
FAR_YEARS: Final = 50  # a rate that ends so late has no end
TERMS_KEPT: Final = 65_536


@dataclass(frozen=True, slots=True)
class Note:
    """A line above, between or below the rates that is none."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckFile:
    rows: list[tuple[str, RateFields]]
    ignored: tuple[str, ...] = ()  # headings that mean nothing to us
    notes: tuple[Note, ...] = ()
    removed: frozenset[str] = frozenset()  # prefixes that the sheet takes out
    taken: tuple[str, ...] = ()  # what was taken for granted, in words
    place: str = "line"


def read_deck_text(
    data: bytes, form: DeckFormat, *, encoding: str | None = None, delimiter: str | None = None
) -> DeckFile:
    """Read a whole deck from a file of text; one wrong row refuses all of it.

    Raises:
        DeckFileError: every problem found, with its line.
    """
    score = partial(best_headings, form=form)
    return read_deck(read_text(data, score, encoding=encoding, delimiter=delimiter), form)


def read_deck(sheet: Sheet, form: DeckFormat) -> DeckFile:
    """Read a deck from cells.

    Raises:
        DeckFileError: every problem found, with its line or row.
    """
    try:
        reader = _RowReader(form, sheet)
        reader.read_all()
        return reader.finish()
    except DeckFileError as error:
        raise DeckFileError(
            [Problem(p.line, p.reason, sheet.place) for p in error.problems]
        ) from error


def _find_headings(first: Sequence[Row], form: DeckFormat) -> tuple[int, Layout]:
    """Which of the first rows has the headings, and what they mean."""
    for place, (line, _, row) in enumerate(first):
        if headings_found(row, form):
            return place, layout_of(line, row, form)
    if not any(cell.strip() for _, _, row in first for cell in row):
        raise refuse(1, "the file is empty")
    line, _, row = max(first, key=lambda found: (words_like_headings(found[2], form), -found[0]))
    problems = layout_of(line, row, form).problems
    raise DeckFileError(list(problems) or [Problem(line, "these are no headings of a rate sheet")])


class _Terms(NamedTuple):
    """What a row says beside its prefixes; rows by the thousand share one."""

    fields: RateFields
    is_removed: bool
    end_day: int | None


@dataclass(slots=True)
class _Marks:
    """Where a decimal comma and a decimal point were first seen."""

    lines: dict[Mark, tuple[int, str]] = field(default_factory=dict)

    def see(self, mark: Mark, line: int, text: str) -> None:
        self.lines.setdefault(mark, (line, text))

    def problem(self) -> Problem | None:
        comma = self.lines.get(Mark.COMMA) or self.lines.get(Mark.LIKELY_COMMA)
        point = self.lines.get(Mark.POINT)
        if comma and point:
            (line, text), other = max(comma, point), min(comma, point)
            reason = (
                f"{text!r} has another decimal mark than {other[1]!r} on line {other[0]}:"
                " write all amounts alike"
            )
            return Problem(line, reason)
        if comma and Mark.COMMA not in self.lines:
            line, text = comma
            return Problem(
                line, f"{text!r} may have a decimal comma or a thousand: write 4 decimals"
            )
        return None


class _RowReader:
    """Reads rows, and remembers what was wrong with them."""

    def __init__(self, form: DeckFormat, sheet: Sheet) -> None:
        self._form = form
        self._sheet = sheet
        first = list(islice(sheet.rows, HEADING_ROWS))
        place, self._layout = _find_headings(first, form)
        self._rows = chain(first[place + 1 :], sheet.rows)
        if self._layout.problems:
            raise DeckFileError(list(self._layout.problems))
        self._found: dict[tuple[str, int], tuple[RateFields, int]] = {}
        self._ends: dict[tuple[str, int], tuple[int, int]] = {}  # day of the end, line
        self._removed: set[str] = set()
        self._expired = 0
        self._without_blocks = 0
        self._marks = _Marks()
        self._notes: list[Note] = []
        self._problems: list[Problem] = []
        self._terms: dict[tuple[str, ...], _Terms] = {}
        places = self._layout.places
        self._term_columns = [c for c in places if c not in _PREFIX_COLUMNS]
        self._term_places = [places[column] for column in self._term_columns]
        for line, _, row in first[:place]:
            self._note(row, line)

    def read_all(self) -> None:
        for line, last_line, row in self._rows:
            try:
                if last_line != line:
                    self._require_one_line(row, last_line)
                self._add(row, line)
            except ValueError as error:
                self._problems.append(Problem(line, str(error)))

    def finish(self) -> DeckFile:
        """Raises DeckFileError if a row was wrong, or none was there."""
        if problem := self._marks.problem():
            self._problems.append(problem)
        self._problems += self._ends_without_sequel()
        if not self._found and not self._removed and not self._problems:
            self._problems.append(Problem(self._layout.line, "the file has no rates"))
        if self._problems:
            raise DeckFileError(sorted(self._problems, key=lambda problem: problem.line))
        return DeckFile(
            rows=[(prefix, fields) for (prefix, _), (fields, _) in self._found.items()],
            ignored=self._layout.ignored,
            notes=tuple(self._notes),
            removed=frozenset(self._removed - {prefix for prefix, _ in self._found}),
            taken=self._taken(),
            place=self._sheet.place,
        )

    # --- one row ---

    def _add(self, row: Sequence[str], line: int) -> None:
        width = self._layout.width
        if len(row) != width and not self._fits(row, line):
            return
        key = tuple([row[place] for place in self._term_places])
        terms = self._terms.get(key)
        if terms is None:
            if self._is_note(row):
                self._note(row, line)
                return
            terms = self._read_terms(key, line)
        prefixes = self._prefixes(row)
        if terms.is_removed:
            self._remove(prefixes, terms, line)
        elif self._is_in_force(terms):
            self._keep(prefixes, terms, line)

    def _require_one_line(self, row: Sequence[str], last_line: int) -> None:
        """Only a list of prefixes may go over several lines; else a quote was not closed."""
        for place, cell in enumerate(row):
            if len(cell.splitlines()) > 1 and place != self._layout.places.get("prefix"):
                raise ValueError(
                    f"a quotation mark opens here and is closed on line {last_line}: close it, or"
                    " take the line break out of the cell"
                )

    def _fits(self, row: Sequence[str], line: int) -> bool:
        """Whether a row of another width is none the less one of rates. Raises ValueError."""
        width = self._layout.width
        beyond = [cell for cell in row[width:] if cell.strip()]
        if len(row) > width and not beyond:
            return True
        if self._is_note(row):
            self._note(row, line)
            return False
        cells = "cell" if len(row) == 1 else "cells"
        raise ValueError(
            f"{len(row)} {cells} under {width} headings: is the delimiter also in a price or a"
            " name? Quote such cells, or --delimiter names another"
        )

    def _is_note(self, row: Sequence[str]) -> bool:
        """White space; or one cell of words that stands alone: a title, a remark, the end."""
        filled = [cell for cell in row if cell.strip()]
        if not filled:
            return True
        prefix_like = filled[0].strip().lstrip("+").replace(" ", "").isdigit()
        return len(filled) == 1 and not prefix_like and any(c.isalpha() for c in filled[0])

    def _note(self, row: Sequence[str], line: int) -> None:
        text = " ".join(" ".join(row).split())
        if not text:
            return
        if problem := note_problem(text, self._layout, self._form):
            self._problems.append(Problem(line, problem))
        self._notes.append(Note(line, text))

    def _prefixes(self, row: Sequence[str]) -> Sequence[str]:
        places = self._layout.places
        code = row[places["country_code"]].strip() if "country_code" in places else ""
        if "area_code" in places:
            return join_prefixes(code, row[places["area_code"]].strip())
        prefixes = parse_prefixes(row[places["prefix"]].strip())
        if code.lstrip("+").isdigit() and any(not p.startswith(code.lstrip("+")) for p in prefixes):
            raise ValueError(
                f"prefix {prefixes[0]} does not begin with its country code {code}:"
                " --column area_code=HEADING if the two are to be joined"
            )
        return prefixes

    def _remove(self, prefixes: Sequence[str], terms: _Terms, line: int) -> None:
        today = self._form.today
        if today is not None and terms.fields.effective_day > today.toordinal():
            raise ValueError("a removal that is still to come: import the sheet on its day")
        del line
        self._removed.update(prefixes)

    def _is_in_force(self, terms: _Terms) -> bool:
        """Whether a rate has not ended yet."""
        today = self._form.today
        if terms.end_day is None or today is None or terms.end_day >= today.toordinal():
            return True
        self._expired += 1
        return False

    def _keep(self, prefixes: Sequence[str], terms: _Terms, line: int) -> None:
        fields = terms.fields
        if not fields.destination:
            fields = fields._replace(destination=_destination_of(prefixes[0]))
        for prefix in prefixes:
            if country_code_of(prefix[:3]) is None and len(prefix) < 3 and ":" not in prefix:  # noqa: PLR2004
                raise ValueError(
                    f"prefix {prefix} is shorter than a country code: it is many countries"
                )
            key = (prefix, fields.effective_day)
            before, line_before = self._found.setdefault(key, (fields, line))
            if before != fields and not self._only_name_differs(before, fields):
                raise ValueError(f"prefix {prefix} has another rate on line {line_before}")
            if terms.end_day is not None:
                self._ends[key] = (terms.end_day, line)

    @staticmethod
    def _only_name_differs(one: RateFields, other: RateFields) -> bool:
        return one[1:] == other[1:]

    # --- what stands beside the prefix ---

    def _read_terms(self, key: tuple[str, ...], line: int) -> _Terms:
        cells = {column: cell.strip() for column, cell in zip(self._term_columns, key, strict=True)}
        self._require_nothing_else(cells)
        removed = is_removed(cells.get("status", ""))
        initial_s, increment_s = self._blocks(cells)
        day = cells.get("effective", "")
        effective = (
            parse_day(day, self._form.date_format) if day else self._form.effective.toordinal()
        )
        terms = _Terms(
            RateFields(
                _name(cells),
                0 if removed else self._amount(cells, "per_minute", line),
                self._amount(cells, "connection", line),
                self._amount(cells, "per_call", line),
                initial_s,
                increment_s,
                effective,
            ),
            removed,
            self._end_day(cells.get("ends", "")),
        )
        if len(self._terms) >= TERMS_KEPT:
            self._terms.clear()
        self._terms[key] = terms
        return terms

    def _require_nothing_else(self, cells: dict[str, str]) -> None:
        currency = cells.get("currency", "")
        if currency and not _is_currency(currency, self._form.currency):
            raise ValueError(f"the rate is in {currency!r} and the deck in {self._form.currency}")
        neutral = next(
            (cells[c] for c in cells if c.startswith("neutral") and cells[c].strip("0.,s ")), ""
        )
        if neutral:
            raise ValueError(
                f"{neutral!r} stands under a heading of what Tollgate does not do, such as seconds"
                " without charge: only 0 can be read there, or --ignore it"
            )
        unit = cells.get("rate_unit", "")
        if unit and parse_seconds(unit) != (self._layout.units["per_minute"].seconds or 60):
            raise ValueError(f"the price is for {unit}: --unit says so, or convert it to minutes")

    def _amount(self, cells: dict[str, str], column: str, line: int) -> int:
        text = cells.get(column, "")
        if not text and column != "per_minute":
            return 0
        micros, mark = parse_amount(
            text, currency=self._form.currency, unit=self._layout.units.get(column, Unit())
        )
        self._marks.see(mark, line, text)
        return micros

    def _blocks(self, cells: dict[str, str]) -> tuple[int, int]:
        texts = {
            "initial": cells.get("initial_s", ""),
            "further": cells.get("increment_s", ""),
            "both": cells.get("increments", ""),
            "minimum": cells.get("minimum_s", ""),
        }
        if not any(texts.values()):
            self._without_blocks += 1
        return parse_blocks(**texts, default=self._form.increments or DEFAULT_BLOCKS)

    def _end_day(self, text: str) -> int | None:
        if not text:
            return None
        day = parse_day(text, self._form.date_format)
        today = self._form.today
        far = today is not None and day > today.toordinal() + FAR_YEARS * 365
        return None if far else day

    # --- the whole sheet ---

    def _ends_without_sequel(self) -> list[Problem]:
        """A rate that ends, with no other to follow, would go on at its old price."""
        begins: dict[str, list[int]] = {}
        if self._ends:
            for prefix, day in self._found:
                begins.setdefault(prefix, []).append(day)
        return [
            Problem(
                line,
                f"the rate of {prefix} ends and no other follows: take the end out, or add the rate"
                " that follows",
            )
            for (prefix, day), (end, line) in self._ends.items()
            if not any(day < other <= end + 1 for other in begins[prefix])
        ]

    def _taken(self) -> tuple[str, ...]:
        form, layout = self._form, self._layout
        unit = layout.units["per_minute"]
        read_as = unit.words(form.currency)
        taken = [*self._sheet.taken, f"prices were read as {read_as}; --unit says otherwise"]
        blocks = form.increments or DEFAULT_BLOCKS
        if self._without_blocks:
            taken.append(
                f"where no column says how time is billed, {blocks[0]}/{blocks[1]} s was taken;"
                " --increments says otherwise"
            )
        if "effective" not in layout.places:
            taken.append(f"the rates begin on {form.effective}; --effective says otherwise")
        if self._expired:
            taken.append(f"left out, since they have ended: {self._expired} rows")
        if self._removed:
            taken.append(
                f"left out, since they are marked as removed: {len(self._removed)} prefixes"
            )
        return tuple(taken)


_PREFIX_COLUMNS: Final = frozenset({"prefix", "country_code", "area_code"})


def _is_currency(text: str, currency: str) -> bool:
    said = unit_of(words_of(text)).currencies
    return currency in (said if said is not None else {text.upper()})


def _name(cells: dict[str, str]) -> str:
    """A destination's name, with its country before it where a column of its own says that."""
    name, country = cells.get("destination", ""), cells.get("country", "")
    if country and country.casefold() not in name.casefold():
        name = f"{country} {name}"
    name = " ".join(name.split())
    if not name.isprintable() or len(name) > NAME_CHARACTERS_MAX:
        raise ValueError(
            f"{name[:40]!r} has characters that cannot be shown, or is too long for a name"
        )
    return name


def _destination_of(prefix: str) -> str:
    """A name for decks that have none: the country's code."""
    code = None if ":" in prefix else country_code_of(prefix)
    if code is None:
        return prefix
    return f"{phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)][0]} {prefix}"
