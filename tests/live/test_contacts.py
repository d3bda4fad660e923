"""A leg to a phone goes nowhere but to that phone, whatever Contact it registered."""

import pytest

from lab.paid_office import PaidOffice
from lab.patience import patience
from lab.raw_phone import RawPhone, Talk
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live

ABSENT = 480  # Asterisk has nothing to dial
BUSY = 486  # what a raw phone says to every call that comes to it


def hostile(phone: RawPhone, carrier: str) -> dict[str, list[str]]:
    """Contact headers, by what is wrong with them."""
    own = f"sip:{FRANCE}@{phone.address}"
    good = f"<sip:{phone.extension}@{phone.address}>"
    other = f"sip:{FRANCE}@{carrier}"
    return {
        "maddr": [f"<{own};maddr={carrier}>"],
        "MADDR": [f"<{own};MADDR={carrier}>"],
        "maddr escaped": [f"<{own};%6daddr={carrier}>"],
        "maddr of the right user": [f"<sip:1002@{phone.address};maddr={carrier}>"],
        "Route": [f"<{own}?Route=%3Csip:{carrier}%3Blr%3E>"],
        "two in one header": [f"{good}, <{other}>"],
        "two headers": [good, f"<{other}>"],
        "the first goes at once": [f"{good};expires=0", f"<{other}>"],
        "a name": [good, f"<sip:{FRANCE}@localhost>"],
        "IPv6 that is IPv4": [good, f"<sip:{FRANCE}@[::ffff:{carrier}]>"],
        "a dial string": [good, f"<sip:x&PJSIP/{FRANCE}@trunk>"],
        "a parenthesis": [f"<sip:1002@{phone.address};line=a):0:1;maddr={carrier}>"],
    }


async def ring(caller: RawPhone, phone: RawPhone) -> int:
    """Call the phone from a colleague's; the answer."""
    colleague = await caller.call(f"sip:{phone.extension}@{caller.domain}")
    if isinstance(colleague, Talk):
        await colleague.hang_up()
        return 200
    return colleague.status


async def ring_from_outside(paid: PaidOffice, phone: RawPhone) -> int | None:
    """Call the phone as the carrier does; the answer."""
    placed = await paid.office.carrier.call(paid.office.config.sip_address, phone.extension)
    return placed.refused_with


async def test_no_contact_sends_a_call_to_the_carrier(start_office: StartOffice) -> None:
    async with (
        start_office(opening=None) as paid,
        paid.office.raw_phone("1002") as phone,
        paid.office.raw_phone("1001") as caller,
    ):
        await paid.application.stop()
        for name, contacts in hostile(phone, paid.office.carrier.address).items():
            await phone.register(*contacts)
            assert await ring(caller, phone) in {ABSENT, BUSY}, name
            if name in {"maddr", "Route", "two headers"}:
                assert await ring_from_outside(paid, phone) in {ABSENT, BUSY}, name
            assert paid.office.carrier.calls() == [], name
            assert all(line.startswith("INVITE sip:1002@") for line in phone.invited), name
            await phone.unregister()


async def test_phone_with_an_honest_contact_rings_on_each_of_its_devices(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(opening=None) as paid,
        paid.office.raw_phone("1002") as desk,
        paid.office.raw_phone("1002") as soft,
        paid.office.raw_phone("1001") as caller,
    ):
        for phone, contact in (
            (desk, f"<sip:1002@{desk.address}:5060;line=q3x7hd1k>;q=1.0"),
            (soft, f"<sip:1002-0x55d0c9@{soft.address};ob;transport=UDP>"),
        ):
            assert (await phone.register(contact)).status == 200
        assert await ring(caller, desk) == BUSY
        assert await ring_from_outside(paid, desk) == BUSY
        assert [len(phone.invited) for phone in (desk, soft)] == [2, 2]


async def test_phone_that_forwards_to_the_carrier_forwards_nowhere(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(opening=None) as paid,
        paid.office.raw_phone("1002") as phone,
        paid.office.raw_phone("1001") as caller,
    ):
        carrier = paid.office.carrier.address
        for forwards_to in (f"<sip:{FRANCE}@{carrier}>", f"<sip:{FRANCE}@{caller.domain}>"):
            phone.forwards_to = forwards_to
            await phone.register(f"<{phone.own_uri}>")
            assert await ring(caller, phone) >= 400
            assert await ring_from_outside(paid, phone) is not None
            assert paid.office.carrier.calls() == []
        assert len(phone.invited) == 4


async def test_what_a_phone_says_of_itself_in_a_call_changes_nothing(
    start_office: StartOffice,
) -> None:
    """Its Contact and routes inside a call: what follows may go there, and no new call does."""
    async with start_office() as paid, paid.office.raw_phone("1001") as phone:
        carrier = paid.office.carrier.address
        talk = await phone.call(
            f"sip:02079460000@{phone.domain}",
            contact=f"<sip:{FRANCE}@{phone.address};maddr={carrier}>",
            lines=[f"Record-Route: <sip:{carrier};lr>"],
        )
        assert isinstance(talk, Talk)
        async with patience(5):
            assert (await talk.hang_up()).status == 200
        assert [call.dialled for call in paid.office.carrier.calls()] == ["442079460000"]
