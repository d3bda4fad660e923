"""`python -m bench.bare_application SETTINGS`: says yes to every call, and asks nobody.

The dialplan, the connection and its events are Tollgate's. What Tollgate takes beyond this, it owes
to deciding and to the ledger.
"""

import asyncio
import sys

import aiohttp
import structlog

from ari_app.ari import Ari
from ari_app.events import CallOffered, parse
from assembly.process import main
from dialplan.contexts import PAID, paid_extension
from settings import ApplicationSections

PAID_MS = 60_000

log = structlog.get_logger()


async def serve(settings: ApplicationSections) -> None:
    """Run until cancelled, or until the connection to Asterisk is lost."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        ari = Ari(session, settings.ari)
        await ari.connect()
        tasks.create_task(_subscribe(ari))
        async for message in ari.events():
            offered = parse(message)
            if isinstance(offered, CallOffered):
                tasks.create_task(_say_yes(ari, offered))


async def _subscribe(ari: Ari) -> None:
    await ari.subscribe_to_channels()
    log.info("ready")


async def _say_yes(ari: Ari, offered: CallOffered) -> None:
    extension = paid_extension(offered.dialled, PAID_MS)
    await ari.continue_in_dialplan(offered.channel, context=PAID, extension=extension)


if __name__ == "__main__":
    sys.exit(main(serve, ApplicationSections))
