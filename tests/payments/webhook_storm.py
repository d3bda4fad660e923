"""What webhooks may credit, in any order, repeated and forged.

Of the webhooks, three in ten are repeated ones; one in ten is badly signed or stale, and one in
twenty is signed by the processor for an amount, a currency or an office that are not the payment's.
All are shuffled and sent over HTTP, many at once. What is credited must be the payments of which a
good webhook told, each once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import aiohttp

from assembly.serving import served
from charging.card_processor import EventInbox
from payments.outcomes import read_event
from payments.signatures import HEADER, signature
from payments.webhooks import Webhooks
from tests.payments.events import event, intent, succeeded

SECRET: Final = "whsec_storm"  # noqa: S105 - of this storm alone
SOURCE: Final = "sandbox"
OFFICES: Final = ("main", "paris", "lyon")
AT_ONCE: Final = 32
MINOR: Final = 2000
AGAIN: Final = 503
TOLD_AGAIN_MAX: Final = 20


class Crediting(Protocol):
    """What handles what was kept: in memory, or the database and its use cases."""

    @property
    def inbox(self) -> EventInbox: ...

    async def begin(self, payments: Sequence["Payment"]) -> None:
        """Write the row of each, as it is before the processor is asked."""
        ...

    async def handle(self) -> None:
        """Handle everything that is in the inbox."""
        ...

    async def credits(self) -> Counter[str]:
        """How often each payment was credited."""
        ...

    async def told_of(self) -> set[str]:
        """The payments of which the operator was told that something does not agree."""
        ...


@dataclass(frozen=True, slots=True)
class Payment:
    payment_id: str
    office_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    body: bytes
    forged: str | None  # the header; None: the processor signs it when it is sent

    @property
    def good(self) -> bool:
        return self.forged is None

    def header(self, secret: str) -> str:
        if self.forged is not None:
            return self.forged
        return signature(self.body, secret, at=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Storm:
    payments: tuple[Payment, ...]
    webhooks: tuple[Sent, ...]
    paid: frozenset[str]
    differing: frozenset[str]


def drawn(count: int, *, seed: int, secret: str = SECRET) -> Storm:
    """So many webhooks, with what they ought to lead to; stale ones have the right secret."""
    chance = random.Random(seed)  # noqa: S311 - what it draws is no secret
    repeated, forged, differing = count * 3 // 10, count // 10, count // 20
    firsts = count - repeated - forged - differing
    payments = tuple(
        Payment(f"p{number}", chance.choice(OFFICES)) for number in range(max(1, count // 2))
    )
    chosen = list(_events(payments, firsts, chance))
    wrong = list(_differing(payments, differing, chance))
    sent = [_signed(body) for _, body in chosen + wrong]
    sent += [_signed(body) for _, body in chance.choices(chosen + wrong, k=repeated)]
    sent += [_forged(chance.choice(payments), chance, secret) for _ in range(forged)]
    chance.shuffle(sent)
    return Storm(
        payments=payments,
        webhooks=tuple(sent),
        paid=frozenset(name for name, body in chosen if "intent.succeeded" in body),
        differing=frozenset(name for name, _ in wrong),
    )


def _events(
    payments: Sequence[Payment], count: int, chance: random.Random
) -> Iterator[tuple[str, str]]:
    """Good ones: declines, questions of the bank, and for most payments a success."""
    for number in range(count):
        payment = payments[number % len(payments)]
        name = f"evt_{number}"
        about: dict[str, Any] = {
            "payment_id": payment.payment_id,
            "office_id": payment.office_id,
        }
        match chance.randrange(8):
            case 0:
                declined = intent(status="requires_payment_method", **about)
                yield payment.payment_id, event(name, "payment_intent.payment_failed", declined)
            case 1:
                asked = intent(status="requires_action", **about)
                yield payment.payment_id, event(name, "payment_intent.requires_action", asked)
            case _:
                yield payment.payment_id, succeeded(name, **about)


def _differing(
    payments: Sequence[Payment], count: int, chance: random.Random
) -> Iterator[tuple[str, str]]:
    for number in range(count):
        payment = chance.choice(payments)
        about: dict[str, Any] = {
            "payment_id": payment.payment_id,
            "office_id": payment.office_id,
        }
        match number % 4:
            case 0:
                about["amount"] = MINOR + 1
            case 1:
                about["amount"] = MINOR // 100
            case 2:
                about["currency"] = "eur"
            case _:
                about["office_id"] = next(
                    office for office in OFFICES if office != payment.office_id
                )
        yield payment.payment_id, succeeded(f"evt_differs_{number}", **about)


def _signed(body: str) -> Sent:
    return Sent(body.encode(), forged=None)


def _forged(payment: Payment, chance: random.Random, secret: str) -> Sent:
    """A success that nobody signed, or long ago, or another one."""
    about: dict[str, Any] = {"payment_id": payment.payment_id, "office_id": payment.office_id}
    body = succeeded(f"evt_forged_{chance.getrandbits(60)}", **about).encode()
    now = datetime.now(UTC)
    header = chance.choice(
        [
            "",
            "t=1,v1=00",
            signature(body, "whsec_other", at=now),
            signature(body, secret, at=now - timedelta(hours=chance.randint(1, 72))),
            signature(body + b" ", secret, at=now),
        ]
    )
    return Sent(body, forged=header)


async def weather(storm: Storm, crediting: Crediting) -> list[str]:
    """Send it all, handle it twice over, and say what is wrong."""
    await crediting.begin(storm.payments)
    webhooks = Webhooks(
        source=SOURCE, secrets=(SECRET,), read_event=read_event, inbox=crediting.inbox
    )
    async with served(
        webhooks.application(), section="payments", address="127.0.0.1", port=0
    ) as port:
        answers = await send(storm, port, SECRET)
    for _ in range(2):
        await crediting.handle()
    return [*answers, *await wrongly_credited(storm, crediting)]


async def wrongly_credited(storm: Storm, crediting: Crediting) -> list[str]:
    """What is wrong once everything was handled."""
    credited = await crediting.credits()
    told = await crediting.told_of()
    twice = [name for name, times in credited.items() if times > 1]
    return [
        f"{what}: {sorted(names)[:5]} and others, {len(names)} in all"
        for what, names in (
            ("credited more than once", twice),
            ("credited and not paid", credited.keys() - storm.paid),
            ("paid and not credited", storm.paid - credited.keys()),
            ("differing, and nobody was told", storm.differing - storm.paid - told),
        )
        if names
    ]


async def send(storm: Storm, port: int, secret: str) -> list[str]:
    """To whoever takes webhooks at a port; what was answered otherwise than it ought to be."""
    waiting = asyncio.Semaphore(AT_ONCE)
    url = f"http://127.0.0.1:{port}/webhooks/{SOURCE}"
    async with aiohttp.ClientSession() as session:

        async def send_one(sent: Sent) -> str:
            """Told again, as a processor does, where the ledger could not be written in time."""
            status = AGAIN
            async with waiting:
                for _ in range(TOLD_AGAIN_MAX):
                    status = await told(sent)
                    if status != AGAIN:
                        break
            expected = 200 if sent.good else 400
            return "" if status == expected else f"answered {status}: {sent.body!r}"

        async def told(sent: Sent) -> int:
            header = sent.header(secret)
            headers = {HEADER: header} if header else {}
            async with session.post(url, data=sent.body, headers=headers) as answer:
                return answer.status

        answers = await asyncio.gather(*map(send_one, storm.webhooks))
    return [each for each in answers if each]
