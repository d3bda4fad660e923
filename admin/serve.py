"""`tollgate serve`: everything a small office needs, as one command."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from assembly.charging import AssemblyError, parts_of
from assembly.parent import die_with_parent
from assembly.process import WRONG_TABLES
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
    """A program found a setting wrong, and has told which."""


@app.command()
def serve(
    settings: Annotated[
        Path | None, typer.Option("--settings", help="The settings file, where not the usual one.")
    ] = None,
) -> None:
    """Run the application, feature codes, card payments and the portal until Ctrl-C.

    The sandbox of card payments runs where the settings name no other card processor. Each is a
    process of its own with its log on standard output. One that dies is started again, at once and
    then ever more slowly; calls under way stay up meanwhile. Exit status 0 after Ctrl-C or SIGTERM,
    1 if a setting is wrong, 65 if the tables of the ledger are of another version.
    """
    configure_logging()
    try:
        check(settings)
        arguments = [] if settings is None else [str(settings)]
        asyncio.run(run_until_signalled(programs_of(settings), arguments))
    except (SettingsError, AssemblyError, CannotStartError) as error:
        sys.stderr.write(f"tollgate: {escaped(str(error))}\n")
        raise typer.Exit(1) from None
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


async def run_until_signalled(programs: Sequence[str], arguments: Sequence[str]) -> None:
    running = asyncio.create_task(run_all(programs, arguments))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    log.info("stopped")


async def run_all(programs: Sequence[str], arguments: Sequence[str]) -> None:
    """Run every program; the first that cannot start ends them all.

    Raises:
        CannotStartError: one found a wrong setting at its first start.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for program in programs:
                group.create_task(keep_running(program, arguments))
    except* CannotStartError as problems:
        raise CannotStartError(*problems.exceptions[0].args) from None


async def keep_running(program: str, arguments: Sequence[str]) -> None:
    loop = asyncio.get_running_loop()
    pause_s, first = FIRST_PAUSE_S, True
    while True:
        started_s = loop.time()
        status = await run_once(program, arguments)
        ran_s = loop.time() - started_s
        if first and status in WILL_NOT_START:  # later, the others are better left running
            raise CannotStartError(f"{program} could not start, see the line above")
        first = False
        if ran_s >= STEADY_S:
            pause_s = FIRST_PAUSE_S
        log.error("program_died", program=program, status=status, starts_again_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = longer(pause_s)


def longer(pause_s: float) -> float:
    return min(pause_s * 2, LONGEST_PAUSE_S)


async def run_once(program: str, arguments: Sequence[str]) -> int:
    """Its exit status. It is stopped when this is cancelled, and killed when this process dies."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments),
        process_group=0,  # Ctrl-C reaches us alone, and we tell it
        preexec_fn=die_with_parent,
    )
    log.info("program_started", program=program, pid=process.pid)
    try:
        return await process.wait()
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    await _end(process, process.terminate)
    await _end(process, process.kill)


async def _end(process: asyncio.subprocess.Process, by: Callable[[], None]) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        by()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
