"""`tollgate office` and `tollgate extension`: what is in force, who says so, and setting it."""

import json
from pathlib import Path
from typing import Any

import pytest

from admin.checks.findings import Status
from admin.checks.site import check_plans
from tests.admin.conftest import Site

OFFICES = '[offices.main]\nplan = "uk"\nlanguage = "en"\n[offices.nice]\nplan = "france"\n'
PHONES = """\
[phones.1001]
name = "Reception"
[phones.nice-1]
extension = "1001"
office = "nice"
"""


@pytest.fixture
def two(site: Site) -> Site:
    site.file.write_text(OFFICES + site.file.read_text())
    (site.folder / "phones.toml").write_text(PHONES)
    site.make_ledger(top_up=None)
    return site


def told(site: Site, *arguments: str | Path) -> Any:
    result = site.run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(site: Site, *arguments: str | Path) -> str:
    result = site.run(*arguments)
    assert result.exit_code == 1
    return result.stderr


def test_offices_and_extensions_are_listed(two: Site) -> None:
    main, nice = told(two, "office", "list")
    assert (main["office"], main["currency"], main["extensions"]) == ("main", "GBP", 1)
    assert (nice["office"], nice["currency"], nice["country"]) == ("nice", "EUR", "FR")
    assert [row["extension"] for row in told(two, "extension", "list")] == ["1001", "nice-1"]
    (only,) = told(two, "extension", "list", "--office", "nice")
    assert (only["number"], only["name"]) == ("1001", "1001")
    assert "nice-1" in two.run("extension", "list").stdout
    assert "Europe/Paris" in two.run("office", "list").stdout


def test_of_every_setting_it_is_shown_who_says_it(two: Site) -> None:
    settings = told(two, "office", "show", "--office", "main")["settings"]
    place = f"{two.file}, [offices.main]"
    assert settings["plan"] == {"value": "uk", "from": "file", "place": place}
    assert settings["deck"] == {"value": "standard", "from": "default"}
    assert settings["language"] == {"value": "en", "from": "file", "place": place}
    assert settings["country"] == {"value": "GB", "from": "plan", "plan": "uk"}
    settings = told(two, "extension", "show", "1001")["settings"]
    assert settings["name"]["place"] == f"{two.folder}/phones.toml, [phones.1001]"
    assert settings["day_limit"] == {"value": None, "from": "default"}


def test_what_a_manager_sets_is_in_force_until_it_is_unset(two: Site) -> None:
    set_country = ("office", "set", "country", "BE", "--office", "nice", "--reason", "moved")
    settings = told(two, *set_country)["settings"]
    assert (settings["country"]["value"], settings["country"]["from"]) == ("BE", "manager")
    assert settings["country"]["reason"] == "moved"
    assert "manager cli:" in two.run("office", "show", "--office", "nice").stdout
    emergency = told(two, "explain", "100", "--office", "nice")  # of Belgium alone
    assert emergency["category"] == "emergency"
    assert (Status.WARNING, "office nice dials as one does in BE, and its plan is of FR") in (
        two.said(check_plans)
    )
    unset = told(two, "office", "unset", "country", "--office", "nice")["settings"]
    assert unset["country"] == {"value": "FR", "from": "plan", "plan": "france"}


def test_an_extensions_limits_may_be_set(two: Site) -> None:
    told(two, "extension", "set", "nice-1", "allow", "included")
    settings = told(two, "extension", "show", "nice-1")["settings"]
    assert (settings["allow"]["value"], settings["allow"]["from"]) == ("included", "manager")
    explained = told(two, "explain", "0044 7400 123456", "--extension", "nice-1")
    assert explained["refusal"] == "extension_not_allowed"
    told(two, "extension", "unset", "nice-1", "allow")
    assert told(two, "extension", "show", "nice-1")["settings"]["allow"]["from"] == "default"


def test_what_a_file_says_is_refused_and_the_file_named(two: Site) -> None:
    said = refused(two, "office", "set", "language", "fr", "--office", "main")
    assert said == f"language is set by {two.file}, [offices.main]: change it there\n"
    said = refused(two, "extension", "set", "1001", "name", "Desk")
    assert said.startswith(f"name is set by {two.folder}/phones.toml, [phones.1001]")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("office", "set", "country", "UK", "--office", "nice"), 'write "GB"'),
        (("office", "set", "plan", "uk", "--office", "nice"), "plan is none of country"),
        (("office", "set", "country", "GB", "--office", "lyon"), "no office 'lyon'"),
        (("extension", "set", "1002", "language", "fr"), "no extension has the endpoint '1002'"),
        (("extension", "set", "nice-1", "day_limit", "much"), "is not an amount of money"),
    ],
)
def test_what_cannot_be_set_is_refused_in_one_sentence(
    two: Site, arguments: tuple[str, ...], reason: str
) -> None:
    said = refused(two, *arguments)
    assert reason in said
    assert said.count("\n") == 1


def test_without_a_ledger_the_files_are_shown(site: Site) -> None:
    assert told(site, "office", "show")["settings"]["country"]["from"] == "plan"
    assert not site.ledger.exists()
