"""`tollgate serve` watches what it runs: all answer before it is ready, and who hangs is ended."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from assembly.health import NoAnswerError, ask
from assembly.systemd import ALIVE, READY, STOPPING, Notifier
from settings import SharedSections

log = structlog.get_logger()

ASK_EVERY_S = 10.0
STARTING_S = 0.25  # until each has answered once
HUNG_S = 60.0  # so long without an answer, and a program is no use any more
WATCHDOG_SHARE = 3  # words for each time that systemd waits

Running = Mapping[str, asyncio.subprocess.Process]


async def watch(
    programs: Sequence[str], running: Running, settings: SharedSections, notifier: Notifier
) -> None:
    """Until cancelled. systemd is told when all have answered, and then that this still runs."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_stay_alive(notifier))
            for program in programs:
                await _first_answer(program, settings)
            notifier.tell(READY, f"STATUS={len(programs)} programs answer")
            log.info("all_answer", programs=list(programs))
            for program in programs:
                group.create_task(_end_when_hung(program, running, settings))
    finally:
        notifier.tell(STOPPING)


async def _stay_alive(notifier: Notifier) -> None:
    """The word that this process is not stuck; what it runs it looks after itself."""
    while notifier.watchdog_s:
        notifier.tell(ALIVE)
        await asyncio.sleep(notifier.watchdog_s / WATCHDOG_SHARE)


async def _first_answer(program: str, settings: SharedSections) -> None:
    while True:
        try:
            await ask(program, settings)
        except NoAnswerError:
            await asyncio.sleep(STARTING_S)
        else:
            return


async def _end_when_hung(program: str, running: Running, settings: SharedSections) -> None:
    """It is then started again, as one that died; its calls stay up meanwhile."""
    loop = asyncio.get_running_loop()
    watched, answered_s = running.get(program), loop.time()
    while True:
        await asyncio.sleep(ASK_EVERY_S)
        try:
            await ask(program, settings)
        except NoAnswerError as error:
            silent = str(error)
        else:
            watched, answered_s = running.get(program), loop.time()
            continue
        if running.get(program) is not watched:  # it was started again: it may take as long
            watched, answered_s = running.get(program), loop.time()
        elif loop.time() - answered_s >= HUNG_S and watched is not None:
            log.error("program_hung", program=program, pid=watched.pid, error=silent)
            if watched.returncode is None:
                watched.kill()
