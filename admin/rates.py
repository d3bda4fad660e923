"""`tollgate rates`: import a rate deck, look at the one in force, and go back to an earlier one."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import phonenumbers
import typer

from admin.amounts import shown
from admin.context import AsJson, Context, Office, command, fail
from admin.output import print_json, say
from admin.rating import rate_fields, rate_in_words
from admin.workbooks import is_workbook, read_workbook
from charging.deck_diff import (
    HOLES_MAX,
    JUMP,
    Change,
    DeckDiff,
    amended,
    carried_over,
    compare_decks,
    free_of_charge,
    share_of_holes,
)
from charging.deck_file import (
    COLUMNS,
    DeckFile,
    DeckFileError,
    DeckFormat,
    read_deck,
    read_deck_text,
)
from charging.deck_reach import Beyond, beyond_their_names
from charging.errors import InvalidNumber
from charging.headings import parse_unit
from charging.numbering import written_number
from charging.plan import Plan
from charging.rate_deck import (
    DeckKey,
    RateDeck,
    RateFields,
    RateRow,
    minute_micros,
    require_deck_name,
    row_of,
)
from charging.sheet import DELIMITERS
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
NOTES_SHOWN = 10
FILE_BYTES_MAX = 500_000_000
CHANGES_SHOWN = 20  # of each kind; the JSON has all holes and jumps

DECK_MAX = 2**31 - 1  # the highest number of a deck

app = typer.Typer(no_args_is_help=True, help="Import, show and roll back rate decks.")


File = Annotated[Path, typer.Argument(help="A rate sheet as the carrier sent it: CSV or XLSX.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="OURS=THEIRS, where a heading is not recognised."),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="A heading that means nothing for the price of a call."),
]
UnitOption = Annotated[
    str | None, typer.Option("--unit", help="What prices are in: pence, GBP/second, cents/minute.")
]
Increments = Annotated[
    str | None,
    typer.Option("--increments", help="First and further block, if no column says: 60/60."),
]
Effective = Annotated[
    datetime | None,
    typer.Option("--effective", formats=["%Y-%m-%d"], help="First day, if no column says."),
]
DateFormat = Annotated[
    str | None, typer.Option("--date-format", help="How dates are written: %d/%m/%Y.")
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", help="What parts cells: comma, semicolon, tab, bar.")
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="How letters are stored: cp1252, utf-16.")
]
SheetName = Annotated[
    str | None, typer.Option("--sheet", help="Which sheet of a workbook has the rates.")
]
Amend = Annotated[
    bool, typer.Option("--amend", help="The file has only rates that change; keep all others.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Import although many destinations lose their rate.")
]
DeckName = Annotated[
    str | None, typer.Option("--deck", help="Which deck, by its name; else the one of the office.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
]


@app.command("import")
def import_file(  # noqa: PLR0913 - one for each option of the command
    file: File,
    *,
    column: Columns = None,
    ignore: Ignored = None,
    unit: UnitOption = None,
    increments: Increments = None,
    effective: Effective = None,
    date_format: DateFormat = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: SheetName = None,
    office: Office = None,
    deck: DeckName = None,
    amend: Amend = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Check a whole rate sheet, show what it changes, and put it in force, or nothing of it.

    Read are CSV and XLSX with headings in English or French: any delimiter and
    encoding, lines above and below, several prefixes in one cell, decimal commas
    and currency signs. Nothing that decides a price is guessed: what is not
    certain is refused with its line and the option that settles it, and what was
    taken for granted is printed.

    The file replaces the deck in force; a prefix whose first rate begins later
    keeps the rate it has until then. If more than one in ten prefixes would have
    no rate any more, the file is refused, since it is probably a part of a deck:
    --amend adds it to the rates in force, --force lets the others go.

    Try --dry-run first; `tollgate rates rollback` undoes an import.
    docs/rate-decks.md says what is read and what is refused, with examples.
    """
    with command() as context:
        plan = context.plan_of(context.office(office))
        key = _key(context, office, deck)
        form = _format(
            plan,
            columns=column or [],
            ignore=ignore or [],
            unit=unit,
            increments=increments,
            effective=effective,
            date_format=date_format,
        )
        data = _bytes_of(file)
        read = _read(file, data, form, delimiter=delimiter, encoding=encoding, sheet=sheet)
        before = _deck_in_force(context, key)
        rows = _rows_in_force(read, before, form, amend=amend)
        imported = _judged(file, read, rows, key=key, before=before, today=form.effective)
        if imported.warning and not (force or dry_run):
            fail(imported.warning)
        if not dry_run:
            stored = _store(context, rows, file, data, key)
            imported = replace(imported, deck_id=stored)
    if as_json:
        print_json(_import_fields(imported))
    else:
        _print_import(imported)


