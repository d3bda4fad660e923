"""The gate where an admin's own dialplan would dial a trunk, and which trunk that is."""

import pytest

from lab.exit_office import exit_office
from lab.paid_office import Sections
from tests.live.conftest import FRANCE, StartOffice
from tests.live.test_admins_office import talk

pytestmark = pytest.mark.live

SENT = FRANCE.removeprefix("00")
LANDLINE = "02079460000"
TRUNKS: Sections = {"trunks.backup": {}}


async def test_call_goes_out_by_the_trunk_that_the_admin_chose(start_office: StartOffice) -> None:
    async with start_office(settings=TRUNKS) as paid, exit_office(paid) as second:
        async with paid.office.phone("1001") as phone:
            await talk(phone, FRANCE, second)
            await paid.application.wait_for("call_settled")
            await talk(phone, LANDLINE, paid.office.carrier)
            await talk(phone, "999", paid.office.carrier)
        assert [call.dialled for call in second.calls()] == [SENT]
        (record,) = await paid.calls()
        assert record.debited_intervals == 1
