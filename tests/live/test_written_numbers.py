"""Numbers as phones and their books send them, and as the country of the plan dials them."""

import itertools
from dataclasses import replace

import pytest

from dialplan.render import AsteriskConfig
from lab.caller import Calls, place_calls
from lab.carrier import UNKNOWN_NUMBER, Rule
from lab.paid_office import PaidOffice
from tests.live.administrator import edit_dialplan
from tests.live.conftest import StartOffice

pytestmark = pytest.mark.live

CALLS = itertools.count()
FRANCE = {"offices": {"main": {"plan": "france"}}}
WRITTEN = {
    "999": (
        "999#",
        "999%23",
        "9-9-9",
        "9%209%209",
        "(999)",
        "999%3Bphone-context=+44",
        "9.9/9",
        "9_9_9",
    ),
    "112": ("112", "112#", "112-"),
    "448081570192": ("0808-157-0192", "0808%20157%200192", "(0808)1570192", "08081570192#"),
    "442079460000": ("+44%20(0)20%207946-0000", "020.7946.0000", "0044(0)2079460000#"),
}
NONE = (
    "999,1",
    "999&112",
    "9x9",
    "08#081570192",
    "08081570192##",
    "0808%221570192",
    "(#",
    "_999",
    "0808157)%3A0%3A1",
    "999)%3A0%3A3",
    "999%22",
)


async def sent(paid: PaidOffice, numbers: list[str]) -> list[str]:
    """What reached the carrier of calls that are placed side by side, sorted."""
    config = paid.office.config
    before = len(paid.office.carrier.calls())
    await place_calls(
        paid.office.telephony,
        paid.office.folder / f"caller-{next(CALLS)}",
        Calls(
            number=numbers,
            user="1001",
            password=config.secrets.phones["1001"],
            calls=len(numbers),
            rate_per_s=20,
            talk_ms=100,
        ),
        address=paid.office.addresses.next(),
        server=config.sip_address,
    )
    return sorted(call.dialled for call in paid.office.carrier.calls()[before:])


async def test_number_as_a_phone_book_writes_it_reaches_where_it_should(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid:
        numbers = [(number, as_sent) for number, every in WRITTEN.items() for as_sent in every]
        reached = await sent(paid, [as_sent for _, as_sent in numbers])
        assert reached == sorted(number for number, _ in numbers)
        assert await sent(paid, list(NONE)) == []


async def test_a_france_plan_alone_dials_as_france_does(start_office: StartOffice) -> None:
    async with start_office(opening=None, settings=FRANCE) as paid:
        helps = ["15", "17", "18", "112", "15#", "1-8"]
        assert await sent(paid, helps) == ["112", "15", "15", "17", "18", "18"]
        assert await sent(paid, ["0142685300", "01.42.68.53.00"]) == ["33142685300"] * 2


async def test_emergency_call_goes_to_the_trunk_where_its_own_endpoint_fails(
    start_office: StartOffice,
) -> None:
    """In an admin's own pjsip.conf it may be missing."""
    async with start_office(opening=None) as paid:
        await edit_dialplan(paid, "@emergency", "@nowhere")
        assert await sent(paid, ["999", "112"]) == ["112", "999"]


async def test_emergency_call_that_the_carrier_refuses_is_tried_once_more(
    start_office: StartOffice,
) -> None:
    rules = [Rule("112", replace(UNKNOWN_NUMBER, name="wants a session timer", status=421))]

    def agreeing(config: AsteriskConfig) -> AsteriskConfig:
        return replace(config, trunk=replace(config.trunk, timers="yes"))

    async with start_office(opening=None, rules=rules, adapt=agreeing) as paid:
        assert await sent(paid, ["112"]) == ["112", "112"]
        first, second = paid.office.carrier.calls()
        assert (first.rejected_with, second.rejected_with) == (421, 421)
