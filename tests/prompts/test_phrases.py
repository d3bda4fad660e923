"""What is said for every amount, compared with ICU's spellout rules as an independent oracle."""

import random
from collections.abc import Iterator
from functools import cache
from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icu4py.messageformat import MessageFormat

from charging.errors import Refusal
from charging.language import LANGUAGES
from charging.money import Money
from prompts.phrases import (
    LIMITS,
    REFUSALS,
    UNITS,
    Phrase,
    UnspokenError,
    balance_phrase,
    costs_nothing_phrase,
    dial_number_phrase,
    funds_exhausted_phrase,
    language_phrase,
    last_call_phrase,
    low_balance_phrase,
    minutes_phrase,
    not_enough_money_phrase,
    price_phrase,
    refilling_phrase,
    refusal_phrase,
    sentences,
    service_unavailable_phrase,
    top_up_received_phrase,
)
from prompts.texts import texts_of, words_of

CURRENCIES = tuple(UNITS)
MICROS_PER_UNIT = 1_000_000

# One and many of each word, and whether it is feminine in French.
NOUNS = {
    ("en", "GBP"): (("pound", "pounds"), ("penny", "pence"), False),
    ("en", "EUR"): (("euro", "euros"), ("cent", "cents"), False),
    ("en", "USD"): (("dollar", "dollars"), ("cent", "cents"), False),
    ("fr", "GBP"): (("livre", "livres"), ("centime de livre", "centimes de livre"), True),
    ("fr", "EUR"): (("euro", "euros"), ("centime", "centimes"), False),
    ("fr", "USD"): (("dollar", "dollars"), ("centime", "centimes"), False),
}


def money(text: str) -> Money:
    amount, currency = text.split()
    units, _, cents = amount.partition(".")
    return Money(int(units) * MICROS_PER_UNIT + int(cents or 0) * 10_000, currency)


def spoken(text: str, language: str) -> str:
    return words_of(balance_phrase(money(text), language), language)


@cache
def spellout(language: str, *, feminine: bool) -> MessageFormat:
    rule = {
        ("en", False): "%spellout-cardinal-verbose",
        ("fr", False): "%spellout-cardinal-masculine",
        ("fr", True): "%spellout-cardinal-feminine",
    }[language, feminine]
    return MessageFormat(f"{{n,spellout,{rule}}}", language)


def in_words(count: int, language: str, *, feminine: bool) -> str:
    return str(spellout(language, feminine=feminine).format({"n": count}))


def noun(names: tuple[str, str], count: int, language: str) -> str:
    """French has one of everything below two; English has no pounds and one pound."""
    return names[0] if count == 1 or (count == 0 and language == "fr") else names[1]


def oracle(cents: int, currency: str, language: str) -> str:
    unit, subunit, feminine = NOUNS[language, currency]
    whole, rest = divmod(cents, 100)
    hundredths = in_words(rest, language, feminine=False)
    with_unit = f"{hundredths} {noun(subunit, rest, language)}"
    lead = {"en": "You have", "fr": "Vous avez"}[language]
    if whole == 0 and rest:
        return f"{lead} {with_unit}"
    units = f"{in_words(whole, language, feminine=feminine)} {noun(unit, whole, language)}"
    if rest == 0:
        return f"{lead} {units}"
    if rest < 20 and language == "fr":
        return f"{lead} {units} et {with_unit.removesuffix(' de livre')}"  # which was said
    if rest < 10:
        return f"{lead} {units} oh {hundredths}"
    return f"{lead} {units} {hundredths}"


def plain(words: str) -> str:
    """Hyphens and commas inside a number are spelling: nobody hears them."""
    return words.replace("-", " ").replace(",", "")


def test_every_whole_amount_to_9999_is_spoken_as_icu_spells_it() -> None:
    for units, currency, language in product(range(10_000), CURRENCIES, LANGUAGES):
        phrase = balance_phrase(Money(units * MICROS_PER_UNIT, currency), language)
        expected = oracle(units * 100, currency, language)
        assert plain(words_of(phrase, language)) == plain(expected)


def generated_cents(count: int) -> Iterator[int]:
    """Amounts of every size, small ones as often as large ones; the same in every run."""
    chance = random.Random(20)  # noqa: S311 - a sample, not a secret
    return (chance.randrange(10 ** chance.randint(1, 8)) for _ in range(count))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("currency", CURRENCIES)
