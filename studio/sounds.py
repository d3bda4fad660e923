"""How a word sounds by espeak-ng: what no ear can tell apart, as "au" and "aux", sounds alike."""

from functools import cache
from typing import Any, Final

from studio.kokoro import SPEAKERS

STRESS: Final = str.maketrans("", "", "ˈˌ")
WORDS_OF_ONE_LETTER: Final = "aàoôy"  # the others are elided, as in "n'est", or spelt


@cache
def sound_of(word: str, language: str) -> str:
    """Its phonemes, without stress; a letter that is no word sounds like nothing else.

    Args:
        word: in small letters, or a number.
        language: one of LANGUAGES.
    """
    if len(word) == 1 and word.isalpha() and word not in WORDS_OF_ONE_LETTER:
        return word
    return str(_espeak().phonemize(word, SPEAKERS[language].phonemes)).translate(STRESS)


@cache
def _espeak() -> Any:
    from kokoro_onnx.tokenizer import Tokenizer  # noqa: PLC0415 - `make setup` does not install it

    return Tokenizer()
