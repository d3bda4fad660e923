"""How every process of Tollgate starts, and ends when it is told to."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog

from assembly.charging import AssemblyError
from charging.plain_text import escaped
from db.schema import SchemaVersionError
from settings import SettingsError, SharedSections, load_sections
from settings.logs import configure_logging

log = structlog.get_logger()

WRONG_TABLES = os.EX_DATAERR


class TakenError(Exception):
    """Another process has what this one needs, and only one may have it; later it may be free."""


Read = TypeVar("Read", bound=SharedSections)


def main(serve: Callable[[Read], Awaitable[None]], kind: type[Read]) -> int:
    """Read the sections of `kind` and serve until SIGTERM or SIGINT.

    The command line names the settings file.

    Returns:
        The exit status: 0 after a signal, 78 (EX_CONFIG) with one sentence when a setting is wrong;
        `tollgate serve` and systemd then know that another start would not help. 75 (EX_TEMPFAIL)
        with one sentence when another process is in our place. 65 (EX_DATAERR) with one sentence
        when the ledger's tables are of another version, or there are none.
    """
    configure_logging()
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        sections = load_sections(kind, file)
        configure_logging(masks_numbers=sections.privacy.mask_logs)
        asyncio.run(_until_signalled(serve(sections)))
    except (SettingsError, AssemblyError) as error:
        sys.stderr.write(f"tollgate: {escaped(str(error))}\n")
        return os.EX_CONFIG
    except SchemaVersionError as error:
        sys.stderr.write(f"tollgate: {error}\n")
        return WRONG_TABLES
    except TakenError as error:
        sys.stderr.write(f"tollgate: {error}\n")
        return os.EX_TEMPFAIL
    return 0


async def _until_signalled(served: Awaitable[None]) -> None:
    serving = asyncio.ensure_future(served)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped")
