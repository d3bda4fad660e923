"""The corpus in `sheets/`: every rate sheet is read exactly, or refused with its line."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from charging.deck_file import DeckFile, DeckFileError, DeckFormat, read_deck_text
from charging.headings import parse_unit
from charging.money import MICROS_PER_UNIT, Money
from charging.rate_deck import RateFields

TODAY = date(2026, 11, 21)
SHEETS = sorted((Path(__file__).parent / "sheets").glob("*.sheet"))


@dataclass(frozen=True)
class Case:
    wanted: dict[str, Any]
    data: bytes

    @property
    def form(self) -> DeckFormat:
        options = dict(self.wanted.get("options", {}))
        if "unit" in options:
            options["unit"] = parse_unit(options["unit"])
        return DeckFormat(
            columns={},
            currency=self.wanted.get("currency", "GBP"),
            effective=TODAY,
            today=TODAY,
            **options,
        )

    def read(self) -> DeckFile:
        return read_deck_text(self.data, self.form)


def case_of(file: Path) -> Case:
    head, _, body = file.read_bytes().decode().partition("\n---\n")
    wanted = tomllib.loads(head)
    return Case(wanted, body.encode(wanted.get("encoding", "utf-8")))


def in_words(prefix: str, fields: RateFields) -> str:
    """As the corpus writes a rate: what is usual is left out."""
    price = str(Money(fields.per_minute_micros, "")).strip()
    amount, _, decimals = price.partition(".")
    price = f"{amount}.{decimals}".rstrip("0").rstrip(".")
    parts = [prefix, price, f"{fields.initial_s}/{fields.increment_s}"]
    if fields.connection_micros:
        parts.append("+" + _short(fields.connection_micros))
    if fields.effective_day > TODAY.toordinal():
        parts.append(f"@{date.fromordinal(fields.effective_day)}")
    return " ".join([*parts, fields.destination])


def _short(micros: int) -> str:
    whole, rest = divmod(micros, MICROS_PER_UNIT)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def test_the_corpus_is_there() -> None:
    assert len(SHEETS) >= 60


@pytest.mark.parametrize("file", SHEETS, ids=lambda file: file.stem)
def test_a_sheet_is_read_as_its_carrier_meant_it_or_refused_with_its_line(file: Path) -> None:
    case = case_of(file)
    if "refused" in case.wanted:
        with pytest.raises(DeckFileError) as refusal:
            case.read()
        found = [str(problem) for problem in refusal.value.problems]
        assert len(found) == len(case.wanted["refused"]), found
        for beginning in case.wanted["refused"]:
            assert any(said.startswith(beginning) for said in found), found
        return
    deck = case.read()
    assert [in_words(prefix, fields) for prefix, fields in deck.rows] == case.wanted["rates"]
    for said in case.wanted.get("said", []):
        assert any(said in taken for taken in deck.taken), deck.taken
    if "notes" in case.wanted:
        assert [f"line {note.line}" for note in deck.notes] == case.wanted["notes"]


@pytest.mark.parametrize("file", SHEETS, ids=lambda file: file.stem)
def test_every_refusal_names_what_it_read_and_every_default_the_option_that_changes_it(
    file: Path,
) -> None:
    try:
        deck = case_of(file).read()
    except DeckFileError as refusal:
        for problem in refusal.problems:
            assert re.fullmatch(r"line [1-9][0-9]*: .{20,}", str(problem)), problem
        return
    assert any("--unit" in taken for taken in deck.taken)
