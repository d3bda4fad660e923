"""`python -m trials.money_calls URL OFFICES SEED`: offices call, until it is killed.

It stands for the application: what that writes is written here by the same commands. Calls take
money, and so bring about refills in the transaction that crosses a threshold or refuses for lack of
money. Beside them an operator cancels payments, refills among them, by the command's own way.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from charging.commands import AuthoriseCall, SettleCall
from charging.errors import ChargingUnavailable, LedgerFault, Refusal
from charging.ledger import NO_LIMITS, CallRecord
from charging.money import MICROS_PER_UNIT, Money
from charging.money_in import MoneyIn
from charging.orders import offer_of
from charging.rates import Rate
from charging.refill import State
from db.engine import open_engine
from db.ledger import SqlLedger
from db.money_reads import SqlMoney

CURRENCY: Final = "GBP"
CALLERS: Final = 4
PAUSE_S: Final = 0.1
ASTERISK: Final = "trial"
CANCELLED_PART: Final = 0.05


class Caller:
    def __init__(self, ledger: SqlLedger, offices: Sequence[str], seed: str) -> None:
        self._ledger = ledger
        self._offices = offices
        self._chance = random.Random(seed)  # noqa: S311 - what it draws is no secret
        self._seed = seed
        self._count = 0
        self._money_in = MoneyIn(
            ledger=ledger,
            reader=SqlMoney(ledger),
            clock=_Clock(),
            offer_of=lambda _office_id: offer_of(CURRENCY),
            new_id=lambda: self._name("p"),
            terms_of=lambda _office_id: None,
        )

    async def go_on(self) -> None:
        """Until it is killed. The seed is new each time, so no two name anything alike."""
        while True:
            office_id = self._chance.choice(self._offices)
            try:
                if self._chance.random() < CANCELLED_PART:
                    await self._cancel(office_id)
                else:
                    await self._call(office_id)
            except (Refusal, ChargingUnavailable):
                pass  # a normal no, or a database that is busy: the next one
            except LedgerFault as fault:  # what it asks for makes sense
                sys.stdout.write(f"fault: {fault!r}\n")
                sys.stdout.flush()
            await asyncio.sleep(PAUSE_S)

    async def _call(self, office_id: str) -> None:
        call = _call_of(office_id, self._name("c"), self._chance.randint(50, 400))
        await self._ledger.carry_out(AuthoriseCall(call, calls_at_once=None))
        now = datetime.now(UTC)
        await self._ledger.carry_out(
            SettleCall(call_id=call.call_id, talk_s=30, ended_at=now, hangup_cause=16, at=now)
        )

    async def _cancel(self, office_id: str) -> None:
        last = await self._money_in.payments(office_id, limit=10)
        credited = [each for each in last if each.state is State.CREDITED]
        if credited:
            payment = self._chance.choice(credited)
            await self._money_in.cancel_top_up(
                office_id, payment.payment_id, by="cli:trial", reason="by mistake"
            )

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._seed}-{self._count}"


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def _call_of(office_id: str, call_id: str, pence: int) -> CallRecord:
    nothing = Money(0, CURRENCY)
    rate = Rate(
        per_minute=nothing,
        connection_charge=Money(pence * MICROS_PER_UNIT // 100, CURRENCY),
        per_call=nothing,
        initial_s=60,
        increment_s=60,
    )
    now = datetime.now(UTC)
    return CallRecord(
        call_id=call_id,
        office_id=office_id,
        endpoint=f"PJSIP/{office_id}",
        extension="1001",
        language="en",
        dialled="0033142685300",
        number="33142685300",
        dial_string="+33142685300",
        country="FR",
        kind="landline",
        destination="France",
        reason="trial",
        rate=rate,
        limits=NO_LIMITS,
        caller_channel=call_id,
        asterisk=ASTERISK,
        authorised_at=now,
        spending_day=now.date().isoformat(),
        held=nothing,
        debited=nothing,
    )


async def settle_open_calls(ledger: SqlLedger) -> int:
    """What the application does when it comes back: these calls were never answered."""
    open_calls = await ledger.open_calls(ASTERISK)
    now = datetime.now(UTC)
    for call in open_calls:
        await ledger.carry_out(
            SettleCall(call_id=call.call_id, talk_s=0, ended_at=now, hangup_cause=0, at=now)
        )
    return len(open_calls)


async def main() -> None:
    url, offices, seed = sys.argv[1:]
    engine = open_engine(url)
    async with SqlLedger(engine) as ledger, asyncio.TaskGroup() as group:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for number in range(CALLERS):
            caller = Caller(ledger, offices.split(","), f"{seed}.{number}")
            group.create_task(caller.go_on())


if __name__ == "__main__":
    asyncio.run(main())
