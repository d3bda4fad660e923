"""`tollgate doctor` as a whole: what it prints, its exit status, and that nothing stops it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin.checks.asterisk import our_extensions
from admin.checks.findings import Finding, Status, ok
from admin.checks.machine import judge_clock, judge_python
from admin.doctor import ASTERISK, MACHINE, SITE, carry_out
from assembly.health import answering
from assembly.routes import own_asterisk
from dialplan.render import rendered_dialplan
from prompts.library import Library
from settings import Settings
from tests.admin.asterisk_stand_in import (
    AMI_SECRET,
    ARI_PASSWORD,
    SOUND,
    AsteriskStandIn,
    running,
)
from tests.admin.conftest import Site
from tests.dialplan.walk.text import listed


def report(site: Site, *arguments: str) -> tuple[int, Any]:
    result = site.run("doctor", "--json", *arguments)
    return result.exit_code, json.loads(result.stdout)


def with_status(found: Any, status: str) -> dict[str, str]:
    return {each["check"]: each["message"] for each in found if each["status"] == status}


@pytest.fixture
def sound_site(site: Site, sounds: Library) -> Site:
    del sounds  # they are in the site's folder
    site.make_ledger()
    return site


async def test_a_sound_site_has_no_problem_and_every_check_speaks(sound_site: Site) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        legs = sound_site.folder / "legs.json"
        legs.touch()
        sound_site.add(f"{asterisk.settings}[agi]\nport = {asterisk.agi_port}\n")
        sound_site.add(f'[asterisk]\ncel_file = "{legs}"\n')
        config = own_asterisk(sound_site.settings)
        asterisk.dialplan = our_extensions(config)
        rendered = "".join(rendered_dialplan(config).values())
        asterisk.listing = listed(f"{rendered}[office]\ninclude => tollgate\n")
        asterisk.endpoints = SOUND
        settings = sound_site.settings
        async with answering("ari_app", settings, {}), answering("agi", settings, {}):
            status, told = await asyncio.to_thread(report, sound_site)
            shown = await asyncio.to_thread(sound_site.run, "doctor")
    wrong = with_status(told["findings"], "problem") | with_status(told["findings"], "warning")
    assert wrong.keys() <= {"asterisk", "disk"}  # a machine that runs tests may be without
    assert (status, told["ok"]) == (0, True)
    assert {each["check"] for each in told["findings"]} == {*MACHINE, *SITE, *ASTERISK}
    assert shown.exit_code == 0
    assert "Asterisk 22.10.1~dfsg" in shown.stdout


def test_json_has_these_fields_and_no_other(site: Site) -> None:
    status, told = report(site, "--no-asterisk")
    assert (status, told["ok"]) == (1, False)
    assert told.keys() == {"ok", "findings"}
    for finding in told["findings"]:
        assert finding.keys() == {"check", "status", "message", "remedy"}
        assert finding["status"] in {"ok", "warning", "problem"}
        assert (finding["remedy"] == "") == (finding["status"] == "ok")
    assert not {each["check"] for each in told["findings"]} & ASTERISK.keys()


def test_a_sound_that_was_removed_is_named(sound_site: Site, sounds: Library) -> None:
    status, told = report(sound_site, "--no-asterisk")
    assert (status, told["ok"]) == (0, True)
    (sounds.folder("fr") / "12-pounds.wav").unlink()
    (sounds.folder("en") / "21-pounds.wav16").unlink()
    status, told = report(sound_site, "--no-asterisk")
    assert (status, told["ok"]) == (1, False)
    assert with_status(told["findings"], "problem") == {"prompts": "en: missing: 21-pounds"}
    assert with_status(told["findings"], "warning")["prompts"] == "fr: missing: 12-pounds"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ari", "is not valid TOML"),
        ("[kari]\n", "a section that means nothing: kari"),
        ("[agi]\nport = 0\n", "agi.port"),
        ("\x00\xff", "is not valid TOML"),
    ],
)
def test_damaged_settings_are_one_problem_and_the_machine_is_looked_at_all_the_same(
    site: Site, text: str, said: str
) -> None:
    site.file.write_text(text)
    status, told = report(site)
    assert (status, told["ok"]) == (1, False)
    assert [each["check"] for each in told["findings"]] == ["python", "clock", "settings"]
    assert said in told["findings"][-1]["message"]
    shown = site.run("doctor")
    assert shown.exit_code == 1
    assert "Traceback" not in shown.output
    assert "1 problem, 0 warnings" in shown.stdout


def test_settings_that_are_named_and_missing_are_a_problem(site: Site) -> None:
    site.file.unlink()
    _, told = report(site)
    assert "there is no settings file" in with_status(told["findings"], "problem")["settings"]


def test_it_changes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOLLGATE_SETTINGS")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    status, told = report(site)
    assert status == 1
    problems = with_status(told["findings"], "problem")
    assert {"database", "ari", "ami"} <= problems.keys()
    assert "there is no ledger yet" in problems["database"]
    assert "there is no settings file" in with_status(told["findings"], "warning")["settings"]
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("form", ["--json", "--no-json"])
async def test_no_secret_is_ever_shown(site: Site, form: str) -> None:
    async with running(AsteriskStandIn()) as asterisk:
        wrong = asterisk.settings.replace(ARI_PASSWORD, "ari-wrong").replace(
            AMI_SECRET, "ami-wrong"
        )
        site.add(wrong + '[database]\nurl = "postgresql://me:db-wrong@127.0.0.1:1/x"\n')
        arguments = ["doctor"] if form == "--no-json" else ["doctor", "--json"]
        shown = await asyncio.to_thread(site.run, *arguments)
    assert shown.exit_code == 1
    for what in ("does not accept the password", "does not let tollgate in", "me:***@127.0.0.1"):
        assert what in shown.output
    for secret in ("ari-wrong", "ami-wrong", "db-wrong"):
        assert secret not in shown.output


def breaks(_settings: Settings) -> Iterator[Finding]:
    yield ok("as far as this")
    raise RuntimeError("a defect")


def hangs(_settings: Settings) -> Iterator[Finding]:
    threading.Event().wait(5)
    yield ok("at last")


def test_a_check_that_breaks_or_hangs_is_a_finding_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("admin.doctor.CHECK_TIMEOUT_S", 0.2)
    checks = {"first": breaks, "second": hangs, "third": lambda _: [ok("well")]}
    found = carry_out(checks, Settings.model_construct())
    assert [(each.check, each.finding.status) for each in found] == [
        ("first", Status.PROBLEM),
        ("second", Status.PROBLEM),
        ("third", Status.OK),
    ]
    assert "RuntimeError: a defect" in found[0].finding.message
    assert "no result in 0.2 s" in found[1].finding.message


def test_an_old_python_and_a_wrong_clock_are_problems() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert judge_python((3, 11)).status is Status.OK
    assert judge_python((3, 9)).status is Status.PROBLEM
    assert judge_clock(now, installed=now - timedelta(days=1)).status is Status.OK
    assert (
        "before Tollgate was installed"
        in judge_clock(now - timedelta(days=900), installed=now).message
    )
