"""CSV that a spreadsheet opens as what it is."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.csv_text import Cell, csv_line, csv_lines, harmless


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\t@", "\0="])
def test_a_formula_is_made_text(begins: str) -> None:
    text = f"{begins}cmd|' /C calc'!A0"
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    [
        "-1.20",
        "1.25",
        "+442079460000",
        "0",
        "-0.005",
        "Reception",
        "France mobile",
        "",
        "2-1",
        "a=b",
    ],
)
def test_a_number_and_a_name_stay_what_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["+44-1", "-1+2", "+1+1", "-A1", "+", "-", "--1", "-1.2.3"])
def test_what_only_begins_as_a_number_is_made_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_a_line_is_as_the_format_has_it() -> None:
    at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    cells: tuple[Cell, ...] = (at, 7, None, "-1.20", 'Say "hi", Anna', "two\nlines")
    assert csv_line(cells) == (
        '2026-11-21T09:00:00+00:00,7,,-1.20,"Say ""hi"", Anna","two\nlines"\r\n'
    )


def test_lines_are_made_one_at_a_time() -> None:
    def rows() -> object:
        yield ["first"]
        raise AssertionError("nobody asked for it yet")

    lines = csv_lines(["heading"], rows())  # type: ignore[arg-type]
    assert next(lines) == "heading\r\n"
    assert next(lines) == "first\r\n"


def test_a_list_without_rows_is_its_heading() -> None:
    assert list(csv_lines(["a", "b"], [])) == ["a,b\r\n"]


@given(st.lists(st.text(), min_size=2))
def test_whatever_a_cell_says_is_read_back_as_it_was_written(texts: list[str]) -> None:
    line = csv_line(texts)
    (read,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert [cell.removeprefix("'") for cell in read] == [
        harmless(text).removeprefix("'") for text in texts
    ]
