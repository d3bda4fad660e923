"""`tollgate settings check`, and which commands a mistake in the settings stops."""

import json

import pytest

from tests.admin.conftest import Site

MISTAKES = "[ami]\nport = 0\n[agi]\nport = 70000\n"


def test_good_settings_are_told_to_be_good(site: Site) -> None:
    said = site.run("settings", "check")
    assert (said.exit_code, said.output) == (0, f"{site.file}: nothing is wrong\n")


def test_every_mistake_is_told(site: Site) -> None:
    site.add(MISTAKES)
    said = site.run("settings", "check")
    assert said.exit_code == 1
    assert [line.split(": ")[1] for line in said.output.splitlines()] == ["agi.port", "ami.port"]
    found = json.loads(site.run("settings", "check", "--json").output)
    assert (found["ok"], len(found["problems"])) == (False, 2)


def test_another_file_may_be_looked_at(site: Site) -> None:
    site.add(MISTAKES)
    other = site.folder / "other.toml"
    assert site.run("settings", "check", other).exit_code == 1
    other.touch()
    assert site.run("settings", "check", other).exit_code == 0


@pytest.mark.parametrize("command", ["balance", "explain 0033612345678", "rates show FR"])
def test_a_mistake_of_a_section_that_a_command_does_not_need_does_not_stop_it(
    site: Site, command: str
) -> None:
    site.make_ledger()
    site.add(MISTAKES)
    assert site.run(*command.split()).exit_code == 0
    assert site.run("doctor", "--no-asterisk").exit_code == 1
