"""A calling plan: what is free, barred, included or paid, and why, in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from charging.kinds import LineKind
from charging.money import Money
from charging.numbering import Number
from charging.reach import reaches

PREMIUM_KINDS = frozenset({LineKind.PREMIUM, LineKind.SERVICE, LineKind.DIRECTORY})


class Category(StrEnum):
    EMERGENCY = "emergency"
    FREE = "free"
    INCLUDED = "included"
    PAID = "paid"
    BARRED = "barred"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Every line of these kinds in these countries is in the plan."""

    countries: frozenset[str]  # ISO 3166 alpha-2
    kinds: frozenset[LineKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan file. Prefixes are written as in rate decks: `44843`, or `FR:3919` for short codes.

    Where an included and an excluded prefix both match, the longer one decides. An included or a
    free prefix reaches only the country and the kinds that it names: a bare `1` is the USA and
    Canada, a bare `44` no premium number. An excluded or barred one is every number that begins so.
    """

    name: str  # the file's name without .toml
    title: str  # as people call it: "UK"
    country: str  # whose national numbers are ordinary here
    currency: str
    language: str
    timezone: tzinfo  # when a day and a month begin, for limits and effective dates
    inclusions: tuple[Inclusion, ...]
    included_prefixes: frozenset[str]
    excluded_prefixes: frozenset[str]
    free_kinds: frozenset[LineKind]
    free_prefixes: frozenset[str]
    barred_kinds: frozenset[LineKind]
    barred_countries: frozenset[str]
    barred_prefixes: frozenset[str]
    premium_allowed: bool
    access_per_minute: Money  # our part of a service or premium call, beside the deck's part
    access_connection: Money
    daily_ceiling: Money | None  # the whole office may not spend more in a day


@dataclass(frozen=True, slots=True)
class Classification:
    category: Category
    reason: str


def classify(number: Number, plan: Plan) -> Classification:
    """Emergency, free, barred, included, paid: the first that applies, in this order."""
    if number.kind is LineKind.EMERGENCY:
        return Classification(Category.EMERGENCY, f"{number.digits} is an emergency number")
    if free := _why_free(number, plan):
        return Classification(Category.FREE, free)
    if barred := _why_barred(number, plan):
        return Classification(Category.BARRED, barred)
    if included := _why_included(number, plan):
        return Classification(Category.INCLUDED, included)
    return Classification(Category.PAID, _why_paid(number, plan))


def _why_free(number: Number, plan: Plan) -> str | None:
    if prefix := longest_reaching(number, plan.free_prefixes):
        return f"{plan.title} plan lists {prefix} as free"
    home = number.country == plan.country
    if home and number.kind in plan.free_kinds:
        return f"{plan.title} plan: {words_for(number.kind)} in {number.country} are free"
    return None


def _why_barred(number: Number, plan: Plan) -> str | None:
    if prefix := longest_prefix(number.key, plan.barred_prefixes):
        return f"{plan.title} plan bars {prefix}"
    if number.kind in plan.barred_kinds:
        return f"{plan.title} plan bars {words_for(number.kind)}"
    if number.country in plan.barred_countries:
        return f"{plan.title} plan bars calls to {number.country}"
    if number.kind in PREMIUM_KINDS and not plan.premium_allowed:
        return f"{plan.title} plan allows no {words_for(number.kind)}"
    return None


def _why_included(number: Number, plan: Plan) -> str | None:
    included = longest_reaching(number, plan.included_prefixes)
    excluded = longest_prefix(number.key, plan.excluded_prefixes)
    if included is not None and len(included) > len(excluded or ""):
        return f"{plan.title} plan includes {included}"
    if excluded is not None:
        return None
    for inclusion in plan.inclusions:
        if number.country in inclusion.countries and number.kind in inclusion.kinds:
            return f"{plan.title} plan includes {words_for(number.kind)} in {number.country}"
    return None


def _why_paid(number: Number, plan: Plan) -> str:
    if prefix := longest_prefix(number.key, plan.excluded_prefixes):
        return f"{plan.title} plan leaves out {prefix}"
    return f"{plan.title} plan does not include {words_for(number.kind)} in {number.country}"


def longest_prefix(key: str, prefixes: Iterable[str]) -> str | None:
    """The longest of `prefixes` that `key` begins with. Plans hold few, so a scan is enough."""
    return max((prefix for prefix in prefixes if key.startswith(prefix)), key=len, default=None)


def longest_reaching(number: Number, prefixes: Iterable[str]) -> str | None:
    """The longest of `prefixes` that also means the number: a bare `44` means no 09 number."""
    found = (prefix for prefix in prefixes if number.key.startswith(prefix))
    return max((p for p in found if reaches(p, number)), key=len, default=None)


def words_for(kind: LineKind) -> str:
    """A kind of line in plain words, as many of them: "landlines", "toll free numbers"."""
    match kind:
        case LineKind.LANDLINE | LineKind.MOBILE:
            return f"{kind.value}s"
        case LineKind.LANDLINE_OR_MOBILE:
            return "landlines and mobiles"
        case _:
            return f"{kind.value.replace('_', ' ')} numbers"
