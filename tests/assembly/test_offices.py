"""An office is what its section, its plan and the section for every office make of it."""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assembly.offices import read_offices, read_sources
from assembly.routes import own_asterisk
from charging.numbering import emergency_numbers
from charging.offices import Office
from dialplan.office_routes import of_all
from settings import Settings, SettingsError, load_settings

FIVE = ("country", "outside_line_prefix", "international_prefix", "time_zone", "language")


def settings(*, site: Mapping[str, str] | None = None, **offices: Mapping[str, str]) -> Settings:
    return Settings.model_validate({"offices": offices, "site": site or {}})


def offices(given: Settings) -> Mapping[str, Office]:
    return {office.id: office for office in read_offices(given)}


def emergencies(given: Settings) -> Mapping[str, str]:
    return dict(of_all(own_asterisk(given).offices).emergency)


def test_an_office_is_as_its_plan_where_nobody_says_anything() -> None:
    found = offices(settings(main={"plan": "uk"}, paris={"plan": "france"}))
    london, paris = found["main"], found["paris"]
    assert (london.currency, london.language, london.site.country) == ("GBP", "en", "GB")
    assert (paris.currency, paris.language, paris.site.country) == ("EUR", "fr", "FR")
    assert london.time_zone == ZoneInfo("Europe/London")
    assert paris.time_zone == ZoneInfo("Europe/Paris")
    assert (paris.site.outside_line_prefix, paris.site.international_prefix) == ("", "00")


def test_an_offices_own_section_wins_over_the_section_for_every_office() -> None:
    found = offices(
        settings(
            site={"country": "IE", "outside_line_prefix": "9", "language": "fr"},
            main={"plan": "uk"},
            paris={"plan": "france", "outside_line_prefix": "", "country": "FR"},
        )
    )
    assert found["main"].site.country == "IE"
    assert found["main"].site.outside_line_prefix == "9"
    assert found["main"].language == "fr"
    assert found["paris"].site.country == "FR"
    assert found["paris"].site.outside_line_prefix == ""


def test_of_every_setting_it_is_known_who_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tollgate.toml"
    file.write_text(
        '[offices.main]\nplan = "uk"\nlanguage = "fr"\ntime_zone = "Europe/Dublin"\n'
        '[site]\noutside_line_prefix = "9"\n'
    )
    monkeypatch.setenv("TOLLGATE_OFFICES__MAIN__TIME_ZONE", "Europe/Paris")
    found = read_sources(load_settings(file)).office_settings("main")
    assert {name: (each.text, str(each.origin)) for name, each in found.items()} == {
        "country": ("GB", "plan uk"),
        "outside_line_prefix": ("9", f"{file}, [site]"),
        "international_prefix": ("00", "default"),
        "time_zone": ("Europe/Paris", "the variable TOLLGATE_OFFICES__MAIN__TIME_ZONE"),
        "language": ("fr", f"{file}, [offices.main]"),
    }


@pytest.mark.parametrize("section", ["site", "offices.main"])
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("country", "UK", 'write "GB"'),
        ("outside_line_prefix", "9,1", "is not up to 4 digits"),
        ("international_prefix", "", "is not 1 to 5 digits"),
        ("time_zone", "Paris", "is not a time zone such as Europe/London"),
        ("language", "de", "is not a language with prompts: en, fr"),
    ],
)
def test_what_no_office_can_be_is_refused_with_the_reason(
    tmp_path: Path, section: str, name: str, value: str, reason: str
) -> None:
    file = tmp_path / "tollgate.toml"
    file.write_text(f'[{section}]\n{name} = "{value}"\n')
    with pytest.raises(SettingsError, match=reason) as refused:
        load_settings(file)
    assert f"{section}.{name}" in str(refused.value)


def test_a_france_plan_alone_connects_frances_emergency_numbers() -> None:
    given = settings(main={"plan": "france"})
    french = emergency_numbers("FR")
    assert {number + end for number in french for end in ("", "#")} == set(emergencies(given))
    assert {"15", "17", "18", "112"} <= set(emergencies(given))
    assert "_01XXXXXXXX" in {pattern.pattern for pattern in own_asterisk(given).offices[0].fallback}


@pytest.mark.parametrize("country", ["GB", "FR", "DE"])
def test_an_office_in_another_country_than_its_plans_has_the_emergency_numbers_of_both(
    country: str,
) -> None:
    given = settings(main={"plan": "uk", "country": country}, paris={"plan": "france"})
    london, paris = offices(given).values()
    assert {site.country for site in london.emergency_sites} == {country, "GB"}
    assert {site.country for site in paris.emergency_sites} == {"FR"}
    for number in {*emergency_numbers(country), *emergency_numbers("GB")}:
        assert london.parse(number).kind == "emergency"
        assert emergencies(given)[number] == number


def test_a_number_as_it_is_goes_before_the_same_digits_after_a_prefix() -> None:
    given = settings(
        site={"outside_line_prefix": "1"}, main={"plan": "uk"}, paris={"plan": "france"}
    )
    found = emergencies(given)
    assert found["115"] == "115"  # and not 15, after a 1
    assert found["117"] == "17"
    assert found["1112"] == "112"
