"""What a phone's entry may forbid it: classes of destination, money a day and a month, calls."""

from collections.abc import Mapping
from dataclasses import dataclass

from charging.extensions import EVERY_CLASS, PAID_CLASSES, DestinationClass
from charging.money import NO_CURRENCY, parse_money

FIELDS = frozenset({"allow", "day_limit", "month_limit", "calls_at_once"})
_ALLOWED = {"paid": PAID_CLASSES} | {each.value: frozenset({each}) for each in DestinationClass}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneLimits:
    """Amounts are in the currency of the plan of the phone's office. None: no limit."""

    allow: frozenset[DestinationClass] = EVERY_CLASS
    day_limit_micros: int | None = None
    month_limit_micros: int | None = None
    calls_at_once: int | None = None


NO_LIMITS = PhoneLimits()


def parse_limits(fields: Mapping[str, object]) -> PhoneLimits:
    """Read the limits among a phone's fields.

    Raises:
        ValueError: one of them says nothing that can be limited; the message is for the admin.
    """
    return PhoneLimits(
        allow=_classes(fields["allow"]) if "allow" in fields else EVERY_CLASS,
        day_limit_micros=_micros(fields, "day_limit"),
        month_limit_micros=_micros(fields, "month_limit"),
        calls_at_once=_count(fields, "calls_at_once"),
    )


def _classes(value: object) -> frozenset[DestinationClass]:
    if not isinstance(value, list) or not all(each in _ALLOWED for each in value):
        raise ValueError(f"allow must be a list of {', '.join(map(repr, _ALLOWED))}")
    return frozenset().union(*(_ALLOWED[each] for each in value))


def _micros(fields: Mapping[str, object], field: str) -> int | None:
    if field not in fields:
        return None
    text = fields[field]
    if not isinstance(text, str):
        raise ValueError(f'{field} must be an amount in quotes, like "5.00"')  # noqa: TRY004 - the admin's
    micros = parse_money(text, NO_CURRENCY).micros
    if micros < 0:
        raise ValueError(f"{field} = {text!r} is negative")
    return micros


def _count(fields: Mapping[str, object], field: str) -> int | None:
    if field not in fields:
        return None
    count = fields[field]
    if type(count) is not int or count < 0:
        raise ValueError(f"{field} must be a whole number, like 2")
    return count
