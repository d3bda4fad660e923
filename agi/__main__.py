"""`python -m agi SETTINGS`: answer feature codes until told to stop."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import structlog

from agi.balance import tell_balance
from agi.language import switch_language
from agi.last_call import tell_last_call
from agi.price import tell_price
from agi.server import Server
from assembly import AssemblyError, open_charging
from settings import Settings, SettingsError, load_settings
from settings.logs import configure_logging

log = structlog.get_logger()

# By the names of the settings' [agi.codes], which the dialplan also uses.
SERVICES = {
    "balance": tell_balance,
    "price": tell_price,
    "last_call": tell_last_call,
    "language": switch_language,
}


async def serve(settings: Settings) -> None:
    """Run until cancelled. A caller who is listening then hears the rest of one clip."""
    address, port = settings.agi.address, settings.agi.port
    async with open_charging(settings) as assembled:
        try:
            server = await Server(SERVICES, assembled.enquiries).listen(address, port)
        except OSError as error:
            raise SettingsError(
                f"agi: port {port} of {address} cannot be listened at: {error.strerror}"
            ) from error
        async with server:
            log.info("ready", address=address, port=port)
            await server.serve_forever()


async def run_until_signalled(settings: Settings) -> None:
    serving = asyncio.create_task(serve(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopped")


def main() -> int:
    """Exit status 0 after a signal, 78 (EX_CONFIG) when a setting is wrong."""
    configure_logging()
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        asyncio.run(run_until_signalled(load_settings(file)))
    except (SettingsError, AssemblyError) as error:
        sys.stderr.write(f"tollgate: {error}\n")
        return os.EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
