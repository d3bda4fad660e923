"""What was dialled: an E.164 number or a short code, whose country, and what kind of line.

phonenumbers knows the world's number plans; `charging.number_tables` knows what it does not say:
which numbers are emergencies, free or surcharged in the countries where Tollgate's plans are sold.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from charging import number_tables
from charging.countries import require_country
from charging.errors import InvalidNumber
from charging.kinds import LineKind

__all__ = [
    "LineKind",
    "Number",
    "Site",
    "emergency_numbers",
    "find_emergency",
    "parse_number",
    "parse_written",
    "written_number",
]

# What is dialled is hostile until it matches: "0033&PJSIP/x@trunk" would dial twice.
DIALLED: Final = re.compile(r"\+?[0-9]{2,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """How one dials here.

    Raises:
        ValueError: `country` is none; its emergency numbers would be lost.
    """

    country: str = "GB"  # ISO 3166 alpha-2: whose national numbers, and whose emergency numbers
    outside_line_prefix: str = ""  # "9" where one dials 9 for a line; may also be left out
    international_prefix: str = "00"

    def __post_init__(self) -> None:
        require_country(self.country)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    dialled: str
    digits: str  # E.164 without "+", or the short code
    is_short: bool
    country: str  # ISO 3166 alpha-2; "001" for networks of no country
    kind: LineKind
    dial_string: str  # what goes to the trunk: digits, after a relay prefix if one was dialled

    @property
    def e164(self) -> str | None:
        """Digits without "+"; None for a short code, which means nothing in another country."""
        return None if self.is_short else self.digits

    @property
    def key(self) -> str:
        """How plans and rate decks write it: `442079460000`, or `GB:118118` for a short code."""
        return f"{self.country}:{self.digits}" if self.is_short else self.digits


def parse_number(dialled: str, site: Site) -> Number:
    """Make sense of what was dialled, with or without the outside-line prefix.

    Raises:
        InvalidNumber: not a number, or no number that could exist.
    """
    if not DIALLED.fullmatch(dialled):
        raise InvalidNumber(dialled, "a number is 2 to 20 digits, perhaps after a plus sign")
    emergency = find_emergency(dialled, (site,))
    if emergency is not None:
        return emergency
    for form in _forms(dialled, site):
        number = _resolve(dialled, form, site)
        if number is not None:
            return number
    raise InvalidNumber(dialled, f"no such number can be dialled from {site.country}")


def parse_written(text: str, site: Site) -> Number:
    """Make sense of a number as people write it, and say what is wrong with it.

    Raises:
        InvalidNumber: not a number, or no number that could exist.
    """
    dialled = written_number(text)
    try:
        return parse_number(dialled, site)
    except InvalidNumber as error:
        raise InvalidNumber(text, _why_not(_forms(dialled, site)[-1], site)) from error


def _why_not(form: str, site: Site) -> str:
    """What is wrong with a number that could not exist."""
    abroad = form.startswith(("+", site.international_prefix))
    digits = form.removeprefix("+").removeprefix(site.international_prefix)
    code = _code_of(digits)
    if abroad and code is None:
        return f"+{digits[:3]} is no country code" if digits else "there is no number after it"
    if not abroad and code is not None and _is_valid(f"+{digits}"):
        return f"no such number can be dialled from {site.country}; abroad begins with + or 00"
    try:
        number = phonenumbers.parse(f"+{digits}" if abroad else form, site.country)
        found = phonenumbers.is_possible_number_with_reason(number)
    except NumberParseException:
        found = phonenumbers.ValidationResult.INVALID_LENGTH
    country = f"+{code}" if abroad else site.country
    match found:
        case phonenumbers.ValidationResult.TOO_SHORT:
            return f"too short for a number of {country}"
        case phonenumbers.ValidationResult.TOO_LONG:
            return f"too long for a number of {country}"
        case _:
            return f"no such number can be dialled from {site.country}"


def _code_of(digits: str) -> str | None:
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return next((digits[:n] for n in (1, 2, 3) if digits and int(digits[:n]) in codes), None)


def _is_valid(written: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written))
    except NumberParseException:
        return False


# Between digits, for the eye; and the unseen marks that come along when a number is copied.
_WRITTEN: Final = re.compile(
    r"[\s.()\[\]/\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff-]"
)
_TRUNK_ZERO: Final = re.compile(r"((?:\+|00)[\s.-]*[1-9][0-9]{0,2}[\s.-]*)\(0\)")


def written_number(text: str) -> str:
    """A number as people write it, as it would be dialled: `+44 (0)20 7946 0000`, `01.42.68.53.00`.

    Raises:
        InvalidNumber: what stands there besides digits.
    """
    digits = _WRITTEN.sub("", _TRUNK_ZERO.sub(r"\1", text.strip().removeprefix("tel:")))
    strange = re.sub(r"[0-9]", "", digits.removeprefix("+"))
    if strange == "+" * len(strange) and strange:
        raise InvalidNumber(text, "a plus sign stands once, and first")
    if strange:
        raise InvalidNumber(text, f"{strange[0]!r} is no part of a number")
    if not digits.removeprefix("+"):
        raise InvalidNumber(text, "there is no digit in it")
    if not DIALLED.fullmatch(digits):
        raise InvalidNumber(text, "a number is 2 to 20 digits, perhaps after a plus sign")
    return digits


def find_emergency(dialled: str, sites: Iterable[Site]) -> Number | None:
    """The emergency number of any of these sites that was dialled, whoever dialled it."""
    for site in sites:
        for form in _forms(dialled, site):
            if _is_emergency(form, site.country):
                return _emergency(dialled, form, site)
    return None


@lru_cache
def emergency_numbers(country: str) -> tuple[str, ...]:
    """Every emergency number of a country, exactly; what merely begins with one is none."""
    known = number_tables.EMERGENCY.get(country)
    if known is not None:
        return known
    candidates = ("112", *(str(code) for code in range(100, 1000)))
    found = (code for code in candidates if phonenumbers.is_emergency_number(code, country))
    return tuple(dict.fromkeys(("112", *found)))


def _forms(dialled: str, site: Site) -> tuple[str, ...]:
    """Without the outside-line prefix first: "00142685300" after "0" is a Paris number."""
    prefix = site.outside_line_prefix
    if prefix and dialled.startswith(prefix):
        return (dialled.removeprefix(prefix), dialled)
    return (dialled,)


def _is_emergency(form: str, country: str) -> bool:
    return _without_prefixes(form, country) in emergency_numbers(country)


def _emergency(dialled: str, form: str, site: Site) -> Number:
    caller_id = number_tables.CALLER_ID_PREFIXES.get(site.country, ())
    return Number(
        dialled=dialled,
        digits=_without_prefixes(form, site.country),
        is_short=True,
        country=site.country,
        kind=LineKind.EMERGENCY,
        dial_string=_without(form, caller_id),  # nobody withholds a number from a rescuer
    )


def _without_prefixes(form: str, country: str) -> str:
    """What is called, without what says how: by text relay, or with one's number withheld."""
    form = _without(form, number_tables.CALLER_ID_PREFIXES.get(country, ()))
    return _without(form, number_tables.RELAY_PREFIXES.get(country, ()))


