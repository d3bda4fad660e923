"""The doctor on the corpus of dialplans: what gets out is named, of sound ones nothing is said."""

import pytest

from admin.checks.findings import Status
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running
from admin.checks.ways import judge_phones
from assembly.offices import read_offices
from dialplan.walk import rules
from settings import Settings
from tests.dialplan.corpus_files import TRUNKS, Case, cases, read

pytestmark = pytest.mark.long

FREE = {rules.UNGATED.name, rules.UNGATED_AWAY.name}
HELP = {rules.EMERGENCY_NOWHERE.name, rules.EMERGENCY_GATED.name, rules.EMERGENCY_CHANGED.name}
SEEN_BY_ITSELF = FREE | HELP
WITH_OURS = [case for case in cases() if "#tryinclude tollgate.conf" in case.text]
FAULTS = [case for case in WITH_OURS if case.finds & SEEN_BY_ITSELF]
SOUND = [case for case in WITH_OURS if not case.finds]


def problems(case: Case) -> list[str]:
    written = read(case)
    endpoints = [
        Endpoint(name="1001", context=case.context, allow_transfer=False, is_trunk=False),
        *(
            Endpoint(name=name, context="from-trunk", allow_transfer=False, is_trunk=True)
            for name in sorted(TRUNKS)
        ),
    ]
    running = Running(dialplan=written.dialplan, variables=written.variables, endpoints=endpoints)
    found = judge_phones(running, read_offices(Settings()), Settings(), {"1001": "main"})
    return [each.message for each in found if each.status is Status.PROBLEM]


@pytest.mark.parametrize("case", FAULTS, ids=str)
def test_fault_is_named(case: Case) -> None:
    said = " ".join(problems(case))
    if case.finds & FREE:
        assert "nobody pays when 1001 dials" in said
    if case.finds & HELP:
        assert "the emergency number" in said


@pytest.mark.parametrize("case", SOUND, ids=str)
def test_sound_dialplan_is_not_complained_of(case: Case) -> None:
    assert problems(case) == []


def test_there_are_enough_of_both() -> None:
    assert len(FAULTS) >= 40
    assert len(SOUND) >= 20
