"""Connections that stop without a word, and come back."""

import asyncio
import math
from pathlib import Path

import pytest

from lab.fault_proxy import Fault, FaultProxy
from lab.paid_office import make_paid_office
from lab.telephony import find_telephony
from lab.watch import FileWatch
from tests.live.conftest import DECK, FRANCE, RULES, StartOffice, gbp

pytestmark = pytest.mark.live

STALL_S = 9  # longer than the application believes in a connection that says nothing


@pytest.mark.long
async def test_caller_whom_a_stalled_connection_kept_from_us_is_heard_when_it_is_back(
    tmp_path: Path,
) -> None:
    """26 s.

    Where the old connection closes in the very moment in which the new one is made, Asterisk 22.10
    may forget the new one: seen once, noticed by the echo, and mended 8.5 s later; this caller was
    refused then.
    """
    telephony = find_telephony(lambda _: None)
    paid = make_paid_office(telephony, tmp_path, deck=DECK, opening=gbp("10"), rules=RULES)
    config = paid.office.config
    ari = (config.control_address, config.http_port)
    async with FaultProxy(ari, address=config.control_address) as proxy:
        paid.reach_asterisk_at(ari=f"http://{config.control_address}:{proxy.port}")
        async with paid, paid.office.phone("1001") as phone, asyncio.TaskGroup() as group:
            group.create_task(proxy.break_for(STALL_S, Fault.STALL))
            await paid.application.wait_for("time_not_told")  # five seconds of it are over
            await phone.dial(FRANCE)
            await paid.application.wait_for("stasis_start_missed", timeout_s=2 * STALL_S)
            await paid.application.wait_for("balance_playing")
            await phone.wait_for("CALL_RTPESTAB")  # and so it hears it
            await phone.wait_for("CALL_PROGRESS")  # which sound may overtake: no call until then
            await phone.hang_up()
            await paid.application.wait_for("call_settled")
            assert len(await paid.calls()) == 1


async def test_call_that_ended_before_its_log_was_rotated_is_charged_to_its_end(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_reserved")  # two seconds after the answer
        await paid.application.kill()
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        legs = paid.office.asterisk.legs_file
        with FileWatch(legs) as watch:
            await watch.until(lambda: ended_legs(legs) == 2, timeout_s=5)
        legs.rename(f"{legs}.1")
        await paid.application.start()
        await paid.application.wait_for(  # by the next sweep, where the call is too young for this
            "call_settled_afterwards", timeout_s=30, talk_s=math.ceil(call.talk_s)
        )
        with FileWatch(legs.parent) as watch:
            await phone.dial("112")
            await watch.until(legs.exists, timeout_s=5)  # Asterisk need not be told to


def ended_legs(legs: Path) -> int:
    return legs.read_text(encoding="utf-8").count('"HANGUP"')
