"""Numbers of every category, as somebody would dial them here: what a dialplan is tried with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from charging.errors import InvalidNumber
from charging.numbering import Site, parse_number
from charging.plan import Category, Plan, classify
from dialplan.patterns import emergency_dialled

# Neighbours and far ones, cheap and dear ones, and those of North America's plan that cost most.
COUNTRIES = ("FR", "GB", "DE", "US", "CH", "JM", "SN", "IN", "AU", "CU")
KINDS = (
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.TOLL_FREE,
)
NETWORKS = ("882123456789", "881612345678", "979123456789")  # satellite, and premium of the world


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    dialled: str
    category: Category


def witnesses(plan: Plan, site: Site) -> Sequence[Witness]:
    """With the prefix for an outside line where there is one."""
    found = {dialled: Category.EMERGENCY for dialled, _ in emergency_dialled((site,))}
    for dialled in _candidates(site):
        try:
            number = parse_number(dialled, site)
        except InvalidNumber:
            continue
        found.setdefault(dialled, classify(number, plan).category)
    return tuple(Witness(dialled=dialled, category=found[dialled]) for dialled in found)


def _candidates(site: Site) -> Iterator[str]:
    for digits in _e164(site.country):
        parsed = phonenumbers.parse(f"+{digits}")
        at_home = phonenumbers.region_code_for_number(parsed) == site.country
        if at_home:
            national = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
            yield site.outside_line_prefix + "".join(filter(str.isdigit, national))
        yield f"{site.outside_line_prefix}{site.international_prefix}{digits}"
        yield f"+{digits}"


def _e164(home: str) -> Iterator[str]:
    for country in dict.fromkeys((home, *COUNTRIES)):
        for kind in KINDS:
            example = phonenumbers.example_number_for_type(country, kind)
            if example is not None:
                yield phonenumbers.format_number(example, PhoneNumberFormat.E164).lstrip("+")
    yield from NETWORKS
