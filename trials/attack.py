"""A registered phone that attacks: hostile registrations, hostile calls. The carrier is the judge.

What reached the carrier must equal, exactly, the ledger's rows and the calls that cost nothing:
included ones, which the application logs, free ones and calls for help. Phones of another office on
the same Asterisk, of which one has the attacker's number, must hear nothing of it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from assembly.offices import read_offices
from charging.errors import Refusal
from charging.money import Money
from charging.numbering import parse_number
from charging.plan import Category, classify
from dialplan.phones import Phone
from lab.carrier import ANSWERS_AT_ONCE, CarrierCall
from lab.paid_office import OFFICE_ID, PaidOffice, make_paid_office
from lab.patience import patience
from lab.raw_phone import RawPhone, Talk
from lab.telephony import find_telephony
from settings import Settings
from trials.evidence import kept_if_wrong
from trials.hostile import Place, draw_contacts, draw_invite, draw_referral

PHONES = tuple(
    Phone(endpoint=number, number=number, name=f"Phone {number}")
    for number in map(str, range(1001, 1017))
)
NEIGHBOURS = (
    Phone(endpoint="lyon-1001", number="1001", name="Accueil", office="lyon"),
    Phone(endpoint="lyon-1101", number="1101", name="Atelier", office="lyon"),
)
# Where a phone sends its own carrier's leg to another emergency number, nobody else ever hangs up.
CARRIER = replace(ANSWERS_AT_ONCE, name="answers, then hangs up", talk_ms=5000)
AT_ONCE = 24  # calls of the attacker's
UNREADABLE_S = 1.0  # Asterisk says nothing to what it cannot read
OVER_WITHIN_S = 120.0
LOOK_EVERY_S = 0.5
PLENTY = Money(10_000_000_000, "GBP")
DECK = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France landline,0.60,0,0,60,60
336,France mobile,0.60,0.05,0,60,60
44,United Kingdom,0.01,0,0,60,60
"""
OK = 200
DECLINE = 603
REPORT_EVERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackPlan:
    registrations: int
    invites: int
    allow_transfer: bool
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackOutcome:
    plan: AttackPlan
    registered: int  # of the hostile registrations, those that Asterisk took
    reached: Counter[str]  # calls at the carrier, by category
    referrals: Counter[int]  # the answers to requests to transfer
    problems: tuple[str, ...]


async def attack(plan: AttackPlan, report: Callable[[str], None]) -> AttackOutcome:
    return await kept_if_wrong("attack", lambda folder: _attack(plan, folder, report), report)


async def _attack(plan: AttackPlan, folder: Path, report: Callable[[str], None]) -> AttackOutcome:
    phones_file = folder / "phones.toml"
    phones_file.write_text("".join(map(_entry, (*PHONES, *NEIGHBOURS))))
    paid = make_paid_office(
        find_telephony(lambda _: None),
        folder / "office",
        deck=DECK,
        opening=PLENTY,
        settings={
            "call": {"allow_transfer": plan.allow_transfer},
            "prompts": {"announce": False},
            "site": {"phones_file": str(phones_file)},
            "offices": {"main": {"plan": "uk"}, "lyon": {"plan": "france"}},
        },
        phones=(*PHONES, *NEIGHBOURS),
        default=CARRIER,
        media=False,
        adapt=lambda config: replace(config, ring_timeout_s=1),
    )
    random = Random(plan.seed)  # noqa: S311 - a trial must be repeatable
    async with paid, AsyncExitStack() as stack:
        neighbours = [await stack.enter_async_context(_phone(paid, p.endpoint)) for p in NEIGHBOURS]
        for neighbour in neighbours:
            await neighbour.register(f"<{neighbour.own_uri}>")
        phones = [await stack.enter_async_context(_phone(paid, p.endpoint)) for p in PHONES]
        registered = await _register(plan, paid, phones, random, report)
        problems = [f"{call.dialled!r} by a Contact" for call in paid.office.carrier.calls()]
        attacker = phones[0]
        await attacker.register(f"<{attacker.own_uri}>")
        referrals = await _invite(plan, attacker, _place(paid, attacker), random, report)
        await _until_over(paid)
        calls = paid.office.carrier.calls()
        problems += [*await _unexplained(paid, calls)]
        problems += [
            f"{each.extension} rang: {first}" for each in neighbours for first in each.invited
        ]
        if not plan.allow_transfer and referrals.keys() - {DECLINE}:
            problems.append(f"requests to transfer were answered {dict(referrals)}")
        judge = _Judge(paid.settings, paid)
        reached = Counter(judge.category(call.dialled) for call in calls)
        problems += [f"audit: {problem}" for problem in (await paid.audit()).problems]
    return AttackOutcome(
        plan=plan,
        registered=registered,
        reached=reached,
        referrals=referrals,
        problems=tuple(problems),
    )


def _entry(phone: Phone) -> str:
    number, office = phone.number, phone.office
    return f'[phones.{phone.endpoint}]\nextension = "{number}"\noffice = "{office}"\n'


