"""`tollgate doctor` names the fault that there is, and no other: a part of `make doctor-faults`."""

import pytest

from tests.live.doctor import Outcome, run_faults, run_sound
from tests.live.doctor_faults import FAULTS
from tests.live.doctor_sound import SOUND

pytestmark = [pytest.mark.live, pytest.mark.long]

FAULTS_AT_LEAST, SOUND_AT_LEAST = 40, 20
EVERY = 3  # of the table; its groups follow one another, so some of each group


def wrong(outcomes: list[Outcome]) -> list[str]:
    return [f"{outcome.name}: {each}" for outcome in outcomes for each in outcome.wrong]


async def test_each_fault_in_a_running_office_is_named_and_nothing_else_is() -> None:
    assert wrong([*await run_faults(FAULTS[::EVERY], everything=False)]) == []


async def test_offices_of_another_country_and_another_kind_are_found_sound() -> None:
    some = ["an office in France", "FreePBX's shape, the gate in its hook"]
    assert wrong([*await run_sound(some)]) == []


def test_table_is_as_long_as_it_says_and_each_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= FAULTS_AT_LEAST
    assert all(said.what and said.remedy for fault in FAULTS for said in fault.says)
    assert len(SOUND) + 1 >= SOUND_AT_LEAST  # and the one that the faults are put into
