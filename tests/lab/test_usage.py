"""The kernel's count of processor time."""

import os

import pytest

from lab.usage import MachineTime, cpu_s, machine_time


def test_stolen_part_is_of_what_was_wanted_in_between() -> None:
    before = MachineTime(used_s=100.0, stolen_s=50.0)
    after = MachineTime(used_s=103.0, stolen_s=51.0)
    assert after.stolen_part_since(before) == pytest.approx(0.25)


def test_nothing_was_stolen_of_nothing() -> None:
    moment = MachineTime(used_s=100.0, stolen_s=50.0)
    assert moment.stolen_part_since(moment) == 0


def test_machine_has_used_at_least_what_this_process_has() -> None:
    ours_s = cpu_s(os.getpid())
    assert machine_time().used_s >= ours_s > 0
