"""AMI's own port is away for longer than an increment: paid calls go on, and not too long."""

from pathlib import Path

import pytest

from lab.fault_proxy import Fault, FaultProxy
from lab.paid_office import make_paid_office
from lab.telephony import find_telephony
from tests.live.conftest import DECK, FRANCE, RULES, gbp
from trials.oracle import ended_with_its_money

pytestmark = pytest.mark.live

AWAY_S = 10  # more than two increments


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STALL])
async def test_paid_call_is_lengthened_while_amis_port_is_away(
    tmp_path: Path, fault: Fault
) -> None:
    telephony = find_telephony(lambda _: None)
    paid = make_paid_office(telephony, tmp_path, deck=DECK, opening=gbp("0.16"), rules=RULES)
    config = paid.office.config
    ami = (config.control_address, config.ami_port)
    async with FaultProxy(ami, address=config.control_address) as proxy:
        paid.reach_asterisk_at(ami_port=proxy.port)
        async with paid, paid.office.phone("1001") as phone:
            await phone.dial(FRANCE)
            await paid.application.wait_for("interval_debited", interval=0)
            await proxy.break_for(AWAY_S, fault)
            call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=20)
            assert ended_with_its_money(call, 16)  # four increments
            settled = await paid.application.wait_for("call_settled", timeout_s=10)
            assert settled["charged_micros"] == gbp("0.16").micros
