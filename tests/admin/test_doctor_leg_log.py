"""Asterisk's log of legs: named, there, and ours to read."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admin.checks.findings import Status
from admin.checks.leg_log import check_leg_log, check_ungated_legs, judge_unproved
from charging.evidence import EndUnproved
from db.engine import open_engine
from db.ungated import UngatedLeg, UngatedLegs
from tests.admin.asterisk_stand_in import AsteriskStandIn, running
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


def test_a_log_that_was_moved_aside_is_sound(site: Site, log: Path) -> None:
    log.with_name("legs.json.1").touch()
    ((status, message),) = site.said(check_leg_log)
    assert status is Status.OK
    assert "was moved aside" in message


def test_a_folder_that_debian_does_not_make_is_a_problem(site: Site) -> None:
    site.add('[asterisk]\ncel_file = "cel-custom/legs.json"\n')
    ((status, message),) = site.said(check_leg_log)
    assert status is Status.PROBLEM
    assert message.endswith(str(site.folder / "cel-custom"))


@pytest.mark.parametrize("modules", [{}, {"cel_custom.so": "Not Running"}])
async def test_a_module_that_asterisk_declined_is_a_problem(
    site: Site, log: Path, modules: dict[str, str]
) -> None:
    before = await asyncio.to_thread(site.said, check_leg_log)  # with no Asterisk to ask
    assert str(log) in before[0][1]
    async with running(AsteriskStandIn(modules=modules)) as asterisk:
        site.add(asterisk.settings)
        (declined,) = await asyncio.to_thread(site.said, check_leg_log)
        asterisk.modules = {"cel_custom.so": "Running"}
        sound = await asyncio.to_thread(site.said, check_leg_log)
    assert declined[0] is Status.PROBLEM
    assert "cel_custom.so does not run in Asterisk" in declined[1]
    assert sound == before


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


def test_a_log_that_does_not_say_who_was_dialled_is_a_warning(site: Site, log: Path) -> None:
    log.write_text('{"eventtype":"ANSWER","appdata":"","dnid":""}\n{"eventtype":"HANGUP"}\n')
    assert [status for status, _ in site.said(check_leg_log)] == [Status.OK]
    log.write_text('{"eventtype":"ANSWER","appdata":""}\n{"cut short')
    found = site.said(check_leg_log)
    assert [status for status, _ in found] == [Status.OK, Status.WARNING]
    assert "a leg that nobody pays for is not noticed" in found[1][1]


async def test_legs_that_nobody_paid_for_are_told_for_a_day(site: Site) -> None:
    site.make_ledger(top_up=None)
    assert [status for status, _ in site.said(check_ungated_legs)] == [Status.OK]
    engine = open_engine(site.settings.database.url)
    for channel, age in (("1.1", timedelta(hours=1)), ("1.2", timedelta(hours=25))):
        leg = UngatedLeg(
            channel=channel,
            asterisk="asterisk",
            endpoint="trunk",
            number="00336123xxxx",
            answered_at=datetime.now(UTC) - age,
        )
        assert await UngatedLegs(engine).add(leg)
        assert not await UngatedLegs(engine).add(leg)  # the log may be read twice
    engine.dispose()
    ((status, message),) = site.said(check_ungated_legs)
    assert status is Status.PROBLEM
    assert message.startswith("1 leg to a trunk in the last day that nobody paid for: trunk 0033")
