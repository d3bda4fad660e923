"""What the walk of drawn dialplans finds free, dialled by real phones: the carrier is the judge.

Each drawn dialplan gets a phone of its own in its context, which dials the number that the doctor
would name. The leg that nobody pays for has to reach the carrier, with the number that was told.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assembly.offices import read_offices
from charging.plan import Category
from charging.unpaid import costs_nothing
from dialplan.walk.listing import dialplan_of
from dialplan.walk.values import is_known
from dialplan.walk.verdict import Carriers, Ungated, judge
from dialplan.walk.walker import Walker
from dialplan.witnesses import witnesses
from settings import Settings
from trials.dialplans import listed_dialplan, write_drawn
from trials.drawn_dialplan import Drawn, draw
from trials.witness_calls import witness_office

TRIED = 12  # witnesses of each dialplan
DIALPLANS_FOR_EACH = 4  # are drawn, for not every one lets something out


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    calls: int
    problems: tuple[str, ...]


async def confirm(count: int, seed: int, say: Callable[[str], None]) -> Confirmed:
    chance = random.Random(seed)  # noqa: S311 - what is drawn is no secret
    drawn = [draw(f"w{n}", chance, trunk="trunk") for n in range(count * DIALPLANS_FOR_EACH)]
    async with witness_office() as there:
        office = there.office
        with (there.etc / "extensions.conf").open("a", encoding="utf-8") as out:
            out.write("\n#tryinclude drawn.conf\n")
        await office.asterisk.cli("module load app_exec.so")
        await there.add_phones({each.name: each.context for each in drawn})
        await write_drawn(office, drawn)
        walker = Walker(dialplan_of(await listed_dialplan(office)))
        found = list(_free(walker, drawn))[:count]
        problems = [
            f"{name} dialled {ungated.witness}: {ungated.leg.resource} expected, {reached} seen"
            for name, ungated in found
            for reached in [await there.reached(name, ungated.witness)]
            if ungated.leg.number not in reached
        ]
        say(f"{len(found)} real calls, {len(problems)} wrong")
        return Confirmed(calls=len(found), problems=tuple(problems))


def _free(walker: Walker, drawn: Sequence[Drawn]) -> Iterator[tuple[str, Ungated]]:
    """The first way out of each dialplan that needs nothing but the dialling."""
    (office,) = read_offices(Settings())
    tried = witnesses(office.plan, office.site)
    paid = [witness.dialled for witness in tried if witness.category is Category.PAID]
    carriers = Carriers(
        trunks=frozenset({"trunk", "emergency"}),
        is_paid=lambda sent: not costs_nothing(sent, [office]),
    )
    for each in drawn:
        judged = judge(walker, each.context, paid[:: len(paid) // TRIED], carriers)
        for ungated in judged.ungated:
            if is_known(ungated.leg.number) and _is_plain(walker, ungated):
                yield each.name, ungated
                break


def _is_plain(walker: Walker, ungated: Ungated) -> bool:
    """The first Dial that is reached; after another one a call may have ended as it liked."""
    extensions = (
        step.application
        for place in ungated.leg.way[:-1]
        for found in walker.dialplan.find(place.context, place.extension, place.priority)
        for step in [getattr(found, "step", None)]
        if step is not None
    )
    dialled = ungated.witness.replace("-", "").lstrip("+*")
    return dialled.isdigit() and bool(ungated.leg.number) and "Dial" not in {*extensions}
