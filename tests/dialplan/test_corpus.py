"""Sixty dialplans as people have them: what must be found, what must not, what cannot be told."""

import pytest
from _pytest.mark import ParameterSet

from dialplan.walk import rules
from dialplan.walk.inspection import Result, inspect, past_the_hook
from tests.dialplan.corpus_files import CODES, TRUNKS, Case, caller, cases, read, walker

CASES = cases()
SOUND_AT_LEAST, FAULTS_AT_LEAST, ALL_AT_LEAST = 20, 40, 60


def marked(case: Case) -> ParameterSet:
    """A whole dialplan of FreePBX takes some seconds to walk: one of them is enough each time."""
    whole = case.name.startswith("freepbx-") and case.name != "freepbx-with-the-hook"
    return pytest.param(case, id=case.name, marks=[pytest.mark.long] if whole else [])


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_dialplan_is_judged_as_it_says(case: Case) -> None:
    written = read(case)
    inspected = inspect(walker(written), caller(case, written), codes=CODES)
    found = {finding.rule.name for finding in inspected.findings}
    found |= {finding.rule.name for finding in past_the_hook(written.dialplan, TRUNKS)}
    found |= {
        (rules.FILE_CANNOT_TELL if each.is_unknown else rules.FILE_WRONG).name
        for each in written.remarks
    }
    messages = [finding.message for finding in inspected.findings]
    assert found == case.finds, messages
    assert inspected.result == case.result
    assert case.untold in " ".join(messages)


def test_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(CASES) >= ALL_AT_LEAST
    assert sum(not case.finds for case in CASES) >= SOUND_AT_LEAST
    assert sum(bool(case.finds) for case in CASES) >= FAULTS_AT_LEAST
    named = frozenset().union(*(case.finds for case in CASES))
    assert named == {rule.name for rule in rules.RULES}
    assert {case.result for case in CASES} == set(Result)
