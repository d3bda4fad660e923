"""What the doctor says of settings, plans, phones, addresses and recordings."""

import shutil
from pathlib import Path

import pytest

from admin.checks.findings import Status, listed
from admin.checks.site import (
    check_addresses,
    check_phones,
    check_plans,
    check_secrets,
    check_settings,
)
from admin.checks.voice import check_engines, check_prompts, judge_engines
from plans.files import SHIPPED_PLANS
from prompts.audio import Sound
from prompts.files import read_sound, write_wav
from prompts.library import Library
from settings import PromptSettings
from tests.admin.conftest import Site

OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM


def test_settings_that_could_be_read_are_valid(site: Site) -> None:
    assert site.said(check_settings) == [(OK, f"{site.file} is valid")]


@pytest.mark.parametrize(
    ("sections", "mode", "status"),
    [
        ('[ari]\npassword = "a"\n', 0o600, OK),
        ('[ari]\npassword = "a"\n', 0o640, PROBLEM),
        ('[ami]\nsecret = "a"\n', 0o604, PROBLEM),
        ('[database]\nurl = "postgresql://me:pw@db/x"\n', 0o644, PROBLEM),
        ('[database]\nurl = "postgresql://me@db/x"\n', 0o644, OK),
        ("", 0o644, OK),
    ],
)
def test_passwords_are_their_owners_alone(
    site: Site, sections: str, mode: int, status: Status
) -> None:
    site.add(sections)
    site.file.chmod(mode)
    assert [each for each, _ in site.said(check_secrets)] == [status]


def test_a_file_with_a_secret_is_its_owners_alone(site: Site) -> None:
    secret = site.folder / "ami.secret"
    secret.touch(mode=0o640)
    secret.write_text("x")
    site.add('[ami]\nsecret_file = "ami.secret"\n')
    ((status, told),) = site.said(check_secrets)
    assert (status, told) == (PROBLEM, f"{secret} holds a password and others may read it")
    secret.chmod(0o600)
    assert site.said(check_secrets)[0][0] is OK


def test_nobody_else_may_write_to_the_ledger(site: Site) -> None:
    site.ledger.touch(mode=0o600)
    assert site.said(check_secrets)[0][0] is OK
    site.ledger.chmod(0o660)
    assert site.said(check_secrets) == [
        (PROBLEM, f"others may write to the ledger {site.ledger}, and so give themselves money")
    ]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ("", None),
        ('[ari]\npassword = "a"\nbase_url = "http://localhost:8088"\n', None),
        ('[ari]\npassword = "a"\nbase_url = "https://192.0.2.1:8089"\n', None),
        ('[asterisk]\nsip_address = "192.0.2.1"\n', "SIP listens on 192.0.2.1"),
        ('[ari]\npassword = "a"\nbase_url = "http://192.0.2.1:8088"\n', "ARI's password"),
        ('[ami]\nsecret = "a"\nhost = "pbx.example"\n', "AMI's secret crosses the network"),
    ],
)
def test_what_is_reached_beyond_this_machine_is_a_warning(
    site: Site, sections: str, said: str | None
) -> None:
    site.add(sections)
    ((status, message),) = site.said(check_addresses)
    assert status is (OK if said is None else WARNING)
    assert said is None or said in message


def test_a_wrong_plan_is_told_with_its_line(site: Site) -> None:
    assert site.said(check_plans) == [(OK, "office main: the UK plan (uk), GBP")]
    shutil.copytree(SHIPPED_PLANS, site.folder / "plans")
    plan = site.folder / "plans" / "uk.toml"
    plan.write_text(plan.read_text().replace('"GBP"', '"GPB"'))
    site.file.write_text('[site]\nplans_folder = "plans"\n')
    ((status, message),) = site.said(check_plans)
    assert status is PROBLEM
    assert "uk.toml, line 7: currency" in message


def test_phones_in_another_country_than_their_plans_are_a_warning(site: Site) -> None:
    site.file.write_text('[site]\ncountry = "GB"\n[offices.main]\nplan = "france"\n')
    assert site.said(check_plans)[1:] == [
        (WARNING, "office main dials as one does in GB, and its plan is of FR")
    ]
    site.file.write_text('[site]\ncountry = "FR"\n[offices.main]\nplan = "france"\n')
    assert [status for status, _ in site.said(check_plans)] == [OK]


@pytest.mark.parametrize(
    ("plan", "extension", "hidden"),
    [
        *(("uk", "101", "101"), ("uk", "105", "105"), ("uk", "111", "111")),
        *(("uk", "118", "118XXX"), ("uk", "118500", "118XXX"), ("uk", "116123", "116XXX")),
        *(("france", "3018", "3[01]XX"), ("france", "118", "118XXX"), ("france", "3919", "3919")),
    ],
)
def test_an_extension_that_hides_a_service_is_a_warning(
    site: Site, plan: str, extension: str, hidden: str
) -> None:
    (site.folder / "phones.toml").write_text(f"[phones.{extension}]\n")
    site.add(f'[offices.main]\nplan = "{plan}"\n')
    status, message = site.said(check_phones)[0]
    assert status is WARNING
    assert message.startswith(f"extension {extension} hides {hidden}")


