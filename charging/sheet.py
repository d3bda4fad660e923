"""A sheet of cells from the bytes of a text file: which encoding, which delimiter, which rows.

What cannot be told for certain is refused, with the option that decides it.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

SAMPLE_LINES: Final = 100  # headings stand among these
REASON_CHARACTERS_MAX: Final = 350  # a cell may hold anything
REASON_BEGINNING, REASON_END = 150, 150
DELIMITERS: Final = MappingProxyType(
    {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"},
)

Row = tuple[int, int, Sequence[str]]  # the lines where it begins and ends, from 1, and its cells
Score = Callable[[Iterable[Sequence[str]]], int]  # how many columns the best row of headings says


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    reason: str
    place: str = "line"  # "row" in a workbook

    def __str__(self) -> str:
        reason = self.reason
        if len(reason) > REASON_CHARACTERS_MAX:
            reason = f"{reason[:REASON_BEGINNING]} … {reason[-REASON_END:]}"
        return f"{self.place} {self.line}: {reason}"


class DeckFileError(Exception):
    """A deck that cannot be imported; nothing of it was."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems[:3]))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    rows: Iterator[Row]
    place: str = "line"  # what a row's number counts
    taken: tuple[str, ...] = ()  # what was taken for granted while reading


def refuse(line: int, reason: str) -> DeckFileError:
    return DeckFileError([Problem(line, reason)])


def read_text(
    data: bytes, score: Score, *, encoding: str | None = None, delimiter: str | None = None
) -> Sheet:
    """Cells of a text file.

    Args:
        data: the whole file.
        score: how well some rows answer to headings; it decides the delimiter.
        encoding: from --encoding.
        delimiter: from --delimiter, one character.

    Raises:
        DeckFileError: it is no text, or what it is cannot be told. Also while rows are read.
    """
    _refuse_what_is_no_text(data)
    codec, taken = _encoding_of(data, encoding)
    stated = _stated_delimiter(_lines(data, codec))
    found = (
        delimiter or stated or _delimiter_of(list(islice(_lines(data, codec), SAMPLE_LINES)), score)
    )
    rows = _rows(_lines(data, codec), found)
    if stated:
        next(rows)  # the line `sep=;` itself
    return Sheet(rows=rows, taken=taken)


def _refuse_what_is_no_text(data: bytes) -> None:
    for beginning, what in (
        (b"PK", "a compressed file"),
        (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel"),
        (b"%PDF", "a PDF"),
        (b"\x1f\x8b", "a compressed file"),
    ):
        if data.startswith(beginning):
            raise refuse(1, f"this is {what}: save the sheet as CSV or XLSX")
    if data[:512].lstrip().lower().startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise refuse(1, "this is a web page or XML: open it and save the sheet as CSV or XLSX")


def _encoding_of(data: bytes, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    if wanted is not None:
        return _checked(data, wanted), ()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(data, "utf-16"), ()
    for codec, zero in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(data) > 1 and data[zero] == 0 and data[1 - zero] != 0:  # Latin text without a mark
            return _checked(data, codec), ()
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        codec = _checked(data, "cp1252", line)
        said = f"line {line} is not UTF-8: read as Windows-1252; --encoding says otherwise"
        return codec, (said,)
    return _checked(data, "utf-8-sig"), ()


def _checked(data: bytes, encoding: str, line: int = 1) -> str:
    """The encoding, if all of the data is text in it."""
    try:
        text = data.decode(encoding)
    except LookupError:
        raise refuse(
            line,
            f"{encoding!r} is not an encoding: --encoding wants one such as cp1252, utf-8, utf-16",
        ) from None
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise refuse(
            at, f"not text in {encoding} ({error.reason}): name its encoding with --encoding"
        ) from None
    if "\0" in text:
        at = text.count("\n", 0, text.index("\0")) + 1
        raise refuse(
            at,
            "a character of number 0, which no text has: --encoding names how it is written",
        )
    return encoding


def _lines(data: bytes, codec: str) -> Iterator[str]:
    return iter(io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline=""))


def _stated_delimiter(lines: Iterator[str]) -> str | None:
    """Excel writes `sep=;` into the first line of some files."""
    first = next(lines, "").strip().strip('"')
    stated = first.removeprefix("sep=")
    return stated if stated != first and stated in DELIMITERS else None


def _delimiter_of(sample: Sequence[str], score: Score) -> str:
    scores = {delimiter: score(_sampled(sample, delimiter)) for delimiter in DELIMITERS}
    best = max(scores.values())
    found = [delimiter for delimiter, reached in scores.items() if reached == best]
    if best and len(found) > 1:
        names = " or ".join(DELIMITERS[delimiter] for delimiter in found)
        raise refuse(1, f"the delimiter may be {names}: --delimiter says which")
    if best:
        return found[0]
    return max(DELIMITERS, key=lambda delimiter: sum(line.count(delimiter) for line in sample))


def _sampled(sample: Sequence[str], delimiter: str) -> list[Sequence[str]]:
    try:
        return list(csv.reader(sample, delimiter=delimiter))
    except csv.Error:
        return []


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    """Every row with the line where it begins, however many its quotes span."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            yield line, reader.line_num, row
            line = reader.line_num + 1
    except csv.Error as error:
        reason = f"{error}: a quotation mark opens on this line and is not closed as CSV wants it"
        if "field larger" in str(error):
            reason = "a cell of more than 131,072 characters: is a quotation mark not closed?"
        raise refuse(line, reason) from error
