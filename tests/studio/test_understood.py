"""What a listener may write for one sound, and what it may not."""

import pytest

from studio.understood import Understood, amount_in, said, word_error_rate


def spelling(word: str, language: str) -> str:
    """As if no two words sounded alike."""
    del language
    return word


@pytest.mark.parametrize(
    "written",
    [
        "Your balance is £12.40.",
        "Your balance is 12 pounds 40.",
        "You have twelve pounds and forty pence.",
        "12 pounds, 40 pence",
        "£12.4",
        "12.40 pounds",
    ],
)
def test_an_amount_is_read_however_it_is_written(written: str) -> None:
    assert amount_in(written, "en") == said(1240, "GBP")


@pytest.mark.parametrize(
    ("written", "hundredths", "currency"),
    [
        ("Il vous reste 73 euros 40.", 7340, "EUR"),
        ("Il vous reste 73,40 €", 7340, "EUR"),
        ("soixante-treize livres quarante", 7340, "GBP"),
        ("vingt et une livres", 2100, "GBP"),
        ("Il vous reste 40 centimes.", 40, "USD"),
        ("un penny", 1, "GBP"),
        ("neuf cent quatre-vingt-dix-neuf dollars quatre-vingt-dix-neuf", 99_999, "USD"),
        ("12 euros 05", 1205, "EUR"),
        ("Il vous reste 800, 7 euros, 25.", 80_725, "EUR"),
        ("12 euros et un centime", 1201, "EUR"),
        ("Il vous reste 20 et 1 euro, 28 centimes.", 2128, "EUR"),
        ("Il vous reste 160 et 1 livre 51.", 16_151, "GBP"),
        ("60 et 11 euros", 7100, "EUR"),
        ("Il vous reste 66 cm.", 66, "EUR"),
        ("Il vous reste cette livre 42.", 742, "GBP"),
        ("Vous avez dit livre 42.", 1042, "GBP"),
        ("Il vous reste 300, cet euro 42.", 30_742, "EUR"),
        ("Il vous reste cette centime.", 7, "EUR"),
        ("Il vous reste 20$, 48$.", 2048, "USD"),
        ("Il vous reste 300, 73 $ et 34 $.", 37_334, "USD"),
        ("Vous avez 80, 11 euros, 21.", 9121, "EUR"),
        ("Vous avez 700, 80, 11 euros, 21.", 79_121, "EUR"),
        ("Vous avez 60 17 livres, 60 8.", 7768, "GBP"),
        ("Vous avez 40 livres quatre-vingt, un.", 4081, "GBP"),
        ("Vous avez 80 neuf euros.", 8900, "EUR"),
        ("Vous avez 20 cette livre.", 2700, "GBP"),
        ("Il vous reste sang, 40 livres, 28.", 14_028, "GBP"),
        ("Il vous reste sans 22$, 88$.", 12_288, "USD"),
        ("Vous avez sent 47 $ 54.", 14_754, "USD"),
        ("Vous avez 13 centimes de livres.", 13, "GBP"),
        ("Vous avez un centime de livre.", 1, "GBP"),
        ("Vous avez 38 cm de livre.", 38, "GBP"),
        ("Vous avez 12 livres et 5 centimes.", 1205, "GBP"),
    ],
)
def test_french_amounts(written: str, hundredths: int, currency: str) -> None:
    assert amount_in(written, "fr") == said(hundredths, currency)


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("Il vous reste 73,40.", "fr"),  # of what?
        ("12 pounds 40 50", "en"),
        ("12 pounds and 3 dollars", "en"),
        ("Your balance is 12 pounds 4T.", "en"),
        ("Votre soldat d'eux.", "fr"),
        ("12.5 pence", "en"),
        ("65 euros, 75 euros", "fr"),
        ("70 et 1 euro", "fr"),  # nobody says so
        ("70 5 euros", "fr"),
        ("20 12 euros", "fr"),
        ("20 1 euro", "fr"),  # "vingt et un"
        ("20 40 euros", "fr"),
        ("60 12 euros", "en"),
        ("sans livre", "fr"),
        ("60 $, 12 $", "fr"),  # "soixante-douze"
        ("4 $, 25 $", "fr"),  # "quatre-vingt-cinq"
        ("100 $, 48 $", "fr"),  # "cent quarante-huit"
        ("20 $, 48 €", "fr"),
        ("20 dollars, 48 dollars", "fr"),  # what was heard, not how it is written
        ("10 cette livre", "fr"),
        ("dit euro", "fr"),
        ("cette somme", "fr"),
        ("cette livre", "en"),
        ("20 and 1 euros", "en"),
        ("$400 and £45", "en"),
        ("$40 and $5", "en"),
        ("$400 and $145", "en"),
        ("50 pins", "en"),
        ("70 penses", "fr"),
        ("66 cm", "en"),
        ("", "en"),
    ],
)
def test_what_is_not_one_amount_is_not_understood(written: str, language: str) -> None:
    assert amount_in(written, language) is None


def test_a_word_that_sounds_like_a_hundred_is_one_before_the_rest_of_a_number_alone() -> None:
    assert amount_in("sans 40 livres", "fr") == said(14_000, "GBP")
    assert amount_in("sans 40 livres", "en") == said(4000, "GBP")
    assert amount_in("sans 240 livres", "fr") == said(24_000, "GBP")


def test_pounds_heard_for_pence_are_another_amount() -> None:
    assert amount_in("40 pounds", "en") != said(40, "GBP")
    assert amount_in("40 pence", "en") == said(40, "GBP") != said(40, "EUR")
    for oh_five in ("0.5", "oh five", "05", "O 5"):
        assert amount_in(f"You have 55 euros, {oh_five}", "en") == said(5505, "EUR")
    assert amount_in("500 and 91 euros 9", "en") == said(59_109, "EUR")
    assert amount_in("500 euros 91", "en") == said(50_091, "EUR")
    assert amount_in("You have $400 and $45.91", "en") == said(44_591, "USD")
    assert amount_in("You have £500, £58, 94.", "en") == said(55_894, "GBP")
    assert amount_in("$0.48", "en") == said(48, "USD")
    assert amount_in("1,234 dollars", "en") == Understood(123_400, "USD")


@pytest.mark.parametrize(
    ("told", "written", "rate"),
    [
        ("This number is not valid.", "this number is not valid", 0),
        ("This number is not valid.", "This number is valid.", 0.2),
        ("You have twelve minutes", "You have 12 minutes", 0),
        ("This call costs one point two pence", "This call costs 1.2 pence.", 0),
        ("This call costs sixty cents per minute", "This call costs $0.60 per minute", 0),
        ("This call costs sixty cents per minute", "This call costs $0.66 per minute", 1 / 7),
        ("Please dial again", "Please please tile again", 2 / 3),
    ],
)
def test_words_are_counted_that_are_wrong_missing_or_too_many(
    told: str, written: str, rate: float
) -> None:
    assert word_error_rate(told, written, "en", spelling) == pytest.approx(rate)


def test_words_of_one_sound_are_one_word() -> None:
    told, written = "Demandez au responsable.", "Demander aux responsables ?"
    assert word_error_rate(told, written, "fr", spelling) == 1
    assert word_error_rate(told, written, "fr", lambda word, _: word[:2]) == 0
