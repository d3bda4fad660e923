"""Files win; what they leave out is the manager's; what nobody sets is the plan's, or a default."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.errors import SettingRefused
from charging.extension_settings import EXTENSION_RULES, extension_of, extension_settings
from charging.extensions import EVERY_CLASS, PAID_CLASSES, DestinationClass
from charging.managers_settings import SettingChange, allowed_change
from charging.money import Money
from charging.office_settings import OFFICE_RULES, office_of, office_settings
from charging.provenance import Default, FromFile, FromManager, FromPlan, Layer, Sourced, layer_of
from tests.fakes.charging import UK_PLAN
from tests.fakes.clock import START

ANNE = FromManager(actor="portal:anne", at=START, reason="moved")
SECTION, SITE = FromFile("tollgate.toml, [offices.main]"), FromFile("tollgate.toml, [site]")
ENTRY = FromFile("phones.toml, [phones.1001]")

OFFICE_VALUES = {
    "country": st.sampled_from(["GB", "FR", "BE", "DE"]),
    "outside_line_prefix": st.sampled_from(["", "0", "9", "99"]),
    "international_prefix": st.sampled_from(["00", "011"]),
    "time_zone": st.sampled_from(["Europe/London", "Europe/Paris", "Asia/Tokyo"]),
    "language": st.sampled_from(["en", "fr"]),
}
EXTENSION_VALUES = {
    "name": st.sampled_from(["Reception", "Accueil"]),
    "language": st.sampled_from(["en", "fr"]),
    "allow": st.sampled_from(["nothing", "included", "included, national", "premium"]),
    "day_limit": st.sampled_from(["0", "5", "5.50"]),
    "month_limit": st.sampled_from(["50", "50.123456"]),
    "calls_at_once": st.sampled_from(["0", "2"]),
}


def layers(values: dict[str, st.SearchStrategy[str]], origin: object) -> st.SearchStrategy[Layer]:
    chosen = st.fixed_dictionaries({}, optional=values)
    return chosen.map(lambda texts: layer_of(texts, origin))  # type: ignore[arg-type]


@given(layers(OFFICE_VALUES, SECTION), layers(OFFICE_VALUES, ANNE), layers(OFFICE_VALUES, SITE))
def test_an_offices_settings_are_the_files_then_the_managers_then_every_offices_then_the_plans(
    section: Layer, manager: Layer, site: Layer
) -> None:
    found = office_settings(UK_PLAN, office=section, manager=manager, every_office=site)
    assert found.keys() == OFFICE_RULES.keys()
    for name, each in found.items():
        if name in section:
            assert each == section[name]
        elif name in manager:
            assert each == manager[name]
        elif name in site:
            assert each == site[name]
        else:
            assert each.origin in {FromPlan("uk"), Default()}
    office = office_of("main", UK_PLAN, found)
    assert office.site.country == found["country"].text
    assert office.site.outside_line_prefix == found["outside_line_prefix"].text
    assert office.site.international_prefix == found["international_prefix"].text
    assert str(office.time_zone) == found["time_zone"].text
    assert office.language == found["language"].text
    assert {site.country for site in office.emergency_sites} == {office.site.country, "GB"}


@given(layers(EXTENSION_VALUES, ENTRY), layers(EXTENSION_VALUES, ANNE))
def test_an_extensions_settings_are_its_entrys_then_the_managers(
    entry: Layer, manager: Layer
) -> None:
    found = extension_settings("1001", entry=entry, manager=manager)
    assert found.keys() == EXTENSION_RULES.keys()
    for name, each in found.items():
        if name in entry:
            assert each == entry[name]
        elif name in manager:
            assert each == manager[name]
        else:
            assert each.origin == Default()
    extension = extension_of(
        found, endpoint="a", number="1001", office_id="main", currency="EUR", enabled=True
    )
    assert extension.name == (found["name"].text or "1001")
    assert extension.language == found["language"].text
    limit = found["day_limit"].text
    micros = {"0": 0, "5": 5_000_000, "5.50": 5_500_000}
    assert extension.day_limit == (None if limit is None else Money(micros[limit], "EUR"))


@given(
    layers(OFFICE_VALUES, SECTION), layers(OFFICE_VALUES, ANNE), st.sampled_from(list(OFFICE_RULES))
)
def test_what_a_manager_unsets_is_as_if_it_had_never_been_set(
    section: Layer, manager: Layer, name: str
) -> None:
    without = {other: each for other, each in manager.items() if other != name}
    found = office_settings(UK_PLAN, office=section, manager=without, every_office={})
    never = office_settings(UK_PLAN, office=section, manager={}, every_office={})
    assert found[name] == never[name]
    assert not isinstance(found[name].origin, FromManager)


def test_classes_of_calls_have_one_way_of_writing() -> None:
    entry = {"allow": Sourced("paid, included", ENTRY)}
    found = extension_settings("1001", entry=entry, manager={})
    of = {"endpoint": "a", "number": "1001", "office_id": "main", "currency": "GBP"}
    assert extension_of(found, **of, enabled=True).allow == EVERY_CLASS
    found["allow"] = Sourced("paid", ENTRY)
    assert extension_of(found, **of, enabled=True).allow == PAID_CLASSES
    found["allow"] = Sourced("nothing", ENTRY)
    assert extension_of(found, **of, enabled=True).allow == frozenset()
    assert EXTENSION_RULES["allow"](" national,included ") == "included, national"
    assert EXTENSION_RULES["allow"]("paid") == "national, international, premium"


def wanted(name: str, value: str | None, endpoint: str = "") -> SettingChange:
    return SettingChange(
        office_id="main", endpoint=endpoint, name=name, value=value, actor="cli:me", at=START
    )


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (wanted("plan", "uk"), "unknown_setting", "plan is none of country"),
        (wanted("day_limit", "5"), "unknown_setting", "day_limit is none of country"),
        (wanted("country", "FR", "1001"), "unknown_setting", "country is none of name"),
        (wanted("country", "UK"), "invalid_setting", 'write "GB"'),
        (wanted("outside_line_prefix", "9&"), "invalid_setting", "up to 4 digits"),
        (wanted("international_prefix", ""), "invalid_setting", "not 1 to 5 digits"),
        (wanted("time_zone", "London"), "invalid_setting", "not a time zone"),
        (wanted("time_zone", "../etc/passwd"), "invalid_setting", "not a time zone"),
        (wanted("language", "de"), "invalid_setting", "not a language with prompts"),
        (wanted("name", 'a"b', "1001"), "invalid_setting", "name: 'a\"b' is not up to 60"),
        (wanted("allow", "all", "1001"), "invalid_setting", "allow: 'all' is none of paid"),
        (wanted("allow", "", "1001"), "invalid_setting", "allow: '' is none of paid"),
        (wanted("day_limit", "-1", "1001"), "invalid_setting", "day_limit: '-1' is negative"),
        (wanted("calls_at_once", "2.5", "1001"), "invalid_setting", "not a whole number"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_the_reason(
    change: SettingChange, code: str, reason: str
) -> None:
    with pytest.raises(SettingRefused, match=reason) as refused:
        allowed_change(change, fixed={})
    assert refused.value.code == code


@pytest.mark.parametrize("value", ["FR", None])
def test_what_a_file_says_is_nobody_elses_to_set(value: str | None) -> None:
    with pytest.raises(SettingRefused, match=r"set by tollgate.toml, \[offices.main\]") as refused:
        allowed_change(wanted("country", value), fixed={"country": Sourced("GB", SECTION)})
    assert refused.value.code == "set_by_file"


def test_a_change_is_kept_in_one_way_of_writing() -> None:
    assert allowed_change(wanted("allow", "paid ,included", "1"), fixed={}).value == (
        "included, national, international, premium"
    )
    assert allowed_change(wanted("country", None), fixed={}).value is None


def test_a_change_names_what_it_changes() -> None:
    assert wanted("country", "FR").subject == "country"
    assert wanted("allow", "paid", "nice-1").subject == "nice-1.allow"


def test_every_origin_says_who_it_is() -> None:
    later = FromManager(actor="portal:anne", at=START + timedelta(days=1))
    assert [str(each) for each in (SECTION, later, FromPlan("uk"), Default())] == [
        "tollgate.toml, [offices.main]",
        "manager portal:anne on 2026-11-22",
        "plan uk",
        "default",
    ]


@given(st.sets(st.sampled_from(list(DestinationClass))))
def test_classes_are_read_as_they_are_written(classes: set[DestinationClass]) -> None:
    text = EXTENSION_RULES["allow"](", ".join(classes) or "nothing")
    found = extension_settings("1", entry={"allow": Sourced(text, ENTRY)}, manager={})
    extension = extension_of(
        found, endpoint="a", number="1", office_id="main", currency="GBP", enabled=True
    )
    assert extension.allow == classes