def _judged(  # noqa: PLR0913 - what an import is judged by
    file: Path,
    deck: DeckFile,
    rows: Sequence[tuple[str, RateFields]],
    *,
    key: DeckKey,
    before: RateDeck,
    today: date,
) -> "_Imported":
    """What an import would change, and what looks wrong about it."""
    after = RateDeck(rows, currency=before.currency)
    day = _day_to_compare(rows, today)
    diff = compare_decks(before, after, on=day)
    is_partial = share_of_holes(diff, before) > HOLES_MAX
    return _Imported(
        file=file,
        key=key,
        deck=deck,
        diff=diff,
        free=free_of_charge(deck.rows),
        beyond=beyond_their_names(after, on=day),
        warning=_too_many_holes(diff, before) if is_partial else None,
        deck_id=None,
    )


def _rows_in_force(
    deck: DeckFile, before: RateDeck, form: DeckFormat, *, amend: bool
) -> list[tuple[str, RateFields]]:
    if amend:
        return amended(before, deck.rows, deck.removed)
    if not deck.rows:
        fail("the file only removes rates: --amend takes them out of the deck in force")
    return deck.rows + carried_over(deck.rows, before, today=form.effective)


def _too_many_holes(diff: DeckDiff, before: RateDeck) -> str:
    known = len(set(before.prefixes()))
    return (
        f"{len(diff.holes)} of the {known} prefixes in force would have no rate any more: --amend,"
        " if the file has only the rates that change; --force, if they are to go"
    )


