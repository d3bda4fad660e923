"""Whom a Dial rings: its first argument, `PJSIP/33142685300@trunk&Local/5@office`."""

from typing import NamedTuple

from dialplan.walk.values import split_arguments


class Target(NamedTuple):
    technology: str  # PJSIP
    endpoint: str  # trunk
    number: str  # as the endpoint is told it, or a SIP URI; empty: the endpoint itself is rung


def targets_of(data: str) -> list[Target]:
    """Of what Dial is given, as far as it can be read."""
    found = map(target_of, split_arguments(data)[0].split("&"))
    return [target for target in found if target is not None]


def target_of(text: str) -> Target | None:
    technology, slash, resource = text.strip().partition("/")
    if not technology or not slash:
        return None
    is_pjsip = technology.upper() == "PJSIP"
    if "/" in resource if is_pjsip else "@" not in resource:
        # PJSIP/endpoint/sip:user@host, DAHDI/g1/number, SIP/peer/number
        endpoint, _, number = resource.partition("/")
    elif "@" in resource:
        number, _, endpoint = resource.rpartition("@")
    else:
        endpoint, number = resource, ""
    return Target(technology, endpoint, number)
