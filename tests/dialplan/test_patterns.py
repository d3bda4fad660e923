"""What the dialplan connects by itself is exactly what the rules would have let through."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging import number_tables
from charging.errors import InvalidNumber
from charging.numbering import Site, parse_number
from charging.plan import Category, Plan, classify
from dialplan.patterns import (
    DirectPattern,
    emergency_dialled,
    free_patterns,
    included_patterns,
)
from plans.files import SHIPPED_PLANS, read_plan

UK = read_plan(SHIPPED_PLANS / "uk.toml")
FRANCE = read_plan(SHIPPED_PLANS / "france.toml")
EDITED = replace(
    FRANCE,
    included_prefixes=frozenset({"262692", "33836"}),
    excluded_prefixes=frozenset({"3314268"}),
    free_prefixes=frozenset({"33700", "FR:3977", "FR:10", "FR:999999", "GB:118118"}),
    barred_prefixes=frozenset({"33899", "3391"}),
)
OWN_CODES = replace(
    UK,
    included_prefixes=frozenset({"GB:1"}),
    excluded_prefixes=frozenset({"GB:118"}),
    free_prefixes=frozenset({"GB:10", "GB:1571"}),
    barred_prefixes=frozenset({"GB:17"}),
)
SITES = [
    (UK, Site(country="GB")),
    (UK, Site(country="GB", outside_line_prefix="9")),
    (FRANCE, Site(country="FR")),
    (FRANCE, Site(country="FR", outside_line_prefix="0")),
    (EDITED, Site(country="FR")),
    (OWN_CODES, Site(country="GB", outside_line_prefix="9")),
]
HOME = {"GB": {"GB", "JE", "GG", "IM"}, "FR": {"FR", "RE", "YT", "GP", "GF", "MQ"}}
national = st.text("0123456789", min_size=8, max_size=10).map(lambda digits: f"0{digits}")
# Digits that are near a border between countries or kinds, which random ones seldom are.
near = st.sampled_from(
    [
        *(
            "800",
            "808",
            "1534",
            "1481",
            "1624",
            "77003",
            "7781",
            "79111",
            "7624",
            "70",
            "76",
            "843",
            "55",
        ),
        *("262", "269", "639", "690", "692", "596", "590", "806", "805", "836", "1426", "899"),
    ]
)
bordering = st.builds(lambda start, rest: f"0{start}{rest}"[:11], near, st.text("0123456789"))
shorts = st.text("0123456789", min_size=2, max_size=6)


def asterisk(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.removeprefix("_").replace("X", "[0-9]"))


Compiled = Sequence[tuple[re.Pattern[str], DirectPattern]]


@cache
def compiled(number: int) -> tuple[Compiled, Compiled]:
    """Free and included patterns of a site."""
    both = (free_patterns(*SITES[number]), included_patterns(*SITES[number]))
    free, included = ([(asterisk(p.pattern), p) for p in patterns] for patterns in both)
    return free, included


def match(patterns: Compiled, dialled: str) -> DirectPattern | None:
    return next((found for regex, found in patterns if regex.fullmatch(dialled)), None)


def category(dialled: str, plan: Plan, site: Site) -> tuple[Category, str] | None:
    """What the application would say; "paid" stands for all that needs it, as abroad does."""
    try:
        number = parse_number(dialled, site)
    except InvalidNumber:
        return None
    if number.country not in HOME[site.country]:
        return Category.PAID, number.dial_string
    return classify(number, plan).category, number.dial_string


@pytest.mark.parametrize("number", range(len(SITES)))
@given(dialled=st.one_of(national, bordering, shorts), data=st.data())
def test_dialplan_and_application_never_disagree(
    number: int, dialled: str, data: st.DataObject
) -> None:
    typed = data.draw(st.sampled_from(["", SITES[number][1].outside_line_prefix])) + dialled
    require_agreement(number, typed)


@pytest.mark.parametrize("number", range(len(SITES)))
def test_dialplan_and_application_agree_on_every_short_code(number: int) -> None:
    for digits in every_short_code(SITES[number][1].country):
        require_agreement(number, digits)


def every_short_code(country: str) -> Iterator[str]:
    """Of six digits the last two are the first, a middle and the last one: none decides alone."""
    for code, _ in number_tables.SHORT[country]:
        length = len(re.sub(r"\[[^]]*\]", "X", code))
        matching = re.compile(code.replace("X", "[0-9]"))
        digits = [*["0123456789"] * min(length, 4), *["059"] * (length - 4)]
        yield from filter(matching.fullmatch, map("".join, product(*digits)))


def require_agreement(number: int, typed: str) -> None:
    plan, site = SITES[number]
    decided = category(typed, plan, site)
    free, included = (match(patterns, typed) for patterns in compiled(number))
    assert free is None or included is None
    helps = dict(emergency_dialled([site]))
    if decided is None:
        assert not free
        assert not included
        assert typed not in helps
        return
    assert (typed in helps) == (decided[0] is Category.EMERGENCY)
    if typed in helps:
        assert helps[typed] == decided[1]
        return
    assert (free is not None) == (decided[0] is Category.FREE)
    assert (included is not None) == (decided[0] is Category.INCLUDED)
    for found in (free, included):
        if found is not None:
            assert found.prepend + typed[found.strip :] == decided[1]


def test_a_country_without_tables_has_only_emergency_numbers() -> None:
    site = Site(country="DE", outside_line_prefix="0")
    plan = replace(UK, country="DE")
    assert set(emergency_dialled([site])) == {
        (prefix + number + end, number)
        for prefix in ("", "0")
        for number in ("110", "112")
        for end in ("", "#")
    }
    assert free_patterns(plan, site) == included_patterns(plan, site) == ()


def test_patterns_are_few_enough_to_be_read() -> None:
    assert len(free_patterns(UK, Site(country="GB"))) < 10
    assert len(included_patterns(UK, Site(country="GB"))) < 60
    assert len(included_patterns(FRANCE, Site(country="FR"))) < 20
    written = [p.pattern for p in included_patterns(FRANCE, Site(country="FR"))]
    assert "_01XXXXXXXX" in written
    assert "_026[013-8]XXXXXX" in written
