from dataclasses import replace

import pytest

from charging.errors import DestinationBarred, ExtensionNotAllowed, NoRateForDestination
from charging.extensions import EVERY_CLASS, DestinationClass
from charging.kinds import LineKind
from charging.numbering import Site, parse_number
from charging.plan import Category, Plan, classify
from charging.quotation import Quotation, quote, require_allowed
from charging.rate_deck import RateDeck
from plans.files import SHIPPED_PLANS, read_plan
from tests.fakes.charging import DECK, RECEPTION, UK_PLAN, deck_row, gbp, office_on, rate
from tests.fakes.clock import START

UK = read_plan(SHIPPED_PLANS / "uk.toml")
UK_EUROPE = read_plan(SHIPPED_PLANS / "uk-europe.toml")
FRANCE = read_plan(SHIPPED_PLANS / "france.toml")
EUROPE = frozenset({"AT", "BE", "CH", "DE", "DK", "ES", "IE", "IT", "LU", "NL", "PT"})


def category(dialled: str, plan: Plan) -> Category:
    return classify(parse_number(dialled, Site(country=plan.country)), plan).category


def reason(dialled: str, plan: Plan) -> str:
    return classify(parse_number(dialled, Site(country=plan.country)), plan).reason


def quoted(dialled: str, *, plan: Plan = UK_PLAN, deck: RateDeck = DECK) -> Quotation:
    number = parse_number(dialled, Site(country=plan.country))
    return quote(number, plan=plan, deck=lambda: deck, on=START.date())


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("999", Category.EMERGENCY),
        ("112", Category.EMERGENCY),
        ("08001234567", Category.FREE),
        ("111", Category.FREE),
        ("116123", Category.FREE),
        ("02079460000", Category.INCLUDED),
        ("07700900123", Category.INCLUDED),
        ("03001234567", Category.INCLUDED),
        ("01534123456", Category.PAID),
        ("07781123456", Category.PAID),
        ("07624123456", Category.PAID),
        ("07012345678", Category.PAID),
        ("07612345678", Category.PAID),
        ("05612345678", Category.PAID),
        ("08431234567", Category.PAID),
        ("09011234567", Category.PAID),
        ("118118", Category.PAID),
        ("0033142685300", Category.PAID),
        ("+881612345678", Category.BARRED),
        ("+883510012345", Category.BARRED),
        ("+979123456789", Category.BARRED),
    ],
)
def test_the_uk_plan_is_unlimited_uk_landlines_and_mobiles(
    dialled: str, expected: Category
) -> None:
    assert category(dialled, UK) is expected


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("15", Category.EMERGENCY),
        ("116117", Category.EMERGENCY),
        ("0800123456", Category.FREE),
        ("3114", Category.FREE),
        ("3919", Category.FREE),
        ("116006", Category.FREE),
        ("0142685300", Category.INCLUDED),
        ("0612345678", Category.INCLUDED),
        ("0912345678", Category.INCLUDED),
        ("0806123456", Category.INCLUDED),
        ("00442079460000", Category.INCLUDED),
        ("00493012345678", Category.INCLUDED),
        ("00390612345678", Category.INCLUDED),
        ("00447700900123", Category.PAID),
        ("00491721234567", Category.PAID),
        ("00441534123456", Category.PAID),
        ("0012025550123", Category.PAID),
        ("0262123456", Category.PAID),
        ("0639123456", Category.PAID),
        ("0696123456", Category.PAID),
        ("0820123456", Category.PAID),
        ("3646", Category.PAID),
        ("3949", Category.PAID),
        ("118218", Category.PAID),
        ("1013", Category.PAID),
        ("+870773111632", Category.BARRED),
        ("+979123456789", Category.BARRED),
    ],
)
def test_the_france_plan_adds_landlines_not_mobiles_of_twelve_countries(
    dialled: str, expected: Category
) -> None:
    assert category(dialled, FRANCE) is expected


def test_the_plans_of_europe_include_landlines_of_the_twelve_countries_next_to_their_own() -> None:
    for plan, own, other in ((UK_EUROPE, "GB", "FR"), (FRANCE, "FR", "GB")):
        (abroad,) = (rule for rule in plan.inclusions if own not in rule.countries)
        assert abroad.countries == EUROPE | {other}
        assert abroad.kinds == {LineKind.LANDLINE}


def test_uk_and_europe_is_the_uk_plan_and_those_landlines() -> None:
    (abroad,) = (rule for rule in UK_EUROPE.inclusions if "GB" not in rule.countries)
    assert (
        replace(UK, name="uk-europe", title="UK and Europe", inclusions=(*UK.inclusions, abroad))
        == UK_EUROPE
    )


