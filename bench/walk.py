"""How long `tollgate dialplan check` takes over a large dialplan: 30,000 priorities, in three ways.

Extensions, routes and trunks as FreePBX generates them, read from text and judged; beside it the
bare reading of the text. The gate is in the hook, and every number has to be walked to its end.
"""

import time
from collections.abc import Iterator

from assembly.offices import read_offices
from assembly.routes import own_asterisk
from bench.figures import Figure
from charging.plan import Category
from charging.unpaid import costs_nothing
from dialplan.config_text import SourceFile
from dialplan.render import Gate, rendered_dialplan
from dialplan.walk.files import Written, read_dialplan
from dialplan.walk.inspection import Caller, Result, inspect
from dialplan.walk.verdict import Carriers
from dialplan.walk.walker import Walker
from dialplan.witnesses import witnesses
from lab.errors import LabError
from lab.freepbx import PHONES, SHAPE
from settings import Settings

PRIORITIES = 30_000
ROUTES = 400
EXTENSION = """exten => {number},1,Set(__RINGTIMER=20)
 same => n,GotoIf($["${{DB(AMPUSER/{number}/novm)}}" = "yes"]?ring)
 same => n,Set(__PICKUPMARK={number})
 same => n(ring),Gosub(macro-dial-one,s,1(20,Ttr,{number}))
 same => n,Hangup()
"""
ROUTE = """[outrt-{number}]
exten => _{pattern},1,Gosub(macro-user-callerid,s,1(LIMIT,EXTERNAL))
 same => n,Set(_ROUTEID={number})
 same => n,Set(_ROUTENAME=route{number})
 same => n,Set(_NODEST=)
 same => n,Gosub(macro-dialout-trunk,s,1(1,${{EXTEN}},,off))
 same => n,Gosub(macro-dialout-trunk,s,1(2,${{EXTEN}},,off))
 same => n,Gosub(macro-outisbusy,s,1())
"""
GOAL_S = 10


def run() -> list[Figure]:
    text = "\n".join(_large())
    began_s = time.process_time()
    written = _read(text)
    read_s = time.process_time() - began_s
    count = sum(
        len(extension.steps)
        for context in written.dialplan.contexts.values()
        for extension in context.extensions
    )
    if count < PRIORITIES:
        raise LabError(f"the dialplan has {count} priorities")
    caller = _caller()
    began_s = time.process_time()
    walker = Walker(written.dialplan, variables=written.variables)
    inspected = inspect(walker, caller)
    judged_s = time.process_time() - began_s
    if inspected.result is not Result.GATED:
        raise LabError(f"it is {inspected.result}: {inspected.findings[:1]}")
    return [
        Figure(
            what=f"{count:,} priorities read and judged for one context, processor time",
            unit="s",
            value=read_s + judged_s,
            beside=read_s,
            beside_what="read alone",
            goal=f"under {GOAL_S} s",
            met=read_s + judged_s < GOAL_S,
        )
    ]


def _large() -> Iterator[str]:
    ours = rendered_dialplan(own_asterisk(Settings()), Gate.FREEPBX)
    yield from ours.values()
    yield SHAPE.read_text(encoding="utf-8")
    per_extension, per_route = EXTENSION.count("\n"), ROUTE.count("\n") - 1
    yield "[outbound-allroutes](+)"
    yield from (f"include => outrt-{number}" for number in range(10, 10 + ROUTES))
    for number in range(10, 10 + ROUTES):
        yield ROUTE.format(number=number, pattern=f"00{number}X.")
    yield "[ext-local](+)"
    for number in range((PRIORITIES - ROUTES * per_route) // per_extension):
        yield EXTENSION.format(number=20_000 + number)


def _read(text: str) -> Written:
    return read_dialplan(SourceFile(name="extensions.conf", text=text), lambda _name: [])


def _caller() -> Caller:
    (office,) = read_offices(Settings())
    tried = witnesses(office.plan, office.site)
    wanted = {Category.PAID, Category.BARRED}
    return Caller(
        context=PHONES,
        phones=("1001",),
        costs=tuple(each.dialled for each in tried if each.category in wanted),
        emergency=("112", "999"),
        carriers=Carriers(
            trunks=frozenset({"trunk", "backup", "emergency"}),
            is_paid=lambda sent: not costs_nothing(sent, [office]),
        ),
    )
