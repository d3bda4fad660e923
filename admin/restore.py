"""`tollgate restore`: a ledger from a backup, and what it does not know."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from admin.amounts import shown
from admin.context import AsJson, actor, command, fail
from admin.output import print_json, say
from assembly.health import NoAnswerError, NotRunningError, ask
from backups import BackupError, Restored, restore
from backups.missing import Missing, missing_since
from db.engine import file_of
from settings import SharedSections

PROGRAMS: Final = ("ari_app", "agi", "payments", "portal")
LEDGER: Final = "ledger.sqlite"

app = typer.Typer()


@app.command("restore")
def restore_backup(
    backup: Annotated[Path, typer.Argument(help="A file that `tollgate backup` made.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="A folder for the ledger, settings, plans and phones, instead of here."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", help="An empty database instead: postgresql://USER@HOST/NAME."),
    ] = None,
    *,
    over: Annotated[
        bool, typer.Option("--over", help="Also over a ledger that has newer entries.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the ledger of a backup in place of the one that the settings name.

    Stop `tollgate serve` first. What is there is moved aside, never removed. The copy is proved
    before it is put in place; nothing is changed where anything is wrong.
    """
    if to is not None and database is not None:
        fail("--to and --database are two places: name one")
    with command() as context:
        url = database or (f"sqlite:///{to / LEDGER}" if to else context.settings.database.url)
        if url == context.settings.database.url:
            _require_nobody_runs(context.settings)
        try:
            done = restore(backup, url=url, by=actor(), over=over, files_into=to)
        except BackupError as error:
            fail(f"nothing was restored: {error}")
        missing = missing_since(context.settings, url, done.manifest.taken_at)
    if as_json:
        print_json(_fields(done, missing))
    else:
        _tell(done, missing, url, to)


def _require_nobody_runs(settings: SharedSections) -> None:
    for program in PROGRAMS:
        try:
            health = asyncio.run(ask(program, settings))
        except NotRunningError:
            continue
        except NoAnswerError as error:
            fail(f"{program} runs with these settings ({error}): stop `tollgate serve` first")
        fail(
            f"{program} runs with these settings, process {health.pid}: stop `tollgate serve` first"
        )


def _tell(done: Restored, missing: Missing, url: str, to: Path | None) -> None:
    say(f"{done.place}: the ledger of {done.manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, sound")
    if done.aside:
        say(f"the one that was there is kept: {done.aside}")
    for office_id, mark in sorted(done.marks.offices.items()):
        say(
            f"office {office_id}: {mark.entries} entries, the last of"
            f" {mark.posted_at:%Y-%m-%d %H:%M:%S} UTC,"
            f" {shown(mark.available_micros, mark.currency)} available"
        )
    for file in done.files:
        say(f"restored {file}")
    for secret in done.manifest.secrets_left_out:
        say(f"to be put back by hand: {secret}")
    _tell_missing(missing)
    if to is not None and file_of(url) is not None:
        say(f"to use it: TOLLGATE_SETTINGS={to / 'tollgate.toml'} TOLLGATE_DATABASE__URL={url}")


def _tell_missing(missing: Missing) -> None:
    if missing.problem:
        say(f"which calls are missing cannot be said: {missing.problem}")
    elif missing.legs is not None:
        say(
            f"{missing.legs} answered legs of {missing.talk_s} s in all are in Asterisk's log since"
            " then, and not in this ledger: included and free ones are entered by the application,"
            " the others are named by `tollgate doctor` (ungated) and charged to nobody"
        )
    if missing.may_have_payments:
        say(
            "card payments since then are asked of the card processor at the next start, and"
            " credited once: see `tollgate payments`"
        )


def _fields(done: Restored, missing: Missing) -> dict[str, object]:
    return {
        "ledger": done.place,
        "taken_at": done.manifest.taken_at.isoformat(),
        "restored_at": done.restored_at.isoformat(),
        "aside": done.aside,
        "files": [str(file) for file in done.files],
        "offices": {
            name: mark.model_dump(mode="json") for name, mark in done.marks.offices.items()
        },
        "legs_missing": missing.legs,
        "talk_s_missing": missing.talk_s,
        "problem": missing.problem,
    }
