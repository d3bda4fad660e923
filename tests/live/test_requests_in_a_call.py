"""What a phone may ask inside a call: a transfer is refused with an answer, a key is a key."""

import asyncio

import pytest

from lab.patience import patience
from lab.raw_phone import Talk
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live

DECLINE = 603
KEY = "Signal=1\r\nDuration=160\r\n"


async def test_transfer_that_is_not_allowed_is_declined_and_the_call_goes_on(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.raw_phone("1001") as phone:
        talk = await phone.call(f"sip:02079460000@{phone.domain}")
        assert isinstance(talk, Talk)
        for refer_to in (f"sip:1002@{phone.domain}", f"sip:{FRANCE}@{paid.office.carrier.address}"):
            answer = await talk.request("REFER", lines=[f"Refer-To: <{refer_to}>"])
            assert answer.status == DECLINE
        assert (await talk.request("OPTIONS")).status == 200
        assert (await talk.hang_up()).status == 200
        assert [call.dialled for call in paid.office.carrier.calls()] == ["442079460000"]


async def test_key_sent_as_info_skips_the_announcement(start_office: StartOffice) -> None:
    """A phone that offers no RFC 4733; the balance takes eight seconds to say."""
    async with start_office(opening="987654.32") as paid, paid.office.raw_phone("1001") as phone:
        early: asyncio.Future[Talk] = asyncio.get_running_loop().create_future()

        def first(talk: Talk) -> None:
            if not early.done():
                early.set_result(talk)

        calling = asyncio.create_task(phone.call(f"sip:{FRANCE}@{phone.domain}", on_early=first))
        async with patience(10):
            talk = await early
        await paid.application.wait_for("balance_playing")
        pressed = await talk.request(
            "INFO", lines=["Content-Type: application/dtmf-relay"], body=KEY
        )
        assert pressed.status == 200
        await paid.application.wait_for("state", state="dialling", timeout_s=5)
        assert isinstance(await calling, Talk)
