"""Where phones stand follows from their office's plan; no country's emergencies are lost."""

from collections.abc import Mapping

import pytest

from assembly.charging import report_plan
from assembly.plans import OfficePlans, plan_files
from assembly.routes import own_asterisk
from assembly.sites import OfficeSites
from charging.numbering import emergency_numbers
from dialplan.office_routes import of_all
from settings import Settings


def settings(country: str | None = None, **plans: str) -> Settings:
    offices = {office: {"plan": plan} for office, plan in plans.items()}
    return Settings.model_validate({"offices": offices, "site": {"country": country}})


def sites_of(given: Settings) -> OfficeSites:
    return OfficeSites(given, OfficePlans(given, plan_files(given, report_plan)))


def emergencies(given: Settings) -> Mapping[str, str]:
    return dict(of_all(own_asterisk(given).offices).emergency)


def test_an_office_dials_as_the_country_of_its_plan() -> None:
    sites = sites_of(settings(main="uk", paris="france"))
    assert sites.site_of("main").country == "GB"
    assert sites.site_of("paris").country == "FR"
    assert sites_of(settings("IE", main="uk")).site_of("main").country == "IE"


def test_a_france_plan_alone_connects_frances_emergency_numbers() -> None:
    given = settings(main="france")
    french = emergency_numbers("FR")
    assert {number + end for number in french for end in ("", "#")} == set(emergencies(given))
    assert {"15", "17", "18", "112"} <= set(emergencies(given))
    assert "_01XXXXXXXX" in {pattern.pattern for pattern in own_asterisk(given).offices[0].fallback}


@pytest.mark.parametrize("country", [None, "GB", "FR", "DE"])
def test_offices_of_several_countries_lose_no_emergency_number(country: str | None) -> None:
    found = emergencies(settings(country, main="uk", paris="france"))
    wanted = {
        *emergency_numbers("GB"),
        *emergency_numbers("FR"),
        *emergency_numbers(country or "GB"),
    }
    assert wanted <= set(found)
    assert all(found[number] == number for number in wanted)


def test_a_number_as_it_is_goes_before_the_same_digits_after_a_prefix() -> None:
    given = Settings.model_validate(
        {
            "offices": {"main": {"plan": "uk"}, "paris": {"plan": "france"}},
            "site": {"outside_line_prefix": "1"},
        }
    )
    found = emergencies(given)
    assert found["115"] == "115"  # and not 15, after a 1
    assert found["117"] == "17"
    assert found["1112"] == "112"
