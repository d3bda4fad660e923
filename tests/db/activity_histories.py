"""A history of one office with calls that overlap, money in and out, and attempts that failed."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from charging.commands import (
    AnswerCall,
    AuthoriseCall,
    CancelTopUp,
    DebitInterval,
    ReserveInterval,
    SettleCall,
    TopUp,
)
from charging.ledger import CallRecord, LedgerCommand
from charging.money import Money
from charging.rates import funded_s
from charging.unpaid_calls import UnpaidCall
from charging.usecases import new_call
from db.batches import BatchRunner
from db.unpaid_calls import UnpaidCalls
from tests.fakes.charging import UK_PLAN, gbp, office_on, rate, request
from tests.fakes.clock import START
from tests.fakes.offices import quotation_of, reception

PHONES = ("1001", "1002", "1003")
COUNTRIES = {"FR": "33612345678", "DE": "49301234567", "US": "12125550123"}


@dataclass
class LiveCall:
    record: CallRecord
    number: int
    answered_at: datetime | None = None
    interval: int = 0


class History:
    """Made of the same dice, it is the same history on every database."""

    def __init__(self, engine: Engine, *, seed: int, pause_s: int = 40) -> None:
        self._live: list[LiveCall] = []
        self.attach(engine)
        self._dice = random.Random(seed)  # noqa: S311 - every run is the same
        self._now = START
        self._pause_s = pause_s  # between two steps, at most
        self._made = 0
        self.moments: list[datetime] = []

    def attach(self, engine: Engine) -> None:
        """Go on in a copy of the database."""
        self.engine = engine
        self._runner, self._unpaid = BatchRunner(engine), UnpaidCalls(engine)
        self._live = [*self._live]

    def run(self, steps: int) -> None:
        self._carry_out(self._top_up(gbp("500")))
        for _ in range(steps):
            self._now += timedelta(seconds=self._dice.randrange(0, self._pause_s))
            self.moments.append(self._now)
            self._step()
        self._runner.close()

    def top_up_later(self) -> None:
        """Something comes in while somebody reads."""
        self._now, self._made = START + timedelta(days=1), 1_000_000
        self._carry_out(self._top_up(gbp("1")))
        self._refuse()
        self._runner.close()

    def settle_all(self) -> None:
        """Every call comes to its end."""
        for call in self._live:
            self._settle(call)
        self._live.clear()
        self._runner.close()

    def refused_of(self, office_id: str) -> UnpaidCall:
        refused = self._unpaid_call(refusal="no_rate", category="paid")
        return replace(refused, office_id=office_id)

    def _step(self) -> None:
        match self._dice.randrange(12):
            case 0:
                self._carry_out(self._top_up(gbp("20")))
            case 1:
                self._top_up_and_cancel()
            case 2:
                self._refuse()
            case 3 | 4 | 5:
                self._begin()
            case 6:
                self._include()
            case _ if self._live:
                self._go_on(self._dice.choice(self._live))
            case _:
                self._begin()

    def _carry_out(self, command: LedgerCommand[Any]) -> None:
        (outcome,) = self._runner.run([command])
        if isinstance(outcome, Exception):
            raise outcome

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _top_up(self, amount: Money) -> TopUp:
        return TopUp(
            office_id="main",
            amount=amount,
            key=f"k{self._next()}",
            actor="cli:test",
            reason="cash",
            at=self._now,
        )

    def _top_up_and_cancel(self) -> None:
        top_up = self._top_up(gbp("7"))
        self._carry_out(top_up)
        key = f"k{self._made}"
        cancel = CancelTopUp(
            office_id="main", key=key, actor="cli:test", reason="slip", at=self._now
        )
        self._carry_out(cancel)

    def _begin(self) -> None:
        number = self._next()
        country = self._dice.choice(sorted(COUNTRIES))
        endpoint = self._dice.choice(PHONES)
        per_minute = self._dice.choice(("0.10", "0.37"))
        record = new_call(
            request=request(f"{number:032x}", f"00{COUNTRIES[country]}", endpoint=endpoint),
            extension=replace(reception(), endpoint=endpoint),
            office=office_on(UK_PLAN),
            language="en",
            quotation=quotation_of(f"00{COUNTRIES[country]}", rate(per_minute)),
            rate=rate(per_minute),
            now=self._now,
        )
        self._carry_out(AuthoriseCall(record, calls_at_once=None))
        self._live.append(LiveCall(record, number))

    def _go_on(self, call: LiveCall) -> None:
        call_id = call.record.call_id
        if self._dice.random() < 0.3:
            self._live.remove(call)
            self._settle(call)
        elif call.answered_at is None:
            call.answered_at = self._now
            leg = f"leg-{call.number}"
            self._carry_out(AnswerCall(call_id=call_id, leg=leg, answered_at=self._now))
        else:
            call.interval += 1
            reserve = ReserveInterval(call_id=call_id, interval=call.interval, at=self._now)
            self._carry_out(reserve)
            if self._dice.random() < 0.7:
                debit = DebitInterval(call_id=call_id, interval=call.interval, at=self._now)
                self._carry_out(debit)

    def _settle(self, call: LiveCall) -> None:
        paid_s = funded_s(call.interval, call.record.rate)
        talk_s = 0 if call.answered_at is None else self._dice.randrange(1, paid_s + 1)
        self._carry_out(
            SettleCall(
                call_id=call.record.call_id,
                talk_s=talk_s,
                ended_at=self._now,
                hangup_cause=16,
                unproved=None,
                at=self._now,
            )
        )

    def _refuse(self) -> None:
        refused = self._unpaid_call(refusal="insufficient_balance", category="paid")
        self._unpaid.write(known=[refused])

    def _include(self) -> None:
        included = self._unpaid_call(refusal=None, category="included")
        over = replace(included, ended_at=self._now, talk_s=0)
        self._unpaid.write(seen=[over])

    def _unpaid_call(self, *, refusal: str | None, category: str) -> UnpaidCall:
        country = self._dice.choice(sorted(COUNTRIES))
        number = self._next()
        return UnpaidCall(
            call_id=f"{number:032x}",
            office_id="main",
            endpoint=self._dice.choice(PHONES),
            extension="Reception",
            asterisk="pbx",
            caller_channel=f"pbx-{number}",
            dialled=f"00{COUNTRIES[country]}",
            number=COUNTRIES[country],
            country=country,
            kind="mobile",
            category=category,
            refusal=refusal,
            started_at=self._now,
            day=self._now.astimezone(UTC).date().isoformat(),
        )
