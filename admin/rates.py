"""`tollgate rates`: import a rate deck, look at the one in force, and go back to an earlier one."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import phonenumbers
import typer

from admin.amounts import shown
from admin.context import AsJson, Context, Office, command, fail
from admin.output import print_json
from admin.rating import rate_fields, rate_in_words
from charging.deck_diff import JUMP, Change, DeckDiff, carried_over, compare_decks
from charging.deck_file import COLUMNS, DeckFile, DeckFileError, DeckFormat, read_deck
from charging.plan import Plan
from charging.rate_deck import RateDeck, RateFields, RateRow, minute_micros, row_of
from db.ledger import read_from
from db.rate_decks import (
    DeckChange,
    deck_history,
    decks_in_force,
    import_deck,
    load_deck,
    rates_in_force,
    roll_back,
)

PROBLEMS_SHOWN = 20
CHANGES_SHOWN = 20  # of each kind; the JSON has all holes and jumps

DECK_MAX = 2**31 - 1  # the highest number of a deck

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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a whole deck, show what it changes, and put it in force, or nothing of it.

    A prefix whose first rate begins later keeps the rate it has until then.
    """
    with command() as context:
        plan = context.plan_of(context.office(office))
        form = _format(plan, column or [], increments, date_format)
        deck = _read(file, form)
        before = _deck_in_force(context, plan.currency)
        rows = deck.rows + carried_over(deck.rows, before, today=form.effective)
        after = RateDeck(rows, currency=plan.currency)
        diff = compare_decks(before, after, on=_day_to_compare(rows, form.effective))
        deck_id = None if dry_run else _store(context, rows, file, plan.currency)
    imported = _Imported(file=file, currency=plan.currency, deck=deck, diff=diff, deck_id=deck_id)
    if as_json:
        print_json(_import_fields(imported))
    else:
        _print_import(imported)


