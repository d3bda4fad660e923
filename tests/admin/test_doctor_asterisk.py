"""What the doctor says of Asterisk, against a stand-in and against nothing at all."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from admin.checks.asterisk import (
    check_ami,
    check_application,
    check_ari,
    check_asterisks_clock,
    check_dialplan,
    check_feature_codes,
    judge_program,
    our_extensions,
)
from admin.checks.findings import Check, Status
from admin.checks.loaded import check_loaded
from admin.checks.ways import check_trunks
from assembly.routes import own_asterisk
from dialplan.render import OUR_CONTEXTS, STAMP, rendered_dialplan, stamp_of
from tests.admin.asterisk_stand_in import AMI_SECRET, ARI_PASSWORD, AsteriskStandIn, running
from tests.admin.conftest import Site

OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM


@asynccontextmanager
async def asterisk_of(site: Site, asterisk: AsteriskStandIn) -> AsyncIterator[None]:
    async with running(asterisk):
        site.add(asterisk.settings)
        yield


async def said(site: Site, check: Check) -> Sequence[tuple[Status, str]]:
    return await asyncio.to_thread(site.said, check)  # it runs an event loop of its own


async def test_an_asterisk_as_it_should_be(site: Site) -> None:
    asterisk = AsteriskStandIn(dialplan=our_extensions(own_asterisk(site.settings)))
    async with asterisk_of(site, asterisk):
        for check in (check_ari, check_application, check_ami, check_dialplan):
            assert [status for status, _ in await said(site, check)] == [OK], check


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        (None, "were written by an earlier Tollgate"),
        ("0123456789abcdef", "were written by another version"),
    ],
)
async def test_contexts_that_an_older_version_wrote_are_noticed(
    site: Site, stamp: str | None, told: str
) -> None:
    dialplan = our_extensions(own_asterisk(site.settings))
    del dialplan[STAMP]
    if stamp is not None:
        dialplan[STAMP] = frozenset({stamp})
    async with asterisk_of(site, AsteriskStandIn(dialplan=dialplan)):
        ((status, message),) = await said(site, check_dialplan)
    assert status is WARNING
    assert told in message


def test_a_stamp_tells_what_was_written_and_nothing_else(site: Site) -> None:
    config = own_asterisk(site.settings)
    stamp = stamp_of(config)
    assert f"[{STAMP}]\nexten => {stamp},1," in rendered_dialplan(config)[OUR_CONTEXTS]
    assert stamp_of(replace(config, sip_address="127.0.0.9", http_port=1)) == stamp
    assert stamp_of(replace(config, app_name="another")) != stamp


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("22.10.1", OK),
        ("23.0.0", OK),
        ("22.10.0", PROBLEM),
        ("certified/20.7-cert2", PROBLEM),
        ("GIT-master-abc", PROBLEM),
        ("", PROBLEM),
    ],
)
async def test_an_asterisk_that_is_too_old_is_a_problem(
    site: Site, version: str, status: Status
) -> None:
    async with asterisk_of(site, AsteriskStandIn(version=version)):
        assert [each for each, _ in await said(site, check_ari)] == [status]


async def test_a_wrong_password_is_told_from_an_asterisk_that_is_away(site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        site.add(asterisk.settings.replace(ARI_PASSWORD, "x").replace(AMI_SECRET, "y"))
        ((ari, ari_said),) = await said(site, check_ari)
        ((ami, ami_said),) = await said(site, check_ami)
        assert await said(site, check_application) == []
        assert await said(site, check_dialplan) == []
    assert (ari, ami) == (PROBLEM, PROBLEM)
    assert "does not accept the password of tollgate" in ari_said
    assert "does not let tollgate in: Authentication failed" in ami_said


async def test_asterisk_away_is_one_problem_each_and_says_how_to_start_it(site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        site.add(asterisk.settings)
    for check, name in ((check_ari, "ARI"), (check_ami, "AMI")):
        (found,) = await asyncio.to_thread(tuple, check(site.settings))
        assert found.status is PROBLEM
        assert f"{name} at" in found.message
        assert "cannot be reached: nothing listens there" in found.message
        assert "systemctl start asterisk" in found.remedy
    assert await said(site, check_application) == []
    assert await said(site, check_dialplan) == []


async def test_somebody_else_on_the_port_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.checks.asterisk.TIMEOUT_S", 0.5)
    async with running(AsteriskStandIn(banner="SSH-2.0")) as asterisk:
        site.add(asterisk.settings.replace(str(asterisk.ari_port), str(asterisk.ami_port)))
        ((_, ari_said),) = await said(site, check_ari)
        ((_, ami_said),) = await said(site, check_ami)
    assert "cannot be reached" in ari_said
    assert "what answers is not AMI" in ami_said


async def test_an_application_that_is_not_connected_is_a_problem(site: Site) -> None:
    async with asterisk_of(site, AsteriskStandIn(applications=("other",))):
        ((status, message),) = await said(site, check_application)
    assert status is PROBLEM
    assert "the application tollgate is not connected" in message


async def test_a_dialplan_of_another_plan_is_told_number_by_number(site: Site) -> None:
    wanted = our_extensions(own_asterisk(site.settings))
    stale = {
        **wanted,
        "tollgate-emergency": wanted["tollgate-emergency"] - {"999"},
        "tollgate-free": wanted["tollgate-free"] | {"_0900!"},
    }
    async with asterisk_of(site, AsteriskStandIn(dialplan=stale)):
        assert await said(site, check_dialplan) == [
            (PROBLEM, "Asterisk's [tollgate-emergency] lacks 999"),
            (PROBLEM, "Asterisk's [tollgate-free] has what the plan has not: _0900!"),
        ]


async def test_contexts_of_before_an_office_are_one_warning(site: Site) -> None:
    """As an earlier version wrote them: what includes them goes on working."""
    wanted = our_extensions(own_asterisk(site.settings))
    before = {name: known for name, known in wanted.items() if not name.endswith(".main")}
    async with asterisk_of(site, AsteriskStandIn(dialplan=before)):
        assert await said(site, check_dialplan) == [
            (WARNING, "Asterisk has no contexts of the office main yet")
        ]


async def test_a_dialplan_without_our_contexts_is_one_problem(site: Site) -> None:
    async with asterisk_of(site, AsteriskStandIn()):
        assert await said(site, check_dialplan) == []
        assert await said(site, check_trunks) == []
        ((status, message),) = await said(site, check_loaded)
    assert status is PROBLEM
    assert "Asterisk has no [tollgate-emergency]" in message


async def test_feature_codes_that_nobody_answers_are_a_warning(site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        site.add(f"[agi]\nport = {asterisk.agi_port}\n")
        answered = "*80, *81, *82, *83 are answered at"
        ((status, message),) = await said(site, check_feature_codes)
        assert status is OK
        assert message.startswith(answered)
    ((status, message),) = await said(site, check_feature_codes)
    assert status is WARNING
    assert message.endswith("nothing listens there")
    site.add('[agi.codes]\nbalance = ""\nprice = ""\nlast_call = ""\nlanguage = ""\n')
    assert await said(site, check_feature_codes) == []


def test_settings_without_asterisk_are_a_problem(site: Site) -> None:
    assert [status for status, _ in site.said(check_ari)] == [PROBLEM]
    assert [status for status, _ in site.said(check_ami)] == [PROBLEM]
    assert site.said(check_application) == site.said(check_dialplan) == []


def test_the_program_on_this_machine_is_judged_by_its_version() -> None:
    assert judge_program(("/usr/sbin/asterisk", (22, 10, 1))).status is OK
    assert judge_program(("/usr/sbin/asterisk", (20, 5, 0))).status is PROBLEM
    assert judge_program(None).status is WARNING


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (timedelta(seconds=1), Status.OK, "agree"),
        (timedelta(hours=1), Status.WARNING, "3600 s ahead of"),
        (timedelta(hours=-1), Status.WARNING, "3600 s behind"),
    ],
)
async def test_a_clock_that_differs_from_ours_is_told(
    site: Site, ahead: timedelta, status: Status, words: str
) -> None:
    async with running(AsteriskStandIn(clock_ahead=ahead)) as asterisk:
        site.add(asterisk.settings)
        ((found, message),) = await said(site, check_asterisks_clock)
    assert found is status
    assert words in message
