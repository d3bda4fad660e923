"""When Asterisk gives up a leg: docs/adr/0011-dead-and-refusing-legs.md, against what it has."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from admin.checks.asked import OfRunning
from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.pjsip import phones_of
from admin.checks.running import Running
from dialplan.walk.lookup import Dialplan, Extension, Step
from dialplan.walk.targets import dial_options
from dialplan.walk.values import split_arguments
from settings import Settings
from settings.model import TrunkSettings

PAID_TRUNK, EMERGENCY_TRUNK = "tollgate-trunk", "tollgate-emergency-trunk"
FORCED = frozenset({"always", "required"})
OWN_ENDPOINT = (
    f"let [{EMERGENCY_TRUNK}] dial an endpoint of its own: [emergency](trunk) in pjsip.conf, with"
    " rtp_timeout = 0, rtp_timeout_hold = 0 and timers = no"
)
# Options of Dial, and what the caller then does not hear.
UNHEARD = {
    "r": "what the carrier says before it answers",
    "m": "what the carrier says before it answers",
    "I": "ringing, where the carrier sends none",
}
# PJSIP/NUMBER@NAME or PJSIP/NAME/sip:…
_ENDPOINT = re.compile(r"PJSIP/(?:[^@&/]*@(?P<after>[\w.-]+)|(?P<before>[\w.-]+)/)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one PJSIP endpoint, as Asterisk has it."""

    rtp_timeout_s: int
    rtp_timeout_hold_s: int
    timers: str  # no, yes, always or required

    @property
    def forced(self) -> bool:
        return self.timers in FORCED


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """The endpoints that our trunks' contexts dial, in their order."""

    paid: Sequence[str]
    emergency: Sequence[Sequence[str]]  # of each extension: offices may have trunks of their own


@OfRunning
def check_dead_legs(settings: Settings, running: Running) -> Iterator[Finding]:
    dialled = dialled_in(running.dialplan)
    phones = {each.endpoint for each in phones_of(settings)}
    endpoints = {each.name: limits_of(each.fields) for each in running.endpoints}
    found = [
        *judge_limits(endpoints, dialled, settings, phones),
        *judge_options(running.dialplan),
    ]
    yield from found or [ok("a leg ends when it is dead, and not when a refresh is refused")]


# --- pure -----------------------------------------------------------------------------------------


def dialled_in(dialplan: Dialplan) -> Dialled:
    emergency = (_endpoints_of(each.steps) for each in _extensions_of(dialplan, EMERGENCY_TRUNK))
    return Dialled(
        paid=_endpoints_of(_steps_of(dialplan, PAID_TRUNK)),
        emergency=tuple(filter(None, emergency)),
    )


def _endpoints_of(steps: Iterable[Step]) -> Sequence[str]:
    names = [
        found["after"] or found["before"]
        for step in steps
        for found in _ENDPOINT.finditer(step.data)
    ]
    return tuple(dict.fromkeys(names))


def _steps_of(dialplan: Dialplan, context: str) -> Sequence[Step]:
    return [step for each in _extensions_of(dialplan, context) for step in each.steps]


def _extensions_of(dialplan: Dialplan, context: str) -> Sequence[Extension]:
    return dialplan.contexts[context].extensions if context in dialplan.contexts else ()


def judge_options(dialplan: Dialplan) -> Iterator[Finding]:
    """What a caller hears before the answer: docs/adr/0017-ringing-in-the-audio.md."""
    for context in (PAID_TRUNK, EMERGENCY_TRUNK):
        for step in _steps_of(dialplan, context):
            if step.application.lower() != "dial":
                continue
            options = dial_options([*split_arguments(step.data), "", ""][2])
            for option in UNHEARD.keys() & options.keys():
                yield warning(
                    f"a Dial of [{context}] has the option {option}: the caller does not hear"
                    f" {UNHEARD[option]}",
                    f"take {option} out of its options",
                )


