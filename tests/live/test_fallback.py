"""Included calls while the application is away: the dialplan decides, by the calling plan."""

import pytest

from prompts.phrases import funds_exhausted_phrase, service_unavailable_phrase
from tests.live.conftest import StartOffice
from tests.live.hearing import clips_heard

pytestmark = pytest.mark.live

UK_LANDLINE = "02079460000"
AWAY = service_unavailable_phrase("en")


async def test_included_call_goes_through_while_the_application_is_away(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.phone("1001") as phone:
        await paid.application.kill()
        await phone.dial(UK_LANDLINE)
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.dialled == "442079460000"
        assert await paid.entries() == []


async def test_included_call_is_refused_aloud_where_the_site_does_not_allow_it(
    start_office: StartOffice,
) -> None:
    settings = {"call": {"included_without_application": False}}
    async with (
        start_office(opening=None, settings=settings) as paid,
        paid.office.phone("1001") as phone,
    ):
        await paid.application.kill()
        await phone.dial(UK_LANDLINE)
        await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert paid.office.carrier.calls() == []
    assert clips_heard(phone, [AWAY, funds_exhausted_phrase("en")]) == AWAY.clips
