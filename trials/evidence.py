"""What a trial saw: gone when nothing was wrong, kept when something was."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar


class Judged(Protocol):
    @property
    def problems(self) -> tuple[str, ...]: ...


Outcome = TypeVar("Outcome", bound=Judged)


async def kept_if_wrong(
    what: str, trial: Callable[[Path], Awaitable[Outcome]], report: Callable[[str], None]
) -> Outcome:
    """Carry out a trial in a folder of its own, which also stays where the trial itself fails.

    Args:
        what: the trial's name, part of the folder's.
        trial: gets the folder.
        report: is told where the folder is, if it stays.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"tollgate-{what}-"))
    wrong = True
    try:
        outcome = await trial(folder)
        wrong = bool(outcome.problems)
    finally:
        if wrong:
            report(f"{what}: the logs, the ledger and Asterisk's own are kept in {folder}")
        else:
            await asyncio.to_thread(shutil.rmtree, folder)
    return outcome
