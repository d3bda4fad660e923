"""Whoever has talked to somebody still hears what is said next, on a wideband phone too."""

import pytest

from lab.paid_office import PaidOffice
from lab.phone import Phone
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live

SAID_S = 2  # less than any of the sentences takes
TALK = "Dial(PJSIP/49301234567@trunk,30,gL(1500))"
EXTENSION = "700"


async def test_caller_whose_funds_ran_out_hears_why(start_office: StartOffice) -> None:
    """The spoken balance began the caller's sound before the leg was dialled."""
    async with start_office(opening="0.04") as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=25)
        await phone.hear(SAID_S)


@pytest.mark.parametrize(
    "then", ["tollgate-unavailable,s,1", "tollgate-not-valid,s,1", f"tollgate-outbound,{FRANCE},1"]
)
async def test_caller_who_goes_on_after_an_answered_leg_hears_what_is_said(
    start_office: StartOffice, then: str
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await _extension(paid, "Answer()", TALK, f"Goto({then})")
        await _talk(paid, phone)
        await phone.hear(SAID_S)


async def _extension(paid: PaidOffice, *applications: str) -> None:
    for priority, application in enumerate(applications, start=1):
        command = f"dialplan add extension {EXTENSION},{priority},{application} into office"
        await paid.office.asterisk.cli(command)


async def _talk(paid: PaidOffice, phone: Phone) -> None:
    await phone.dial(EXTENSION)
    await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=15)
