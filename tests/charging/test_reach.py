"""A prefix reaches the countries and kinds that it names, and nobody besides."""

from dataclasses import replace
from datetime import date

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from charging.deck_file import DeckFormat, read_deck_text
from charging.deck_reach import beyond_their_names
from charging.errors import NoRateForDestination
from charging.number_tables import COUNTRY_WORDS
from charging.numbering import Site, parse_number
from charging.plan import Category, Plan, classify
from charging.quotation import quote
from charging.rate_deck import RateDeck
from charging.reach import named_countries, reaches, sharing_code
from plans.files import SAMPLE_DECKS, SHIPPED_PLANS, read_plan
from tests.fakes.charging import deck_row, rate
from tests.fakes.clock import START

UK = read_plan(SHIPPED_PLANS / "uk.toml")
FRANCE = read_plan(SHIPPED_PLANS / "france.toml")
SHARED = [
    (str(code), countries)
    for code, countries in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    if len(countries) > 1
]
TODAY = date(2026, 11, 21)


def reached(prefix: str, dialled: str, destination: str = "") -> bool:
    return reaches(prefix, parse_number(dialled, Site()), destination)


def deck(*rows: tuple[str, str]) -> RateDeck:
    return RateDeck((deck_row(prefix, name, rate("0.02")) for prefix, name in rows), currency="GBP")


# --- rates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "destination", "number", "is_reached"),
    [
        ("1", "USA and Canada", "+12025550123", True),
        ("1", "USA and Canada", "+14165550123", True),
        ("1", "", "+14165550123", True),
        ("1", "USA", "+14165550123", False),
        ("1", "Canada", "+12025550123", False),
        ("1", "USA & Puerto Rico", "+17875550123", True),
        *[
            ("1", "USA and Canada", f"+1{area}5550123", False)
            for area in (268, 473, 664, 767, 784, 868, 340, 876, 658, 809, 787, 671)
        ],
        ("1868", "", "+18685550123", True),
        ("7", "Russia", "+77012345678", False),
        ("7", "Russia & Kazakhstan", "+77012345678", True),
        ("77", "", "+77012345678", True),
        ("7", "Russie", "+79123456789", True),
        ("44", "UK", "01534123456", False),
        ("44", "United Kingdom and Jersey", "01534123456", True),
        ("44", "UK", "07911123456", False),
        ("44", "", "02079460000", True),
        ("39", "Italie", "+390669812345", False),
        ("3906698", "", "+390669812345", True),
        ("39", "Italy", "+390612345678", True),
        ("262", "Réunion", "0033262123456", True),
        ("262", "Réunion", "0033639123456", False),
        ("262", "Réunion, Mayotte", "0033639123456", True),
        ("599", "Curaçao", "+5993181234", False),
        ("599", "", "+59994351234", True),
        ("47", "Norway", "+4779123456", False),
        ("358", "Finland", "+35818123456", False),
        ("35818", "", "+35818123456", True),
        ("61", "Australia", "+61891621234", False),
        ("33", "France", "+33142685300", True),
    ],
)
def test_a_rate_prices_only_the_countries_it_names(
    prefix: str, destination: str, number: str, *, is_reached: bool
) -> None:
    assert reached(prefix, number, destination) is is_reached


@pytest.mark.parametrize(
    ("prefix", "number", "is_reached"),
    [
        ("44", "07012345678", False),
        ("447", "07012345678", False),
        ("4470", "07012345678", True),
        ("44", "07612345678", False),
        ("44", "09011234567", False),
        ("4490", "09011234567", True),
        ("448", "08431234567", True),
        ("33", "0033890123456", False),
        ("3389", "0033890123456", True),
        ("881", "+881612345678", True),
    ],
)
def test_a_rate_prices_only_the_kinds_it_names(
    prefix: str, number: str, *, is_reached: bool
) -> None:
    assert reached(prefix, number) is is_reached


@pytest.mark.parametrize(("code", "countries"), SHARED)
def test_a_bare_code_prices_no_country_but_its_main_ones(
    code: str, countries: tuple[str, ...]
) -> None:
    """For every number that phonenumbers gives as an example of a country."""
    main = {"1": {"US", "CA"}}.get(code, {countries[0]})
    for country in countries:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(country, kind)
            if example is None:  # Tristan da Cunha has no mobiles
                continue
            written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            number = parse_number(written, Site())
            assert reaches(code, number) is (number.country in main), written


