"""Connections that stop without a word, and come back."""

import asyncio
from pathlib import Path

import pytest

from lab.fault_proxy import Fault, FaultProxy
from lab.paid_office import make_paid_office
from lab.telephony import find_telephony
from tests.live.conftest import DECK, FRANCE, RULES, gbp

pytestmark = pytest.mark.live

STALL_S = 9  # longer than the application believes in a connection that says nothing


async def test_caller_whom_a_stalled_connection_kept_from_us_is_heard_when_it_is_back(
    tmp_path: Path,
) -> None:
    telephony = find_telephony(lambda _: None)
    paid = make_paid_office(telephony, tmp_path, deck=DECK, opening=gbp("10"), rules=RULES)
    config = paid.office.config
    ari = (config.control_address, config.http_port)
    async with FaultProxy(ari, address=config.control_address) as proxy:
        paid.reach_asterisk_at(ari=f"http://{config.control_address}:{proxy.port}")
        async with paid, paid.office.phone("1001") as phone, asyncio.TaskGroup() as group:
            group.create_task(proxy.break_for(STALL_S, Fault.STALL))
            await asyncio.sleep(0)  # it has begun
            await phone.dial(FRANCE)
            await paid.application.wait_for("call_heard_late", timeout_s=2 * STALL_S)
            await paid.application.wait_for("balance_announced")
            await phone.wait_for("CALL_RTPESTAB")  # and so it hears it
            await phone.hang_up()
            await paid.application.wait_for("call_settled")
            assert len(await paid.calls()) == 1