# Switchboards: a parliament's, a town hall's, a university's. Mobiles and premium numbers are of
# each country's series for them.
LANDLINES = {
    "AT": ("0043158858", "00436628072"),
    "BE": ("003222991111", "003232201111"),
    "CH": ("0041446321111", "0041223799111"),
    "DE": ("00498923300", "004940428280"),
    "DK": ("004533375500", "004589402000", "004598156000", "004566131372"),
    "ES": ("0034913906000", "0034934027000", "0034881234567"),
    "FR": ("0033140636000", "0033491552000"),
    "GB": ("00442072193000", "00441612345000"),
    "IE": ("0035316183000", "00353214924000"),
    "IT": ("00390667601", "003902884501"),
    "LU": ("00352466966", "0035226201234"),
    "NL": ("0031703182211", "0031206242111"),
    "PT": ("00351213919000", "00351222097000"),
}
MOBILES = {
    "AT": "00436641234567",
    "BE": "0032475123456",
    "CH": "0041791234567",
    "DE": "00491721234567",
    "DK": "004520123456",
    "ES": "0034612345678",
    "FR": "0033612345678",
    "GB": "00447700900123",
    "IE": "00353871234567",
    "IT": "00393331234567",
    "LU": "00352621123456",
    "NL": "0031612345678",
    "PT": "00351912345678",
}
SURCHARGED = {
    "AT": ("0043900123456", "0043810123456"),
    "BE": ("003290212345", "003278791234"),
    "CH": ("0041900123456", "0041840123456"),
    "DE": ("00499001234567", "0049180512345"),
    "DK": ("004590123456", "004570123456"),
    "ES": ("0034803123456", "0034902123456"),
    "FR": ("0033891123456", "0033820123456"),
    "GB": ("00449011234567", "00448431234567"),
    "IE": ("003531520123456", "003531850123456"),
    "IT": ("0039899123456", "0039848123456"),
    "LU": ("0035290512345", "0035280112345"),
    "NL": ("00319061234", "0031881234567"),
    "PT": ("00351760123456", "00351808123456"),
}


@pytest.mark.parametrize("country", sorted(EUROPE | {"FR", "GB"}))
def test_a_plan_of_europe_includes_a_country_s_landlines_and_nothing_else_of_it(
    country: str,
) -> None:
    plan = FRANCE if country == "GB" else UK_EUROPE
    for landline in LANDLINES[country]:
        assert reason(landline, plan) == f"{plan.title} plan includes landlines in {country}"
        assert category(landline, UK) is (Category.INCLUDED if country == "GB" else Category.PAID)
    for paid in (MOBILES[country], *SURCHARGED[country]):
        assert category(paid, plan) is Category.PAID


def test_every_decision_says_why_in_plain_words() -> None:
    assert reason("02079460000", UK) == "UK plan includes landlines in GB"
    assert reason("01534123456", UK) == "UK plan does not include landlines in JE"
    assert reason("08001234567", UK) == "UK plan: toll free numbers in GB are free"
    assert reason("+881612345678", UK) == "UK plan bars satellite numbers"
    assert reason("+979123456789", UK) == "UK plan bars 979"
    assert reason("999", UK) == "999 is an emergency number"


def test_prefixes_put_numbers_in_and_out_of_a_plan_the_longest_first() -> None:
    plan = replace(
        UK_PLAN,
        included_prefixes=frozenset({"33", "3368"}),
        excluded_prefixes=frozenset({"336", "4420"}),
        free_prefixes=frozenset({"GB:118118"}),
        barred_countries=frozenset({"RU"}),
        barred_prefixes=frozenset({"4470"}),
    )
    assert category("0033142685300", plan) is Category.INCLUDED
    assert category("0033612345678", plan) is Category.PAID
    assert category("0033681234567", plan) is Category.INCLUDED
    assert category("02079460000", plan) is Category.PAID
    assert category("118118", plan) is Category.FREE
    assert category("118500", plan) is Category.PAID
    assert category("07012345678", plan) is Category.BARRED
    assert category("0074951234567", plan) is Category.BARRED
    assert reason("02079460000", plan) == "UK plan leaves out 4420"
    assert reason("0033142685300", plan) == "UK plan includes 33"
    assert reason("118118", plan) == "UK plan lists GB:118118 as free"
    assert reason("0074951234567", plan) == "UK plan bars calls to RU"


