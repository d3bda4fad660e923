"""FreePBX 17's shape, with the gate in its hook before dialling: each call right, charged once."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lab.carrier import OUT_OF_ORDER, Carrier, Rule
from lab.freepbx import freepbx_office
from lab.paid_office import PaidOffice, Sections
from tests.live.conftest import FRANCE, StartOffice, gbp
from tests.live.test_admins_office import talk

pytestmark = pytest.mark.live

SENT = FRANCE.removeprefix("00")  # by the first trunk's own rule; the second one has none
LANDLINE = "02079460000"
TRUNKS: Sections = {"trunks.backup": {}}


@asynccontextmanager
async def freepbx(start: StartOffice, *rules: Rule) -> AsyncIterator[tuple[PaidOffice, Carrier]]:
    async with start(rules=rules, settings=TRUNKS) as paid, freepbx_office(paid) as second:
        yield paid, second


async def test_paid_included_and_emergency_calls_and_none_without_the_application(
    start_office: StartOffice,
) -> None:
    async with freepbx(start_office) as (paid, second), paid.office.phone("1001") as phone:
        first = paid.office.carrier
        await talk(phone, LANDLINE, first)
        assert await paid.calls() == []
        await talk(phone, FRANCE, first)
        await paid.application.wait_for("call_settled")
        await talk(phone, "999", first)
        (record,) = await paid.calls()
        assert record.debited_intervals == 1
        assert [call.dialled for call in first.calls()] == [LANDLINE, SENT, "999"]
        asked = len([e for e in paid.application.entries() if e["event"] == "call_authorised"])
        await paid.application.kill()
        await talk(phone, "999", first)
        seen = len(phone.events)
        await phone.dial(FRANCE)
        closed = await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=20)
        assert closed.detail.startswith("503")
        assert [call.dialled for call in first.calls()][3:] == ["999"]
        assert second.calls() == []
        assert asked <= 2  # help was asked for by nobody


async def test_second_trunk_after_the_first_fails_is_one_call_charged_once(
    start_office: StartOffice,
) -> None:
    failing = Rule(SENT, OUT_OF_ORDER)
    async with freepbx(start_office, failing) as (paid, second), paid.office.phone("1001") as phone:
        await talk(phone, FRANCE, second)
        settled = await paid.application.wait_for("call_settled")
        assert settled["increments"] == 1
        (record,) = await paid.calls()
        assert record.debited_intervals == 1
        assert [call.dialled for call in second.calls()] == [FRANCE]
        balances = await paid.balances()
        assert balances.available == gbp("10.00") - record.debited
        assert balances.reserved == gbp("0.00")


async def test_application_that_stands_still_keeps_nobody_and_help_goes_on(
    start_office: StartOffice,
) -> None:
    """Takes the time that Asterisk waits for it, eight seconds."""
    async with freepbx(start_office) as (paid, _second), paid.office.phone("1001") as phone:
        os.kill(paid.application.pid, signal.SIGSTOP)
        try:
            await talk(phone, "112", paid.office.carrier)
            seen = len(phone.events)
            await phone.dial(FRANCE)
            closed = await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=20)
            assert closed.detail.startswith("503")
            assert [call.dialled for call in paid.office.carrier.calls()] == ["112"]
        finally:
            os.kill(paid.application.pid, signal.SIGCONT)
        assert all(not call.debited.micros for call in await paid.calls())
