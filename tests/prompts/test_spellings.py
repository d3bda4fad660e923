"""What an engine is given instead of a text, and for which reason."""

import pytest

from charging.language import LANGUAGES
from prompts.errors import TextsDamaged
from prompts.spellings import Phonemes, Spellings, Take, parse_spellings, spellings_of
from prompts.texts import texts_of


def test_the_longest_spelling_that_fits_is_used_and_only_for_whole_words() -> None:
    spellings = Spellings({"four": "fore", "twenty-four": "twenty fower"})
    assert spellings.of("forty-four pounds") == "forty-fore pounds"
    assert spellings.of("twenty-four fourths") == "twenty fower fourths"
    assert Spellings({}).of("four") == "four"


def test_every_spelling_has_its_reason() -> None:
    good = '[pico.en]\npace = 1.1\nfour = ["fore", "heard as two"]\n'
    assert parse_spellings(good, "pico", "en") == Spellings({"four": "fore"}, 1.1, 1.1)
    assert parse_spellings(good, "pico", "fr") == Spellings({})
    for damaged in ('four = "fore"', 'four = ["fore"]', 'four = ["fore", ""]', "pace = 1"):
        with pytest.raises(TextsDamaged):
            parse_spellings(f"[pico.en]\n{damaged}\n", "pico", "en")


def test_phonemes_are_replaced_where_their_word_is_said() -> None:
    good = '[kokoro.fr.phonemes]\nneuf = ["nœf ø", "nœf ˈø", "heard as \\"na féro\\""]\n'
    spellings = parse_spellings(good, "kokoro", "fr")
    assert spellings.phonemes_in("dix-neuf euros") == (Phonemes("nœf ø", "nœf ˈø"),)
    assert spellings.phonemes_in("neuve") == ()
    assert parse_spellings(good, "kokoro", "en").phonemes_in("neuf euros") == ()
    for damaged in ('neuf = ["a", "b"]', 'neuf = ["a", "b", ""]', 'neuf = "a"'):
        with pytest.raises(TextsDamaged, match="neuf of kokoro"):
            parse_spellings(f"[kokoro.fr.phonemes]\n{damaged}\n", "kokoro", "fr")
    with pytest.raises(TextsDamaged, match="phonemes of kokoro"):
        parse_spellings('[kokoro.fr]\nphonemes = ["a", "b"]\n', "kokoro", "fr")


def test_a_text_has_a_take_of_its_own_where_one_is_given() -> None:
    good = '[kokoro.fr]\npace = 1.1\n[kokoro.fr.takes]\n"neuf livres" = [0.85, 45, "heard as 1"]\n'
    spellings = parse_spellings(good, "kokoro", "fr")
    assert spellings.takes == {"neuf livres": Take(pace=0.85, style=45)}
    assert spellings.pace_of("neuf livres") == 0.85
    assert spellings.pace_of("dix-neuf livres") == 1.1
    for damaged in ("[1, 45, 'a']", "[0.85, 0, 'a']", "[0.85, 45, '']", "[0.85, 45]", "0.85"):
        with pytest.raises(TextsDamaged, match="neuf of kokoro"):
            parse_spellings(f"[kokoro.fr.takes]\nneuf = {damaged}\n", "kokoro", "fr")


def test_a_whole_sentence_has_a_pace_of_its_own_where_one_is_given() -> None:
    own = parse_spellings("[pico.en]\npace = 1.3\nsentence-pace = 1.1\n", "pico", "en")
    assert own.pace_of("Please dial the number.") == 1.1
    assert own.pace_of("twelve pounds") == 1.3
    one = parse_spellings("[pico.en]\npace = 1.3\n", "pico", "en")
    assert one.pace_of("Please dial the number.") == 1.3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("engine", ["pico", "espeak-ng", "kokoro"])
def test_no_spelling_is_kept_for_a_word_that_is_never_said(engine: str, language: str) -> None:
    texts = " | ".join(texts_of(language).values())
    spellings = spellings_of(engine, language)
    for word in (*spellings.words, *spellings.phonemes):
        assert Spellings({word: "\0"}).of(texts) != texts, word
    assert spellings.takes.keys() <= set(texts_of(language).values())


def test_the_lead_of_a_balance_may_have_a_limit_of_its_own() -> None:
    both = parse_spellings("[kokoro.fr]\nlongest-s = 1.4\nlongest-lead-s = 1.2\n", "kokoro", "fr")
    assert (both.longest_s, both.longest_lead_s) == (1.4, 1.2)
    one = parse_spellings("[kokoro.fr]\nlongest-s = 1.3\n", "kokoro", "fr")
    assert one.longest_lead_s == 1.3
