"""The gate where an admin's own dialplan would dial a trunk, and which trunk that is."""

import pytest

from dialplan.render import Gate, rendered_dialplan
from lab.admins_office import backup_carrier, write_endpoints
from lab.paid_office import Sections
from tests.live.conftest import FRANCE, StartOffice
from tests.live.test_admins_office import talk

pytestmark = pytest.mark.live

SENT = FRANCE.removeprefix("00")
LANDLINE = "02079460000"
TRUNKS: Sections = {"trunks.backup": {}}
OWN = """
[general]
static = yes

[phones]
include => tollgate-emergency
exten => _00X.,1,Gosub(out,s,1(backup,${EXTEN}))
exten => _0X.,1,Gosub(out,s,1(trunk,${EXTEN}))

[out]
exten => s,1,Set(TOLLGATE_TRUNK=${ARG1})
 same => n,Goto(tollgate-exit.main,${FILTER(+0-9,${ARG2})},1)
"""


async def test_call_goes_out_by_the_trunk_that_the_admin_chose(start_office: StartOffice) -> None:
    async with start_office(settings=TRUNKS) as paid, backup_carrier(paid) as second:
        etc = paid.office.config.folder / "etc"
        ours = rendered_dialplan(paid.office.config, Gate.EXIT)
        for name, text in ours.items():
            (etc / name).write_text(text, encoding="utf-8")
        includes = "".join(f"#tryinclude {name}\n" for name in ours)
        (etc / "extensions.conf").write_text(OWN + includes, encoding="utf-8")
        write_endpoints(paid.office.config, second, context="phones")
        for command in ("module reload res_pjsip.so", "dialplan reload"):
            await paid.office.asterisk.cli(command)
        async with paid.office.phone("1001") as phone:
            await talk(phone, FRANCE, second)
            await paid.application.wait_for("call_settled")
            await talk(phone, LANDLINE, paid.office.carrier)
            await talk(phone, "999", paid.office.carrier)
        assert [call.dialled for call in second.calls()] == [SENT]
        (record,) = await paid.calls()
        assert record.debited_intervals == 1
