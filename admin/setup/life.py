"""`tollgate upgrade` and `tollgate uninstall`, of what `tollgate setup asterisk` set up."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin.context import fail
from admin.output import say
from admin.setup import commands, places, steps
from admin.setup.commands import in_one_sentence
from admin.setup.journal import Journal
from admin.setup.machine import Machine, SetupError
from assembly.health import NoAnswerError, ask
from backups import BackupError
from backups.sqlite_copy import copy_ledger
from db.engine import file_of
from settings import SharedSections, load_sections

app = typer.Typer()

Copied = Annotated[
    bool, typer.Option("--copied", help="There is a copy of the ledger already: make none.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
PROGRAMS = ("ari_app", "agi", "payments", "portal")


@app.command()
def upgrade(*, yes: Yes = False, copied: Copied = False) -> None:
    """After installing another version: bring everything up to it, and look at it.

    Stops Tollgate (calls under way stay up, and are settled afterwards), copies
    the ledger as it is, brings its tables up to date, records new sounds, renders the contexts
    anew, has Asterisk read them, starts Tollgate and runs the doctor, whose exit
    status it has. Without systemd you stop and start it. Your settings, phones
    and trunks stay as they are.
    """
    with in_one_sentence():
        machine = Machine()
        steps.require_root(machine)
        journal = Journal(machine)
        if not journal.entries:
            fail("nothing was set up here by `tollgate setup asterisk`, which comes first")
        wishes, etc = commands.wishes_kept(journal)
        found, plan, _ = commands.planned(machine, journal, wishes, etc, whole=False)
        if not (yes or typer.confirm("Stop Tollgate, and go on?")):
            raise typer.Exit(1)
        steps.stop_service(machine)
        settings = load_sections(SharedSections, places.SETTINGS_FILE)
        _require_stopped(settings)
        _copy_ledger(settings, copied=copied)
        commands.carry_out(machine, journal, found, wishes, plan)
        if not steps.has_systemd(machine):
            say("Once it runs: `tollgate doctor`")
            return
        ran = machine.run(
            "/usr/bin/env",
            f"TOLLGATE_SETTINGS={places.SETTINGS_FILE}",
            str(wishes.program),
            "doctor",
        )
        say(ran.said)
    raise typer.Exit(ran.status)


def _require_stopped(settings: SharedSections) -> None:
    """Tables are brought up to date while nobody writes to them."""
    for program in PROGRAMS:
        try:
            health = asyncio.run(ask(program, settings))
        except NoAnswerError:
            continue
        raise SetupError(f"{program} still runs, as process {health.pid}: stop it first")


def _copy_ledger(settings: SharedSections, *, copied: bool) -> None:
    """As it is. `tollgate backup` proves what it copies, by tables of its own version alone."""
    ledger = file_of(settings.database.url)
    if copied or (ledger is not None and not ledger.exists()):
        return
    if ledger is None:
        raise SetupError("a ledger of PostgreSQL: pg_dump it, then run this again with --copied")
    copy = places.BACKUPS / f"before-upgrade-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.sqlite"
    try:
        places.BACKUPS.mkdir(mode=0o700, exist_ok=True)
        copy_ledger(ledger, copy)
        owner = ledger.stat()
        for path in (places.BACKUPS, copy):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except (OSError, BackupError) as error:
        raise SetupError(f"the ledger cannot be copied to {copy}: {error}") from error
    say(f"the ledger as it was: {copy}")


@app.command()
def uninstall(*, yes: Yes = False, keep_changed: commands.KeepChanged = False) -> None:
    """Stop Tollgate and take back what set-up wrote; the ledger stays.

    As `tollgate setup asterisk --undo`. It then says what is left of Tollgate,
    and how to remove that, too.
    """
    with in_one_sentence():
        machine = Machine()
        journal = Journal(machine)
        if not journal.entries:
            fail("nothing was set up here by `tollgate setup asterisk`")
        commands.undo(machine, journal, yes=yes, keep_changed=keep_changed)
        program = commands.this_program()
        say(f"The program itself: rm -r {_environment(program)}")
        say(
            f"The money: rm -r {places.LEDGER_FOLDER}, and userdel {places.USER}, once you are sure"
        )


def _environment(program: Path) -> Path:
    """The folder of the virtual environment."""
    return program.parent.parent