@app.command()
def show(
    country: Annotated[
        str | None, typer.Argument(help="FR, a part of a destination's name, or a prefix.")
    ] = None,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the rates in force, those that begin later among them."""
    with command() as context:
        currency = context.plan_of(context.office(office)).currency
        prefixes, name = _wanted(country)
        rows = read_from(
            context.reader,
            lambda reader: rates_in_force(reader, currency=currency, prefixes=prefixes, name=name),
        )
    found = [row_of(prefix, fields, currency) for prefix, fields in rows]
    if not found:
        fail(f"the {currency} deck in force has no rate for {country or 'anything'}")
    if as_json:
        print_json({"currency": currency, "rates": [_rate_fields(row) for row in found]})
        return
    for row in found:
        since = f"from {row.effective}"
        typer.echo(f"{row.prefix:16} {row.destination:40} {rate_in_words(row.rate)}, {since}")


@app.command()
def history(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show which decks were in force, the last one first."""
    with command() as context:
        currency = context.plan_of(context.office(office)).currency
        changes = read_from(context.reader, lambda reader: deck_history(reader, currency))
    if as_json:
        print_json({"currency": currency, "changes": [_change_fields(c) for c in changes]})
        return
    for change in changes:
        moment = change.changed_at.strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{moment} {change.action:8} deck {change.deck_id} ({change.source})")


@app.command()
def rollback(
    deck: Annotated[
        int | None,
        typer.Option(
            "--deck", min=1, max=DECK_MAX, help="Its number; else the one before the present."
        ),
    ] = None,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Put an earlier deck in force again."""
    with command() as context:
        currency = context.plan_of(context.office(office)).currency
        context.require_ledger()
        found = roll_back(context.engine, currency=currency, at=datetime.now(UTC), deck_id=deck)
    if as_json:
        print_json({"currency": currency, "deck_id": found})
    else:
        typer.echo(f"deck {found} is in force")


@dataclass(frozen=True, kw_only=True)
class _Imported:
    file: Path
    currency: str
    deck: DeckFile
    diff: DeckDiff
    deck_id: int | None  # None: a dry run


def _import_fields(imported: _Imported) -> dict[str, Any]:
    diff = imported.diff
    return {
        "file": str(imported.file),
        "currency": imported.currency,
        "rates": len(imported.deck.rows),
        "ignored_columns": list(imported.deck.ignored),
        "imported": imported.deck_id is not None,
        "deck_id": imported.deck_id,
        "same": diff.same,
        "added": len(diff.added),
        "dearer": len(diff.dearer),
        "cheaper": len(diff.cheaper),
        "holes": [change.prefix for change in diff.holes],
        "jumps": [
            {
                "prefix": change.prefix,
                "destination": change.destination,
                "before_micros": None if change.before is None else minute_micros(change.before),
                "after_micros": None if change.after is None else minute_micros(change.after),
            }
            for change in diff.jumps
        ],
    }


def _print_import(imported: _Imported) -> None:
    diff, currency = imported.diff, imported.currency
    for heading in imported.deck.ignored:
        typer.echo(f"column {heading!r} means nothing here and was ignored")
    for title, changes in (("dearer", diff.dearer), ("cheaper", diff.cheaper)):
        _print_changes(title, changes, currency)
    _print_changes("HOLE, no rate any more", diff.holes, currency)
    _print_changes(f"JUMP of {JUMP} times or more", diff.jumps, currency)
    typer.echo(
        f"{diff.same} same, {len(diff.added)} new, {len(diff.dearer)} dearer,"
        f" {len(diff.cheaper)} cheaper, {len(diff.holes)} holes, {len(diff.jumps)} jumps"
    )
    done = "would be imported" if imported.deck_id is None else "imported and in force"
    typer.echo(f"{len(imported.deck.rows)} {currency} rates {done}")


def _print_changes(title: str, changes: Sequence[Change], currency: str) -> None:
    for change in changes[:CHANGES_SHOWN]:
        before, after = _minute(change.before, currency), _minute(change.after, currency)
        typer.echo(f"{title}: {change.prefix} {change.destination}: {before} -> {after} a minute")
    if len(changes) > CHANGES_SHOWN:
        typer.echo(f"{title}: and {len(changes) - CHANGES_SHOWN} more")


def _minute(fields: RateFields | None, currency: str) -> str:
    return "nothing" if fields is None else shown(minute_micros(fields), currency)


def _deck_in_force(context: Context, currency: str) -> RateDeck:
    if context.lacks_ledger:
        return RateDeck((), currency=currency)
    deck_id = read_from(context.reader, decks_in_force).get(currency)
    if deck_id is None:
        return RateDeck((), currency=currency)
    return load_deck(context.reader, deck_id, currency)


def _day_to_compare(rows: Iterable[tuple[str, RateFields]], today: date) -> date:
    """The day from which everything in the new deck has begun."""
    last = max((fields.effective_day for _, fields in rows), default=0)
    return max(today, date.fromordinal(max(last, 1)))


def _wanted(country: str | None) -> tuple[tuple[str, ...], str | None]:
    """What the argument of `show` means: beginnings of prefixes, and a part of a name."""
    if country is None:
        return (), None
    digits = country.removeprefix("+").removeprefix("00")
    if digits.isdecimal():
        return (digits,), None
    code = phonenumbers.country_code_for_region(country.upper())
    if code:
        return (str(code), f"{country.upper()}:"), None
    return (), country


def _rate_fields(row: RateRow) -> dict[str, Any]:
    return {
        "prefix": row.prefix,
        "destination": row.destination,
        "effective": row.effective.isoformat(),
    } | rate_fields(row.rate)


def _change_fields(change: DeckChange) -> dict[str, Any]:
    return {
        "deck_id": change.deck_id,
        "source": change.source,
        "action": change.action,
        "changed_at": change.changed_at.isoformat(),
    }


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


def _store(
    context: Context, rows: Sequence[tuple[str, RateFields]], file: Path, currency: str
) -> int:
    return import_deck(
        context.engine,
        rows,
        currency=currency,
        source=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        at=datetime.now(UTC),
    )
