"""Countries by their ISO 3166 code and no other name: a wrong one loses emergency numbers."""

from collections.abc import Iterator
from typing import Final

import phonenumbers

# In which a country's name is recognised, so that its code can be named.
_LANGUAGES: Final = ("en", "fr", "de", "es", "it", "nl", "pt")
_PARTS: Final = dict.fromkeys(
    ("england", "scotland", "wales", "cymru", "northern ireland", "britain", "great britain"), "GB"
)


def require_country(code: str) -> str:
    """Return `code` where it is the alpha-2 code of a country with telephones, in capitals.

    Raises:
        ValueError: it is anything else; the message names the code that was probably meant.
    """
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    meant = _meant(code)
    hint = f'write "{meant}"' if meant else 'such as "GB" or "FR"'
    raise ValueError(f"{code!r} is not the ISO 3166 code of a country with telephones: {hint}")


def _meant(text: str) -> str | None:
    return next(
        (code for code in _candidates(text) if code in phonenumbers.SUPPORTED_REGIONS), None
    )


def _candidates(text: str) -> Iterator[str]:
    """What an administrator may write instead: gb, UK, GBR, +44, "United Kingdom", "England"."""
    from babel import Locale  # noqa: PLC0415 - slow to load, and wanted for a mistake alone
    from babel.core import get_global  # noqa: PLC0415 - the same

    plain = text.strip()
    letters = plain.replace(".", "").upper()
    yield letters
    aliases = get_global("territory_aliases").get(letters, ())
    if len(aliases) == 1:  # several: a country that is several today
        yield aliases[0]
    digits = plain.removeprefix("+").removeprefix("00")
    if digits.isascii() and digits.isdecimal() and len(digits) <= 3:  # noqa: PLR2004 - of a country
        yield phonenumbers.region_code_for_country_code(int(digits))
    folded = plain.casefold()
    if folded in _PARTS:
        yield _PARTS[folded]
    for language in _LANGUAGES:
        for code, name in Locale(language).territories.items():
            if name.casefold() == folded:
                yield code
