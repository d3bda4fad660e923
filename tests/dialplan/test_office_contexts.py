"""Several offices on one Asterisk: what one office's phones can get to is theirs alone."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging.numbering import Site
from dialplan.office_routes import OfficeRoutes, context_of, of_all, office_of
from dialplan.patterns import DirectPattern, emergency_dialled
from dialplan.phones import Phone
from dialplan.render import AsteriskConfig, rendered, rendered_dialplan
from dialplan.walk.reached import Start, Walked
from dialplan.walk.walker import Walker
from tests.dialplan.test_render import config, context, endpoint
from tests.dialplan.walk.text import dialplan

FREE = DirectPattern(pattern="_0800XXXXXX", strip=1, prepend="44")
LANDLINE = DirectPattern(pattern="_020XXXXXXXX", strip=1, prepend="44")
LONDON = OfficeRoutes(
    name="london",
    emergency=emergency_dialled([Site(country="GB", outside_line_prefix="9")]),
    free=(FREE, DirectPattern(pattern="101")),
    fallback=(LANDLINE,),
)
LYON = OfficeRoutes(
    name="lyon",
    emergency=emergency_dialled([Site(country="FR")]),
    free=(replace(FREE, prepend="33"), DirectPattern(pattern="101")),
    fallback=(DirectPattern(pattern="_01XXXXXXXX", strip=1, prepend="33"),),
    language="fr",
    tones="fr",
)
PHONES = (
    Phone(endpoint="1001", number="1001", name="Reception", office="london", incoming=("4420",)),
    Phone(endpoint="1002", number="1002", name="Workshop", office="london"),
    Phone(endpoint="lyon-1001", number="1001", name="Accueil", office="lyon", incoming=("334",)),
    Phone(endpoint="lyon-1002", number="1002", name="Atelier", office="lyon", language="en"),
    Phone(endpoint="lyon-1003", number="1003", name="Cave", office="lyon"),
)


def two_offices() -> AsteriskConfig:
    return replace(
        config(),
        offices=(LONDON, LYON),
        phones=PHONES,
        secrets=replace(config().secrets, phones={phone.endpoint: "secret" for phone in PHONES}),
        features=(("*80", "balance"),),
    )


TEXTS = rendered(two_offices())
CONTEXTS = TEXTS["extensions.conf"].partition("autofallthrough = yes\n")[2]
WALKER = Walker(dialplan(CONTEXTS))


def walked(office: str, dialled: str) -> Walked:
    return WALKER.walk(Start(context=f"office.{office}", dialled=dialled))


def sent(found: Walked) -> set[str]:
    return {leg.number for leg in found.legs if leg.endpoint in {"trunk", "emergency"}}


def offices_of(found: Walked) -> set[str]:
    """Whose contexts were entered; empty for those of no office in particular."""
    whose = (office_of(place.context) for place in found.places)
    return {office for office in whose if office is not None}


@pytest.mark.parametrize(
    ("office", "dialled", "called"),
    [
        ("london", "999", {"999"}),
        ("london", "9999", {"999"}),
        ("london", "112", {"112"}),
        ("lyon", "112", {"112"}),
        ("lyon", "15", {"15"}),
        ("lyon", "18#", {"18"}),
    ],
)
def test_an_office_has_its_own_emergency_numbers(
    office: str, dialled: str, called: set[str]
) -> None:
    found = walked(office, dialled)
    assert sent(found) == called
    assert not found.asked


@pytest.mark.parametrize(("office", "dialled"), [("london", "15"), ("lyon", "999")])
def test_a_number_that_means_help_elsewhere_is_for_the_application(
    office: str, dialled: str
) -> None:
    found = walked(office, dialled)
    assert sent(found) == set()
    assert found.asked


@pytest.mark.parametrize(
    ("office", "dialled", "free"),
    [
        ("london", "0800123456", "44800123456"),
        ("lyon", "0800123456", "33800123456"),
        ("london", "02079460000", "442079460000"),
        ("lyon", "0142685300", "33142685300"),
    ],
)
def test_free_and_included_numbers_are_those_of_the_office(
    office: str, dialled: str, free: str
) -> None:
    assert sent(walked(office, dialled)) == {free}


@pytest.mark.parametrize(("office", "dialled"), [("london", "0142685300"), ("lyon", "02079460000")])
def test_what_another_office_s_plan_includes_needs_the_application(
    office: str, dialled: str
) -> None:
    found = walked(office, dialled)
    assert found.asked
    assert sent(found) == set()


@pytest.mark.parametrize("dialled", ["1001", "1001#", "10(0)1"])
@pytest.mark.parametrize(("office", "rung"), [("london", "1001"), ("lyon", "lyon-1001")])
def test_a_number_rings_the_phone_of_the_own_office(dialled: str, office: str, rung: str) -> None:
    """Its contacts are asked for by its endpoint: two phones with one number are told apart."""
    lines = context(TEXTS["extensions.conf"], f"tollgate-ring.{office}")
    assert f"exten => 1001,1,Gosub(tollgate-phone-contacts,s,1({rung}))" in lines
    places = {place.context for place in walked(office, dialled).places}
    assert f"tollgate-ring.{office}" in places


def test_a_number_that_only_another_office_has_is_an_outside_one() -> None:
    found = walked("london", "1003")
    assert offices_of(found) == {"london"}
    assert not [place for place in found.places if place.context.startswith("tollgate-ring.")]


@given(
    st.sampled_from(["london", "lyon"]),
    st.one_of(
        st.text("0123456789+#*()., &@/-${}:lyon", min_size=1, max_size=24),
        st.sampled_from(
            [
                "1003", "999", "15", "0800123456", "101", "01(4268)5300", "written", "leg", "s",
                "1001@tollgate.lyon", "tollgate-ring.lyon", "${TOLLGATE_OFFICE}", "0800123456#",
                "1003#", "(1003)", "10(0)1", "15#", "1-0-0-3",
            ]
        ),
    ),
)  # fmt: skip
def test_nothing_that_a_phone_sends_gets_to_another_office(office: str, dialled: str) -> None:
    assert offices_of(walked(office, dialled)) <= {office}


def test_a_phone_is_in_the_context_of_its_office_with_its_tones_and_language() -> None:
    pjsip = TEXTS["pjsip.conf"]
    here = endpoint(pjsip, "1001")
    there = endpoint(pjsip, "lyon-1001")
    assert (here["context"], here["language"], here["tone_zone"]) == ("office.london", "en", "uk")
    assert (there["context"], there["language"], there["tone_zone"]) == ("office.lyon", "fr", "fr")
    assert there["callerid"] == '"Accueil" <1001>'
    assert endpoint(pjsip, "lyon-1002")["language"] == "en"


def test_the_carrier_rings_each_phone_by_its_own_numbers() -> None:
    """An extension that two offices have would ring somebody else's phone."""
    assert context(TEXTS["extensions.conf"], "from-trunk") == [
        "exten => 4420,1,Goto(tollgate-ring.london,1001,1)",
        "exten => 334,1,Goto(tollgate-ring.lyon,1001,1)",
        "exten => 1003,1,Goto(tollgate-ring.lyon,1003,1)",
    ]


