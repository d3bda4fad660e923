"""What a command prints. Names and notes come from files and people: they are only text here."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from charging.csv_text import CSV_LINE_END
from charging.plain_text import escaped, is_plain


def say(text: object, *, err: bool = False) -> None:
    """Lines for a terminal, in which every unseen character is written out."""
    typer.echo("\n".join(escaped(line) for line in str(text).split("\n")), err=err)


def say_in_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows under one another; nothing is cut, however narrow the terminal is."""
    plain = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for row in plain:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def print_csv(lines: Iterable[str]) -> None:
    """Lines of charging.csv_text as they come; unseen characters are written out here, too."""
    for line in lines:
        typer.echo(f"{escaped(line.removesuffix(CSV_LINE_END))}{CSV_LINE_END}", nl=False)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON object; letters stay as they are, and unseen characters are JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    lines = text.split("\n")  # the only unseen characters that JSON itself puts there
    typer.echo("\n".join(map(_without_unseen, lines)))


def _without_unseen(line: str) -> str:
    return "".join(char if is_plain(char) else json.dumps(char)[1:-1] for char in line)