def test_ten_thousand_amounts_have_a_clip_for_every_word_and_the_words_of_the_oracle(
    language: str, currency: str
) -> None:
    for cents in generated_cents(10_000):
        phrase = balance_phrase(Money(cents * 10_000, currency), language)
        assert set(phrase.clips) <= texts_of(language).keys()
        assert plain(words_of(phrase, language)) == plain(oracle(cents, currency, language))


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("12.40 GBP", "You have twelve pounds forty"),
        ("12.05 GBP", "You have twelve pounds oh five"),
        ("12.19 GBP", "You have twelve pounds nineteen"),
        ("0.40 GBP", "You have forty pence"),
        ("12 GBP", "You have twelve pounds"),
        ("0 GBP", "You have zero pounds"),
        ("0.01 GBP", "You have one penny"),
        ("1.01 EUR", "You have one euro oh one"),
        ("100 GBP", "You have one hundred pounds"),
        ("101 GBP", "You have one hundred and one pounds"),
        ("1005 USD", "You have one thousand and five dollars"),
        ("9999 USD", "You have nine thousand nine hundred and ninety-nine dollars"),
    ],
)
def test_english_amounts(amount: str, words: str) -> None:
    assert spoken(amount, "en") == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("21 GBP", "Vous avez vingt et une livres"),
        ("21 EUR", "Vous avez vingt et un euros"),
        ("1.01 EUR", "Vous avez un euro et un centime"),
        ("1 GBP", "Vous avez une livre"),
        ("12.40 EUR", "Vous avez douze euros quarante"),
        ("12.05 EUR", "Vous avez douze euros et cinq centimes"),
        ("12.05 GBP", "Vous avez douze livres et cinq centimes"),
        ("12.19 GBP", "Vous avez douze livres et dix-neuf centimes"),
        ("12.20 GBP", "Vous avez douze livres vingt"),
        ("0.40 EUR", "Vous avez quarante centimes"),
        ("0.01 GBP", "Vous avez un centime de livre"),
        ("0 EUR", "Vous avez zéro euro"),
        ("11 EUR", "Vous avez onze euros"),
        ("80 EUR", "Vous avez quatre-vingts euros"),
        ("81 GBP", "Vous avez quatre-vingt-une livres"),
        ("100 GBP", "Vous avez cent livres"),
        ("101 GBP", "Vous avez cent une livres"),
        ("200 EUR", "Vous avez deux cents euros"),
        ("201 EUR", "Vous avez deux cent un euros"),
        ("1000 EUR", "Vous avez mille euros"),
        ("1001.50 GBP", "Vous avez mille une livres cinquante"),
        ("21000 GBP", "Vous avez vingt et un mille livres"),
        ("80000 EUR", "Vous avez quatre-vingt mille euros"),
        ("200000 EUR", "Vous avez deux cent mille euros"),
        ("101000 EUR", "Vous avez cent un mille euros"),
    ],
)
def test_french_amounts(amount: str, words: str) -> None:
    assert spoken(amount, "fr") == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_more_than_is_said_instead_of_a_sum_nobody_expects(language: str) -> None:
    phrase = balance_phrase(money("1000000.01 EUR"), language)
    assert phrase.clips[1:] == ("more-than", "9-hundred-and", "99-thousand", "euros")


@pytest.mark.parametrize("amount", ["445.91 USD", "112 GBP", "112000 EUR"])
def test_hundreds_to_which_something_is_added_are_said_with_the_lead(amount: str) -> None:
    clips = balance_phrase(money(amount), "en").clips
    assert clips[0] == f"your-balance-is-{amount[0]}-hundred-and"
    assert clips[1:] == last_call_phrase(money(amount), "en").clips[2:]
    assert balance_phrase(money("400 EUR"), "en").clips == ("your-balance-is", "4-hundred-euros")


@given(micros=st.integers(0, 10**13), language=st.sampled_from(LANGUAGES))
def test_what_is_spoken_is_never_more_than_the_balance(micros: int, language: str) -> None:
    whole_cents = micros // 10_000 * 10_000
    assert balance_phrase(Money(micros, "EUR"), language) == balance_phrase(
        Money(whole_cents, "EUR"), language
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("micros", [-1, -10_000, -1_000_000, -12_400_000])
def test_a_negative_amount_is_never_spoken(micros: int, language: str) -> None:
    with pytest.raises(UnspokenError):
        balance_phrase(Money(micros, "GBP"), language)


def test_a_currency_or_language_without_clips_is_an_error() -> None:
    with pytest.raises(UnspokenError, match="JPY"):
        balance_phrase(Money(1, "JPY"), "en")
    with pytest.raises(UnspokenError, match="de"):
        balance_phrase(Money(1, "EUR"), "de")


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (12_000, "one point two pence"),
        (12_001, "one point three pence"),  # up: a caller never pays more than was said
        (10_000, "one penny"),
        (20_000, "two pence"),
        (500, "zero point one pence"),
        (5_000, "zero point five pence"),
        (999_001, "one pound"),
        (1_200_001, "one pound twenty-one"),
        (3_000_000, "three pounds"),
    ],
)
def test_a_price_is_rounded_up(micros: int, words: str) -> None:
    phrase = price_phrase(Money(micros, "GBP"), "en")
    assert words_of(phrase, "en") == f"This call costs {words} per minute"


def test_the_balance_may_go_on_with_price_and_minutes() -> None:
    phrase = balance_phrase(money("12.40 EUR"), "fr", per_minute=Money(15_000, "EUR"), minutes=826)
    assert words_of(phrase, "fr") == (
        "Vous avez douze euros quarante."
        " Voici le prix de cet appel, un virgule cinq centimes par minute."
        " Cela suffit pour environ huit cent vingt-six minutes"
    )


