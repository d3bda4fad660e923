"""A caller hears ringing until the carrier sends sound, whatever it says or does not say."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from lab.carrier import EARLY_MEDIA_ONLY, NEVER_ANSWERS, Behaviour, Rule
from lab.paid_office import PaidOffice
from lab.phone import Phone
from tests.live.conftest import StartOffice
from tests.live.hearing import CARRIER, RINGING, parts_heard

pytestmark = pytest.mark.live

LISTENS_S = 1.5
DEAD = replace(NEVER_ANSWERS, name="dead", dead=True)
ONLY_100 = replace(NEVER_ANSWERS, name="100 and no more", only_100=True)
BARE_183 = replace(NEVER_ANSWERS, name="183 that offers no sound", bare_183=True)
NO_SOUND = replace(EARLY_MEDIA_ONLY, name="183 whose sound never comes", silent=True)
RINGS_THEN_ANSWERS = Behaviour(name="rings, then answers", ring_ms=500)


@dataclass(frozen=True)
class Dialled:
    """What a phone dials, and what the carrier is then asked for."""

    number: str
    at_carrier: str
    behaviour: Behaviour


def paid(n: int, behaviour: Behaviour) -> Dialled:
    return Dialled(f"003314268530{n}", f"3314268530{n}", behaviour)


def included(n: int, behaviour: Behaviour) -> Dialled:
    return Dialled(f"0207946010{n}", f"44207946010{n}", behaviour)


SILENT = (
    *(paid(n, each) for n, each in enumerate((DEAD, BARE_183, NO_SOUND, NEVER_ANSWERS))),
    *(included(n, each) for n, each in enumerate((ONLY_100, BARE_183, NO_SOUND))),
    Dialled("999", "999", DEAD),
    Dialled("112", "112", NO_SOUND),
)
SPEAKING = (
    paid(7, EARLY_MEDIA_ONLY),
    paid(8, RINGS_THEN_ANSWERS),
    included(7, EARLY_MEDIA_ONLY),
    included(8, RINGS_THEN_ANSWERS),
)
RULES = tuple(Rule(each.at_carrier, each.behaviour) for each in (*SILENT, *SPEAKING))


async def listen(office: PaidOffice, phone: Phone, to_each: Sequence[Dialled]) -> Mapping[str, str]:
    """What was heard of each call, by number and behaviour."""
    heard = {}
    for each in to_each:
        before, seen = phone.kept(), len(phone.events)
        await phone.dial(each.number)
        await office.office.carrier.wait_for(
            lambda call, each=each: call.dialled == each.at_carrier,  # type: ignore[misc]
            timeout_s=30,
        )
        await phone.hear(LISTENS_S)
        await phone.hang_up()
        await phone.wait_for("CALL_CLOSED", after=seen)
        heard[f"{each.number}: {each.behaviour.name}"] = parts_heard(phone.recordings(before))
    return heard


async def listen_to_all(start_office: StartOffice, calls: Sequence[Dialled]) -> Mapping[str, str]:
    async with (
        start_office(rules=RULES) as office,
        office.office.phone("1001") as one,
        office.office.phone("1002") as other,
    ):
        halves = await asyncio.gather(
            listen(office, one, calls[::2]), listen(office, other, calls[1::2])
        )
    return {name: parts for half in halves for name, parts in half.items()}


async def test_ringing_is_heard_until_the_carriers_sound_comes_and_never_after(
    start_office: StartOffice,
) -> None:
    heard = await listen_to_all(start_office, (*SILENT, *SPEAKING))
    speaking = {name for name in heard if name.split(":")[0] in {each.number for each in SPEAKING}}
    assert {name for name in heard.keys() - speaking if heard[name].count(RINGING) < 3} == set()
    for name in speaking:
        own = heard[name].partition(CARRIER)[2]
        assert own.count(CARRIER) >= 5, name
        assert RINGING not in own, name
