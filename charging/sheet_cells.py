"""Cells of a rate sheet: prefixes, amounts, blocks and days, read exactly or refused.

Every function raises ValueError with what it read and what to do about it.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Context, Decimal
from enum import Enum
from functools import lru_cache
from typing import Final

import phonenumbers

from charging.headings import Unit, are_units, frozen, unit_of, words_of
from charging.money import MICROS_PER_UNIT

PRICE_MAX: Final = 10_000 * MICROS_PER_UNIT  # a minute dearer than this is a misread column
BLOCK_MAX_S: Final = 86_400
PREFIXES_MAX: Final = 10_000  # in one cell; a range wider than this is a typing error
AREA_DIGITS_MAX: Final = 4  # after a dash; more is a range that nobody meant
AMOUNT_CHARACTERS_MAX: Final = 60
YEAR_MIN: Final = 1990
CENTS_IN_UNIT: Final = 100
_EXCEL_DIGITS: Final = Context(prec=15)  # what a spreadsheet holds exactly; the rest is noise

# --- prefixes --------------------------------------------------------------------------------

_PLAIN = re.compile(r"[1-9][0-9]{0,14}")
_DIGITS = re.compile(r"(?:\+|00)?([1-9][0-9]{0,14})")
_WHOLE_FLOAT = re.compile(r"([1-9][0-9]{0,14})\.0+")
_SHORT = re.compile(r"[A-Z]{2}:[0-9]{2,6}")
_RANGE = re.compile(r"(?:\+|00)?([1-9][0-9]{0,14})\s*[-\u2013]\s*([0-9]{1,15})")
_SEPARATORS = re.compile(r"[\s,;/]+")
_LISTED = re.compile(r"\s*[,;/]\s*")
_CODE_THEN_AREAS = re.compile(r"(\+?)([1-9][0-9]{0,2})\s+([0-9][0-9\s,;/\u2013-]*)")
_SCIENTIFIC = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")


def parse_prefixes(cell: str) -> tuple[str, ...]:
    """The prefixes of one cell: `33`, `+44 1534`, `336 337`, `52 33,34`, `447700-447705`, `GB:118`.

    A country code, a space, and a list or a range of areas are that country's: `52 33,34` is 5233
    and 5234. `33 34` may be one prefix or two, and is refused.
    """
    if _PLAIN.fullmatch(cell):
        return (cell,)  # nearly always, and quick
    cell = _unwrapped(cell)
    if found := _CODE_THEN_AREAS.fullmatch(cell):
        joined = _areas_after_code(cell, found)
        if joined:
            return joined
    prefixes: list[str] = []
    for token in filter(None, _tokens(cell)):
        prefixes += _expand(token)
    if not prefixes:
        raise ValueError("the row has no prefix")
    return tuple(prefixes)


def join_prefixes(country_code: str, areas: str) -> tuple[str, ...]:
    """Prefixes of a sheet that has a column of country codes and one of areas."""
    code = _single(country_code)
    if not areas:
        return (code,)
    if not is_country_code(code):
        raise ValueError(f"{country_code!r} is not a country code, so areas cannot be joined to it")
    areas = " ".join(areas.split())
    found = [area for token in _LISTED.split(areas) for area in _area_range(token)]
    for area in found:
        _require_national(area, code)
    return tuple(code + area for area in found)


def is_country_code(digits: str) -> bool:
    return digits.isdecimal() and int(digits) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


@lru_cache(maxsize=4096)
def country_code_of(prefix: str) -> str | None:
    """The country code that a prefix begins with; None if it is shorter than one, or none is."""
    return next((prefix[:n] for n in (1, 2, 3) if is_country_code(prefix[:n])), None)


def _unwrapped(cell: str) -> str:
    """Without what keeps a spreadsheet from eating zeros: `'0033`, `="0033"`; `33.0` is 33."""
    cell = " ".join(cell.split()).removeprefix("'")
    if cell.startswith('="') and cell.endswith('"'):
        cell = cell[2:-1]
    if whole := _WHOLE_FLOAT.fullmatch(cell):
        return whole[1]
    if _SCIENTIFIC.fullmatch(cell):
        raise ValueError(
            f"{cell!r} is a prefix that a spreadsheet shortened: make the column text and export it"
            " again"
        )
    return cell.strip()


def _areas_after_code(cell: str, found: re.Match[str]) -> tuple[str, ...]:
    plus, code, rest = found.groups()
    if not is_country_code(code):
        return ()
    is_structured = bool(re.search(r"[,;/\u2013-]", rest))
    if not plus and not is_structured:
        raise ValueError(
            f"{cell!r} may be one prefix or several: write +{code} {rest} for one,"
            f" or {code},{','.join(rest.split())} for several"
        )
    if plus and not is_structured:
        area = "".join(rest.split())  # "+44 20 7946" is one number, begun
        _require_national(area, code)
        return (code + area,)
    return join_prefixes(code, rest)


def _require_national(area: str, code: str) -> None:
    if area.startswith(code) and code != "7":  # areas of +7 do begin with 7
        raise ValueError(
            f"area {area} begins with its country code {code}: it may be {code}{area} or {area};"
            " write whole prefixes in one column"
        )
    if area.startswith("0") and code != "39":  # Italy's areas keep their zero
        raise ValueError(f"area {area} begins with 0, which is not dialled after +{code}")


def _area_range(token: str) -> Sequence[str]:
    token = token.strip()
    first, dash, last = (
        (part.strip() for part in re.split(r"([-\u2013])", token, maxsplit=1))
        if ("-" in token or "\u2013" in token)
        else (token, "", "")
    )
    if not (first.isascii() and first.isdecimal()) or (dash and not last.isdecimal()):
        raise ValueError(f"{token!r} is not an area")
    return _counted(token, first, last) if dash else (first,)


def _tokens(cell: str) -> list[str]:
    """Parts of a list; the spaces around the dash of a range do not part it."""
    return _SEPARATORS.split(re.sub(r"\s*([-\u2013])\s*", r"\1", cell))


def _expand(token: str) -> Sequence[str]:
    if _SHORT.fullmatch(token):
        return (token,)
    if plain := _DIGITS.fullmatch(token):
        return (plain[1],)
    limits = _RANGE.fullmatch(token)
    if limits is None:
        raise ValueError(f"{token!r} is not a prefix")
    first, last = limits.groups()
    if len(first) == len(last):
        return _range(token, first, last)
    if is_country_code(first) and len(first) < len(last) <= AREA_DIGITS_MAX:  # "1-242" is +1 242
        _require_national(last, first)
        return (first + last,)
    raise ValueError(f"{token!r} is not a prefix, nor a range of prefixes of one length")


def _range(token: str, first: str, last: str) -> Sequence[str]:
    code = country_code_of(first)
    if code is None or code != country_code_of(last) or first == code:
        raise ValueError(
            f"{token!r} is a prefix of a country and an area, or a range over several countries:"
            " write each prefix out"
        )
    return _counted(token, first, last)


def _counted(token: str, first: str, last: str) -> Sequence[str]:
    count = int(last) - int(first) + 1
    if len(first) != len(last) or not 0 < count <= PREFIXES_MAX:
        raise ValueError(f"{token!r} is a range of {count} prefixes")
    return [str(prefix).zfill(len(first)) for prefix in range(int(first), int(last) + 1)]


def _single(cell: str) -> str:
    found = _DIGITS.fullmatch(_unwrapped(cell))
    if found is None:
        raise ValueError(f"{cell!r} is not a country code")
    return found[1]


# --- amounts ---------------------------------------------------------------------------------


class Mark(Enum):
    """What stands before the decimals of an amount, as far as it shows."""

    NONE = ""
    POINT = "point"
    COMMA = "comma"
    LIKELY_COMMA = "likely comma"  # "1,250" may be 1250 in English


_GROUPED = re.compile(
    r"[1-9][0-9]{0,2}(?:[,' ][0-9]{3})*\.[0-9]+|[1-9][0-9]{0,2}(?:[. '][0-9]{3})*,[0-9]+"
)
_NUMBER = re.compile(r"([0-9]*)(?:([.,])([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
_STRANGE = re.compile(r"[^a-zA-Z\s/.€£$¥]")  # beside the digits
_AMOUNT = re.compile(r"([^0-9.,+-]*)(-?\+?[0-9.,' ]*[0-9](?:[eE][+-]?[0-9]{1,3})?[.,]?)([^0-9]*)")


@lru_cache(maxsize=65_536)
def parse_amount(text: str, *, currency: str, unit: Unit) -> tuple[int, Mark]:
    """Micro-units of an amount, for a minute where the unit has a time, and its decimal mark."""
    plain = " ".join(text.split())
    found = _AMOUNT.fullmatch(plain) if len(plain) <= AMOUNT_CHARACTERS_MAX else None
    if found is None:
        raise ValueError(f"{text!r} is not an amount of money")
    before, digits, after = found.groups()
    if _STRANGE.search(before + after):
        raise ValueError(f"{text!r} is not an amount of money")
    _require_same_unit(text, words_of(f"{before} {after}"), currency, unit)
    amount, mark = _decimal(text, digits.replace(" ", "").replace("'", ""))
    if unit.minor:
        amount /= CENTS_IN_UNIT
    if unit.seconds == 1:
        amount *= 60
    micros = amount * MICROS_PER_UNIT
    if not 0 <= micros <= PRICE_MAX:
        raise ValueError(f"{text!r} is not an amount from 0 to {PRICE_MAX // MICROS_PER_UNIT}")
    if micros != int(micros):
        raise ValueError(f"{text!r} has more than six decimals of {currency}")
    return int(micros), mark


def _require_same_unit(text: str, words: list[str], currency: str, unit: Unit) -> None:
    said = unit_of(words)
    if said.currencies is not None and currency not in said.currencies:
        raise ValueError(
            f"{text!r} is in {'/'.join(sorted(said.currencies))}, and the deck in {currency}"
        )
    if said.minor and said.minor != unit.minor:
        raise ValueError(f"{text!r} is in {said.minor}: --unit {said.minor} reads all prices so")
    if said.seconds is not None and said.seconds != (unit.seconds or 60):
        raise ValueError(f"{text!r} names another time than its column: --unit says which")
    if not are_units(words):
        raise ValueError(f"{text!r} is not an amount of money")


def _decimal(text: str, digits: str) -> tuple[Decimal, Mark]:
    mark = Mark.NONE
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if "." in digits and "," in digits:
        if not _GROUPED.fullmatch(digits):
            raise ValueError(f"{text!r} is not an amount of money")
        mark = Mark.POINT if digits.rindex(".") > digits.rindex(",") else Mark.COMMA
        digits = digits.replace("," if mark is Mark.POINT else ".", "").replace(",", ".")
    else:
        found = _NUMBER.fullmatch(digits)
        if found is None or not (found[1] or found[3]) or re.match("0[0-9]", digits):
            raise ValueError(f"{text!r} is not an amount of money")
        mark = _mark_of(found)
    return sign * _without_noise(Decimal(digits.replace(",", "."))), mark


def _mark_of(found: re.Match[str]) -> Mark:
    whole, mark, decimals, _ = found.groups()
    if mark == ".":
        return Mark.POINT
    if mark is None:
        return Mark.NONE
    grouped = len(decimals) == 3 and bool(re.fullmatch(r"[1-9][0-9]{0,2}", whole))  # noqa: PLR2004 - thousands
    return Mark.LIKELY_COMMA if grouped else Mark.COMMA


def _without_noise(amount: Decimal) -> Decimal:
    """0.020000000000000004 is what a spreadsheet makes of 0.02."""
    return _EXCEL_DIGITS.plus(amount)


# --- blocks ----------------------------------------------------------------------------------

_SECONDS = re.compile(r"([0-9]{1,5})(?:\.0+)?\s*(s|secs?|seconds?|secondes?)?\.?", re.IGNORECASE)
_MINUTES = re.compile(r"([0-9]{1,4})(?:\.0+)?\s*(?:m|mins?|minutes?)\.?", re.IGNORECASE)
_PAIR = re.compile(r"([^/+\-:]+)[/+\-:]([^/+\-:]+)")
_PLAIN_WORDS = {"per second": "1", "by second": "1", "per minute": "60", "by minute": "60"}


@lru_cache
def parse_blocks(
    *, initial: str, further: str, both: str, minimum: str, default: tuple[int, int]
) -> tuple[int, int]:
    """First and further block. One number is both; a minimum is the first."""
    first_s = _optional(initial)
    further_s = _optional(further)
    minimum_s = _optional(minimum, zero=True) or None
    if both:
        first_s, further_s = _with_both(both, first_s, further_s, has_minimum=minimum_s is not None)
    if first_s is None and minimum_s is not None:
        first_s, minimum_s = minimum_s, None
        if further_s is not None and first_s < further_s:
            raise ValueError(
                f"a minimum of {first_s} s is shorter than the block of {further_s} s:"
                " --column initial_s=HEADING, if it is the first block"
            )
    if first_s is None and further_s is None:
        return default
    first_s = first_s if first_s is not None else further_s
    further_s = further_s if further_s is not None else first_s
    assert first_s is not None  # noqa: S101 - one of the two was given
    assert further_s is not None  # noqa: S101 - as above
    return _long_enough(first_s, further_s, minimum_s or 0), further_s


def _with_both(
    both: str, first_s: int | None, further_s: int | None, *, has_minimum: bool
) -> tuple[int | None, int | None]:
    if pair := _PAIR.fullmatch(both):
        pair_s = parse_seconds(pair[1]), parse_seconds(pair[2])
        if (first_s or pair_s[0], further_s or pair_s[1]) != pair_s:
            raise ValueError(f"{both!r} and another column name different blocks")
        return pair_s
    one_s = parse_seconds(both)
    if further_s is not None and further_s != one_s:
        raise ValueError(f"{both!r} and the column of further blocks name different ones")
    if first_s is None and not has_minimum:
        return one_s, further_s or one_s
    return first_s, one_s


def _long_enough(first_s: int, further_s: int, minimum_s: int) -> int:
    if minimum_s <= first_s:
        return first_s
    if (minimum_s - first_s) % further_s:
        raise ValueError(
            f"a minimum of {minimum_s} s is no end of a block of {first_s}/{further_s} s"
        )
    return minimum_s


def _optional(text: str, *, zero: bool = False) -> int | None:
    if not text or (zero and re.fullmatch(r"0(?:\.0+)?\s*(?:s|sec|seconds?)?", text)):
        return None
    return parse_seconds(text)


def parse_seconds(text: str) -> int:
    """A number of seconds: `60`, `60s`, `60.0`, `1 min`, `per second`."""
    text = text.strip()
    found = _SECONDS.fullmatch(_PLAIN_WORDS.get(text.lower(), text))
    minutes = _MINUTES.fullmatch(text)
    seconds = int(found[1]) if found else 60 * int(minutes[1]) if minutes else 0
    if not 1 <= seconds <= BLOCK_MAX_S:
        raise ValueError(f"{text!r} is not a number of seconds from 1 to {BLOCK_MAX_S}")
    return seconds


# --- days ------------------------------------------------------------------------------------

_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")


@lru_cache
def parse_day(text: str, date_format: str | None) -> int:
    """date.toordinal(). A year first is read by itself; anything else wants --date-format."""
    day = _written_so(text, date_format) if date_format else None
    day = day or _iso(text)
    if day is None:
        wanted = date_format or "with the year first"
        raise ValueError(
            f"{text!r} is not a date written {wanted}: --date-format says how, such as %d/%m/%Y"
        )
    if day.year < YEAR_MIN:
        raise ValueError(
            f"{text!r} would be in the year {day.year}: --date-format says how it is written"
        )
    return day.toordinal()


def _iso(text: str) -> date | None:
    found = _ISO.fullmatch(text)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _written_so(text: str, date_format: str) -> date | None:
    try:
        return datetime.strptime(text, date_format).date()  # noqa: DTZ007 - a date
    except ValueError:
        return None


# --- status ----------------------------------------------------------------------------------

_IN_FORCE: Final = frozen(
    "active actif current unchanged nochange same new nouveau add added increase increased decrease"
    " decreased up down changed change updated update open enabled live valid existing confirmed"
    " hausse baisse inchange pricechange"
)
_REMOVED: Final = frozen(
    "removed remove deleted delete del discontinued withdrawn supprime retire ended expired"
)


def is_removed(status: str) -> bool:
    """Whether a row says that its prefixes are no longer sold as a rate of their own."""
    plain = "".join(words_of(status))
    if plain in _REMOVED:
        return True
    if not plain or plain in _IN_FORCE:
        return False
    raise ValueError(
        f"status {status!r} is neither a rate in force nor a removed one: change it to Current or"
        " Removed, or name the column with --ignore"
    )
