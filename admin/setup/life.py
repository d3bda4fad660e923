"""`tollgate upgrade` and `tollgate uninstall`, of what `tollgate setup asterisk` set up."""

import asyncio
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
from settings import SharedSections, load_sections

app = typer.Typer()

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
PROGRAMS = ("ari_app", "agi", "payments", "portal")


@app.command()
def upgrade(*, yes: Yes = False) -> None:
    """After installing another version: bring everything up to it, and look at it.

    Stops Tollgate (calls under way stay up, and are settled afterwards), brings
    the ledger's tables up to date, records new sounds, renders the contexts
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
        _require_stopped()
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


def _require_stopped() -> None:
    """Tables are brought up to date while nobody writes to them."""
    settings = load_sections(SharedSections, places.SETTINGS_FILE)
    for program in PROGRAMS:
        try:
            health = asyncio.run(ask(program, settings))
        except NoAnswerError:
            continue
        raise SetupError(f"{program} still runs, as process {health.pid}: stop it first")


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
