"""Whom a Dial rings, `PJSIP/33142685300@trunk&Local/5@office`, and its options, `giL(60000)`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from dialplan.walk.lookup import Dialplan
from dialplan.walk.values import CACHED, split_arguments


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


def dialled_outward(dialplan: Dialplan) -> frozenset[str]:
    """Endpoints of PJSIP at which some step dials a number, as it is written: no phones."""
    return frozenset(
        target.endpoint
        for context in dialplan.contexts.values()
        for extension in context.extensions
        for step in extension.steps
        if step.application.lower() == "dial"
        for target in targets_of(step.data)
        if target.technology.upper() == "PJSIP" and target.number
    )


@lru_cache(CACHED)
def dial_options(text: str) -> Mapping[str, str]:
    """`giL(60000)`: every letter, and what stands in its parentheses."""
    options: dict[str, str] = {}
    rest = text
    while rest:
        letter, rest = rest[0], rest[1:]
        inside = ""
        if rest.startswith("("):
            inside, rest = _parenthesis(rest[1:])
        options[letter] = inside
    return options


def _parenthesis(text: str) -> tuple[str, str]:
    depth = 1
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[:index], text[index + 1 :]
    return text, ""
