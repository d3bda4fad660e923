"""What a command prints. Names and notes come from files and people: they are only text here."""

from collections.abc import Sequence

import typer

from charging.plain_text import escaped


def say(text: str) -> None:
    """One line on standard output."""
    typer.echo(escaped(text))


def say_in_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows under one another; nothing is cut, however narrow the terminal is."""
    plain = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for row in plain:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
