"""`python -m ari_app SETTINGS`: serve calls until told to stop."""

import asyncio
import sys
from collections.abc import Collection, Mapping

import aiohttp
import structlog

from ari_app.ami import Ami
from ari_app.ami_over_http import AmiOverHttp
from ari_app.application import Application
from ari_app.ari import Ari
from ari_app.call_task import Services
from ari_app.daily_masking import DailyMasking
from ari_app.driver import Driver
from ari_app.hang_up_requests import HangUps
from ari_app.leg_events import LegEvents
from ari_app.messages import Reminder
from ari_app.meter import Meter
from ari_app.metrics import CallCounts, CountedNotes, watch_now
from ari_app.only_one import only_one
from ari_app.recovery import Recovery
from ari_app.refill_wait import RefillWait
from ari_app.ungated import Carriers, UngatedWatch
from ari_app.unpaid_calls import UnpaidCallWriter, UnpaidLegWatch
from assembly.charging import Assembled, open_charging
from assembly.health import (
    AMI,
    ARI,
    LEDGER,
    LEG_LOG,
    Question,
    answering,
    connection_question,
    ledger_question,
    leg_log_question,
)
from assembly.metrics import count_log, of_commits, readable, registry_of
from assembly.process import main
from charging.errors import UnknownExtension
from charging.numbering import Site
from charging.unpaid import costs_nothing
from charging.unpaid_calls import Caller
from db.call_requests import HangUpRequests
from db.ungated import UngatedLegs
from db.unpaid_calls import UnpaidCalls
from dialplan.contexts import OUR_TRUNKS
from settings import ApplicationSections

log = structlog.get_logger()


async def serve(settings: ApplicationSections) -> None:
    """Run until cancelled. Calls under way stay up: Asterisk knows what they have paid."""
    registry = registry_of("ari_app")
    counts = CallCounts(registry)
    count_log(registry, settings, counts.by_event)
    async with (
        only_one(settings, settings.ari),
        open_charging(settings, committed=of_commits(registry)) as assembled,
        aiohttp.ClientSession() as session,
    ):
        over_http = AmiOverHttp(session, settings.ami, base_url=settings.ari.base_url)
        ami = Ami(settings.ami, fallback=over_http)
        ami.start()
        ari = Ari(session, settings.ari)
        unpaid = UnpaidCallWriter(
            UnpaidCalls(assembled.engine),
            CallersInForce(assembled),
            asterisk=settings.asterisk.name,
        )
        try:
            questions = _questions(settings, assembled, ari, ami)
            application = _application(settings, assembled, ari, ami, unpaid=unpaid, counts=counts)
            watch_now(registry, application, ari=ari, ami=ami)
            async with (
                answering("ari_app", settings, questions),
                readable("ari_app", settings, registry, questions),
            ):
                await application.run()
        finally:
            await ami.close()
            await unpaid.close()


def _questions(
    settings: ApplicationSections, assembled: Assembled, ari: Ari, ami: Ami
) -> Mapping[str, Question]:
    return {
        LEDGER: ledger_question(assembled.engine),
        LEG_LOG: leg_log_question(settings),
        ARI: connection_question(lambda: ari.connected),
        AMI: connection_question(lambda: ami.connected),
    }


def _application(  # noqa: PLR0913 - what it is made of
    settings: ApplicationSections,
    assembled: Assembled,
    ari: Ari,
    ami: Ami,
    *,
    unpaid: UnpaidCallWriter,
    counts: CallCounts,
) -> Application:
    def remind(call_id: str, event: Reminder) -> None:
        driver.remind(call_id, event)

    sweep_wanted = asyncio.Event()
    services = Services(
        ari=ari,
        ami=ami,
        charging=assembled.charging,
        meter=Meter(remind),
        settings=settings.call,
        look_for_missed=sweep_wanted.set,
        unpaid=CountedNotes(unpaid, counts),
        measured=counts,
        announce=settings.prompts.announce,
        refill_wait=RefillWait(assembled.charging.money_news),
    )
    asterisk = settings.asterisk
    ungated = _ungated(settings, assembled, ari, ami)
    driver = Driver(services, asterisk=asterisk.name, live_calls_max=settings.call.live_calls_max)
    recovery = Recovery(services, driver, asterisk=asterisk.name, cel_file=asterisk.cel_file)
    return Application(
        ari=ari,
        ami=ami,
        driver=driver,
        recovery=recovery,
        sweep_wanted=sweep_wanted,
        beside=[
            unpaid,
            DailyMasking(assembled.engine, keep_days=settings.privacy.keep_numbers_days),
            HangUps(HangUpRequests(assembled.engine, asterisk=asterisk.name), driver),
            *_leg_events(settings, ungated, unpaid, driver),
        ],
    )


def _leg_events(
    settings: ApplicationSections, ungated: UngatedWatch, unpaid: UnpaidCallWriter, driver: Driver
) -> list[LegEvents]:
    """None without a log of legs; the doctor says so."""
    file = settings.asterisk.cel_file
    if file is None:
        return []
    included = UnpaidLegWatch(unpaid, trunks=trunks_of(settings), is_metered=driver.knows)
    events = LegEvents(
        file, [ungated, included], since_ms=unpaid.since_ms, has_room=unpaid.has_room
    )
    return [events]


def _ungated(
    settings: ApplicationSections, assembled: Assembled, ari: Ari, ami: Ami
) -> UngatedWatch:
    def is_free(sent: str) -> bool:
        return costs_nothing(sent, assembled.offices.snapshot().offices)

    carriers = Carriers(
        endpoints=trunks_of(settings),
        addresses=frozenset({settings.asterisk.trunk_host}),
        costs_nothing=is_free,
    )
    return UngatedWatch(
        asterisk=settings.asterisk.name,
        carriers=carriers,
        ami=ami,
        ari=ari,
        ungated=UngatedLegs(assembled.engine),
    )


def trunks_of(settings: ApplicationSections) -> frozenset[str]:
    return frozenset({*OUR_TRUNKS, *settings.trunks})


class CallersInForce:
    """Who is calling, as offices and phones are now."""

    def __init__(self, assembled: Assembled) -> None:
        self._assembled = assembled

    def caller(self, endpoint: str) -> Caller:
        offices = self._assembled.offices.snapshot()
        try:
            extension = offices.extension(endpoint)
        except UnknownExtension:
            return Caller()
        return Caller(extension=extension, office=offices.office(extension.office_id))

    def sites(self) -> Collection[Site]:
        return self._assembled.offices.snapshot().emergency_sites


if __name__ == "__main__":
    sys.exit(main(serve, ApplicationSections))
