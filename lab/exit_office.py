"""An office whose own dialplan chooses the trunk, with our gate where it would dial it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialplan.render import Gate
from lab.admins_office import PHONES, backup_carrier, write_endpoints, write_gate
from lab.carrier import Carrier
from lab.paid_office import PaidOffice

EXTENSIONS = """
[general]
static = yes

[phones]
include => tollgate-emergency
exten => _00X.,1,Gosub(out,s,1(backup,${EXTEN}))
exten => _0X.,1,Gosub(out,s,1(trunk,${EXTEN}))

[from-trunk]
exten => s,1,Hangup()

[out]
exten => s,1,Set(TOLLGATE_TRUNK=${ARG1})
 same => n,Goto(tollgate-exit.main,${FILTER(+0-9,${ARG2})},1)
"""


@asynccontextmanager
async def exit_office(paid: PaidOffice) -> AsyncIterator[Carrier]:
    """Let the admin write that dialplan into a running office; the second trunk's carrier."""
    office = paid.office
    async with backup_carrier(paid) as second:
        etc = office.config.folder / "etc"
        includes = write_gate(office.config, Gate.EXIT)
        (etc / "extensions.conf").write_text(EXTENSIONS + includes, encoding="utf-8")
        write_endpoints(office.config, second, context=PHONES)
        for command in ("module reload res_pjsip.so", "dialplan reload"):
            await office.asterisk.cli(command)
        yield second