def test_premium_numbers_can_be_switched_off() -> None:
    plan = replace(UK_PLAN, premium_allowed=False)
    for dialled in ("09011234567", "08431234567", "118118", "0019005551212"):
        assert category(dialled, plan) is Category.BARRED
    assert reason("118118", plan) == "UK plan allows no directory numbers"


def test_toll_free_numbers_of_other_countries_are_not_free_from_here() -> None:
    assert category("0018005551212", UK) is Category.PAID


# --- quotation -------------------------------------------------------------------------------


def test_a_paid_number_is_quoted_at_its_rate() -> None:
    quotation = quoted("0033612345678")
    assert quotation.category is Category.PAID
    assert quotation.destination == "France mobile"
    assert quotation.rate == rate("0.10")


def test_a_service_number_costs_the_access_charge_and_the_service_charge() -> None:
    assert quoted("08431234567").rate == rate("0.20", blocks=(60, 1))
    assert quoted("118118").rate == rate("0.63", per_call="1.00", blocks=(60, 1))


def test_where_the_call_itself_is_included_only_the_service_charge_is_paid() -> None:
    plan = replace(UK_PLAN, access_per_minute=gbp("0"))
    assert quoted("08431234567", plan=plan).rate == rate("0.07", blocks=(60, 1))


def test_the_access_charge_is_only_of_the_own_countrys_service_numbers() -> None:
    deck = RateDeck([deck_row("1900", "USA premium", rate("2"))], currency="GBP")
    assert quoted("0019005551212", deck=deck).rate == rate("2")


def test_a_countrys_ordinary_rate_is_no_rate_for_its_service_numbers() -> None:
    with pytest.raises(NoRateForDestination):
        quoted("09011234567")  # the deck has 44, and nothing about 0901
    with pytest.raises(NoRateForDestination, match="448451234567"):
        quoted("08451234567")


def test_an_unknown_short_code_is_refused_unless_rated() -> None:
    with pytest.raises(NoRateForDestination):
        quoted("123")


def test_a_number_without_a_rate_is_refused() -> None:
    with pytest.raises(NoRateForDestination, match="12025550123"):
        quoted("0012025550123")


def test_a_barred_number_is_refused_with_the_reason() -> None:
    with pytest.raises(DestinationBarred, match="UK plan bars satellite numbers") as refusal:
        quoted("+881612345678")
    assert refusal.value.code == "barred"


def test_free_and_included_numbers_ask_no_deck() -> None:
    def no_deck() -> RateDeck:
        raise AssertionError

    for dialled in ("999", "08001234567", "02079460000"):
        number = parse_number(dialled, Site())
        assert quote(number, plan=UK_PLAN, deck=no_deck, on=START.date()).rate is None


def test_a_rate_changes_at_midnight_of_the_office_not_of_greenwich() -> None:
    summer = START.replace(month=6, day=30, hour=23, minute=30)  # 00:30 on 1 July in London
    number = parse_number("0033612345678", Site())
    changed = RateDeck(
        [
            deck_row("33", "old", rate("0.10")),
            deck_row("33", "new", rate("0.20"), effective=summer.replace(month=7, day=1).date()),
        ],
        currency="GBP",
    )
    day = office_on(UK_PLAN).day_of(summer)
    assert quote(number, plan=UK_PLAN, deck=lambda: changed, on=day).destination == "new"


# --- what a desk phone may call --------------------------------------------------------------


def allows(dialled: str, *classes: DestinationClass) -> bool:
    phone = replace(RECEPTION, allow=frozenset(classes))
    try:
        require_allowed(phone, quoted(dialled), UK_PLAN)
    except ExtensionNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("dialled", "its_class"),
    [
        ("02079460000", DestinationClass.INCLUDED),
        ("01534123456", DestinationClass.INTERNATIONAL),
        ("0033612345678", DestinationClass.INTERNATIONAL),
        ("07012345678", DestinationClass.NATIONAL),
        ("118118", DestinationClass.PREMIUM),
        ("08431234567", DestinationClass.PREMIUM),
    ],
)
def test_every_call_is_of_exactly_one_class(dialled: str, its_class: DestinationClass) -> None:
    assert allows(dialled, its_class)
    assert not allows(dialled, *(EVERY_CLASS - {its_class}))


def test_nobody_can_be_denied_emergency_and_free_numbers() -> None:
    off = replace(RECEPTION, enabled=False, allow=frozenset())
    for dialled in ("999", "08001234567"):
        require_allowed(off, quoted(dialled), UK_PLAN)
    with pytest.raises(ExtensionNotAllowed, match="switched off"):
        require_allowed(off, quoted("02079460000"), UK_PLAN)
