"""`tollgate rates`: import a rate deck, look at the one in force, and go back to an earlier one."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin.context import AsJson, Context, Office, command, fail, print_json
from charging.deck_file import COLUMNS, DeckFile, DeckFileError, DeckFormat, read_deck
from charging.plan import Plan
from db.rate_decks import import_deck

PROBLEMS_SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Import, show and roll back rate decks.")


@app.command("import")
def import_file(  # noqa: PLR0913 - one for each option of the command
    file: Annotated[Path, typer.Argument(help="A CSV file with a line of headings.")],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="OURS=THEIRS, where a heading is not recognised."),
    ] = None,
    increments: Annotated[
        str, typer.Option("--increments", help="First and further block, if no column says.")
    ] = "60/60",
    date_format: Annotated[
        str, typer.Option("--date-format", help="How dates are written.")
    ] = "%Y-%m-%d",
    office: Office = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a whole deck and put it in force, or nothing of it."""
    with command() as context:
        plan = context.plan_of(context.office(office))
        form = _format(plan, column or [], increments, date_format)
        deck = _read(file, form)
        if not dry_run:
            _store(context, deck, file, plan.currency)
    if as_json:
        print_json(
            {
                "file": str(file),
                "currency": plan.currency,
                "rates": len(deck.rows),
                "ignored_columns": list(deck.ignored),
                "imported": not dry_run,
            }
        )
    else:
        done = "would be imported" if dry_run else "imported and in force"
        typer.echo(f"{len(deck.rows)} {plan.currency} rates {done}")


def _format(plan: Plan, columns: list[str], increments: str, date_format: str) -> DeckFormat:
    initial, _, further = increments.partition("/")
    if not (initial.isdecimal() and further.isdecimal() and int(initial) and int(further)):
        fail(f"{increments!r} is not two numbers of seconds such as 60/60")
    return DeckFormat(
        columns=_columns(columns),
        initial_s=int(initial),
        increment_s=int(further),
        effective=datetime.now(plan.timezone).date(),
        date_format=date_format,
    )


def _columns(options: list[str]) -> Mapping[str, str]:
    mapping = {}
    for option in options:
        ours, found, theirs = option.partition("=")
        if not found or ours not in COLUMNS:
            fail(f"{option!r} is not one of {', '.join(COLUMNS)}, an equals sign and a heading")
        mapping[ours] = theirs
    return mapping


def _read(file: Path, form: DeckFormat) -> DeckFile:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return read_deck(lines, form)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text")
    except DeckFileError as error:
        shown = "\n".join(f"{file}, {problem}" for problem in error.problems[:PROBLEMS_SHOWN])
        fail(f"{shown}\n{len(error.problems)} problems: nothing was imported")


def _store(context: Context, deck: DeckFile, file: Path, currency: str) -> None:
    import_deck(
        context.engine,
        deck.rows,
        currency=currency,
        source=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        at=datetime.now(UTC),
    )