def judge_limits(
    endpoints: Mapping[str, Limits], dialled: Dialled, settings: Settings, phones: Collection[str]
) -> Iterator[Finding]:
    """Of what does not exist `check_trunks` speaks."""
    first = [next(filter(endpoints.__contains__, each), "") for each in dialled.emergency]
    helping = dict.fromkeys(filter(None, first))
    for name in helping:
        yield from _judge_emergency(name, endpoints[name])
    trunks = dict.fromkeys([*dialled.paid, *settings.trunks])
    for name in trunks:
        if name in endpoints and name not in helping:
            yield from _judge_trunk(name, endpoints[name], settings)
    yield from _judge_phones({n: endpoints[n] for n in phones if n in endpoints}, settings)


def _judge_emergency(name: str, limits: Limits) -> Iterator[Finding]:
    silence_s = [each for each in (limits.rtp_timeout_s, limits.rtp_timeout_hold_s) if each]
    if silence_s:
        yield problem(
            f"an emergency call, which dials [{name}], is cut after {min(silence_s)} s without"
            " sound from the other end",
            OWN_ENDPOINT,
        )
    if limits.timers != "no":
        cut = problem if limits.forced else warning
        yield cut(
            f"an emergency call, which dials [{name}], is cut where the carrier refuses to refresh"
            f" the session: timers = {limits.timers}",
            OWN_ENDPOINT,
        )


def _judge_trunk(name: str, limits: Limits, settings: Settings) -> Iterator[Finding]:
    wanted = settings.trunks.get(name, TrunkSettings())
    if limits.forced:
        yield problem(
            f"[{name}] has timers = {limits.timers}: every call is cut whose carrier refuses to"
            " refresh the session",
            f"timers = {wanted.timers} for [{name}] in pjsip.conf",
        )
    if limits.rtp_timeout_s == 0 and (limits.timers == "no" or wanted.rtp_timeout_s):
        yield warning(
            f"nothing ends a leg to [{name}] whose BYE is lost, but the end of its paid time",
            f"rtp_timeout = {wanted.rtp_timeout_s or 60} for [{name}] in pjsip.conf; if the carrier"
            f" sends no sound, timers = yes, and [trunks.{name}] rtp_timeout_s = 0, timers ="
            ' "yes" in the settings',
        )
    elif limits.rtp_timeout_s != wanted.rtp_timeout_s:
        yield warning(
            f"a leg to [{name}] ends after {limits.rtp_timeout_s} s without sound, and the settings"
            f" say {wanted.rtp_timeout_s} s",
            f"rtp_timeout of [{name}] in pjsip.conf, or [trunks.{name}] rtp_timeout_s",
        )


def _judge_phones(phones: Mapping[str, Limits], settings: Settings) -> Iterator[Finding]:
    forced = sorted(name for name, limits in phones.items() if limits.forced)
    if forced:
        yield problem(
            f"calls of {listed(forced)} are cut, emergency calls too, where the phone refuses to"
            " refresh the session",
            "timers = no for them in pjsip.conf",
        )
    wanted_s = settings.asterisk.phone_rtp_timeout_s
    hasty = sorted(
        name
        for name, limits in phones.items()
        if limits.rtp_timeout_s > 0 and (limits.rtp_timeout_s < wanted_s or not wanted_s)
    )
    if hasty:
        yield warning(
            f"calls of {listed(hasty)} are cut, emergency calls too, when the phone sends no sound"
            f" for {min(phones[name].rtp_timeout_s for name in hasty)} s",
            f"rtp_timeout = {wanted_s} for them in pjsip.conf, or [asterisk] phone_rtp_timeout_s",
        )


def limits_of(fields: Mapping[str, str]) -> Limits:
    """What is missing is as Asterisk's own default."""
    return Limits(
        rtp_timeout_s=int(fields.get("rtp_timeout", "0")),
        rtp_timeout_hold_s=int(fields.get("rtp_timeout_hold", "0")),
        timers=fields.get("timers", "yes"),
    )
