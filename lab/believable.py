"""A month of an office's life: calls by ten phones, money in, and what was refused.

Made with the commands that real calls use, on a clock that is set back, so that every amount is
what a real call would have cost. The same seed makes the same month.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Any

from sqlalchemy import event

from charging.commands import (
    AnswerCall,
    AuthoriseCall,
    DebitInterval,
    ReserveInterval,
    SettleCall,
    TopUp,
)
from charging.errors import InsufficientBalance
from charging.extensions import Extension
from charging.ledger import NO_LIMITS, CallRecord, LedgerCommand
from charging.money import MICROS_PER_UNIT, Money
from charging.offices import Office
from charging.quotation import quote
from charging.rate_deck import RateDeck
from charging.rates import Rate, funded_s
from charging.receipts import ReceiptTerms
from charging.unpaid_calls import UnpaidCall
from db.batches import BatchRunner
from db.engine import open_engine
from db.unpaid_calls import UnpaidCalls
from lab.believable_money import CardMoney

ASTERISK = "pbx"
NORMAL_CLEARING, NO_ANSWER = 16, 19
TOP_UP_UNITS = 10
DECLINES_FOR = timedelta(hours=30)  # before the month ends
LOW = 3  # units: below, somebody tops up
CALLS_OF_A_DAY = 24
RINGS = timedelta(seconds=12)
# Shares of all calls, or of what they are shares of.
CALLS_AT_HOME, NOT_ANSWERED, NOT_ALLOWED, FORGOTTEN = 0.45, 0.12, 0.03, 0.9
OPENS, CLOSES = time(8, 30), time(18)

NAMES = (
    *("Reception", "Anna Weber", "Workshop", "Priya Shah", "Tom Reed"),
    *("Accounts", "Claire Dubois", "Warehouse", "Meeting room", "Oliver Grant"),
)
# Numbers that belong to nobody, as the regulators reserve them for such use, or that look so.
ABROAD = (
    *("0033612345678", "0033698765432", "0033199001234", "0033261912345"),
    *("0049305550123", "004915155501234", "0034915550123", "0039065550123"),
    *("0012125550123", "0031205550123", "00353155501234", "0041445550123"),
)
AT_HOME = (
    *("02079460101", "02079460456", "01632960123", "01614960789", "07700900123", "07700900456"),
    *("01514960321", "07700900789"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Whose month it is."""

    office: Office
    deck: RateDeck
    until: datetime
    days: int = 30
    by_card: bool = False  # a card is on file: it refills the account, until one is declined
    terms: ReceiptTerms | None = None


def phones(office_id: str, *, first: int = 1001) -> tuple[Extension, ...]:
    return tuple(
        Extension(
            endpoint=str(first + place),
            number=str(first + place),
            name=name,
            office_id=office_id,
        )
        for place, name in enumerate(NAMES)
    )


def _costs_nothing(currency: str) -> Rate:
    nothing = Money(0, currency)
    return Rate(
        per_minute=nothing,
        connection_charge=nothing,
        per_call=nothing,
        initial_s=60,
        increment_s=60,
    )


def fill(url: str, setting: Setting, *, seed: int = 1) -> None:
    """Write the month. The ledger of this office must be empty."""
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":  # what can be made anew need not be synced at every step
        event.listen(engine, "connect", _do_not_sync)
    batches = BatchRunner(engine)
    card = None
    if setting.by_card:
        card = CardMoney(
            engine=engine,
            batches=batches,
            office_id=setting.office.id,
            currency=setting.office.currency,
            terms=setting.terms,
            decline_from=setting.until - DECLINES_FOR,
        )
    drawn = random.Random(seed)  # noqa: S311 - no secret
    _Month(batches, UnpaidCalls(engine), setting, drawn, card).write()
    batches.close()
    engine.dispose()


def _do_not_sync(connection: Any, record: Any) -> None:
    del record
    connection.execute("PRAGMA synchronous = OFF")


