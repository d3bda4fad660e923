"""`tollgate setup`, `upgrade` and `uninstall`."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from admin.context import fail
from admin.output import say
from admin.setup import carry_out as carried
from admin.setup import places, steps
from admin.setup.carry_out import Change, changes
from admin.setup.found import Found, look
from admin.setup.items import Plan
from admin.setup.journal import Journal
from admin.setup.machine import Machine, SetupError
from admin.setup.plan import Wishes, make_plan
from admin.setup.shown import lines_of

app = typer.Typer(no_args_is_help=True, help="Set Tollgate up on this machine's Asterisk.")

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,79}")
_CONTEXT = re.compile(
    r"(?P<context>[A-Za-z0-9_.-]{1,79})(?:=(?P<office>[a-z0-9][a-z0-9_-]{0,39}))?"
)

Root = Annotated[
    Path,
    typer.Option(
        help="A folder that will be a machine, such as an image's: no program is run in it."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
KeepChanged = Annotated[
    bool,
    typer.Option("--keep-changed", help="When taking back: leave what was changed since."),
]


@app.callback()
def group() -> None:
    """Keep `asterisk` a command of its own while it is the only one."""


@app.command()
def asterisk(  # noqa: PLR0913 - each is one option of the command
    phones_context: Annotated[
        list[str] | None,
        typer.Option(
            "--phones-context",
            help="A context in which calls of phones begin, CONTEXT or CONTEXT=OFFICE; it then"
            " includes Tollgate's. May be repeated.",
        ),
    ] = None,
    trunk: Annotated[
        list[str] | None,
        typer.Option("--trunk", help="A carrier's PJSIP endpoint; the first one is dialled."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", help="Of the offices: uk, uk-europe or france.")
    ] = None,
    etc: Annotated[
        Path | None, typer.Option("--etc", help="Asterisk's configuration, not /etc/asterisk.")
    ] = None,
    root: Root = Path("/"),
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan alone.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Show each file to its end.")] = False,
    yes: Yes = False,
    take_back: Annotated[bool, typer.Option("--undo", help="Take all of it back.")] = False,
    keep_changed: KeepChanged = False,
) -> None:
    """Show what Tollgate needs of this Asterisk and of this machine, ask, and write it.

    Your own files get marked blocks at most; everything else is in files of
    Tollgate's. Run it as often as you like: what is there already is left
    alone. --undo takes every byte of it back; the ledger stays.
    """
    with in_one_sentence():
        machine = Machine(root.absolute())
        journal = Journal(machine)
        if take_back:
            undo(machine, journal, yes=yes, keep_changed=keep_changed, dry_run=dry_run)
            return
        wishes, folder = _wishes(journal, plan=plan, contexts=phones_context, trunks=trunk, etc=etc)
        found, files, to_do = planned(machine, journal, wishes, folder, whole=whole)
        if dry_run:
            say("Nothing was written.")
            return
        steps.require_root(machine)
        if to_do and not (yes or typer.confirm("Write all this?")):
            raise typer.Exit(1)
        carry_out(machine, journal, found, wishes, files)


def planned(
    machine: Machine, journal: Journal, wishes: Wishes, etc: Path | None, *, whole: bool
) -> tuple[Found, Plan, Sequence[Change]]:
    """The plan, shown; exit status 1 where nothing can be set up."""
    found = look(machine, etc=etc)
    for line in found.told():
        say(line)
    plan = make_plan(machine, found, wishes)
    for refusal in plan.refused:
        fail(refusal)
    to_do = changes(machine, journal, plan)
    for line in lines_of(machine, to_do, whole=whole):
        say(line)
    if not to_do:
        say("Every file is as it should be.")
    if plan.told:
        say("Yours to know:")
        for told in plan.told:
            say(f"- {told}")
    return found, plan, to_do


def carry_out(machine: Machine, journal: Journal, found: Found, wishes: Wishes, plan: Plan) -> None:
    """Users before files, which belong to them; so what changes is asked for again."""
    steps.make_user(machine, say)
    carried.note_edited(machine, journal, plan)
    journal.remember_options(_options(wishes, found.etc))
    carried.write(machine, journal, changes(machine, journal, plan))
    say("Files are written.")
    if machine.live:
        steps.build_sounds(machine, wishes.program, say)
        steps.prepare_ledger(machine, wishes.program, say)
        steps.back_up(machine, wishes.program, say)
        steps.reload_asterisk(machine, found, say)
        steps.start_service(machine, wishes.program, say)
        say("Next: `tollgate rates import FILE`, `tollgate topup AMOUNT`, `tollgate doctor`")


def _wishes(
    journal: Journal,
    *,
    plan: str | None,
    contexts: Sequence[str] | None,
    trunks: Sequence[str] | None,
    etc: Path | None,
) -> tuple[Wishes, Path | None]:
    """What is said now, or else what was said before."""
    kept: Mapping[str, Any] = journal.options
    usual = Wishes()
    wishes = Wishes(
        plan=plan or kept.get("plan", usual.plan),
        contexts=_contexts(contexts) if contexts else kept.get("contexts", usual.contexts),
        trunks=_trunks(trunks) if trunks else tuple(kept.get("trunks", usual.trunks)),
        program=this_program(),
    )
    return wishes, etc or (Path(kept["etc"]) if "etc" in kept else None)


def wishes_kept(journal: Journal) -> tuple[Wishes, Path | None]:
    """What was said at the last set-up."""
    return _wishes(journal, plan=None, contexts=None, trunks=None, etc=None)


def _options(wishes: Wishes, etc: Path) -> Mapping[str, Any]:
    return {
        "plan": wishes.plan,
        "contexts": dict(wishes.contexts),
        "trunks": list(wishes.trunks),
        "etc": str(etc),
    }


def _contexts(named: Sequence[str]) -> Mapping[str, str]:
    found = {}
    for each in named:
        said = _CONTEXT.fullmatch(each)
        if said is None:
            raise typer.BadParameter(f"{each!r} is not CONTEXT or CONTEXT=OFFICE")
        found[said["context"]] = said["office"] or "main"
    return found


def _trunks(named: Sequence[str]) -> tuple[str, ...]:
    for each in named:
        if not _NAME.fullmatch(each):
            raise typer.BadParameter(f"{each!r} is no name of an endpoint")
    return tuple(named)


def this_program() -> Path:
    """This command, as the service will start it."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("tollgate")
    if beside.exists():
        return beside
    return Path(shutil.which(str(called)) or places.COMMAND)


