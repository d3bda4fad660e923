"""An admin's own extensions around ours, on a real Asterisk; the carrier's log is the judge."""

import pytest

from lab.caller import Calls, place_calls
from lab.paid_office import PaidOffice
from tests.live.administrator import add_dialplan
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live

FREE = "08081570192"
LONGEST = 9  # priorities of an admin's extension; none of ours has more
NUMBERS = (FREE, FRANCE, "02079460000", "999", "1002", "*80", "abc")
# The phone dials *7, how many priorities the admin's extension has, and which extension it is.
ENTRY = "\n[office]\nexten => _*7X*.,1,Goto(ends-early-${EXTEN:2:1},${EXTEN:4},1)\n"


def ends_early(priorities: int) -> str:
    """A context of an admin's whose extensions end without Hangup(), and then includes ours."""
    lines = [f"[ends-early-{priorities}]"]
    for number in NUMBERS:
        lines += [f"exten => {number},1,NoOp()", *[" same => n,NoOp()"] * (priorities - 1)]
    return "\n".join([*lines, "include => tollgate", "include => tollgate.main", ""])


async def answers(paid: PaidOffice, numbers: list[str]) -> list[int | None]:
    config = paid.office.config
    placed = await place_calls(
        paid.office.telephony,
        paid.office.folder / "caller",
        Calls(
            number=numbers,
            user="1001",
            password=config.secrets.phones["1001"],
            calls=len(numbers),
            rate_per_s=20,
            talk_ms=200,
        ),
        address=paid.office.addresses.next(),
        server=config.sip_address,
    )
    return [call.refused_with for call in placed]


async def test_extension_that_ends_early_never_goes_on_in_ours(start_office: StartOffice) -> None:
    contexts = "".join(ends_early(priorities) for priorities in range(1, LONGEST + 1))
    async with start_office() as paid:
        await add_dialplan(paid, contexts + ENTRY)
        dialled = [f"*7{k}*{number}" for k in range(1, LONGEST + 1) for number in NUMBERS]
        assert await answers(paid, dialled) == [603] * len(dialled)
        assert paid.office.carrier.calls() == []
        assert await answers(paid, [FREE]) == [None]  # by itself it is what it was
        assert [call.dialled for call in paid.office.carrier.calls()] == ["448081570192"]
