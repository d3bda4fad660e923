"""Everything that is said to one reader: texts, amounts, moments, countries and kinds of lines.

An amount, a date or a country is never put together from pieces: Babel writes all of them.
"""

import gettext
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final

from babel import Locale
from babel.dates import (
    format_date,
    format_skeleton,
    format_time,
    format_timedelta,
    get_datetime_format,
)
from babel.numbers import (
    NumberPattern,
    format_decimal,
    format_percent,
    get_currency_precision,
    get_currency_symbol,
    get_decimal_symbol,
    parse_pattern,
)
from phonenumbers import SUPPORTED_REGIONS

from charging.kinds import LineKind
from charging.money import MICROS_PER_UNIT, Money
from portal.languages import LOCALES, marked

_TWO_DECIMALS: Final = "0.00"  # in every pattern of an amount, whatever the language
MINUS: Final = "\N{MINUS SIGN}"  # as wide as "+", and read out, which a hyphen is not
_MINUTE_S = 60
_HOUR_S = 3600

_KINDS: Final[Mapping[str, str]] = {
    LineKind.LANDLINE: marked("landline"),
    LineKind.MOBILE: marked("mobile"),
    LineKind.LANDLINE_OR_MOBILE: marked("landline or mobile"),
    LineKind.NATIONAL: marked("national number"),
    LineKind.VOIP: marked("Internet number"),
    LineKind.CORPORATE: marked("company number"),
    LineKind.PERSONAL: marked("personal number"),
    LineKind.PAGER: marked("pager"),
    LineKind.TOLL_FREE: marked("toll-free number"),
    LineKind.SERVICE: marked("service number"),
    LineKind.PREMIUM: marked("premium number"),
    LineKind.DIRECTORY: marked("directory enquiries"),
    LineKind.SATELLITE: marked("satellite phone"),
    LineKind.SHORT: marked("short code"),
    LineKind.UNKNOWN: marked("other number"),
}


