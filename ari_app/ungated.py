"""Legs to a carrier that nobody pays for: seen in Asterisk's own log of legs, whoever dialled them.

An admin's dialplan may dial past ours, and no check of it sees everything. So every answered leg is
asked for what explains it: a number that costs nothing, or a call in the ledger. Off the path of
calls: the log is read on every few seconds, and what is found is a row that the doctor tells of.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from ari_app.ami import Ami
from ari_app.ami_errors import AmiRefusedError, AmiUnavailableError
from ari_app.ari import Ari, AriError, AriUnavailableError
from ari_app.unpaid_legs import OUTGOING, endpoint_of
from charging.errors import ChargingUnavailable
from charging.masking import masked
from db.ungated import PaidLeg, UngatedLeg, UngatedLegs
from dialplan.walk.targets import Target, targets_of
from telephony.cel import event_ms
from telephony.pjsip import aors_of, contacts_of

log = structlog.get_logger()

JUDGED_AFTER_S = 3.0  # by then the application has written an answer into the ledger
KEPT_S = 10 * 60.0  # what was dialled: nothing rings for longer before it is answered
ADDRESSES_KEPT_S = 60.0
JUDGED_AT_ONCE = 50  # legs, by one question to the ledger

_HOST = re.compile(r"@\[?(?P<host>[^;>:\]?]+)")
_MADDR = re.compile(r"[;?&](?:maddr|route)=(?P<rest>.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A Dial that was begun."""

    channel: str  # which dialled
    targets: tuple[Target, ...]
    read_at_s: float  # of this process's clock; Asterisk's may be another


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredLeg:
    channel: str
    call: str
    name: str  # of the channel
    endpoint: str
    at_ms: int  # since 1970, by Asterisk's clock
    read_at_s: float


@dataclass(slots=True)
class Seen:
    """What the log has told so far."""

    dials: dict[str, list[Dialled]] = field(default_factory=dict)  # by call
    legs: dict[str, AnsweredLeg] = field(default_factory=dict)  # not judged yet, by channel


def note(seen: Seen, event: Mapping[str, Any], *, now_s: float) -> None:
    """An event that lacks the fields says nothing."""
    try:
        _note(seen, event, now_s)
    except (ValueError, KeyError, TypeError, AttributeError):
        return