@pytest.mark.parametrize(("plan", "extension"), [("uk", "102"), ("uk", "1001"), ("france", "1001")])
def test_an_extension_that_hides_nothing_is_well(site: Site, plan: str, extension: str) -> None:
    (site.folder / "phones.toml").write_text(f"[phones.{extension}]\n")
    site.add(f'[offices.main]\nplan = "{plan}"\n')
    assert [status for status, _ in site.said(check_phones)] == [OK]


@pytest.mark.parametrize("extension", ["15", "17", "18", "115", "999", "112"])
def test_an_emergency_number_of_its_office_is_no_extension(site: Site, extension: str) -> None:
    """An office of France whose phones stand in Britain has the numbers of both."""
    (site.folder / "phones.toml").write_text(f"[phones.{extension}]\n")
    site.add('[offices.main]\nplan = "france"\ncountry = "GB"\n')
    status, message = site.said(check_phones)[0]
    assert status is PROBLEM
    assert message.startswith(f"extension {extension} is an emergency number")


@pytest.mark.parametrize(
    ("phones", "status", "said"),
    [
        ("[phones.1001]\n", OK, "1 phones in"),
        ("[phones.1001]\nlanguage = 'de'\n", PROBLEM, "language"),
        ("[phones.1001]\noffice = 'paris'\n", PROBLEM, "which the settings lack"),
        ("[phones.112]\n", PROBLEM, "extension 112 is an emergency number"),
    ],
)
def test_a_phone_that_cannot_work_is_a_problem(
    site: Site, phones: str, status: Status, said: str
) -> None:
    (site.folder / "phones.toml").write_text(phones)
    found = site.said(check_phones)
    assert found[0][0] is status
    assert said in found[0][1]


def test_the_phones_of_the_example_are_a_warning(site: Site) -> None:
    site.file.write_text("")
    assert site.said(check_phones)[0][0] is WARNING


def test_recordings_that_are_all_there_are_well(site: Site, sounds: Library) -> None:
    del sounds
    assert [status for status, _ in site.said(check_prompts)] == [OK, OK]


def test_a_language_without_recordings_is_a_problem_where_the_plan_speaks_it(site: Site) -> None:
    (en, _), (fr, message) = site.said(check_prompts)
    assert (en, fr) == (PROBLEM, WARNING)
    assert "nothing is recorded" in message
    site.add('[offices.main]\nplan = "france"\n')
    assert [status for status, _ in site.said(check_prompts)] == [WARNING, PROBLEM]


def test_recordings_that_should_not_be_heard_are_named(site: Site, sounds: Library) -> None:
    folder = sounds.folder("en")
    _rewrite(folder / "12-pounds.wav16", gain=0.01)
    _rewrite(folder / "13-pounds.wav16", gain=10)
    (folder / "14-pounds.wav").unlink()
    (folder / "14-pounds.wav").write_bytes(b"no sound" * 9)
    assert site.said(check_prompts)[:-1] == [
        (PROBLEM, "en: damaged: 14-pounds"),
        (WARNING, "en: too quiet: 12-pounds"),
        (WARNING, "en: clipped: 13-pounds"),
    ]


def test_what_asterisk_plays_by_itself_is_told_apart(site: Site, sounds: Library) -> None:
    (sounds.folder("en") / "service-unavailable.wav").unlink()
    found = site.said(check_prompts)
    assert found[0] == (PROBLEM, "en: missing: service-unavailable")
    assert "Asterisk plays service-unavailable when the application cannot" in found[1][1]


def test_the_voices_of_this_machine_are_listed(site: Site) -> None:
    ((status, message),) = site.said(check_engines)
    assert status is OK
    assert "pack" in message


def test_an_engine_that_is_named_and_cannot_record_is_a_warning() -> None:
    (found,) = judge_engines(PromptSettings(engine="pico"), ["pack"], {"pico": "not there"})
    assert found.status is WARNING
    assert "the settings want pico, which cannot record here: not there" in found.message
    (found,) = judge_engines(PromptSettings(), [], {"pico": "not there"})
    assert found.status is WARNING


def test_recordings_of_ones_own_that_are_missing_are_a_warning(site: Site) -> None:
    (site.folder / "studio" / "en").mkdir(parents=True)
    (site.folder / "studio" / "en" / "goodbye.wav").touch()
    site.file.write_text('[prompts]\nrecorded_folder = "studio"\n')
    status, message = site.said(check_engines)[-1]
    assert status is WARNING
    assert "recordings of your own are missing" in message


def test_long_lists_are_cut() -> None:
    assert listed(list("abc")) == "a, b, c"
    assert listed(list("abcdefgh")) == "a, b, c, d, e and 3 more"


def _rewrite(file: Path, *, gain: float) -> None:
    sound = read_sound(file)
    file.unlink()  # a link that other tests share
    write_wav(file, Sound((sound.samples * gain).clip(-1, 1), sound.rate_hz))
