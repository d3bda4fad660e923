"""`python -m ari_app SETTINGS`: serve calls until told to stop."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import structlog

from ari_app.ami import Ami
from ari_app.application import Application
from ari_app.ari import Ari
from ari_app.call_task import Services
from ari_app.driver import Driver
from ari_app.messages import Reminder
from ari_app.meter import Meter
from ari_app.recovery import Recovery
from assembly import Assembled, AssemblyError, open_charging
from charging.errors import ChargingUnavailable
from settings import Settings, SettingsError, load_settings
from settings.logs import configure_logging

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Run until cancelled. Calls under way stay up: Asterisk knows what they have paid."""
    if settings.ari is None or settings.ami is None:
        raise SettingsError("the settings name no Asterisk: [ari] or [ami] is missing")
    async with open_charging(settings) as assembled, aiohttp.ClientSession() as session:
        ami = Ami(settings.ami)
        ami.start()
        try:
            await _application(settings, assembled, Ari(session, settings.ari), ami).run()
        finally:
            await ami.close()


def _application(settings: Settings, assembled: Assembled, ari: Ari, ami: Ami) -> Application:
    def remind(call_id: str, event: Reminder) -> None:
        driver.remind(call_id, event)

    services = Services(
        ari=ari,
        ami=ami,
        charging=assembled.charging,
        meter=Meter(remind),
        settings=settings.call,
    )
    asterisk = settings.asterisk
    driver = Driver(services, asterisk=asterisk.name, live_calls_max=settings.call.live_calls_max)
    recovery = Recovery(services, driver, asterisk=asterisk.name, cel_file=asterisk.cel_file)
    return Application(ari=ari, ami=ami, driver=driver, recovery=recovery)


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
    """Exit status 0 after a signal, 78 (EX_CONFIG) when a setting is wrong, else 1."""
    configure_logging()
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        asyncio.run(run_until_signalled(load_settings(file)))
    except (SettingsError, AssemblyError) as error:
        sys.stderr.write(f"tollgate: {error}\n")
        return os.EX_CONFIG
    except ChargingUnavailable as error:
        sys.stderr.write(f"tollgate: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