def _note(seen: Seen, event: Mapping[str, Any], now_s: float) -> None:
    call, channel = event["linkedid"], event["uniqueid"]
    if event["eventtype"] == "APP_START":
        targets = tuple(targets_of(event["appdata"]))
        dialled = Dialled(channel=channel, targets=targets, read_at_s=now_s)
        seen.dials.setdefault(call, []).append(dialled)
    elif event["eventtype"] == "ANSWER" and not event["dnid"]:  # one that came in has a number
        endpoint = endpoint_of(event["channame"])
        if endpoint is not None and event["appdata"] == OUTGOING:
            seen.legs[channel] = AnsweredLeg(
                channel=channel,
                call=call,
                name=event["channame"],
                endpoint=endpoint,
                at_ms=event_ms(event),
                read_at_s=now_s,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """What leaves the office, and what of it need not be paid for."""

    endpoints: frozenset[str]  # trunks
    addresses: frozenset[str]  # of theirs
    costs_nothing: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A leg that only the ledger can explain: who dialled it, and with which numbers."""

    leg: AnsweredLeg
    dialling: tuple[Dialled, ...]
    numbers: tuple[str, ...]

    @property
    def callers(self) -> frozenset[str]:
        """The channels whose calls may pay for it."""
        return frozenset({self.leg.call, *(dialled.channel for dialled in self.dialling)})


def suspect_of(leg: AnsweredLeg, seen: Seen, carriers: Carriers) -> Suspect | None:
    """None: what was dialled explains the leg."""
    dialling = tuple(
        dialled
        for dialled in seen.dials.get(leg.call, ())
        if any(target.endpoint == leg.endpoint for target in dialled.targets)
    )
    numbers = tuple(
        target.number
        for dialled in dialling
        for target in dialled.targets
        if target.endpoint == leg.endpoint and target.number
    )
    if leg.endpoint in carriers.endpoints:
        costs = not numbers or not all(map(carriers.costs_nothing, numbers))
    else:
        costs = any(goes_to(number, carriers.addresses) for number in numbers)
    return Suspect(leg=leg, dialling=dialling, numbers=numbers) if costs else None


def host_of(uri: str) -> str:
    found = _HOST.search(uri)
    return found["host"] if found else uri.partition(":")[2].partition(":")[0].partition(";")[0]


async def addresses_of(host: str) -> frozenset[str]:
    """Of a name, and the name itself."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return frozenset({host})
    return frozenset({host, *(str(address[4][0]) for address in found)})


def goes_to(uri: str, addresses: Collection[str]) -> bool:
    """Whether a SIP URI leads to one of these addresses, itself or by what stands behind it."""
    host, behind = host_of(uri), _MADDR.search(uri)
    return host in addresses or any(behind is not None and a in behind["rest"] for a in addresses)


def is_paid(suspect: Suspect, paid: Iterable[PaidLeg]) -> bool:
    """One call in the ledger pays for one leg: its own, or that of the number it was made for.

    Args:
        suspect: the leg.
        paid: the calls of whoever dialled it, others among them.
    """
    return any(
        each.leg == suspect.leg.channel
        or any(number.endswith(each.dial_string) for number in suspect.numbers)
        for each in paid
        if each.caller in suspect.callers
    )


def digits_of(number: str) -> str:
    """Of a number, or of a SIP URI."""
    return "".join(filter(str.isdigit, number.partition("@")[0]))


class UngatedWatch:
    """Watches ari_app.leg_events."""

    def __init__(
        self,
        *,
        asterisk: str,
        carriers: Carriers,
        ami: Ami,
        ari: Ari,
        ungated: UngatedLegs,
    ) -> None:
        self._asterisk = asterisk
        self._carriers = carriers
        self._ami = ami
        self._ari = ari
        self._ungated = ungated
        self._seen = Seen()
        self._asked_at_s: float | None = None  # when the carriers' addresses were

    def note(self, event: Mapping[str, Any], *, now_s: float) -> None:
        note(self._seen, event, now_s=now_s)

    async def judge(self, now_s: float) -> None:
        """Judge what was answered long enough ago.

        Raises:
            ChargingUnavailable: the database is away.
        """
        await self._learn_addresses(now_s)
        forget(self._seen, now_s)
        due = [leg for leg in self._seen.legs.values() if leg.read_at_s <= now_s - JUDGED_AFTER_S]
        for first in range(0, len(due), JUDGED_AT_ONCE):
            await self._judge(due[first : first + JUDGED_AT_ONCE])

    async def _judge(self, legs: Sequence[AnsweredLeg]) -> None:
        for leg in legs:
            del self._seen.legs[leg.channel]  # whatever comes of it, it is judged once
        suspects = [found for leg in legs if (found := await self._suspect(leg)) is not None]
        try:
            for suspect in await self._unpaid(suspects):
                await self._record(suspect)
        except ChargingUnavailable:
            self._seen.legs.update((leg.channel, leg) for leg in legs)
            raise

    async def _suspect(self, leg: AnsweredLeg) -> Suspect | None:
        suspect = suspect_of(leg, self._seen, self._carriers)
        if suspect is None and await self._is_led_to_a_carrier(leg):
            return Suspect(leg=leg, dialling=(), numbers=())
        return suspect

    async def _is_led_to_a_carrier(self, leg: AnsweredLeg) -> bool:
        """A leg of a phone that goes to a carrier's address, by whatever its Contact said."""
        if leg.endpoint in self._carriers.endpoints:
            return False
        return await self._goes_to_a_carrier(leg.channel)

    async def _goes_to_a_carrier(self, channel: str) -> bool:
        """By where its requests and its sound go; a leg that has ended cannot be asked."""
        try:
            uri = await self._ami.variable(channel, "CHANNEL(pjsip,target_uri)")
            sound = await self._ami.variable(channel, "CHANNEL(rtp,dest)")
        except (AmiRefusedError, AmiUnavailableError):
            return False
        addresses = self._carriers.addresses
        return goes_to(uri, addresses) or sound.rpartition(":")[0].strip("[]") in addresses

    async def _learn_addresses(self, now_s: float) -> None:
        """Of the trunks, as Asterisk has them; what is known stays where it cannot be asked."""
        if self._asked_at_s is not None and now_s < self._asked_at_s + ADDRESSES_KEPT_S:
            return
        try:
            found = [await self._addresses_of(name) for name in sorted(self._carriers.endpoints)]
        except AriUnavailableError:
            return
        self._asked_at_s = now_s
        known = self._carriers.addresses.union(*found)
        self._carriers = replace(self._carriers, addresses=known)

    async def _addresses_of(self, endpoint: str) -> frozenset[str]:
        try:
            fields = await self._ari.pjsip_object("endpoint", endpoint)
            aors = [await self._ari.pjsip_object("aor", name) for name in aors_of(fields)]
        except AriError:
            return frozenset()  # no such endpoint
        uris = [uri for aor in aors for uri in contacts_of(aor)]
        uris += [each.get("outbound_proxy", "") for each in (fields, *aors)]
        hosts = {host_of(uri) for uri in uris if uri}
        return frozenset().union(*[await addresses_of(host) for host in sorted(hosts)])

    async def _unpaid(self, suspects: Sequence[Suspect]) -> Sequence[Suspect]:
        if not suspects:
            return ()
        callers = frozenset[str]().union(*(suspect.callers for suspect in suspects))
        paid = await self._ungated.paid(callers)
        return [suspect for suspect in suspects if not is_paid(suspect, paid)]

    async def _record(self, suspect: Suspect) -> None:
        leg = suspect.leg
        number = masked(digits_of(suspect.numbers[0] if suspect.numbers else ""))
        new = await self._ungated.add(
            UngatedLeg(
                channel=leg.channel,
                asterisk=self._asterisk,
                endpoint=leg.endpoint,
                number=number,
                answered_at=datetime.fromtimestamp(leg.at_ms / 1000, UTC),
            )
        )
        if new:
            log.error("leg_ungated", channel=leg.name, number=number, call=leg.call)


def forget(seen: Seen, now_s: float) -> None:
    """Dials that no leg will be answered of any more, of a queue that dials for hours, too."""
    for call, dialled in tuple(seen.dials.items()):
        recent = [each for each in dialled if each.read_at_s >= now_s - KEPT_S]
        if recent:
            seen.dials[call] = recent
        else:
            del seen.dials[call]
