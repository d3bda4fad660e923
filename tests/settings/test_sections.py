"""Each process reads the sections that it needs, and knows nothing of the others."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import (
    AgiSections,
    ApplicationSections,
    PaymentSections,
    PortalSections,
    Settings,
    SettingsError,
    SharedSections,
    load_sections,
    load_settings,
    problems_of,
)

KINDS = (
    *(SharedSections, AgiSections, ApplicationSections, PaymentSections),
    *(PortalSections, Settings),
)
SECRETS = """
[ari]
password = "ari-secret"
[ami]
secret = "ami-secret"
"""
# One mistake in each section, and a section as it has to be for those who need it.
WRONG = {
    "asterisk": "sip_port = 0",
    "database": "url = 1",
    "site": 'country = "UK"',
    "call": "ring_timeout_s = -1",
    "privacy": "keep_numbers_days = -1",
    "metrics": "agi_port = 0",
    "agi": "port = 70000",
    "payments": "port = 0",
    "topups": "amounts = []",
    "notices": "smtp_port = 0",
    "portal": "port = 0",
    "prompts": 'engine = "parrot"',
    "ari": 'base_url = 1\npassword = "x"',
    "ami": 'port = 0\nsecret = "x"',
    "trunks.trunk": 'timers = "always"',
    "offices.main": 'deck = "!"',
}
RIGHT = {"ari": 'password = "x"', "ami": 'secret = "x"'}


def write(folder: Path, text: str) -> Path:
    file = folder / "tollgate.toml"
    file.write_text(text, encoding="utf-8")
    return file


def with_wrong(heading: str) -> str:
    sections = {**RIGHT, heading: WRONG[heading]}
    return "\n".join(f"[{name}]\n{fields}" for name, fields in sections.items())


def test_each_section_has_its_mistake_here() -> None:
    assert {heading.partition(".")[0] for heading in WRONG} == set(Settings.model_fields)


# The portal knows whether there is a mail server, and nothing else of it.
READ_IN_PART = {(PortalSections, "notices")}


@pytest.mark.parametrize("heading", WRONG)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_stops_those_who_need_the_section_and_nobody_else(
    kind: type[SharedSections], heading: str, tmp_path: Path
) -> None:
    file = write(tmp_path, with_wrong(heading))
    section = heading.partition(".")[0]
    if section in kind.model_fields and (kind, section) not in READ_IN_PART:
        with pytest.raises(SettingsError, match=section):
            load_sections(kind, file)
    else:
        load_sections(kind, file)


def strings_held_by(thing: object) -> Iterator[str]:
    """Every string that can be reached from it, classes and modules aside."""
    seen, waiting = set(), [thing]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type) or found is gc:
            continue
        seen.add(id(found))
        if isinstance(found, str):
            yield found
        waiting.extend(gc.get_referents(found))


def test_feature_codes_hold_no_secret_of_asterisk(tmp_path: Path) -> None:
    file = write(tmp_path, SECRETS)
    every = set(strings_held_by(load_settings(file)))
    assert {"ari-secret", "ami-secret"} <= every
    for kind in (SharedSections, AgiSections, PaymentSections, PortalSections):
        assert not {"ari-secret", "ami-secret"} & set(strings_held_by(load_sections(kind, file)))


def test_a_variable_of_another_process_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_AMI__SECRET", "from-outside")
    file = write(tmp_path, "")
    assert "from-outside" not in set(strings_held_by(load_sections(AgiSections, file)))


def test_the_application_needs_both_ways_to_asterisk(tmp_path: Path) -> None:
    file = write(tmp_path, '[ari]\npassword = "x"\n')
    with pytest.raises(SettingsError, match=r"the section \[ami\] is missing"):
        load_sections(ApplicationSections, file)


def test_a_secret_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ami.secret").write_text("of-the-file\n")
    file = write(tmp_path, '[ami]\nsecret_file = "ami.secret"\n')
    settings = load_settings(file)
    assert settings.ami is not None
    assert settings.ami.secret.get_secret_value() == "of-the-file"
    assert "of-the-file" not in repr(settings)
    load_sections(AgiSections, file)
    (tmp_path / "ami.secret").unlink()
    load_sections(AgiSections, file)  # it never looked there


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "secret or secret_file has to be given"),
        ('secret = ""', "secret or secret_file has to be given"),
        ('secret = "x"\nsecret_file = "ami.secret"', "secret and secret_file are both given"),
        ('secret_file = "nowhere"', "nowhere cannot be read: it is not there"),
        ('secret_file = "empty"', "empty is empty"),
        ('secret_file = "."', "cannot be read: it is not a regular file"),
    ],
)
def test_a_secret_that_cannot_be_had_is_told(section: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "ami.secret").write_text("x")
    (tmp_path / "empty").write_text("\n")
    file = write(tmp_path, f"[ami]\n{section}\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


def test_every_problem_of_every_section_is_told(tmp_path: Path) -> None:
    wrong = '[call]\nring_timeout_s = -1\n[agi]\nport = 70000\n[ami]\nsecret_file = "nowhere"\n'
    found = problems_of(write(tmp_path, wrong))
    assert [told for told in ("call.ring_timeout_s", "agi.port") if told in "".join(found)]
    assert len(found) == 2
    (secret,) = problems_of(write(tmp_path, '[ami]\nsecret_file = "nowhere"\n'))
    assert "ami.secret_file" in secret
    assert problems_of(write(tmp_path, SECRETS)) == []


def test_the_portal_knows_of_the_mail_server_and_not_its_password(tmp_path: Path) -> None:
    text = '[notices]\nsmtp_host = "mail.example"\nsmtp_password = "mail-secret"\n'
    file = write(tmp_path, text)
    assert "mail-secret" in set(strings_held_by(load_sections(PaymentSections, file)))
    sections = load_sections(PortalSections, file)
    assert sections.notices.smtp_host == "mail.example"
    assert "mail-secret" not in set(strings_held_by(sections))
