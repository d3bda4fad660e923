"""What the portal says, in each language: gettext catalogues, read once by a process.

Only the source of a catalogue (`portal.po`) is kept; it is compiled in memory.
"""

import gettext
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "locale"
DOMAIN = "portal"
ENGLISH: Final = "en"
NAMES: Final = {"en": "English", "fr": "Français"}  # each in itself
LOCALES: Final = {"en": "en_GB", "fr": "fr_FR"}


def marked(text: str) -> str:
    """Mark a text that is translated later, where the reader is known."""
    return text


def load_catalogues() -> Mapping[str, gettext.NullTranslations]:
    """By language. What is said in the code is English, so that one has none."""
    return {
        language: gettext.NullTranslations() if language == ENGLISH else _compiled(language)
        for language in NAMES
    }


@cache
def _compiled(language: str) -> gettext.GNUTranslations:
    source = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    with source.open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def preferred(accepted: str) -> str:
    """The language of ours that an Accept-Language header asks for first; English otherwise."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:200].split(",")):
        tag, _, quality = part.strip().partition(";")
        language = tag.partition("-")[0].lower()
        if language in NAMES:
            found.append((-_quality(quality), place, language))
    return min(found)[2] if found else ENGLISH


def _quality(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0
