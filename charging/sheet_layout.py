"""Which line of a sheet has the headings, what each column means, and in which unit prices are."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from charging.headings import (
    PRICES,
    Heading,
    Unit,
    frozen,
    plain_heading,
    read_heading,
    unit_of,
    words_of,
)
from charging.sheet import Problem

REQUIRED: Final = ("prefix", "per_minute")
_CODES: Final = frozenset({"country_code", "area_code"})
NOTE_CHARACTERS_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckFormat:
    """How to read a file that does not say it itself. None: no option says."""

    columns: Mapping[str, str]  # our column to the heading it has in the file
    currency: str = "---"  # of the deck; prices of another one are refused
    ignore: tuple[str, ...] = ()  # headings that the admin knows to mean nothing here
    increments: tuple[int, int] | None = None  # where the file has no such column
    unit: Unit | None = None
    effective: date  # where a row has no date
    effective_is_given: bool = False
    today: date | None = None  # None: nothing ends
    date_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The headings of a sheet, understood."""

    line: int
    width: int  # cells in a row
    places: Mapping[str, int]
    units: Mapping[str, Unit]  # of each column of prices
    ignored: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def headings_found(row: Sequence[str], form: DeckFormat) -> int:
    """How many columns of ours a row names; 0 unless it has what a sheet of rates must have."""
    found = {heading.column for heading in _read(row, form)} - {None}
    has_prefix = bool(found & {"prefix", "country_code", "area_code"})
    return len(found) if has_prefix and "per_minute" in found else 0


def best_headings(rows: Iterable[Sequence[str]], form: DeckFormat) -> int:
    return max((headings_found(row, form) for row in rows), default=0)


def words_like_headings(row: Sequence[str], form: DeckFormat) -> int:
    """How many cells of a row are headings that we know: to say what is missing."""
    return sum(heading.column is not None for heading in _read(row, form))


def _read(row: Sequence[str], form: DeckFormat) -> list[Heading]:
    mapped = {plain_heading(heading): column for column, heading in form.columns.items()}
    ignored = {plain_heading(heading) for heading in form.ignore}
    return [
        read_heading(cell, place, mapped)
        if plain_heading(cell) not in ignored or plain_heading(cell) in mapped
        else Heading(text=cell.strip(), place=place, column=None)
        for place, cell in enumerate(row)
    ]


def layout_of(line: int, row: Sequence[str], form: DeckFormat) -> Layout:
    """What each column means. Problems say what leaves a question open."""
    width = max((place + 1 for place, cell in enumerate(row) if cell.strip()), default=0)
    headings = _in_one_currency(_read(row[:width], form), form)
    columns, problems = _columns(headings, form)
    columns, more = _prefix_columns(columns)
    problems += more
    problems += [
        f"column {heading.text!r} may decide what a call costs and is not understood:"
        f" --column OURS={heading.text!r} says what it is, --ignore {heading.text!r} that it is"
        " nothing"
        for heading in headings
        if heading.weighty and not _is_other_price(heading, form)
    ]
    missing = [column for column in (*REQUIRED, *form.columns) if column not in columns]
    if "prefix" in missing and any(heading.column in _CODES for heading in headings):
        missing.remove("prefix")
    problems += [
        f"no column says {column}: --column {column}=HEADING, or --delimiter if they are one cell"
        for column in dict.fromkeys(missing)
    ]
    units, more = _units(columns, form)
    problems += more
    used = {heading.place for heading in columns.values()}
    ignored = [
        heading.text or f"number {heading.place + 1}, without a heading"
        for heading in headings
        if heading.place not in used and not heading.weighty
    ]
    return Layout(
        line=line,
        width=width,
        places={column: heading.place for column, heading in columns.items()},
        units=units,
        ignored=tuple(ignored),
        problems=tuple(Problem(line, problem) for problem in problems),
    )


def _is_other_price(heading: Heading, form: DeckFormat) -> bool:
    """Whoever names the column of prices has seen the others."""
    words = set(words_of(heading.text))
    is_price = not words.isdisjoint({"rate", "price", "tarif", "tariff", "prix", "cost", "cout"})
    return "per_minute" in form.columns and is_price


def _in_one_currency(headings: list[Heading], form: DeckFormat) -> list[Heading]:
    """Of two columns of prices, `Rate USD` and `Rate GBP`, only the deck's own counts."""

    def names_it(heading: Heading) -> bool:
        return form.currency in (heading.unit.currencies or ())

    own = {heading.column for heading in headings if heading.column in PRICES and names_it(heading)}
    return [
        replace(heading, column=None)
        if heading.column in own and heading.unit.currencies and not names_it(heading)
        else heading
        for heading in headings
    ]


def _columns(headings: Sequence[Heading], form: DeckFormat) -> tuple[dict[str, Heading], list[str]]:
    columns: dict[str, Heading] = {}
    problems = []
    mapped = {plain_heading(heading) for heading in form.columns.values()}
    for heading in headings:
        column = heading.column
        is_mapped = plain_heading(heading.text) in mapped
        if column is None or (column in form.columns and not is_mapped):
            continue
        if column == "neutral":  # any number of columns may hold nothing
            columns[f"neutral {heading.place}"] = heading
        elif column not in columns:
            columns[column] = heading
        elif column != "destination":
            problems.append(
                f"{columns[column].text!r} and {heading.text!r} both say {column}: choose one with"
                f" --column {column}=HEADING"
            )
    return columns, problems