def _phone(paid: PaidOffice, endpoint: str) -> RawPhone:
    return paid.office.raw_phone(endpoint, silence_s=UNREADABLE_S)


def _place(paid: PaidOffice, attacker: RawPhone) -> Place:
    return Place(
        server=paid.office.config.sip_address,
        phone=attacker.address,
        carrier=paid.office.carrier.address,
        extension=attacker.extension,
    )


async def _register(
    plan: AttackPlan,
    paid: PaidOffice,
    phones: Sequence[RawPhone],
    random: Random,
    report: Callable[[str], None],
) -> int:
    """Register hostile Contacts; each time Asterisk takes them, a colleague calls that phone."""
    taken = 0
    left = iter(range(1, plan.registrations + 1))

    async def attack_with(attacker: RawPhone, colleague: RawPhone) -> None:
        nonlocal taken
        place = _place(paid, attacker)
        for count in left:
            answer = await attacker.register(*draw_contacts(random, place))
            if answer.status == OK:
                taken += 1
                called = await colleague.call(f"sip:{attacker.extension}@{colleague.domain}")
                if isinstance(called, Talk):
                    await called.hang_up()
                await attacker.unregister()
            if count % REPORT_EVERY == 0:
                report(f"  {count} registrations, {taken} taken")

    async with asyncio.TaskGroup() as tasks:
        for attacker, colleague in zip(phones[::2], phones[1::2], strict=True):
            tasks.create_task(attack_with(attacker, colleague))
    return taken


async def _invite(
    plan: AttackPlan,
    attacker: RawPhone,
    place: Place,
    random: Random,
    report: Callable[[str], None],
) -> Counter[int]:
    """Place the calls, a few at a time; in some that are answered a transfer is asked for."""
    referrals: Counter[int] = Counter()
    drawn = iter(
        [(draw_invite(random, place), draw_referral(random, place)) for _ in range(plan.invites)]
    )
    done = iter(range(1, plan.invites + 1))

    async def place_them() -> None:
        for invite, referral in drawn:
            talk = await attacker.call(invite.uri, contact=invite.contact, lines=invite.lines)
            if isinstance(talk, Talk):
                answer = await talk.request("REFER", lines=[f"Refer-To: {referral}"])
                referrals[answer.status] += 1
                await talk.hang_up()
            if (count := next(done)) % REPORT_EVERY == 0:
                report(f"  {count} calls placed")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(place_them())
    return referrals


async def _until_over(paid: PaidOffice) -> None:
    """Asterisk says nothing when its last channel is gone, so it is asked now and then."""
    async with patience(OVER_WITHIN_S):
        while not await _is_over(paid):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(LOOK_EVERY_S)


async def _is_over(paid: PaidOffice) -> bool:
    counted = await paid.office.asterisk.cli("core show channels count")
    open_calls = [record for record in await paid.calls() if record.settled_at is None]
    return "0 active channels" in counted and not open_calls


class _Judge:
    """What kind of call the carrier got, by the plan and by nothing that happened."""

    def __init__(self, settings: Settings, paid: PaidOffice) -> None:
        office = next(each for each in read_offices(settings) if each.id == OFFICE_ID)
        self._plan, self._site = office.plan, office.site
        self._emergency = {sent for _, sent in paid.office.config.offices[0].emergency}

    def category(self, dialled: str) -> str:
        if dialled in self._emergency:
            return "emergency"
        if not dialled.isascii() or not dialled.isdigit():
            return "no number"
        try:
            return str(classify(parse_number(f"+{dialled}", self._site), self._plan).category)
        except Refusal as refusal:
            return refusal.code


async def _unexplained(paid: PaidOffice, calls: Sequence[CarrierCall]) -> list[str]:
    judge = _Judge(paid.settings, paid)
    by_category: dict[str, list[str]] = {}
    for call in calls:
        by_category.setdefault(judge.category(call.dialled), []).append(call.dialled)
    free_of_charge = {str(Category.INCLUDED), str(Category.FREE), "emergency"}
    known = {str(Category.PAID), *free_of_charge}
    problems = [
        f"{number!r} reached the carrier: {category}"
        for category in by_category.keys() - known
        for number in by_category[category]
    ]
    problems += _differences(
        by_category.get(str(Category.PAID), []), (record.number for record in await paid.calls())
    )
    passed = [
        entry
        for entry in paid.application.entries()
        if entry["event"] == "call_authorised" and entry["category"] == str(Category.INCLUDED)
    ]
    reached = len(by_category.get(str(Category.INCLUDED), []))
    if reached != len(passed):
        problems.append(f"{reached} included calls at the carrier, {len(passed)} authorised")
    return problems


def _differences(carrier: Iterable[str], ledger: Iterable[str]) -> Iterator[str]:
    seen, rows = Counter(carrier), Counter(ledger)
    for number in sorted(seen.keys() | rows.keys()):
        if seen[number] != rows[number]:
            yield f"{number}: {seen[number]} times at the carrier, {rows[number]} in the ledger"