def _without(form: str, prefixes: Iterable[str]) -> str:
    found = (prefix for prefix in prefixes if form.startswith(prefix) and form != prefix)
    return form.removeprefix(max(found, key=len, default=""))


def _resolve(dialled: str, form: str, site: Site) -> Number | None:
    called = _without_prefixes(form, site.country)
    if called != form:
        number = _resolve(dialled, called, site)
        if number is not None:  # the trunk wants it as it was dialled
            return replace(number, dial_string=form)
    if form.startswith("+"):
        return _from_e164(dialled, form[1:])
    if form.startswith(site.international_prefix):
        return _from_e164(dialled, form.removeprefix(site.international_prefix))
    return _short_code(dialled, form, site) or _from_national(dialled, form, site)


def _short_code(dialled: str, form: str, site: Site) -> Number | None:
    for pattern, kind in number_tables.SHORT_PATTERNS.get(site.country, ()):
        if pattern.fullmatch(form):
            return Number(
                dialled=dialled,
                digits=form,
                is_short=True,
                country=site.country,
                kind=kind,
                dial_string=form,
            )
    return None


def _from_national(dialled: str, form: str, site: Site) -> Number | None:
    country_code = str(phonenumbers.country_code_for_region(site.country))
    if country_code in number_tables.LENGTHS:
        if not form.startswith("0"):
            return None  # local digits without an area code mean nothing on a trunk
        return _from_e164(dialled, country_code + form[1:])
    return _from_library(dialled, form, site.country)


