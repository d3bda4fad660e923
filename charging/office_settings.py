"""What can be set for an office, and the office that is made of it.

Files win. What an office's section leaves out is its manager's; what the manager leaves out is as
the section for every office says, or the office's plan, or nobody.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from charging.countries import require_country
from charging.language import require_language
from charging.numbering import Site
from charging.offices import Office
from charging.plan import Plan
from charging.provenance import (
    Default,
    FromPlan,
    Layer,
    Rule,
    Sourced,
    checked,
    layer_of,
    merged,
)
from charging.rate_deck import STANDARD_DECK

_OUTSIDE_LINE: Final = re.compile(r"[0-9]{0,4}")
_INTERNATIONAL: Final = re.compile(r"[0-9]{1,5}")


def require_time_zone(name: str) -> ZoneInfo:
    """Raises ValueError: there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/London") from None


def _time_zone(name: str) -> str:
    require_time_zone(name)
    return name


def _outside_line(text: str) -> str:
    if not _OUTSIDE_LINE.fullmatch(text):
        raise ValueError(f'{text!r} is not up to 4 digits, such as "9"; "" where none is dialled')
    return text


def _international(text: str) -> str:
    if not _INTERNATIONAL.fullmatch(text):
        raise ValueError(f'{text!r} is not 1 to 5 digits, such as "00"')
    return text


OFFICE_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "country": require_country,
        "outside_line_prefix": _outside_line,
        "international_prefix": _international,
        "time_zone": _time_zone,
        "language": require_language,
    }
)

_DEFAULTS: Final = layer_of({"outside_line_prefix": "", "international_prefix": "00"}, Default())


def office_settings(
    plan: Plan, *, office: Layer, manager: Layer, every_office: Layer
) -> dict[str, Sourced]:
    """What is in force for an office, and who says so.

    Args:
        plan: the office's.
        office: what the files say of this office alone.
        manager: what its manager set.
        every_office: what the files say of all.
    """
    of_plan = layer_of(
        {"country": plan.country, "time_zone": str(plan.timezone), "language": plan.language},
        FromPlan(plan.name),
    )
    return merged(OFFICE_RULES, (office, manager, every_office, of_plan, _DEFAULTS))


def office_of(
    office_id: str, plan: Plan, settings: Mapping[str, Sourced], *, deck: str = STANDARD_DECK
) -> Office:
    """The office that its settings make.

    Raises:
        ValueError: one of them is nothing that can be meant.
    """
    text = {name: checked(OFFICE_RULES, name, settings[name].text or "") for name in OFFICE_RULES}
    return Office(
        id=office_id,
        plan=plan,
        site=Site(
            country=text["country"],
            outside_line_prefix=text["outside_line_prefix"],
            international_prefix=text["international_prefix"],
        ),
        time_zone=require_time_zone(text["time_zone"]),
        language=text["language"],
        deck=deck,
    )