class Words:
    """One language, and the time zone of one office."""

    def __init__(
        self, language: str, catalogue: gettext.NullTranslations, zone: tzinfo | None
    ) -> None:
        self.language = language
        self.zone = zone
        self._catalogue = catalogue
        self._locale = Locale.parse(LOCALES[language])

    def say(self, text: str, **values: object) -> str:
        """A text that is marked for translation, with values put in by name."""
        said = self._catalogue.gettext(text)
        return said % values if values else said

    def say_count(self, one: str, several: str, count: int) -> str:
        """By the plural rules of the language; `%(count)s` stands for the number."""
        said = self._catalogue.ngettext(one, several, count)
        return said % {"count": self.number(count)}

    # --- money -----------------------------------------------------------------------------------

    def money(self, amount: Money) -> str:
        """What there is to spend: rounded down, so that no page promises more."""
        return self._currency(_rounded(amount, ROUND_FLOOR), amount.currency)

    def price(self, amount: Money) -> str:
        """What is asked for: rounded up where it is finer than the currency."""
        return self._currency(_rounded(amount, ROUND_CEILING), amount.currency)

    def short(self, amount: Money) -> str:
        """Of a list to choose from: whole units without their decimals."""
        if decimals_of(amount.micros):
            return self.money(amount)
        return self._currency(Decimal(amount.micros // MICROS_PER_UNIT), amount.currency, 0)

    def exact(self, amount: Money, decimals: int | None = None, *, signed: bool = False) -> str:
        """Every decimal that matters: of a rate, or of a cost in a column that adds up."""
        least = get_currency_precision(amount.currency) if decimals is None else decimals
        shown = max(least, decimals_of(amount.micros))
        said = self._currency(Decimal(amount.micros).scaleb(-6), amount.currency, shown)
        return f"+{said}" if signed and amount.micros > 0 else said

    def decimals(self, amounts: Iterable[Money]) -> int:
        """How many the amounts of one column need, so that they stand under one another."""
        found = [
            (decimals_of(each.micros), get_currency_precision(each.currency)) for each in amounts
        ]
        return max((decimal for pair in found for decimal in pair), default=2)

    def typed(self, amount: str) -> str:
        """As people type it into a field: "5.00", or "5,00"."""
        return amount.replace(".", get_decimal_symbol(self._locale))

    def symbol(self, currency: str) -> str:
        return get_currency_symbol(currency, locale=self._locale)

    def _currency(self, value: Decimal, currency: str, decimals: int | None = None) -> str:
        shown = get_currency_precision(currency) if decimals is None else decimals
        pattern = _pattern(str(self._locale), currency, shown)
        said: str = pattern.apply(value, self._locale, currency_digits=False)
        return said.replace("-", MINUS)

    # --- numbers and time ------------------------------------------------------------------------

    def number(self, value: int | Decimal) -> str:
        return format_decimal(value, locale=self._locale)

    def percent(self, part: int, whole: int) -> str:
        return format_percent(Decimal(part) / Decimal(whole or 1), locale=self._locale)

    def moment(self, at: datetime) -> str:
        """Day and time, in the office's zone."""
        pattern = str(get_datetime_format("medium", locale=self._locale)).replace("'", "")
        clock = format_time(at, "short", tzinfo=self.zone, locale=self._locale)
        return pattern.format(clock, self.day(at))

    def day(self, at: datetime | date) -> str:
        local = at.astimezone(self.zone) if isinstance(at, datetime) else at
        return format_date(local, "medium", locale=self._locale)

    def short_day(self, day: date) -> str:
        return format_date(day, "d MMM", locale=self._locale)

    def month(self, day: date) -> str:
        """The month in which a day lies: "November 2026"."""
        return format_skeleton("yMMMM", day, locale=self._locale)

    def short_month(self, day: date) -> str:
        return format_skeleton("yMMM", day, locale=self._locale)

    def time(self, at: datetime) -> str:
        return format_time(at, "medium", tzinfo=self.zone, locale=self._locale)

    def duration(self, seconds: int) -> str:
        """As telephones show it: 1:06, or 1:02:03."""
        hours, rest = divmod(seconds, _HOUR_S)
        minutes, last = divmod(rest, _MINUTE_S)
        return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"

    def long_duration(self, seconds: int) -> str:
        """For a sentence: "1 minute"."""
        return format_timedelta(
            timedelta(seconds=seconds), threshold=2, locale=self._locale, format="long"
        )

    # --- numbers that are dialled -----------------------------------------------------------------

    def country(self, code: str) -> str:
        return str(self._locale.territories.get(code, code))

    def kind(self, kind: str) -> str:
        """Of a line, in plain words."""
        return self.say(_KINDS[kind]) if kind in _KINDS else kind

    def countries(self) -> Mapping[str, str]:
        """Every country that has telephones, by code, in the order of the language."""
        named = {
            code: name
            for code, name in self._locale.territories.items()
            if code in SUPPORTED_REGIONS
        }
        return dict(sorted(named.items(), key=lambda pair: pair[1].casefold()))


def decimals_of(micros: int) -> int:
    """How many decimals an amount needs to be exact."""
    return len(f"{abs(micros) % MICROS_PER_UNIT:06d}".rstrip("0"))


@lru_cache(maxsize=128)
def _pattern(locale: str, currency: str, decimals: int) -> NumberPattern:
    """Read once: `format_currency` does it for each amount, and looks up a name that it drops."""
    written: str = Locale.parse(locale).currency_formats["standard"].pattern
    digits = f"0.{'0' * decimals}" if decimals else "0"
    symbol = get_currency_symbol(currency, locale=locale)
    return parse_pattern(written.replace(_TWO_DECIMALS, digits).replace("¤", f"'{symbol}'"))


def _rounded(amount: Money, rounding: str) -> Decimal:
    decimals = get_currency_precision(amount.currency)
    value = Decimal(amount.micros).scaleb(-6)
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