def test_every_country_that_shares_a_code_can_be_named() -> None:
    shared = {country for _, countries in SHARED for country in countries}
    assert COUNTRY_WORDS.keys() == shared
    for country in shared:
        code = str(phonenumbers.country_code_for_region(country))
        for word in COUNTRY_WORDS[country]:
            assert country in named_countries(word.title(), sharing_code(code)), word


def test_a_number_that_no_rate_means_is_refused() -> None:
    number = parse_number("0018765550123", Site())
    for rows in ([("1", "USA and Canada")], [("18", "USA")]):
        with pytest.raises(NoRateForDestination):
            quote(number, plan=UK, deck=lambda rows=rows: deck(*rows), on=START.date())  # type: ignore[misc]


def test_whom_a_deck_does_not_price_is_told() -> None:
    found = beyond_their_names(
        deck(("7", "Russia"), ("49", "Germany landline"), ("43", "Austria")), on=TODAY
    )
    assert [(rate.prefix, rate.countries, rate.is_refused) for rate in found] == [
        ("7", ("KZ",), True),
        ("49", ("DE",), False),
    ]


@pytest.mark.parametrize("currency", ["gbp", "eur"])
def test_the_sample_decks_price_every_country_of_a_shared_code_by_itself(currency: str) -> None:
    file = SAMPLE_DECKS / f"sample-{currency}.csv"
    form = DeckFormat(columns={}, effective=TODAY)
    sample = RateDeck(read_deck_text(file.read_bytes(), form).rows, currency="GBP")
    assert not [found for found in beyond_their_names(sample, on=TODAY) if found.is_refused]


# --- plans -----------------------------------------------------------------------------------


def with_included(plan: Plan, *prefixes: str) -> Plan:
    return replace(plan, inclusions=(), included_prefixes=frozenset(prefixes))


@pytest.mark.parametrize(
    ("prefix", "number", "category"),
    [
        ("1", "0012025550123", Category.INCLUDED),
        ("1", "0018765550123", Category.PAID),
        ("1", "0019005551212", Category.PAID),
        ("1876", "0018765550123", Category.INCLUDED),
        ("44", "02079460000", Category.INCLUDED),
        ("44", "07400123456", Category.INCLUDED),
        ("44", "09011234567", Category.PAID),
        ("44", "07012345678", Category.PAID),
        ("44", "01534123456", Category.PAID),
        ("447", "07797123456", Category.PAID),
        ("441534", "01534123456", Category.INCLUDED),
        ("33", "0033142685300", Category.INCLUDED),
        ("33", "0033890123456", Category.PAID),
        ("33", "0033262123456", Category.PAID),
        ("GB:118", "118118", Category.INCLUDED),
    ],
)
def test_an_included_prefix_reaches_only_what_it_names(
    prefix: str, number: str, category: Category
) -> None:
    plan = with_included(UK, prefix)
    assert classify(parse_number(number, Site()), plan).category is category


def test_a_free_prefix_is_as_narrow_and_a_barred_or_excluded_one_is_not() -> None:
    jamaica = parse_number("0018765550123", Site())
    free = replace(UK, free_prefixes=frozenset({"1"}))
    assert classify(jamaica, free).category is Category.PAID
    barred = replace(UK, barred_prefixes=frozenset({"1"}))
    assert classify(jamaica, barred).category is Category.BARRED
    excluded = replace(with_included(UK, "1876"), excluded_prefixes=frozenset({"18765"}))
    assert classify(jamaica, excluded).category is Category.PAID


# --- numbers that people still dial ----------------------------------------------------------


def test_a_mexican_mobile_in_its_old_form_is_the_number_of_today() -> None:
    old, new = (parse_number(n, Site()) for n in ("005215512345678", "00525512345678"))
    assert old.digits == old.dial_string == new.digits == "525512345678"


@pytest.mark.parametrize("country", ["FR", "GB"])
def test_french_machines_have_fourteen_digits(country: str) -> None:
    number = parse_number("+337001234567890", Site(country=country))
    assert (number.country, number.kind.value) == ("FR", "mobile")
    if country == "FR":
        assert parse_number("07001234567890", Site(country="FR")).digits == number.digits
        assert classify(number, FRANCE).category is Category.INCLUDED
