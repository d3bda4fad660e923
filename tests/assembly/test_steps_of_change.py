"""Whatever is saved in whatever order: what is in force always makes offices together."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assembly.live_offices import advance
from assembly.offices import OfficesError, Sources
from charging.offices import OfficesSnapshot
from charging.provenance import FromManager, Sourced
from dialplan.phones import Phone
from plans.files import SHIPPED_PLANS, read_plan
from settings import SharedSections
from tests.fakes.clock import START

UK, FRANCE = (read_plan(SHIPPED_PLANS / f"{name}.toml") for name in ("uk", "france"))
ANNE = FromManager(actor="portal:anne", at=START)

offices = st.dictionaries(
    st.sampled_from(["main", "nice", "lyon"]), st.sampled_from(["uk", "france"]), min_size=1
)
either_uk = st.sampled_from([UK, replace(UK, currency="EUR")])
plans = st.fixed_dictionaries({}, optional={"uk": either_uk, "france": st.just(FRANCE)})


def phone(office: str, n: int) -> Phone:
    return Phone(endpoint=f"{office}-{n}", number=str(1000 + n), name="", office=office)


phones = st.lists(
    st.builds(phone, st.sampled_from(["main", "nice", "lyon"]), st.integers(1, 3)),
    unique_by=lambda phone: phone.endpoint,
).map(tuple)
managers = st.dictionaries(
    st.tuples(st.sampled_from(["main", "nice"]), st.just("")),
    st.fixed_dictionaries({}, optional={"country": st.sampled_from(["GB", "FR", "nowhere"])}).map(
        lambda values: {name: Sourced(text, ANNE) for name, text in values.items()}
    ),
)
currencies = st.dictionaries(st.sampled_from(["main", "nice"]), st.sampled_from(["GBP", "EUR"]))


def sources(of: Mapping[str, str], **parts: object) -> Sources:
    settings = SharedSections.model_validate(
        {"offices": {name: {"plan": plan} for name, plan in of.items()}}
    )
    return Sources(settings=settings, **parts)  # type: ignore[arg-type]


anything = st.builds(sources, offices, plans=plans, phones=phones | st.none(), managers=managers)
START_WITH = sources({"main": "uk"}, plans={"uk": UK}, phones=())


def makes(what: Sources) -> OfficesSnapshot | None:
    try:
        return what.snapshot()
    except OfficesError:
        return None


def in_words(made: OfficesSnapshot) -> object:
    return made.offices, dict(made.extensions)


@given(st.lists(anything, max_size=4), currencies)
def test_what_is_in_force_always_makes_offices_and_no_account_changes_its_currency(
    saved: list[Sources], accounts: dict[str, str]
) -> None:
    before, in_force = START_WITH, START_WITH.snapshot()
    for latest in saved:
        had = {office.id: office.currency for office in in_force.offices}
        before, in_force, refused = advance(before, in_force, latest, accounts)
        assert in_words(before.snapshot()) == in_words(in_force)
        for office in in_force.offices:
            fixed = accounts.get(office.id, office.currency)
            assert office.currency in {fixed, had.get(office.id)}
        if not refused and makes(latest) is not None:
            assert in_words(in_force) == in_words(latest.snapshot())


@given(st.lists(anything, max_size=3), anything)
def test_what_is_right_takes_effect_whatever_was_wrong_before(
    saved: list[Sources], last: Sources
) -> None:
    before, in_force = START_WITH, START_WITH.snapshot()
    for latest in saved:
        before, in_force, _ = advance(before, in_force, latest, {})
    before, in_force, refused = advance(before, in_force, last, {})
    made = makes(last)
    if made is not None:
        assert in_words(in_force) == in_words(made)
        assert refused == ()


@given(anything)
def test_one_wrong_part_holds_up_no_other(latest: Sources) -> None:
    """Phones of an office that is there, and of nobody's: the settings take effect all the same."""
    lost = Phone(endpoint="lost", number="1", name="", office="nobody")
    wrong = replace(latest, phones=(lost,), plans={"uk": UK, "france": FRANCE}, managers={})
    after, in_force, refused = advance(START_WITH, START_WITH.snapshot(), wrong, {})
    assert after.settings == wrong.settings or "main" not in wrong.settings.offices
    assert "lost" not in in_force.extensions
    assert any("nobody" in sentence for sentence in refused)
