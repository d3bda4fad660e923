"""`tollgate serve`: everything a small office needs, as one command."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from admin.watch import watch
from assembly.charging import AssemblyError, parts_of
from assembly.parent import die_with_parent
from assembly.process import WRONG_TABLES
from assembly.systemd import notifier_of
from assembly.task_errors import raised_alone
from charging.errors import ChargingUnavailable
from charging.plain_text import escaped
from db.schema import SchemaVersionError, require_version
from settings import (
    AgiSections,
    ApplicationSections,
    PaymentSections,
    PortalSections,
    SettingsError,
    SharedSections,
    load_sections,
)
from settings.logs import configure_logging

app = typer.Typer()
log = structlog.get_logger()

# Each by what it reads of the settings.
PROGRAMS: Final[Mapping[str, type[SharedSections]]] = {
    "ari_app": ApplicationSections,
    "agi": AgiSections,
    "payments": PaymentSections,
    "portal": PortalSections,
}
SANDBOX: Final = "payments.sandbox_server"
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0  # who has run that long starts again with the first pause
STOP_TIMEOUT_S: Final = 10.0


WILL_NOT_START: Final = (os.EX_CONFIG, os.EX_TEMPFAIL, WRONG_TABLES)  # each has told why


class CannotStartError(Exception):
    """A program found a setting wrong, or its place taken, and has told which."""

    def __init__(self, program: str, status: int) -> None:
        super().__init__(f"{program} could not start, see the line above")
        self.program = program
        self.status = status


@app.command()
def serve(
    settings: Annotated[
        Path | None, typer.Option("--settings", help="The settings file, where not the usual one.")
    ] = None,
) -> None:
    """Run the application, feature codes, card payments and the portal until Ctrl-C.

    The sandbox of card payments runs where the settings name no other card processor. Each is a
    process of its own with its log on standard output. One that dies is started again, at once and
    then ever more slowly; one that hangs is ended and started again. Calls under way stay up
    meanwhile. systemd is told when all of them answer, and that this still runs (Type=notify,
    WatchdogSec). Exit status 0 after Ctrl-C or SIGTERM, 78 if a setting is wrong, 65 if the tables
    of the ledger are of another version: another start would not help; 75 if another process has
    the place of one.
    """
    configure_logging()
    try:
        check(settings)
        arguments = [] if settings is None else [str(settings)]
        shared = load_sections(SharedSections, settings)
        asyncio.run(run_until_signalled(programs_of(settings), arguments, shared))
    except (SettingsError, AssemblyError) as error:
        sys.stderr.write(f"tollgate: {escaped(str(error))}\n")
        raise typer.Exit(os.EX_CONFIG) from None
    except CannotStartError as error:
        sys.stderr.write(f"tollgate: {error}\n")
        raise typer.Exit(error.status) from None
    except SchemaVersionError as error:
        sys.stderr.write(f"tollgate: {error}\n")
        raise typer.Exit(WRONG_TABLES) from None


def check(file: Path | None) -> None:
    """Find now what would stop one of the programs.

    Raises:
        SettingsError, AssemblyError, SchemaVersionError: in one sentence, what is wrong.
    """
    for kind in PROGRAMS.values():
        load_sections(kind, file)
    engine, _ = parts_of(load_sections(SharedSections, file))
    try:
        require_version(engine)
    except ChargingUnavailable as error:  # they start all the same
        log.error("database_away", error=str(error))
    finally:
        engine.dispose()


def programs_of(file: Path | None) -> Sequence[str]:
    """What is run, as `python -m` calls it.

    Raises:
        SettingsError: in one sentence, what is wrong with the settings of payments.
    """
    payments = load_sections(PaymentSections, file).payments
    return [*PROGRAMS, SANDBOX] if payments.processor == "sandbox" else [*PROGRAMS]


async def run_until_signalled(
    programs: Sequence[str], arguments: Sequence[str], settings: SharedSections
) -> None:
    running = asyncio.create_task(run_all(programs, arguments, settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    log.info("stopped")


async def run_all(
    programs: Sequence[str], arguments: Sequence[str], settings: SharedSections
) -> None:
    """Run every program; the first that cannot start ends them all.

    Raises:
        CannotStartError: one found a wrong setting at its first start.
    """
    running: dict[str, Process] = {}
    with raised_alone(CannotStartError):
        async with asyncio.TaskGroup() as group:
            for program in programs:
                group.create_task(keep_running(program, arguments, running))
            watched = [program for program in programs if program in PROGRAMS]
            group.create_task(watch(watched, running, settings, notifier_of(os.environ)))


async def keep_running(
    program: str, arguments: Sequence[str], running: MutableMapping[str, Process]
) -> None:
    loop = asyncio.get_running_loop()
    pause_s, first = FIRST_PAUSE_S, True
    while True:
        started_s = loop.time()
        status = await run_once(program, arguments, running)
        ran_s = loop.time() - started_s
        if first and status in WILL_NOT_START:  # later, the others are better left running
            raise CannotStartError(program, status)
        first = False
        if ran_s >= STEADY_S:
            pause_s = FIRST_PAUSE_S
        log.error("program_died", program=program, status=status, starts_again_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = longer(pause_s)


def longer(pause_s: float) -> float:
    return min(pause_s * 2, LONGEST_PAUSE_S)


async def run_once(
    program: str, arguments: Sequence[str], running: MutableMapping[str, Process]
) -> int:
    """Its exit status. It is stopped when this is cancelled, and killed when this process dies."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments),
        process_group=0,  # Ctrl-C reaches us alone, and we tell it
        preexec_fn=die_with_parent,
    )
    running[program] = process
    log.info("program_started", program=program, pid=process.pid)
    try:
        return await process.wait()
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    await _end(process, process.terminate)
    await _end(process, process.kill)


async def _end(process: Process, by: Callable[[], None]) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        by()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
