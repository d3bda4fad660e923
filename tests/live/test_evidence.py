"""How long a call was, when clocks differ, Asterisk did not run, or its log of legs is gone."""

import asyncio
import math
import time

import pytest

from charging.ledger import CallRecord
from charging.rates import charge_for
from lab.application import SHARED_MEMORY
from lab.carrier import CarrierCall, Rule, hangs_up_after
from lab.paid_office import PaidOffice
from tests.live.conftest import FRANCE, INCREMENT_S, StartOffice, increments_of

pytestmark = pytest.mark.live

HOUR_S = 3600
TALKS_S = 9
RULES = (Rule("33142685300", hangs_up_after(TALKS_S * 1000 - 500)),)
GOODBYE_WAITS_S = 1.5
LONG_INCREMENTS = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France landline,0.60,0,0,4,12
"""
RESUMED_TALKS_MS = 18_500  # into the third increment, which begins at 16 s


async def ended(paid: PaidOffice) -> tuple[CarrierCall, CallRecord]:
    """The call at the carrier and in the ledger, when both are through with it."""
    call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=25)
    await paid.application.wait_for("state", state="ended", timeout_s=15)
    await paid.application.wait_for("call_settled")
    (record,) = await paid.calls()
    return call, record


@pytest.mark.parametrize("ahead_s", [pytest.param(HOUR_S, marks=pytest.mark.long), -HOUR_S])
async def test_clock_an_hour_out_changes_no_call_and_is_told(
    start_office: StartOffice, ahead_s: int
) -> None:
    """New with a wrong clock, and resumed by a run whose clock is wrong the other way.

    The second increment outlasts the slowest start; the third is the second run's to reserve.
    """
    rules = (Rule("33142685300", hangs_up_after(RESUMED_TALKS_MS)),)
    async with (
        start_office(deck=LONG_INCREMENTS, rules=rules) as paid,
        paid.office.phone("1001") as phone,
    ):
        await paid.application.kill()
        paid.application.clock_ahead_s = ahead_s
        await paid.application.start()
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=1, timeout_s=20)
        await paid.application.kill()
        paid.application.clock_ahead_s = -ahead_s
        await paid.application.start()
        call, record = await ended(paid)
        differ = await paid.application.wait_for("clocks_differ")
        pid = paid.application.pid
    assert abs(differ["asterisk_ahead_s"] + ahead_s) < 2
    assert call.talk_s == pytest.approx(RESUMED_TALKS_MS / 1000, abs=0.4)
    assert record.debited == charge_for(math.ceil(call.talk_s), record.rate)
    assert record.debited_intervals == 3
    assert record.end_unproved is None
    assert not [*SHARED_MEMORY.glob(f"*faketime*{pid}")]


async def test_end_while_asterisk_does_not_run_is_charged_for_no_more_than_is_proved(
    start_office: StartOffice,
) -> None:
    """The far end hangs up at 8.5 s, and Asterisk does not run from 6 to 10."""
    async with start_office(rules=RULES) as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        call = await paid.office.carrier.wait_for(lambda call: call.answered, timeout_s=20)
        await paid.application.wait_for("interval_reserved", interval=2, timeout_s=15)
        stopped_at_s = time.monotonic()
        paid.office.asterisk.suspend()
        await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=10)
        await asyncio.sleep(GOODBYE_WAITS_S)  # in the kernel
        paid.office.asterisk.go_on()
        stopped_s = time.monotonic() - stopped_at_s
        call, record = await ended(paid)
    assert record.talk_s is not None
    assert call.talk_s - stopped_s < record.talk_s <= math.ceil(call.talk_s)
    assert record.end_unproved == "asterisk_stopped"


async def test_call_whose_log_was_removed_is_charged_for_what_is_proved_and_marked(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=1, timeout_s=20)
        await paid.application.kill()
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        paid.office.asterisk.legs_file.unlink()
        await paid.application.start()
        await paid.application.wait_for("call_settled_afterwards")
        (record,) = await paid.calls()
    assert 1 <= increments_of(record) <= math.ceil(call.talk_s / INCREMENT_S)
    assert record.end_unproved == "no_record"
