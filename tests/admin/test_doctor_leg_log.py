"""Asterisk's log of legs: named, there, and ours to read."""

from pathlib import Path

import pytest

from admin.checks.findings import Status
from admin.checks.leg_log import check_leg_log, judge_unproved
from charging.evidence import EndUnproved
from tests.admin.conftest import Site


@pytest.fixture
def log(site: Site) -> Path:
    file = site.folder / "legs.json"
    site.add(f'[asterisk]\ncel_file = "{file}"\n')
    return file


def test_a_site_without_the_log_is_told_what_it_loses(site: Site) -> None:
    ((status, message),) = site.said(check_leg_log)
    assert status is Status.WARNING
    assert "charged as far as it was debited" in message


def test_a_log_that_can_be_read_is_sound(site: Site, log: Path) -> None:
    log.touch()
    assert [status for status, _ in site.said(check_leg_log)] == [Status.OK]


def test_a_log_that_nobody_wrote_yet_is_a_warning(site: Site, log: Path) -> None:
    ((status, message),) = site.said(check_leg_log)
    assert status is Status.WARNING
    assert str(log) in message


def test_a_log_that_cannot_be_read_is_a_problem(site: Site, log: Path) -> None:
    log.mkdir()
    ((status, message),) = site.said(check_leg_log)
    assert status is Status.PROBLEM
    assert "cannot be read: Is a directory" in message


@pytest.mark.parametrize("why", list(EndUnproved))
def test_calls_whose_end_cannot_be_proved_are_counted(why: EndUnproved) -> None:
    (found,) = judge_unproved({why: 3})
    assert found.status is Status.WARNING
    assert found.message.startswith("3 calls of the last 30 days")
