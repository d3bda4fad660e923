"""How words sound, by espeak-ng."""

import pytest

from studio.sounds import sound_of

pytestmark = [pytest.mark.live, pytest.mark.hearing]  # where the ear's packages are


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", ("réessayez", "réessayer", "réessayé")),
        ("fr", ("dépense", "dépenses")),
        ("fr", ("a", "à")),
        ("en", ("four", "for", "4")),
    ],
)
def test_what_no_ear_can_tell_apart_sounds_the_same(language: str, words: tuple[str, ...]) -> None:
    assert len({sound_of(word, language) for word in words}) == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", ("le", "la", "les")), ("fr", ("l", "elle", "n", "d", "des")), ("en", ("pens", "pins"))],
)
def test_what_an_ear_can_tell_apart_does_not(language: str, words: tuple[str, ...]) -> None:
    assert len({sound_of(word, language) for word in words}) == len(words)