def test_who_is_of_no_office_reaches_everybody_s_help_and_what_is_free_for_all() -> None:
    both = of_all([LONDON, LYON])
    assert both.name == ""
    assert dict(both.emergency) == {**dict(LYON.emergency), **dict(LONDON.emergency)}
    assert both.free == (DirectPattern(pattern="101"),)
    assert both.fallback == ()


def test_a_number_is_itself_before_it_is_another_after_a_prefix() -> None:
    one = replace(LONDON, emergency=(("9112", "112"),))
    other = replace(LYON, emergency=(("9112", "9112"),))
    assert of_all([one, other]).emergency == (("9112", "9112"),)


@pytest.mark.parametrize("names", [("call", "emergency"), ("paid", "emergency-call"), ("a", "a-b")])
def test_whatever_an_office_is_called_its_contexts_are_its_own(names: tuple[str, str]) -> None:
    offices = tuple(replace(LONDON, name=name) for name in names)
    written = rendered_dialplan(replace(two_offices(), offices=offices, phones=()))
    headings = re.findall(r"^\[(.+)\]$", "".join(written.values()), re.MULTILINE)
    assert len(headings) == len(set(headings))
    for name in names:
        assert {context_of("", name), context_of("emergency", name)} <= set(headings)


def test_an_office_s_routes_say_nothing_of_another_s() -> None:
    """So that a change of one plan is a change of one office's contexts."""
    changed = replace(two_offices(), offices=(LONDON, replace(LYON, free=())))
    before, after = (_contexts(rendered(each)) for each in (two_offices(), changed))
    different = {name for name in before if before[name] != after[name]}
    free = {"tollgate-free.lyon", "tollgate-free-call.lyon", "tollgate-free", "tollgate-free-call"}
    assert different == free | {"tollgate-stamp"}


def _contexts(texts: Mapping[str, str]) -> dict[str, list[str]]:
    text = texts["extensions.conf"]
    names = re.findall(r"^\[(.+)\]$", text, re.MULTILINE)
    return {name: context(text, name) for name in names}