class _Month:
    def __init__(
        self,
        batches: BatchRunner,
        unpaid: UnpaidCalls,
        setting: Setting,
        drawn: random.Random,
        card: CardMoney | None,
    ) -> None:
        self._batches = batches
        self._unpaid = unpaid
        self._of = setting
        self._drawn = drawn
        self._card = card
        self._phones = phones(setting.office.id)
        self._calls = 0
        self._top_ups = 0

    def write(self) -> None:
        first = self._local(self._of.until).date() - timedelta(days=self._of.days)
        opens = datetime.combine(first, OPENS, self._of.office.time_zone)
        if self._card is None:
            self._top_up(opens)
        else:
            self._card.switch_on(opens)
        ends = self._of.until - timedelta(hours=1)
        for number, day in enumerate(first + timedelta(d) for d in range(self._of.days + 1)):
            if self._card is not None and number == self._of.days // 2:
                closes = datetime.combine(day, CLOSES, self._of.office.time_zone)
                self._card.buy_by_mistake(closes - timedelta(days=1), key="mistake")
            for moment in self._moments(day):
                if moment < ends:
                    self._call(moment)
        if self._card is not None:
            self._card.end_declined(ends)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._of.office.time_zone)

    def _moments(self, day: date) -> Sequence[datetime]:
        at_weekend = day.weekday() >= 5  # noqa: PLR2004 - Saturday
        calls = self._drawn.randint(0, 2) if at_weekend else CALLS_OF_A_DAY
        opens = datetime.combine(day, OPENS, self._of.office.time_zone)
        span_s = (CLOSES.hour - OPENS.hour) * 3600
        drawn = [self._drawn.randrange(span_s) for _ in range(calls)]
        return [opens + timedelta(seconds=second) for second in sorted(drawn)]

    def _call(self, at: datetime) -> None:
        extension = self._drawn.choice(self._phones)
        at_home = self._drawn.random() < CALLS_AT_HOME
        dialled = self._drawn.choice(AT_HOME if at_home else ABROAD)
        call_id = f"{int(at.timestamp() * 1_000_000):016x}{self._calls:016x}"
        self._calls += 1
        number = self._of.office.parse(dialled)
        quotation = quote(
            number,
            plan=self._of.office.plan,
            deck=lambda: self._of.deck,
            on=self._of.office.day_of(at),
        )
        rate = quotation.rate or _costs_nothing(self._of.office.currency)
        call = CallRecord(
            call_id=call_id,
            office_id=self._of.office.id,
            endpoint=extension.endpoint,
            extension=extension.name,
            language=self._of.office.language,
            dialled=dialled,
            number=number.digits,
            dial_string=number.dial_string,
            country=number.country,
            kind=number.kind.value,
            destination=quotation.destination,
            reason=quotation.reason,
            rate=rate,
            limits=NO_LIMITS,
            caller_channel=f"PJSIP/{extension.endpoint}-{self._calls:08x}",
            asterisk=ASTERISK,
            authorised_at=at,
            spending_day=self._local(at).date().isoformat(),
            held=Money(0, rate.currency),
            debited=Money(0, rate.currency),
        )
        if quotation.rate is None:
            self._included(call, quotation.category.value)
        elif self._drawn.random() < NOT_ALLOWED:
            self._refused(call, "extension_not_allowed", "international")
        else:
            self._paid(call)

    def _paid(self, call: CallRecord) -> None:
        answers = self._drawn.random() > NOT_ANSWERED
        wanted_s = min(1 + int(self._drawn.expovariate(1 / 170)), 2400) if answers else 0
        outcomes = self._batches.run([*self._begun(call, wanted_s)])
        if isinstance(outcomes[0], InsufficientBalance):
            self._refused(call, "insufficient_balance")
            self._fill_again(call.authorised_at + timedelta(minutes=1))
            return
        refused = [isinstance(outcome, InsufficientBalance) for outcome in outcomes]
        intervals = (refused.index(True) if True in refused else len(refused)) // 2
        talk_s = min(wanted_s, funded_s(intervals - 1, call.rate))  # the money may have run out
        ended_at = call.authorised_at + RINGS + timedelta(seconds=talk_s)
        [settled] = self._batches.run(
            [
                SettleCall(
                    call_id=call.call_id,
                    talk_s=talk_s,
                    ended_at=ended_at,
                    hangup_cause=NORMAL_CLEARING if answers else NO_ANSWER,
                    at=ended_at,
                )
            ]
        )
        low = settled.available.micros < LOW * MICROS_PER_UNIT
        if self._card is not None or (low and self._drawn.random() > FORGOTTEN):
            self._fill_again(ended_at + timedelta(seconds=3))

    def _fill_again(self, at: datetime) -> None:
        if self._card is None:
            self._top_up(at)
        else:
            self._card.answer(at)

    def _begun(self, call: CallRecord, talk_s: int) -> Iterator[LedgerCommand[Any]]:
        """Authorised, answered, and each interval reserved and debited: two commands for each."""
        answered_at = call.authorised_at + RINGS
        leg = f"PJSIP/trunk-{self._calls:08x}"
        yield AuthoriseCall(call, calls_at_once=None)
        if not talk_s:
            return
        yield AnswerCall(call_id=call.call_id, leg=leg, answered_at=answered_at)
        for interval in count(1):
            paid_s = funded_s(interval - 1, call.rate)
            if paid_s >= talk_s:
                return
            at = answered_at + timedelta(seconds=paid_s)
            early = at - timedelta(seconds=10)
            yield ReserveInterval(call_id=call.call_id, interval=interval, at=early)
            yield DebitInterval(call_id=call.call_id, interval=interval, at=at)

    def _refused(self, call: CallRecord, refusal: str, detail: str = "") -> None:
        self._write_unpaid(call, category="paid", refusal=refusal, refusal_detail=detail)

    def _included(self, call: CallRecord, category: str) -> None:
        answers = self._drawn.random() > NOT_ANSWERED
        talk_s = 1 + int(self._drawn.expovariate(1 / 150)) if answers else 0
        rings_until = call.authorised_at + RINGS
        self._write_unpaid(
            call,
            category=category,
            answered_at=rings_until if answers else None,
            ended_at=rings_until + timedelta(seconds=talk_s),
            talk_s=talk_s,
            hangup_cause=NORMAL_CLEARING if answers else NO_ANSWER,
        )

    def _write_unpaid(self, call: CallRecord, **how: Any) -> None:
        row = UnpaidCall(
            call_id=call.call_id,
            office_id=call.office_id,
            endpoint=call.endpoint,
            extension=call.extension,
            asterisk=call.asterisk,
            caller_channel=call.caller_channel,
            dialled=call.dialled,
            number=call.number,
            country=call.country,
            kind=call.kind,
            started_at=call.authorised_at,
            day=call.spending_day,
            **how,
        )
        self._unpaid.write(known=[row], seen=[row])

    def _top_up(self, at: datetime) -> None:
        self._top_ups += 1
        self._batches.run(
            [
                TopUp(
                    office_id=self._of.office.id,
                    amount=Money(TOP_UP_UNITS * MICROS_PER_UNIT, self._of.office.currency),
                    key=f"month-{self._top_ups}",
                    actor="user:anna@example.com",
                    reason="",
                    at=at,
                )
            ]
        )
