"""The languages that can be spoken."""

from typing import Final

LANGUAGES: Final = ("en", "fr")  # those that prompts has texts and sounds of


def first_spoken(*wanted: str | None) -> str:
    """The first that can be spoken; the first language of all if none of them can."""
    return next((language for language in wanted if language in LANGUAGES), LANGUAGES[0])


def require_language(code: str) -> str:
    """Raises ValueError: not a language with prompts."""
    if code not in LANGUAGES:
        raise ValueError(f"{code!r} is not a language with prompts: {', '.join(LANGUAGES)}")
    return code
