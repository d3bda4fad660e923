"""The corpus of dialplans beside this file: each says in its first lines what is to be found in it.

`result`, the rules that must be found and no other, what cannot be told, the phones' context, and
why a witness is not dialled by a real phone where it cannot be.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from assembly.offices import read_offices
from assembly.routes import own_asterisk
from charging.plan import Category
from charging.unpaid import costs_nothing
from dialplan.config_text import SourceFile
from dialplan.patterns import emergency_dialled
from dialplan.render import Gate, rendered_dialplan
from dialplan.walk.files import Written, read_dialplan
from dialplan.walk.inspection import Caller
from dialplan.walk.verdict import Carriers
from dialplan.walk.walker import Walker
from dialplan.witnesses import witnesses
from lab.freepbx import SHAPE
from settings import Settings

FOLDER = Path(__file__).with_name("corpus")
TRIED_OF = 12  # of so many witnesses one is tried, which keeps the test quick
TRUNKS = frozenset({"trunk", "emergency", "backup"})
CODES = tuple(code for _, code in Settings().agi.codes if code)
_FIELD = re.compile(r"^;! (?P<name>[a-z ]+): (?P<value>.+)$", re.MULTILINE)
_TRUNK = re.compile(r"^\[tollgate-trunk\]$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    text: str
    result: str
    finds: frozenset[str]
    untold: str
    context: str
    not_dialled: str  # why; empty: its witnesses are dialled by real phones

    def __str__(self) -> str:
        return self.name


def cases() -> Sequence[Case]:
    return [_case(file) for file in sorted(FOLDER.glob("*.conf"))]


def _case(file: Path) -> Case:
    text = file.read_text(encoding="utf-8")
    said = {found["name"]: found["value"] for found in _FIELD.finditer(text)}
    finds = said.get("finds", "")
    return Case(
        name=file.stem,
        text=text,
        result=said["result"],
        finds=frozenset(filter(None, (each.strip() for each in finds.split(",")))),
        untold=said.get("untold", ""),
        context=said.get("context", "office"),
        not_dialled=said.get("not dialled", ""),
    )


@cache
def _ours() -> dict[str, str]:
    config = own_asterisk(Settings())
    return dict(rendered_dialplan(config, Gate.FREEPBX))


def included(name: str, case: Case) -> Sequence[SourceFile]:
    """Ours as it is rendered, but for a trunk's context that the case has itself; FreePBX's."""
    if name == "freepbx.conf":
        return [SourceFile(name=name, text=SHAPE.read_text(encoding="utf-8"))]
    wanted = {
        "tollgate.conf": ["tollgate.conf", "tollgate-trunk.conf"],
        "tollgate-hook.conf": ["tollgate-freepbx.conf"],
    }.get(name, [])
    own_trunk = _TRUNK.search(case.text) is not None
    texts = {each: _ours()[each] for each in wanted}
    if own_trunk and "tollgate-trunk.conf" in texts:
        text = texts["tollgate-trunk.conf"]
        texts["tollgate-trunk.conf"] = text[text.index("[tollgate-emergency-trunk]") :]
    return [SourceFile(name=each, text=text) for each, text in texts.items()]


def whole_text(case: Case) -> str:
    """With what it includes in its place, for an Asterisk."""
    lines = []
    for line in case.text.splitlines():
        word, _, name = line.partition(" ")
        if word in {"#include", "#tryinclude"}:
            lines += [each.text for each in included(name, case)]
        elif word != "#exec":
            lines.append(line)
    return "\n".join([*lines, ""])


def read(case: Case) -> Written:
    file = SourceFile(name=f"{case.name}.conf", text=case.text)
    return read_dialplan(file, lambda name: included(name, case))


def caller(case: Case, written: Written) -> Caller:
    (office,) = read_offices(Settings())
    tried = witnesses(office.plan, office.site)
    known = (
        {each.name for each in written.dialplan.contexts["tollgate-emergency"].extensions}
        if ("tollgate-emergency" in written.dialplan.contexts)
        else {"112", "999"}
    )
    wanted = {Category.PAID, Category.BARRED}
    return Caller(
        context=case.context,
        phones=("1001",),
        costs=tuple(each.dialled for each in tried if each.category in wanted)[::TRIED_OF],
        emergency=tuple(
            dialled
            for dialled, _ in emergency_dialled(office.emergency_sites)
            if dialled in known and not dialled.endswith("#")
        ),
        carriers=Carriers(trunks=TRUNKS, is_paid=lambda sent: not costs_nothing(sent, [office])),
    )


def walker(written: Written) -> Walker:
    return Walker(written.dialplan, variables=written.variables)