def _prefix_columns(columns: dict[str, Heading]) -> tuple[dict[str, Heading], list[str]]:
    """A country code alone is a prefix; with areas it is joined; areas alone are not whole."""
    if "area_code" in columns and "prefix" in columns:
        other = columns["area_code"].text
        return columns, [f"is {other!r} a part of the prefix? --ignore {other!r} if it is not"]
    if "country_code" in columns and not columns.keys() & {"area_code", "prefix"}:
        code = columns.pop("country_code")
        return columns | {"prefix": code}, []
    if "area_code" in columns and "country_code" not in columns:
        area = columns.pop("area_code").text
        problem = (
            f"{area!r} stands without country codes: --column prefix={area!r} if it holds whole"
            " prefixes such as 44207"
        )
        return columns, [problem]
    return columns, []


def _units(columns: Mapping[str, Heading], form: DeckFormat) -> tuple[dict[str, Unit], list[str]]:
    """In what each column of prices is written: its heading says, or --unit, or the default."""
    units: dict[str, Unit] = {}
    problems = []
    prices = [columns[column] for column in PRICES if column in columns]
    silent = [h for h in prices if h.unit.minor is None and form.unit is None]
    minor = [h for h in prices if h.unit.minor]
    if silent and minor:
        problems.append(
            f"{minor[0].text!r} is in {minor[0].unit.minor} and {silent[0].text!r} does not say:"
            f" --unit {minor[0].unit.minor}, or write it into the heading"
        )
    for heading in prices:
        unit, problem = _unit_of_heading(heading, form)
        units[heading.column or ""] = unit
        problems += [problem] if problem else []
    return units, problems


def _unit_of_heading(heading: Heading, form: DeckFormat) -> tuple[Unit, str]:
    said, option = heading.unit, form.unit or Unit()
    if said.currencies and form.currency not in said.currencies:
        other = "/".join(sorted(said.currencies))
        return said, f"{heading.text!r} is in {other} and the deck in {form.currency}: convert it"
    differs = any(
        one is not None and other is not None and one != other
        for one, other in ((said.minor, option.minor), (said.seconds, option.seconds))
    )
    if differs and heading.column == "per_minute":
        return said, f"{heading.text!r} says otherwise than --unit"
    unit = Unit(
        minor=(said.minor if said.minor is not None else option.minor) or "",
        seconds=(said.seconds or option.seconds) if heading.column == "per_minute" else None,
    )
    if unit.minor and _MINOR_OF.get(form.currency, "cents") != unit.minor:
        return unit, f"{heading.text!r} is in {unit.minor}, and the deck in {form.currency}"
    return unit, ""


_MINOR_OF: Final = {"GBP": "pence", "---": "pence"}

# --- notes -----------------------------------------------------------------------------------

_BILLING_WORDS: Final = frozen(
    "billing billed increment increments pulse pulses block blocks interval intervals minimum"
)
_DATE_WORDS: Final = frozen("effective valid applicable effet vigueur")
_FEE_WORDS: Final = frozen("connection setup surcharge connexion")
_PRICE_WORDS: Final = frozen(
    "rate rates price prices all in tarif tarifs prix currency devise amounts charges"
)
_PER_SECOND: Final = re.compile(r"(?:per|par|/|-|a)\s*sec")


def note_problem(text: str, layout: Layout, form: DeckFormat) -> str | None:
    """What a line above or below the rates says against how they would be read."""
    shown = repr(text[:NOTE_CHARACTERS_SHOWN])
    words = frozenset(words_of(text))
    if problem := _against_prices(text, layout, form):
        return f"{shown} {problem}"
    if not any(word[0].isdigit() for word in words):
        return None
    if _says_blocks(words, layout) and form.increments is None:
        return f"{shown} may say how time is billed, and no column does: --increments says it"
    says_day = _DATE_WORDS & words and "effective" not in layout.places
    if says_day and not form.effective_is_given:
        return f"{shown} may say from when, and no column does: --effective says it"
    if _FEE_WORDS & words and "connection" not in layout.places:
        return f"{shown} may name a fee that no column has: make it a column, or take the line out"
    return None


def _against_prices(text: str, layout: Layout, form: DeckFormat) -> str | None:
    words = frozenset(words_of(text))
    said = unit_of(words_of(text))
    unit = layout.units.get("per_minute", Unit())
    if said.currencies and form.currency not in said.currencies:
        other = "/".join(sorted(said.currencies))
        return (
            f"names {other} and the deck is in {form.currency}: take the line out if the rates"
            f" are not in {other}"
        )
    if form.unit is not None or not _PRICE_WORDS & words:
        return None
    if said.minor and said.minor != unit.minor:
        return f"names {said.minor}: --unit says what the rates are in"
    names_second = _PER_SECOND.search(text.lower()) and not _BILLING_WORDS & words
    if names_second and unit.seconds is None:
        return "names prices per second: --unit says what the rates are in"
    return None


def _says_blocks(words: frozenset[str], layout: Layout) -> bool:
    has_blocks = layout.places.keys() & {"increments", "initial_s", "increment_s", "minimum_s"}
    return bool(_BILLING_WORDS & words) and not has_blocks
