"""Settings and who says them, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from charging.provenance import Default, FromFile, FromManager, FromPlan, Origin, Sourced


def in_columns(found: Mapping[str, Sourced]) -> Sequence[Sequence[str]]:
    return [
        [name, "none" if each.text is None else each.text or '""', str(each.origin)]
        for name, each in found.items()
    ]


def in_json(found: Mapping[str, Sourced]) -> dict[str, Any]:
    return {name: {"value": each.text} | _origin(each.origin) for name, each in found.items()}


def _origin(origin: Origin) -> dict[str, str]:
    match origin:
        case FromFile(place=place):
            return {"from": "file", "place": place}
        case FromManager(actor=actor, at=at, reason=reason):
            return {"from": "manager", "actor": actor, "at": at.isoformat(), "reason": reason}
        case FromPlan(plan=plan):
            return {"from": "plan", "plan": plan}
        case Default():
            return {"from": "default"}
