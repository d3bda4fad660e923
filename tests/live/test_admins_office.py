"""An office written by hand around ours: what its admin may get wrong, and what then is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from admin.checks.findings import Status
from lab.admins_office import admins_office
from lab.carrier import OUT_OF_ORDER, Carrier, Rule
from lab.paid_office import PaidOffice, Sections
from lab.phone import Phone
from lab.raw_phone import Talk
from tests.live.administrator import edit_dialplan
from tests.live.conftest import FRANCE, StartOffice
from tests.live.examined import said_by

pytestmark = pytest.mark.live

SENT = FRANCE.removeprefix("00")
LANDLINE = "02079460000"
TOLD_WITHIN_S = 10
TRUNKS: Sections = {"trunks.backup": {}}


@asynccontextmanager
async def admins(start: StartOffice, *rules: Rule) -> AsyncIterator[tuple[PaidOffice, Carrier]]:
    async with start(rules=rules, settings=TRUNKS) as paid, admins_office(paid) as second:
        yield paid, second


async def problems(paid: PaidOffice, check: str) -> list[str]:
    return [each.message for each in await said_by(check, paid) if each.status is Status.PROBLEM]


async def talk(phone: Phone, number: str, carrier: Carrier) -> None:
    """Dial, and hang up once the phone knows that the carrier has answered."""
    seen, calls = len(phone.events), len(carrier.calls())
    await phone.dial(number)
    await carrier.wait_for(
        lambda call: call.answered and call in carrier.calls()[calls:], timeout_s=20
    )
    await phone.wait_for("CALL_ESTABLISHED", after=seen)
    await phone.hang_up()
    await phone.wait_for("CALL_CLOSED", after=seen)


async def test_office_of_an_experienced_admin_is_sound_and_its_calls_are_paid(
    start_office: StartOffice,
) -> None:
    async with admins(start_office, Rule(SENT, OUT_OF_ORDER)) as (paid, second):
        assert await problems(paid, "ways") == []
        assert await problems(paid, "trunks") == []
        async with paid.office.phone("1001") as phone:
            await talk(phone, f"9{FRANCE}", second)  # the first trunk is out of order
            await paid.application.wait_for("call_settled")
            await talk(phone, f"9{LANDLINE}", paid.office.carrier)
            await paid.application.kill()
            await talk(phone, "999", paid.office.carrier)
        assert [call.dialled for call in second.calls()] == [SENT]
        (record,) = await paid.calls()
        assert record.debited.micros > 0


async def test_emergency_number_behind_a_prefix_of_the_admins_own_is_named(
    start_office: StartOffice,
) -> None:
    """9 for a line takes 999 as well, and hands on 99."""
    async with admins(start_office) as (paid, _second):
        await edit_dialplan(
            paid, "include => tollgate-emergency\ninclude => internal", "include => internal"
        )
        (message,) = await problems(paid, "ways")
        assert message.startswith("in [phones] the emergency number 999")


async def test_outbound_context_before_ours_is_named_and_its_leg_told_of(
    start_office: StartOffice,
) -> None:
    async with admins(start_office) as (paid, _second):
        out = "[out]\nexten => _0X.,1,Dial(PJSIP/${EXTEN}@trunk,30)\n"
        await edit_dialplan(paid, "include => services\n", "include => services\ninclude => out\n")
        await edit_dialplan(paid, "\n[ring]", f"\n{out}\n[ring]")
        found = await problems(paid, "ways")
        assert any("nobody pays when 1001, 1002 dials 0" in each for each in found), found
        async with paid.office.phone("1001") as phone:
            await talk(phone, FRANCE, paid.office.carrier)
            told = await paid.application.wait_for("leg_ungated", timeout_s=TOLD_WITHIN_S)
            assert told["number"] == "003314268xxxx"
            (message,) = await problems(paid, "ungated legs")
            assert "1 leg to a trunk" in message
            assert SENT not in message
            await talk(phone, LANDLINE, paid.office.carrier)  # which the plan includes
            await talk(phone, "999", paid.office.carrier)
            await asyncio.sleep(TOLD_WITHIN_S / 2)
        assert len([e for e in paid.application.entries() if e["event"] == "leg_ungated"]) == 1


async def test_paid_leg_and_what_the_plan_includes_are_explained(start_office: StartOffice) -> None:
    """Also where the leg is dialled by a Local channel, as a forward is."""
    async with admins(start_office) as (paid, _second), paid.office.phone("1001") as phone:
        await talk(phone, f"9{FRANCE}", paid.office.carrier)
        await paid.application.wait_for("call_settled")
        await edit_dialplan(paid, "_9X.,1,Goto(tollgate,", "_9X.,1,Goto(tollgate-included,")
        await talk(phone, f"9{SENT}", paid.office.carrier)  # past the gate
        told = await paid.application.wait_for("leg_ungated", timeout_s=TOLD_WITHIN_S)
        ungated = [e for e in paid.application.entries() if e["event"] == "leg_ungated"]
        assert ungated == [told]


async def test_trunk_that_forgets_is_named_by_every_dial(start_office: StartOffice) -> None:
    async with admins(start_office) as (paid, _second):
        await edit_dialplan(
            paid,
            "Gosub(paid-leg,s,1(backup))",
            "Dial(PJSIP/${TOLLGATE_DIAL}@bakcup,20,g)",
        )
        found = await problems(paid, "trunks")
        for wrong in ("no endpoint bakcup", "the option i", "end when the paid time is over"):
            assert any(wrong in each for each in found), (wrong, found)


async def test_hostile_contact_that_an_own_dial_rings_is_told_of(start_office: StartOffice) -> None:
    """`Dial(PJSIP/1002)` follows the Contact to the carrier; ours would not."""
    async with (
        admins(start_office) as (paid, _second),
        paid.office.raw_phone("1002") as hostile,
        paid.office.raw_phone("1001") as caller,
    ):
        await edit_dialplan(paid, "Dial(${GOSUB_RETVAL},20,i)", "Dial(PJSIP/${ARG1},20,i)")
        await edit_dialplan(paid, "${LEN(${GOSUB_RETVAL})} = 0", "1 = 0")
        (message,) = await problems(paid, "contacts")
        assert "is dialled as it is in [ring] s" in message
        carrier = paid.office.carrier
        await hostile.register(f"<sip:{FRANCE}@{hostile.address};maddr={carrier.address}>")
        call = await caller.call(f"sip:1002@{caller.domain}")
        if isinstance(call, Talk):  # unless Asterisk itself denies the Contact
            await paid.application.wait_for("leg_ungated", timeout_s=TOLD_WITHIN_S)
            await call.hang_up()
        else:
            assert carrier.calls() == []
