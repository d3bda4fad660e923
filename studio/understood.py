"""What a listener wrote down, read as an amount of money; and how many of its words are wrong.

Pure. A listener writes "£12.40", "12 pounds 40", "twelve pounds and forty pence" or "12,40 €" for
the same sound, so numbers and units are compared and not letters.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Final, NamedTuple

from icu4py.messageformat import MessageFormat

LARGEST_SPELT: Final = 999  # more is never in a sample
THOUSAND: Final = 1000
POINT: Final = {"en": "point", "fr": "virgule"}
AND: Final = {"en": "and", "fr": "et"}
# What follows without a unit between is of the same number: "80, 11 euros" can only be 91.
SAID_AFTER: Final = {
    **dict.fromkeys((20, 30, 40, 50), range(2, 10)),
    60: range(2, 20),
    80: range(1, 20),
}
SAID_WITH_ET: Final = {**dict.fromkeys((20, 30, 40, 50), (1,)), 60: (1, 11)}  # French
CENTS_IN_A_UNIT: Final = 100

WHOLE: Final = {
    **dict.fromkeys(("£", "pound", "pounds", "livre", "livres", "gbp"), "GBP"),
    **dict.fromkeys(("€", "euro", "euros", "eur"), "EUR"),
    **dict.fromkeys(("$", "dollar", "dollars", "usd"), "USD"),
}
SIGNS: Final = tuple(name for name in WHOLE if not name.isalpha())
# A cent belongs to a euro or to a dollar: who hears cents alone does not know of which.
HUNDREDTH: Final = {
    **dict.fromkeys(("penny", "pennies", "pence", "pences", "p"), "pence"),
    **dict.fromkeys(("cent", "cents", "centime", "centimes", "¢"), "cents"),
}
# "66 cm" is short for "66 centimètres" of somebody who heard "66 centimes". Behind a number no
# other word of an amount sounds like it.
WRITTEN_FOR: Final[Mapping[str, Mapping[str, str]]] = {"en": {}, "fr": {"cm": "centimes"}}
# "Sept livres" and "cette livre" are the same sounds, and so are "sept euros" and "cet euro".
SAME_SOUND_BEFORE_A_UNIT: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {},
    "fr": {"cette": "7", "cet": "7"},
}
# "Cent", "sans", "sang" and "sent" are one sound: "sans 29 livres" is "cent vingt-neuf livres".
SAME_SOUND_AS_A_HUNDRED: Final[Mapping[str, Sequence[str]]] = {
    "en": (),
    "fr": ("sans", "sang", "sent"),
}
# A penny has no French name. "Dix livres" and "dit livre" are the same sounds; "dix euros" has a z.
SAME_IN_OTHER_WORDS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "en": (),
    "fr": (
        (r"\bcentimes? de livres?\b", "pence"),
        (r"\bdit (?=(?:livre|dollar|centime)s?\b)", "10 "),
    ),
}
HUNDREDTH_OF: Final = {"GBP": "pence", "EUR": "cents", "USD": "cents"}

# "Sixty cents" is written "$0.60", and "soixante centimes" "0,60 €".
HUNDREDTHS_SAID: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {"£": "pence", "€": "cents", "$": "cents"},
    "fr": {"£": "centimes de livre", "€": "centimes", "$": "centimes"},
}
_BELOW_ONE: Final = re.compile(r"(?P<sign>[£€$])0[.,](?P<number>\d\d)\b")
_BELOW_ONE_FRENCH: Final = re.compile(r"\b0[.,](?P<number>\d\d)[ \u00a0\u202f]?(?P<sign>[£€$])")

# "40p" is two tokens, and "4T" is one that is no number.
_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)?(?!\w|[.,]\d)|\d+(?=p\b)|\w+|[£€$¢%]")
_OH_FIVE: Final = re.compile(r"(?:0[.,]|(?:oh|o|0) )(\d)(?: |$)")
_DECIMAL: Final = re.compile(r"(\d+)[.,](\d)\b")
_NUMBER: Final = re.compile(r"(\d+)(?:[.,](\d+))?")
# Hundreds, and a four before a twenty, could be the beginning of one number: "quatre-vingt-cinq".
_SIGNED_TWICE: Final = re.compile(r"\b(\d+(?<!00)(?<!4)) ([£€$])(?: et)? ([2-9]\d) \2(?!\S)")
_GROUPED: Final = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}\b)")
_GROUPED_BY_COMMA: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")

SoundOf = Callable[[str, str], str]  # of a word, in a language


class Understood(NamedTuple):
    """Hundredths of a unit, and "GBP", "EUR", "USD", or "pence" or "cents" where only these are."""

    hundredths: int
    unit: str


def amount_in(written: str, language: str) -> Understood | None:
    """The one amount that a sentence names; None where it names none, or more than one."""
    and_ = AND[language]
    words = [WRITTEN_FOR[language].get(word, word) for word in tokens_of(written, language)]
    words = _in_our_words(words, SAME_IN_OTHER_WORDS[language])
    words = _numbers_before_units(words, SAME_SOUND_BEFORE_A_UNIT[language])
    words = _hundreds_before_rests(words, SAME_SOUND_AS_A_HUNDRED[language])
    tokens = _signed_at_the_unit(_joined_hundreds(_signed_once(words, and_), and_))
    found = None
    at = 0
    while at < len(tokens):
        reading = _amount_at(tokens, at, and_)
        if reading is None:
            if tokens[at][0].isdigit():
                return None  # a number without a unit: the rest of something misheard
            at += 1
            continue
        if found is not None:
            return None
        found, at = reading
    return found


def said(hundredths: int, currency: str) -> Understood:
    """What `amount_in` gives for an amount that was understood."""
    below_one = 0 < hundredths < CENTS_IN_A_UNIT
    return Understood(hundredths, HUNDREDTH_OF[currency] if below_one else currency)


def word_error_rate(told: str, written: str, language: str, sound_of: SoundOf) -> float:
    """Words that are wrong, missing or too many, of one that were said: 0 for none.

    Args:
        told: what was said.
        written: what a listener took it for.
        language: one of LANGUAGES.
        sound_of: how a word of a language sounds. Words of one sound are one word: nobody who
            hears "réessayez" can know that it is not "réessayer".
    """
    wanted, heard = (
        [sound_of(word, language) for word in tokens_of(_as_said(text, language), language)]
        for text in (told, written)
    )
    return _edits(wanted, heard) / len(wanted)


def _as_said(text: str, language: str) -> str:
    """With "sixty cents" for "$0.60", and "one point two" for "1.2"."""
    for below_one in (_BELOW_ONE, _BELOW_ONE_FRENCH):
        text = below_one.sub(
            lambda found: f"{int(found['number'])} {HUNDREDTHS_SAID[language][found['sign']]}", text
        )
    return _DECIMAL.sub(rf"\1 {POINT[language]} \2", text)


def tokens_of(written: str, language: str) -> list[str]:
    """Words in small letters; numbers as digits, however they were written."""
    text = _GROUPED.sub("", written.lower())
    if language == "en":
        text = _GROUPED_BY_COMMA.sub("", text)
    return _with_digits(_TOKEN.findall(text), language)


def _amount_at(tokens: Sequence[str], at: int, and_: str) -> tuple[Understood, int] | None:
    """The amount that begins at a token, and the place after it."""
    sign = WHOLE.get(tokens[at]) if not tokens[at].isalpha() else None
    first = at + (sign is not None)
    number = _number_at(tokens, first)
    if number is None:
        return None
    whole, hundredths = number
    named = tokens[first + 1] if first + 1 < len(tokens) else ""
    unit, after = (sign, first + 1) if sign else (WHOLE.get(named), first + 2)
    if unit is not None:
        rest, after = (hundredths, after) if hundredths else _rest_at(tokens, after, and_)
        return said(whole * CENTS_IN_A_UNIT + rest, unit), after
    if named in HUNDREDTH and hundredths is None:
        return Understood(whole, HUNDREDTH[named]), after
    return None


def _rest_at(tokens: Sequence[str], at: int, and_: str) -> tuple[int, int]:
    """As "40", "and 40 pence" after "12 pounds"; 0 where nothing follows."""
    first = at + 1 if tokens[at : at + 1] == [and_] else at
    if oh_five := _OH_FIVE.match(" ".join(tokens[at : at + 2])):
        return int(oh_five[1]), at + len(oh_five[0].split())
    number = _number_at(tokens, first)
    if number is None or number[1] is not None or number[0] >= CENTS_IN_A_UNIT:
        return 0, at
    named = tokens[first + 1] if first + 1 < len(tokens) else ""
    if named in WHOLE:
        return 0, at  # "12 pounds and 3 dollars" are two amounts
    return number[0], first + 1 + (named in HUNDREDTH)


def _number_at(tokens: Sequence[str], at: int) -> tuple[int, int | None] | None:
    """The whole number and the hundredths after its point: "12.4" is 12 and 40."""
    match = _NUMBER.fullmatch(tokens[at]) if at < len(tokens) else None
    if match is None:
        return None
    return int(match[1]), None if match[2] is None else int(f"{match[2]}0"[:2])


def _joined_hundreds(tokens: Sequence[str], and_: str) -> list[str]:
    """One number of two where that is what people say: "800, 7 euros", "80, 11 euros"."""
    joined: list[str] = []
    for token in tokens:
        with_and = joined[-1:] == [and_]
        before = joined[-2:-1] if with_and else joined[-1:]
        one_number = before and (
            (_is_rest(token) and _is_hundreds(before[0]))
            or (and_ == AND["fr"] and _is_said_so(before[0], token, with_et=with_and))
        )
        if one_number:
            del joined[-1 if joined[-1] != and_ else -2 :]
            joined.append(_sum(before[0], token))
        else:
            joined.append(token)
    return joined


def _signed_once(tokens: Sequence[str], and_: str) -> list[str]:
    """One sign of two: "$400 and $45" is how "four hundred and forty-five dollars" is written.

    Only where the second number belongs to the hundreds of the first: nobody has two amounts.
    """
    kept: list[str] = []
    for at, token in enumerate(tokens):
        before = kept[:-1] if kept[-1:] == [and_] else kept
        follows = token in SIGNS and before[-2:-1] == [token] and _is_hundreds(before[-1])
        if not (follows and _is_rest("".join(tokens[at + 1 : at + 2]))):
            kept.append(token)
    return kept


def _signed_at_the_unit(tokens: Sequence[str]) -> list[str]:
    """The first sign of two: "20 $, 48 $" is how "vingt dollars quarante-huit" is written.

    Only where the two numbers cannot be one, as "60 $, 12 $" could be 72.
    """
    return _SIGNED_TWICE.sub(r"\1 \2 \3", " ".join(tokens)).split()


def _in_our_words(words: Sequence[str], others: Sequence[tuple[str, str]]) -> list[str]:
    text = " ".join(words)
    for theirs, ours in others:
        text = re.sub(theirs, ours, text)
    return text.split()


def _numbers_before_units(words: Sequence[str], same_sound: Mapping[str, str]) -> list[str]:
    units = {**WHOLE, **HUNDREDTH}
    return [
        same_sound.get(word, word) if after in units else word
        for word, after in zip_longest(words, words[1:], fillvalue="")
    ]


def _hundreds_before_rests(words: Sequence[str], same_sound: Sequence[str]) -> list[str]:
    return [
        "100" if word in same_sound and _is_rest(after) else word
        for word, after in zip_longest(words, words[1:], fillvalue="")
    ]


def _is_hundreds(token: str) -> bool:
    return token.isdigit() and token.endswith("00") and 0 < int(token) < THOUSAND


def _sum(tens: str, rest: str) -> str:
    whole, point, hundredths = re.split(r"([.,]|$)", rest, maxsplit=1)
    return f"{int(tens) + int(whole)}{point}{hundredths}"


def _is_said_so(tens: str, rest: str, *, with_et: bool) -> bool:
    """As "vingt et un", "soixante et onze", "quatre-vingt-onze", and after a hundred."""
    if not (tens.isdigit() and rest.isdigit()) or rest.startswith("0"):
        return False
    those = SAID_WITH_ET if with_et else SAID_AFTER
    return int(rest) in those.get(int(tens) % CENTS_IN_A_UNIT, ())


def _is_rest(token: str) -> bool:
    """Below a hundred, with or without hundredths behind a point."""
    number = _NUMBER.fullmatch(token)
    return number is not None and not token.startswith("0") and int(number[1]) < CENTS_IN_A_UNIT


def _with_digits(words: Sequence[str], language: str) -> list[str]:
    """Number words as digits, the longest that fit: "two hundred and one" is one number."""
    numbers, tokens, at = _numbers(language), list[str](), 0
    while at < len(words):
        for length in range(_LONGEST_NUMBER, 0, -1):
            number = numbers.get(tuple(words[at : at + length]))
            if number is not None and at + length <= len(words):
                tokens.append(str(number))
                at += length
                break
        else:
            tokens.append(words[at])
            at += 1
    return tokens


_LONGEST_NUMBER: Final = 8  # words: "neuf cent quatre vingt dix neuf" has six


@cache
def _numbers(language: str) -> dict[tuple[str, ...], int]:
    """Every spelling of every number to 999, by ICU's rules."""
    rules = {
        "en": ("%spellout-cardinal", "%spellout-cardinal-verbose"),
        "fr": ("%spellout-cardinal-masculine", "%spellout-cardinal-feminine"),
    }[language]
    formats = [MessageFormat(f"{{n,spellout,{rule}}}", language) for rule in rules]
    spelt = {}
    for number in range(LARGEST_SPELT + 1):
        for message in formats:
            words = re.findall(r"[^\W\d_]+", str(message.format({"n": number})).lower())
            spelt[tuple(words)] = number
    return spelt


def _edits(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein's distance, in words."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(wanted, start=1):
        above, row = row, [count]
        for at, other in enumerate(heard):
            row.append(min(above[at] + (word != other), above[at + 1] + 1, row[at] + 1))
    return row[-1]