def _from_e164(dialled: str, digits: str) -> Number | None:
    for old, code in number_tables.OLD_FORMS:
        if found := old.fullmatch(digits):
            digits = code + found[1]
    known = _known(digits)
    if known is None:
        return _from_library(dialled, f"+{digits}", None)
    digits, country, kind = known
    if kind is None:
        return None
    return Number(
        dialled=dialled,
        digits=digits,
        is_short=False,
        country=country,
        kind=kind,
        dial_string=digits,
    )


def _known(digits: str) -> tuple[str, str, LineKind | None] | None:
    """Look a number up in our own tables: digits, country, kind; kind None if it cannot exist.

    None: the country code is not in our tables.
    """
    code = next((digits[:n] for n in (2, 3) if digits[:n] in number_tables.LENGTHS), None)
    if code is None:
        return None
    national = digits[len(code) :].removeprefix("0")  # "+44 (0)20 …" as people write it
    if not number_tables.LENGTHS[code].fullmatch(national):
        return digits, "", None
    return national_number(code, national)


def national_number(code: str, national: str) -> tuple[str, str, LineKind]:
    """E.164 digits, country and kind of a number of a country in our tables, or of a prefix."""
    if code == "33":
        code = number_tables.FRENCH_OVERSEAS.get(national[:3], code)
    digits = code + national
    return digits, *kind_by_prefix(digits)


def kind_by_prefix(digits: str) -> tuple[str, LineKind]:
    return _in_tables(digits) or (_region_of_code(digits), LineKind.UNKNOWN)


def _in_tables(digits: str) -> tuple[str, LineKind] | None:
    lengths = range(number_tables.BY_PREFIX_LENGTH_MAX, 1, -1)
    found = (number_tables.BY_PREFIX.get(digits[:length]) for length in lengths)
    return next(filter(None, found), None)


def _region_of_code(digits: str) -> str:
    return next(
        region
        for n in (1, 2, 3)
        if (region := phonenumbers.region_code_for_country_code(int(digits[:n]))) != "ZZ"
    )


_KINDS: Final = MappingProxyType(
    {
        PhoneNumberType.FIXED_LINE: LineKind.LANDLINE,
        PhoneNumberType.MOBILE: LineKind.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE: LineKind.LANDLINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE: LineKind.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE: LineKind.PREMIUM,
        PhoneNumberType.SHARED_COST: LineKind.SERVICE,
        PhoneNumberType.VOIP: LineKind.VOIP,
        PhoneNumberType.PERSONAL_NUMBER: LineKind.PERSONAL,
        PhoneNumberType.PAGER: LineKind.PAGER,
        PhoneNumberType.UAN: LineKind.NATIONAL,
    }
)


def _from_library(dialled: str, form: str, country: str | None) -> Number | None:
    """Any other country. A number of possible length is accepted: new ranges appear every week."""
    try:
        parsed = phonenumbers.parse(form, country)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    country_code = parsed.country_code or 0
    digits = f"{country_code}{phonenumbers.national_significant_number(parsed)}"
    region = phonenumbers.region_code_for_number(parsed)
    kind = _KINDS.get(phonenumbers.number_type(parsed), LineKind.UNKNOWN)
    series = _in_tables(digits)
    return Number(
        dialled=dialled,
        digits=digits,
        is_short=False,
        country=region or phonenumbers.region_code_for_country_code(country_code),
        kind=kind if series is None else series[1],
        dial_string=digits,
    )
