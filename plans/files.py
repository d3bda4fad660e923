"""Plan files: read, or refused with line and reason."""

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from babel.numbers import list_currencies
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from charging.countries import require_country
from charging.kinds import LineKind
from charging.language import require_language
from charging.money import NO_CURRENCY, parse_money
from charging.office_settings import require_time_zone
from charging.plain_text import require_plain
from charging.plan import Inclusion, Plan
from charging.sheet_cells import country_code_of
from settings.toml_file import TomlFileError, named, parse_toml, read_text, sentence

SHIPPED_PLANS = Path(__file__).parent
SAMPLE_DECKS = SHIPPED_PLANS / "rates"
CURRENCIES = ("EUR", "GBP", "USD")  # those that prompts.phrases can say
_PREFIX = re.compile(r"[1-9][0-9]{0,14}|[A-Z]{2}:[0-9]{2,6}")


class PlanFileError(Exception):
    """A plan file that cannot be used; the message names file, line and reason."""

    def __init__(self, file: Path, line: int, reason: str) -> None:
        self.file = file
        self.line = line
        self.reason = sentence(reason)
        super().__init__(f"{named(file)}, line {line}: {self.reason}")


def read_plan(file: Path) -> Plan:
    """Read one plan file.

    Raises:
        PlanFileError: it cannot be read, is not TOML, or says something that has no meaning.
    """
    try:
        text = read_text(file)
        return _plan_in(text, file)
    except TomlFileError as error:
        raise PlanFileError(file, error.line, str(error)) from None
    except PlanFileError:
        raise
    except Exception as error:  # whatever it is, calls go on by the last good plan
        reason = f"cannot be understood: {type(error).__name__}: {error}"
        raise PlanFileError(file, 1, reason) from error


def _plan_in(text: str, file: Path) -> Plan:
    try:
        fields = _PlanFields.model_validate(parse_toml(text))
        return _plan_of(file.stem, fields)
    except ValidationError as error:
        # A key that means nothing explains a key that is missing, not the other way round.
        first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        location = first["loc"]
        where = ".".join(str(part) for part in location)
        reason = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise PlanFileError(file, line_of(text, location), reason) from error


# --- what may stand in a file ----------------------------------------------------------------


def _known_currency(code: str) -> str:
    if code not in list_currencies():
        raise ValueError(f"{code!r} is not an ISO 4217 currency")
    if code not in CURRENCIES:
        raise ValueError(
            f"{code!r} has no words in the prompts, so no balance could be announced;"
            f" there are words for {', '.join(CURRENCIES)}"
        )
    return code


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is neither digits without + and 00, nor GB:118 or the like")
    country, is_short, _ = text.partition(":")
    if is_short:
        require_country(country)
    return text


def _of_one_code(text: str) -> str:
    """What gives something away begins with a whole country code: `4` is a dozen countries."""
    if ":" not in text and country_code_of(text) is None:
        raise ValueError(f"{text!r} does not begin with a country code")
    return text


def _amount(text: str) -> str:
    if parse_money(text, NO_CURRENCY).micros < 0:
        raise ValueError(f"{text!r} is negative")
    return text


def _plain(text: str) -> str:
    require_plain(text, "it")
    return text


_Title = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_plain)]
_Country = Annotated[str, AfterValidator(require_country)]
_Currency = Annotated[str, AfterValidator(_known_currency)]
_Language = Annotated[str, AfterValidator(require_language)]
_Zone = Annotated[ZoneInfo, BeforeValidator(require_time_zone)]
_Prefix = Annotated[str, AfterValidator(_prefix)]
_GivenPrefix = Annotated[str, AfterValidator(_prefix), AfterValidator(_of_one_code)]
_Amount = Annotated[str, AfterValidator(_amount)]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )


class _Included(_Table):
    countries: list[_Country] = Field(min_length=1)
    kinds: list[Annotated[LineKind, Field(strict=False)]] = Field(min_length=1)


class _Prefixes(_Table):
    included: list[_GivenPrefix] = []
    excluded: list[_Prefix] = []


class _Free(_Table):
    kinds: list[Annotated[LineKind, Field(strict=False)]] = []
    prefixes: list[_GivenPrefix] = []


class _Barred(_Table):
    kinds: list[Annotated[LineKind, Field(strict=False)]] = [LineKind.SATELLITE]
    countries: list[_Country] = []
    prefixes: list[_Prefix] = ["979"]


class _Premium(_Table):
    allowed: bool
    access_per_minute: _Amount = "0"
    access_connection: _Amount = "0"


class _PlanFields(_Table):
    title: _Title
    country: _Country
    currency: _Currency
    language: _Language
    timezone: _Zone
    daily_ceiling: _Amount | None = None
    included: list[_Included] = []
    prefixes: _Prefixes = _Prefixes()
    free: _Free = _Free()
    barred: _Barred = _Barred()
    premium: _Premium


def _plan_of(name: str, fields: _PlanFields) -> Plan:
    ceiling = fields.daily_ceiling
    return Plan(
        name=name,
        title=fields.title,
        country=fields.country,
        currency=fields.currency,
        language=fields.language,
        timezone=fields.timezone,
        inclusions=tuple(
            Inclusion(countries=frozenset(rule.countries), kinds=frozenset(rule.kinds))
            for rule in fields.included
        ),
        included_prefixes=frozenset(fields.prefixes.included),
        excluded_prefixes=frozenset(fields.prefixes.excluded),
        free_kinds=frozenset(fields.free.kinds),
        free_prefixes=frozenset(fields.free.prefixes),
        barred_kinds=frozenset(fields.barred.kinds),
        barred_countries=frozenset(fields.barred.countries),
        barred_prefixes=frozenset(fields.barred.prefixes),
        premium_allowed=fields.premium.allowed,
        access_per_minute=parse_money(fields.premium.access_per_minute, fields.currency),
        access_connection=parse_money(fields.premium.access_connection, fields.currency),
        daily_ceiling=None if ceiling is None else parse_money(ceiling, fields.currency),
    )


# --- where in the file -----------------------------------------------------------------------

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line that says `location`, such as ("included", 1, "kinds", 0), or the nearest to it.

    tomllib does not tell lines. Plan files have tables one deep, and one key a line.
    """
    best_line, best_match = 1, 0
    table: tuple[int | str, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _table_of(header, counts)
            here = table
        elif key := _KEY.match(line):
            here = (*table, key[1])
        else:
            continue
        match = _common_length(here, location)
        if match == len(here) > best_match:
            best_line, best_match = number, match
    return best_line


def _table_of(header: re.Match[str], counts: dict[str, int]) -> tuple[int | str, ...]:
    name = header[2]
    if header[1] == "[":
        return (name,)
    counts[name] = counts.get(name, -1) + 1
    return (name, counts[name])


def _common_length(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