@app.command()
def show(
    country: Annotated[
        str | None, typer.Argument(help="FR, a part of a destination's name, or a prefix.")
    ] = None,
    office: Office = None,
    deck: DeckName = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the rates in force, those that begin later among them."""
    with command() as context:
        plan = context.plan_of(context.office(office))
        key = _key(context, office, deck)
        if key not in read_from(context.reader, decks_in_force):
            fail(f"no {key} deck was imported yet: `tollgate rates import FILE` does")
        prefixes, name = _wanted(country, plan)
        rows = read_from(
            context.reader,
            lambda reader: rates_in_force(reader, key, prefixes=prefixes, name=name),
        )
    found = [row_of(prefix, fields, key.currency) for prefix, fields in rows]
    if not found:
        fail(f"the {key} deck in force has no rate for {country}")
    if as_json:
        print_json(_key_fields(key) | {"rates": [_rate_fields(row) for row in found]})
        return
    for row in found:
        since = f"from {row.effective}"
        say(f"{row.prefix:16} {row.destination:40} {rate_in_words(row.rate)}, {since}")


@app.command()
def history(office: Office = None, deck: DeckName = None, *, as_json: AsJson = False) -> None:
    """Show which decks were in force, the last one first."""
    with command() as context:
        key = _key(context, office, deck)
        changes = read_from(context.reader, lambda reader: deck_history(reader, key))
    if as_json:
        print_json(_key_fields(key) | {"changes": [_change_fields(c) for c in changes]})
        return
    for change in changes:
        moment = change.changed_at.strftime("%Y-%m-%d %H:%M:%S")
        say(f"{moment} {change.action:8} deck {change.deck_id} ({change.source})")


@app.command()
def rollback(
    deck: Annotated[
        str | None,
        typer.Option(
            "--deck", help="A name: the one before the present. A number: that very deck."
        ),
    ] = None,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Put an earlier deck in force again."""
    with command() as context:
        number = _deck_number(deck)
        key = _key(context, office, deck if number is None else None)
        context.require_ledger()
        found = roll_back(context.engine, key, at=datetime.now(UTC), deck_id=number)
    if as_json:
        print_json({"currency": key.currency, "deck_id": found})
    else:
        say(f"deck {found} is in force")


@dataclass(frozen=True, kw_only=True)
class _Imported:
    file: Path
    key: DeckKey
    deck: DeckFile
    diff: DeckDiff
    free: Sequence[tuple[str, RateFields]]  # rates of 0
    beyond: Sequence[Beyond]
    warning: str | None  # of too many holes
    deck_id: int | None  # None: a dry run


def _import_fields(imported: _Imported) -> dict[str, Any]:
    diff = imported.diff
    return {
        "file": str(imported.file),
        **_key_fields(imported.key),
        "rates": len(imported.deck.rows),
        "ignored_columns": list(imported.deck.ignored),
        "taken": list(imported.deck.taken),
        "notes": [{"line": note.line, "text": note.text} for note in imported.deck.notes],
        "free_of_charge": [prefix for prefix, _ in imported.free],
        "beyond": [asdict(found) for found in imported.beyond],
        "imported": imported.deck_id is not None,
        "warning": imported.warning,
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
    diff, currency = imported.diff, imported.key.currency
    for heading in imported.deck.ignored:
        say(f"column {heading!r} means nothing here and was ignored")
    _print_reading(imported)
    for title, changes in (("dearer", diff.dearer), ("cheaper", diff.cheaper)):
        _print_changes(title, changes, currency)
    _print_changes("HOLE, no rate any more", diff.holes, currency)
    _print_changes(f"JUMP of {JUMP} times or more", diff.jumps, currency)
    say(
        f"{diff.same} same, {len(diff.added)} new, {len(diff.dearer)} dearer,"
        f" {len(diff.cheaper)} cheaper, {len(diff.holes)} holes, {len(diff.jumps)} jumps"
    )
    done = "would be imported" if imported.deck_id is None else "imported and in force"
    say(f"{len(imported.deck.rows)} {imported.key} rates {done}")


def _print_reading(imported: _Imported) -> None:
    """What was taken for granted, and what looks wrong."""
    deck = imported.deck
    for note in deck.notes[:NOTES_SHOWN]:
        say(f"{deck.place} {note.line} is no rate: {note.text}")
    for said in deck.taken:
        say(said)
    for prefix, fields in imported.free[:CHANGES_SHOWN]:
        say(f"FREE OF CHARGE: {prefix} {fields.destination} has a rate of 0")
    if len(imported.free) > CHANGES_SHOWN:
        say(f"FREE OF CHARGE: and {len(imported.free) - CHANGES_SHOWN} more")
    for found in imported.beyond:
        say(_beyond_in_words(found))
    if imported.warning is not None:
        say(imported.warning)


def _beyond_in_words(found: Beyond) -> str:
    countries = ", ".join(found.countries)
    if found.is_refused:
        return (
            f"{found.prefix} {found.destination} names none of {countries}: calls there are refused"
            " until a row has their prefix or their name"
        )
    return (
        f"{found.prefix} {found.destination} also prices mobiles in {countries}: no row is theirs"
    )


def _print_changes(title: str, changes: Sequence[Change], currency: str) -> None:
    for change in changes[:CHANGES_SHOWN]:
        before, after = _minute(change.before, currency), _minute(change.after, currency)
        say(f"{title}: {change.prefix} {change.destination}: {before} -> {after} a minute")
    if len(changes) > CHANGES_SHOWN:
        say(f"{title}: and {len(changes) - CHANGES_SHOWN} more")


def _minute(fields: RateFields | None, currency: str) -> str:
    return "nothing" if fields is None else shown(minute_micros(fields), currency)


def _key(context: Context, office: str | None, name: str | None) -> DeckKey:
    """The deck that was asked for by name, or else the office's."""
    key = context.deck_key(context.office(office))
    if name is None:
        return key
    try:
        return DeckKey(key.currency, require_deck_name(name))
    except ValueError as error:
        fail(str(error))


def _key_fields(key: DeckKey) -> dict[str, Any]:
    return {"currency": key.currency, "deck": key.name}


def _deck_number(deck: str | None) -> int | None:
    """None: a name, which begins with a letter."""
    if deck is None or not (deck.isascii() and deck.isdecimal()):
        return None
    if len(deck) > len(str(DECK_MAX)) or not 0 < int(deck) <= DECK_MAX:
        fail(f"decks are numbered from 1 to {DECK_MAX}")
    return int(deck)


def _deck_in_force(context: Context, key: DeckKey) -> RateDeck:
    if context.lacks_ledger:
        return RateDeck((), currency=key.currency)
    deck_id = read_from(context.reader, decks_in_force).get(key)
    if deck_id is None:
        return RateDeck((), currency=key.currency)
    return load_deck(context.reader, deck_id, key.currency)


def _day_to_compare(rows: Iterable[tuple[str, RateFields]], today: date) -> date:
    """The day from which everything in the new deck has begun."""
    last = max((fields.effective_day for _, fields in rows), default=0)
    return max(today, date.fromordinal(max(last, 1)))


def _wanted(country: str | None, plan: Plan) -> tuple[tuple[str, ...], str | None]:
    """What the argument of `show` means: beginnings of prefixes, and a part of a name."""
    if country is None:
        return (), None
    if country[:1] in "+(" or country[:1].isdigit():
        return (_prefix_of(country, plan),), None
    code = phonenumbers.country_code_for_region(country.upper())
    if code:
        return (str(code), f"{country.upper()}:"), None
    return (), country


def _prefix_of(written: str, plan: Plan) -> str:
    """The prefix that someone wrote: `+44 (0)20`, `0044 20`, `020` as dialled at home, `4420`."""
    try:
        digits = written_number(written) if len(written) > 1 else written
    except InvalidNumber as error:
        fail(str(error))
    if digits.startswith(("+", "00")):
        return digits.removeprefix("+").removeprefix("00")
    if digits.startswith("0"):
        return f"{phonenumbers.country_code_for_region(plan.country)}{digits[1:]}"
    return digits


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


def _format(  # noqa: PLR0913 - one for each option of the command
    plan: Plan,
    *,
    columns: list[str],
    ignore: list[str],
    unit: str | None,
    increments: str | None,
    effective: datetime | None,
    date_format: str | None,
) -> DeckFormat:
    today = datetime.now(plan.timezone).date()
    read_as = None if unit is None else parse_unit(unit)
    if unit is not None and read_as is None:
        fail(f"{unit!r} is not a unit such as pence, {plan.currency}/second or cents/minute")
    return DeckFormat(
        columns=_columns(columns),
        currency=plan.currency,
        ignore=tuple(ignore),
        unit=read_as,
        increments=None if increments is None else _increments(increments),
        effective=today if effective is None else effective.date(),
        effective_is_given=effective is not None,
        today=today,
        date_format=date_format,
    )


def _increments(text: str) -> tuple[int, int]:
    initial, _, further = text.partition("/")
    if not (initial.isdecimal() and further.isdecimal() and int(initial) and int(further)):
        fail(f"{text!r} is not two numbers of seconds such as 60/60")
    return int(initial), int(further)


def _columns(options: list[str]) -> Mapping[str, str]:
    mapping = {}
    for option in options:
        ours, found, theirs = option.partition("=")
        if not found or ours not in COLUMNS:
            fail(f"{option!r} is not one of {', '.join(COLUMNS)}, an equals sign and a heading")
        mapping[ours] = theirs
    return mapping


def _bytes_of(file: Path) -> bytes:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            fail(f"{file} is larger than {FILE_BYTES_MAX // 10**6} MB: import it in parts")
        return file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")


def _read(  # noqa: PLR0913 - one for each option of the command
    file: Path,
    data: bytes,
    form: DeckFormat,
    *,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None,
) -> DeckFile:
    try:
        if is_workbook(data):
            return read_deck(read_workbook(data, sheet), form)
        parted_by = None if delimiter is None else _delimiter(delimiter)
        return read_deck_text(data, form, encoding=encoding, delimiter=parted_by)
    except DeckFileError as error:
        shown = "\n".join(f"{file}, {problem}" for problem in error.problems[:PROBLEMS_SHOWN])
        problems = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
        fail(f"{shown}\n{problems}: nothing was imported")


def _delimiter(name: str) -> str:
    known = {word: character for character, word in DELIMITERS.items()}
    found = known.get(name.lower(), name)
    if found not in DELIMITERS:
        fail(f"{name!r} is not one of {', '.join(known)}")
    return found


def _store(
    context: Context,
    rows: Sequence[tuple[str, RateFields]],
    file: Path,
    data: bytes,
    key: DeckKey,
) -> int:
    return import_deck(
        context.engine,
        rows,
        key=key,
        source=file.name,
        sha256=hashlib.sha256(data).hexdigest(),
        at=datetime.now(UTC),
    )