def undo(
    machine: Machine, journal: Journal, *, yes: bool, keep_changed: bool, dry_run: bool = False
) -> None:
    """Refuses as a whole where somebody else has changed a file since, unless told to leave it."""
    steps.require_root(machine)
    if not journal.entries:
        say("There is nothing to take back.")
        return
    plan = carried.undoing(machine, journal)
    for path in plan.changed:
        say(f"{path}: was changed since, by somebody else", err=True)
    if plan.changed and not keep_changed:
        fail(
            "nothing was taken back: make those files what they were, or give --keep-changed and"
            " take Tollgate's marked blocks out of them yourself"
        )
    for entry in plan.back:
        verb = "removed" if entry.before.kind == "absent" else "as it was"
        say(f"{entry.path}: {verb}")
    for path in plan.kept:
        say(f"{path}: stays, for it holds what is yours")
    if dry_run:
        say("Nothing was written.")
        return
    if not (yes or typer.confirm("Take all this back?")):
        raise typer.Exit(1)
    found = look(machine, etc=_etc_of(journal))
    steps.remove_service(machine)
    carried.take_back(machine, journal, plan)
    steps.forget_service(machine)
    if machine.live:
        steps.reload_asterisk(machine, found, say)
    say(f"Taken back. The ledger stays in {places.LEDGER_FOLDER}, with its user {places.USER}.")


def _etc_of(journal: Journal) -> Path | None:
    return Path(journal.options["etc"]) if "etc" in journal.options else None


@contextmanager
def in_one_sentence() -> Iterator[None]:
    try:
        yield
    except SetupError as error:
        fail(str(error))
