"""What can be set for an extension, and the extension that is made of it.

Its entry in the phones file wins; what that leaves out is the manager's.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from charging.extensions import EVERY_CLASS, PAID_CLASSES, DestinationClass, Extension
from charging.language import require_language
from charging.money import NO_CURRENCY, Money, parse_money
from charging.provenance import (
    Default,
    Layer,
    Rule,
    Sourced,
    checked,
    layer_of,
    merged,
)

_NAME: Final = re.compile(r"[\w .'()&+-]{1,60}")  # goes into a SIP header: no quote, no line end
_COUNT: Final = re.compile(r"[0-9]{1,6}")
_CLASSES: Final = MappingProxyType(
    {"paid": PAID_CLASSES} | {each.value: frozenset({each}) for each in DestinationClass}
)
NOTHING: Final = "nothing"  # all that an extension may call, where only emergencies are left


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not up to 60 letters, digits, blanks and . ' ( ) & + -")
    return text


def _allow(text: str) -> str:
    words = [word.strip() for word in text.split(",")]
    return NOTHING if words == [NOTHING] else text_of_classes(words)


def text_of_classes(words: Iterable[str]) -> str:
    """Classes of calls, written in one way: "included, national".

    Raises:
        ValueError: one of them is none.
    """
    found: frozenset[DestinationClass] = frozenset()
    for word in words:
        if word not in _CLASSES:
            raise ValueError(f"{word!r} is none of {', '.join(_CLASSES)}")
        found |= _CLASSES[word]
    return ", ".join(each.value for each in DestinationClass if each in found) or NOTHING


def _amount(text: str) -> str:
    if parse_money(text, NO_CURRENCY).micros < 0:
        raise ValueError(f"{text!r} is negative")
    return text


def _count(text: str) -> str:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number, such as 2")
    return text


EXTENSION_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "name": _name,
        "language": require_language,
        "allow": _allow,
        "day_limit": _amount,
        "month_limit": _amount,
        "calls_at_once": _count,
    }
)


def extension_settings(number: str, *, entry: Layer, manager: Layer) -> dict[str, Sourced]:
    """What is in force for an extension, and who says so."""
    defaults = layer_of({"name": number, "allow": text_of_classes(EVERY_CLASS)}, Default())
    return merged(EXTENSION_RULES, (entry, manager, defaults))


def extension_of(  # noqa: PLR0913 - what no setting says
    settings: Mapping[str, Sourced],
    *,
    endpoint: str,
    number: str,
    office_id: str,
    currency: str,
    enabled: bool,
) -> Extension:
    """The extension that its settings make; amounts are in its office's currency.

    Raises:
        ValueError: one of them is nothing that can be meant.
    """
    text = {name: _checked(name, settings[name].text) for name in EXTENSION_RULES}
    at_once = text["calls_at_once"]
    return Extension(
        endpoint=endpoint,
        number=number,
        name=text["name"] or number,
        office_id=office_id,
        language=text["language"],
        enabled=enabled,
        allow=_classes(text["allow"] or NOTHING),
        day_limit=_money(text["day_limit"], currency),
        month_limit=_money(text["month_limit"], currency),
        calls_at_once=None if at_once is None else int(at_once),
    )


def _checked(name: str, text: str | None) -> str | None:
    return None if text is None else checked(EXTENSION_RULES, name, text)


def _classes(text: str) -> frozenset[DestinationClass]:
    words = [] if text == NOTHING else text.split(", ")
    return frozenset(DestinationClass(word) for word in words)


def _money(text: str | None, currency: str) -> Money | None:
    return None if text is None else parse_money(text, currency)
