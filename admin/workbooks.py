"""Rate sheets that are workbooks (XLSX): their cells as text, as the sheet shows them.

openpyxl is loaded only where a workbook is read.
"""

import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

from charging.sheet import Row, Sheet, refuse

XLSX_PART: Final = "xl/workbook.xml"  # a compressed file without it is no workbook
UNPACKED_BYTES_MAX: Final = 1_000_000_000
WIDTH_ROWS: Final = 60


def is_workbook(data: bytes) -> bool:
    """Raises DeckFileError: it would be too large when unpacked."""
    if not data.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            names, size = parts.namelist(), sum(part.file_size for part in parts.infolist())
    except zipfile.BadZipFile:
        return False
    if size > UNPACKED_BYTES_MAX:
        raise refuse(1, "the workbook is larger than 1 GB when it is unpacked: save it as CSV")
    return XLSX_PART in names


def read_workbook(data: bytes, wanted: str | None) -> Sheet:
    """Cells of the sheet that is named, or of the only one that has any.

    Raises:
        DeckFileError: there are several, or it cannot be read.
    """
    import openpyxl  # noqa: PLC0415 - a second to load, and rarely wanted

    with warnings.catch_warnings():  # of decorations that it does not know
        warnings.simplefilter("ignore")
        try:
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            shown = {
                sheet.title: list(_rows(sheet))
                for sheet in book.worksheets
                if sheet.title == wanted or (wanted is None and sheet.sheet_state == "visible")
            }
        except (KeyError, ValueError, TypeError, zipfile.BadZipFile, SyntaxError) as error:
            raise refuse(1, f"the workbook cannot be read ({error}): save it as CSV") from error
    filled = {title: rows for title, rows in shown.items() if any(any(r) for _, _, r in rows)}
    if wanted is not None and wanted not in shown:
        raise refuse(
            1, f"the workbook has no sheet {wanted!r}: it has {', '.join(book.sheetnames)}"
        )
    if len(filled) != 1:
        names = ", ".join(filled) or "none"
        raise refuse(1, f"sheets with cells: {names}; --sheet says which one has the rates")
    (rows,) = filled.values()
    return Sheet(rows=_of_one_width(rows), place="row")


def _rows(sheet: Any) -> Iterator[Row]:
    sheet.reset_dimensions()  # what a file says of its own size may be wrong
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield number, number, [text_of(value) for value in row]


def _of_one_width(rows: Sequence[Row]) -> Iterator[Row]:
    """A workbook leaves empty cells at the end of a row out."""
    width = max((len(row) for _, _, row in rows[:WIDTH_ROWS]), default=0)
    for number, last, row in rows:
        yield number, last, [*row, *_empty(width - len(row))]


def _empty(count: int) -> Iterable[str]:
    return ("" for _ in range(count))


def text_of(value: object) -> str:
    """A cell as text: whole numbers without a point, days with the year first."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < 10**15:
            return str(int(value))
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case _:
            return str(value)
