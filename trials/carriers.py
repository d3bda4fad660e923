"""Calls of two minutes, paid and for help, to carriers of every temper; the carrier is the judge.

Every carrier is one behaviour of one simulated carrier, chosen by the number. A good call lasts
until its caller hangs up; a leg that is dead ends, unless it is one for help.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from charging.money import Money
from dialplan.render import AsteriskConfig
from lab.caller import Calls, PlacedCall, place_calls
from lab.carrier import ANSWERS, Behaviour, CarrierCall, Rule, vanishes_after
from lab.office import rerouted
from lab.paid_office import PaidOffice, make_paid_office
from lab.telephony import find_telephony
from trials.numbers import DECK, TrialNumber
from trials.oracle import judge

EXTENSION = "1001"
SESSION_EXPIRES_S = 90  # the shortest that Asterisk takes
REFUSALS = (405, 422, 488, 491, 503)
DIES_AFTER_MS = 1500
RATE_PER_S = 10
EARLY_BY_S = 0.5  # the caller hangs up by its own clock
ENDS_WITHIN_S = 3.0  # Asterisk looks for silence once a second or so


@dataclass(frozen=True, slots=True)
class Temper:
    """One kind of carrier."""

    name: str
    behaviour: Behaviour
    sounds: bool = True  # for as long as the call lasts

    @property
    def dies(self) -> bool:
        return self.behaviour.vanishes


@dataclass(frozen=True, slots=True)
class PhoneTemper:
    """One kind of phone, which calls a carrier that does everything well."""

    name: str
    sound: bool = True
    refresh_status: int = 200
    session_expires_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriersPlan:
    talk_s: int = 120
    rtp_timeout_s: int = 60
    tempers: Sequence[Temper]
    phones: Sequence[PhoneTemper]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one temper's two calls, in seconds from answer to end as the caller saw it."""

    temper: str
    paid_s: float
    emergency_s: float
    refreshes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriersOutcome:
    rows: Sequence[Row]
    problems: Sequence[str]


def refusing(status: int, *, updates: bool, agrees: bool) -> Temper:
    how = "UPDATE" if updates else "re-INVITE"
    first = "agrees to a session timer and answers" if agrees else "answers"
    name = f"{first} the refresh by {how} with {status}"
    return Temper(
        name,
        replace(
            ANSWERS,
            name=name,
            updates=updates,
            refresh_status=status,
            session_expires_s=SESSION_EXPIRES_S if agrees else 0,
        ),
    )


def _silent(*, updates: bool) -> Temper:
    name = f"sends no sound and names {'' if updates else 'no '}UPDATE"
    return Temper(name, replace(ANSWERS, name=name, silent=True, updates=updates), sounds=False)


QUIET_ONES = (
    _silent(updates=True),
    Temper("bare 183", replace(ANSWERS, name="bare 183", bare_183=True)),
    Temper("dead", vanishes_after(DIES_AFTER_MS), sounds=False),
)
PHONES = (
    PhoneTemper("phone that refuses a refresh", refresh_status=488),
    PhoneTemper(
        "phone that asks for a refresh and refuses it",
        refresh_status=488,
        session_expires_s=SESSION_EXPIRES_S,
    ),
    PhoneTemper("phone that sends no sound", sound=False),
)
FULL = CarriersPlan(
    tempers=(
        refusing(200, updates=True, agrees=True),
        *(
            refusing(status, updates=updates, agrees=agrees)
            for status in REFUSALS
            for updates in (True, False)
            for agrees in (True, False)
        ),
        _silent(updates=False),
        *QUIET_ONES,
    ),
    phones=PHONES,
)
# Long enough for the first refresh, if there were one: half the shortest session.
SHORT = CarriersPlan(
    talk_s=SESSION_EXPIRES_S // 2 + 2,
    rtp_timeout_s=3,
    tempers=(
        *(
            refusing(status, updates=bool(n % 2), agrees=n > 2)  # noqa: PLR2004 - some of each
            for n, status in enumerate(REFUSALS)
        ),
        *QUIET_ONES,
    ),
    phones=PHONES,
)


async def run(plan: CarriersPlan, folder: Path | None = None) -> CarriersOutcome:
    """Place all calls side by side, in a folder of its own."""
    if folder is not None:
        return await _run(plan, folder)
    with tempfile.TemporaryDirectory(prefix="tollgate-carriers-") as temporary:
        return await _run(plan, Path(temporary))


async def _run(plan: CarriersPlan, folder: Path) -> CarriersOutcome:
    numbers = _Numbers(plan)
    paid = make_paid_office(
        find_telephony(lambda _: None),
        folder / "office",
        deck=DECK,
        opening=Money(1_000_000_000, "GBP"),
        settings={"prompts": {"announce": False}},
        rules=numbers.rules,
        adapt=lambda config: _adapted(config, plan, numbers),
    )
    async with paid:
        placed = await _place_all(paid, plan, numbers)
        for record in await paid.calls():
            await paid.application.wait_for("call_settled", call_id=record.call_id)
        seen = {call.dialled: call for call in paid.office.carrier.calls()}
        problems = [*_problems(plan, numbers, placed, seen)]
        alive = [call for call in seen.values() if call.ended_by != "vanished"]
        helped = {number for number in seen if not number.startswith("33")}
        charged = [c for c in await paid.calls() if c.number in {call.dialled for call in alive}]
        verdict = judge([call for call in alive if call.dialled not in helped], charged)
    return CarriersOutcome(
        rows=_rows(numbers, placed, seen), problems=(*problems, *verdict.problems)
    )