def test_a_connection_charge_is_said_once_per_call_and_only_when_there_is_one() -> None:
    rate = Money(20_000, "GBP")
    with_charge = price_phrase(rate, "en", connection_charge=Money(100_000, "GBP"))
    assert words_of(with_charge, "en").endswith("per minute plus, once per call, ten pence")
    assert price_phrase(rate, "en", connection_charge=Money(0, "GBP")) == price_phrase(rate, "en")


@pytest.mark.parametrize(
    ("left_s", "language", "words"),
    [
        (60, "en", "Your balance is running low. You have one minute"),
        (119, "en", "Your balance is running low. You have one minute"),
        (59, "en", "Your balance is running low. The call will end in less than one minute."),
        (1260, "fr", "Votre solde est bientôt épuisé. Il vous reste vingt et une minutes"),
    ],
)
def test_the_warning_says_whole_minutes_that_are_left(
    left_s: int, language: str, words: str
) -> None:
    assert words_of(low_balance_phrase(left_s, language), language) == words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_has_a_sentence_of_its_own(code: str, language: str) -> None:
    phrase = refusal_phrase(code, language)
    assert set(phrase.clips) <= texts_of(language).keys()
    assert phrase != refusal_phrase("a code nobody knows", language)
    others = (refusal_phrase(other, language) for other in REFUSALS if other != code)
    assert phrase not in list(others)


def test_every_refusal_of_a_call_that_charging_knows_has_a_sentence() -> None:
    told_to_an_operator = {  # or to a manager, about money in: never to a caller
        "unknown_office",
        "unknown_topup",
        "topup_spent",
        "paid_by_card",
        "unknown_payment",
        "not_refundable",
        "bought_just_now",
        "amount_not_offered",
        "no_card",
        "refill_not_allowed",
        "no_receipt",
    }
    codes = {refusal.code for refusal in Refusal.__subclasses__()}
    assert codes - told_to_an_operator == REFUSALS.keys() - {"unavailable", "forwarded"}


def test_a_limit_is_named() -> None:
    clips = {
        limit: refusal_phrase("limit_reached", "en", limit=limit).clips
        for limit in ("extension_day", "extension_month", "office_day", "calls_at_once")
    }
    assert clips == {
        "extension_day": ("limit-reached",),
        "extension_month": ("limit-reached",),
        "office_day": ("office-limit-reached",),
        "calls_at_once": ("too-many-calls",),
    }


def test_a_refusal_for_lack_of_money_can_say_the_balance_first() -> None:
    phrase = refusal_phrase("insufficient_balance", "en", balance=money("0.05 GBP"))
    assert words_of(phrase, "en") == (
        "You have five pence. There is not enough money on the account for this call."
        " Please ask your office manager to add funds."
    )


def test_the_sentences_that_the_dialplan_plays_alone_are_one_clip_each() -> None:
    for language in LANGUAGES:
        assert service_unavailable_phrase(language).clips == ("service-unavailable",)
        assert funds_exhausted_phrase(language).clips == ("funds-exhausted",)


def test_the_languages_have_the_same_clips() -> None:
    english, *others = (list(texts_of(language)) for language in LANGUAGES)
    assert all(other == english for other in others)


def every_phrase(language: str) -> Iterator[Phrase]:
    for currency in CURRENCIES:
        whole = chain(range(10_000), range(0, 1_000_000, 1000), [101_001, 10**6])
        yield from (balance_phrase(Money(n * MICROS_PER_UNIT, currency), language) for n in whole)
        yield from (balance_phrase(Money(n * 10_000, currency), language) for n in range(200))
        yield from (price_phrase(Money(n * 1000, currency), language) for n in range(1000))
    yield balance_phrase(Money(0, "EUR"), language, minutes=0)
    yield price_phrase(Money(1, "EUR"), language, connection_charge=Money(1, "EUR"))
    yield from (minutes_phrase(n, language) for n in range(2000))
    yield from (refusal_phrase(code, language) for code in (*REFUSALS, "any other"))
    yield from (refusal_phrase("limit_reached", language, limit=limit) for limit in LIMITS)
    yield from (low_balance_phrase(left_s, language) for left_s in (0, 60))
    yield dial_number_phrase(language)
    yield costs_nothing_phrase(language)
    yield from (last_call_phrase(cost, language) for cost in (None, Money(1, "EUR")))
    yield language_phrase(language)
    yield funds_exhausted_phrase(language)
    yield service_unavailable_phrase(language)
    yield top_up_received_phrase(language, balance=Money(0, "GBP"))
    yield refilling_phrase(language)
    yield sentences(dial_number_phrase(language), costs_nothing_phrase(language))
    yield last_call_phrase(None, language)
    yield last_call_phrase(Money(10_000, "GBP"), language)
    yield language_phrase(language)
    yield not_enough_money_phrase(language)


def test_no_clip_is_recorded_that_is_never_played() -> None:
    played = {
        clip for language in LANGUAGES for phrase in every_phrase(language) for clip in phrase.clips
    }
    assert played == texts_of("en").keys()
