"""Lines of CSV that a spreadsheet opens as what they are: text stays text, numbers stay numbers.

A cell that begins with = + - @ or a control character is a formula to a spreadsheet, and whoever
is dialled or named by a stranger would run in the manager's (CWE-1236).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

_BEGINS_A_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\0]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")  # an amount, or a telephone number: no formula
_TO_BE_QUOTED = re.compile(r'[",;\r\n]')

CSV_LINE_END = "\r\n"  # as RFC 4180 has it
Cell = str | int | datetime | None


def csv_line(cells: Iterable[Cell]) -> str:
    """One line with its end."""
    return ",".join(map(_quoted, cells)) + CSV_LINE_END


def csv_lines(heading: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    """A heading and its rows, one at a time: nothing is kept."""
    yield csv_line(heading)
    for row in rows:
        yield csv_line(row)


def harmless(text: str) -> str:
    """A text as a spreadsheet may read it: with an apostrophe before what would be a formula."""
    if _NUMBER.fullmatch(text) or not _BEGINS_A_FORMULA.match(text):
        return text
    return f"'{text}"


def _quoted(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case datetime():
            return cell.isoformat(timespec="seconds")
        case int():
            return str(cell)
        case str():
            text = harmless(cell)
            return f'"{text.replace(chr(34), chr(34) * 2)}"' if _TO_BE_QUOTED.search(text) else text