class _Numbers:
    """A paid number and one for help for each temper, then for each phone."""

    def __init__(self, plan: CarriersPlan) -> None:
        self.names = [each.name for each in plan.tempers] + [each.name for each in plan.phones]
        self.paid = [TrialNumber(f"3351{n:05}00") for n in range(len(self.names))]
        self.emergency = [f"112{n:02}" for n in range(len(self.names))]
        self.rules = [
            Rule(number, temper.behaviour)
            for n, temper in enumerate(plan.tempers)
            for number in (self.paid[n].digits, self.emergency[n])
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    paid: Mapping[str, PlacedCall] = field(default_factory=dict)  # by name of the temper
    emergency: Mapping[str, PlacedCall] = field(default_factory=dict)


def _adapted(config: AsteriskConfig, plan: CarriersPlan, numbers: _Numbers) -> AsteriskConfig:
    trunk = replace(config.trunk, rtp_timeout_s=plan.rtp_timeout_s)
    helped = tuple((number, number) for number in numbers.emergency)
    return rerouted(replace(config, trunk=trunk), emergency=helped)


async def _place_all(paid: PaidOffice, plan: CarriersPlan, numbers: _Numbers) -> _Placed:
    count = len(plan.tempers)
    groups = [
        (PhoneTemper("ordinary"), slice(0, count)),
        *((phone, slice(count + n, count + n + 1)) for n, phone in enumerate(plan.phones)),
    ]
    async with asyncio.TaskGroup() as group:
        paid_tasks = [
            group.create_task(
                _place(paid, plan, phone, [number.dialled for number in numbers.paid[which]])
            )
            for phone, which in groups
        ]
        emergency_tasks = [
            group.create_task(_place(paid, plan, phone, numbers.emergency[which]))
            for phone, which in groups
        ]
    return _Placed(
        paid=dict(zip(numbers.names, _joined(paid_tasks), strict=True)),
        emergency=dict(zip(numbers.names, _joined(emergency_tasks), strict=True)),
    )


def _joined(tasks: Sequence[asyncio.Task[list[PlacedCall]]]) -> list[PlacedCall]:
    return [call for task in tasks for call in task.result()]


async def _place(
    paid: PaidOffice, plan: CarriersPlan, phone: PhoneTemper, numbers: list[str]
) -> list[PlacedCall]:
    config = paid.office.config
    address = paid.office.addresses.next()
    return await place_calls(
        paid.office.telephony,
        paid.office.folder / f"caller-{address}",
        Calls(
            number=numbers,
            user=EXTENSION,
            password=config.secrets.phones[EXTENSION],
            calls=len(numbers),
            rate_per_s=RATE_PER_S,
            talk_ms=plan.talk_s * 1000,
            sound=phone.sound,
            refresh_status=phone.refresh_status,
            session_expires_s=phone.session_expires_s,
        ),
        address=address,
        server=config.sip_address,
        timeout_s=plan.talk_s + 60,
    )


# --- the judge --------------------------------------------------------------------------------


def _problems(
    plan: CarriersPlan, numbers: _Numbers, placed: _Placed, seen: Mapping[str, CarrierCall]
) -> Iterator[str]:
    tempers = {temper.name: temper for temper in plan.tempers}
    for n, name in enumerate(numbers.names):
        temper = tempers.get(name, Temper(name, ANSWERS))
        for kind, number, call, dead_after_s in (
            ("paid", numbers.paid[n].digits, placed.paid[name], plan.rtp_timeout_s),
            ("emergency", numbers.emergency[n], placed.emergency[name], None),
        ):
            problem = _problem(temper, plan, call, seen.get(number), dead_after_s)
            if problem:
                yield f"{kind} call, carrier: {name}: {problem}"


def _problem(
    temper: Temper,
    plan: CarriersPlan,
    placed: PlacedCall,
    carrier: CarrierCall | None,
    dead_after_s: int | None,
) -> str | None:
    """`dead_after_s`: how long without sound ends the leg; None: nothing does."""
    if carrier is None or not carrier.answered:
        return "did not reach the carrier"
    talked_s = _talked_s(placed)
    if temper.sounds or dead_after_s is None:
        if talked_s < plan.talk_s - EARLY_BY_S:
            return f"was cut after {talked_s:.1f} s of {plan.talk_s}"
        if not temper.dies and carrier.talk_s < plan.talk_s - EARLY_BY_S:
            return f"the carrier had it for {carrier.talk_s:.1f} s of {plan.talk_s}"
        return None
    due_s = dead_after_s + (temper.behaviour.talk_ms / 1000 if temper.dies else 0)
    if talked_s > due_s + ENDS_WITHIN_S:
        return f"the leg was dead after {due_s:.1f} s and lasted {talked_s:.1f}"
    return None


def _talked_s(call: PlacedCall) -> float:
    if call.answered_at_s is None or call.ended_at_s is None:
        return 0
    return call.ended_at_s - call.answered_at_s


def _rows(numbers: _Numbers, placed: _Placed, seen: Mapping[str, CarrierCall]) -> list[Row]:
    rows = []
    for n, name in enumerate(numbers.names):
        calls = [seen.get(numbers.paid[n].digits), seen.get(numbers.emergency[n])]
        rows.append(
            Row(
                temper=name,
                paid_s=_talked_s(placed.paid[name]),
                emergency_s=_talked_s(placed.emergency[name]),
                refreshes=sum(call.refreshes for call in calls if call),
            )
        )
    return rows
