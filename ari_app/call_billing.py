"""The money side of one call: asks the ledger, and says the answer as an event."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from ari_app.messages import (
    Authorised,
    AuthorisedUnmetered,
    CheckMoney,
    Debit,
    DebitFirst,
    DebitPostponed,
    Event,
    IntervalPostponed,
    IntervalRefused,
    IntervalReserved,
    MeteringSchedule,
    MoneyLasts,
    MoneyShort,
    RefillUnderWay,
    Refused,
    Reserve,
    Settle,
)
from charging.errors import (
    ChargingUnavailable,
    InsufficientBalance,
    LedgerFault,
    Refusal,
)
from charging.money import Money
from charging.rates import SECONDS_PER_MINUTE, Rate, affordable_s, charge_for
from charging.unpaid_calls import UNAVAILABLE
from charging.usecases import (
    Authorisation,
    CallRequest,
    Charging,
    Debited,
    PaidAuthorisation,
    UnmeteredAuthorisation,
)

SHORTEST_WARNING_S = 10.0
REFILL_AHEAD_S = 120.0  # a card may take a minute, and its decline leaves time for a warning
SETTLE_RETRY_S = (0.2, 1.0, 5.0)  # and the last of them again and again


class CallBilling:
    def __init__(
        self,
        request: CallRequest,
        *,
        charging: Charging,
        reserve_ahead_s: float,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._request = request
        self._charging = charging
        self._reserve_ahead_s = reserve_ahead_s
        self._log = log
        self._call_id = request.call_id
        self._terms: Terms | None = None
        self.refusal: Refusal | None = None  # why the call was not authorised
        self._faults = 0  # steps of this call that the ledger found to make no sense

    def resume(self, terms: "Terms") -> None:
        """Go on with a call that was authorised before."""
        self._terms = terms

    async def authorise(self, heard: Callable[[Authorisation], None]) -> Event:
        """Classify the number and reserve the first increment; `heard` gets the whole answer."""
        try:
            authorisation = await self._charging.authorise(self._request)
        except Refusal as refusal:
            self.refusal = refusal
            if isinstance(refusal, InsufficientBalance) and refusal.refill_under_way:
                self._log.info("refill_under_way", reason=str(refusal))
                return RefillUnderWay(office_id=refusal.office_id, needed=refusal.needed)
            self._log.info("call_refused", code=refusal.code, reason=str(refusal))
            return Refused(refusal.code)
        except ChargingUnavailable as error:
            self._log.error("call_refused", code=UNAVAILABLE, reason=str(error))
            return Refused(UNAVAILABLE)
        except LedgerFault as fault:
            self._note_fault("authorise", fault)
            return Refused(UNAVAILABLE)
        heard(authorisation)
        self._log.info(
            "call_authorised", channel=self._request.caller_channel, **facts(authorisation)
        )
        dial_string = authorisation.number.dial_string
        match authorisation:
            case UnmeteredAuthorisation():
                return AuthorisedUnmetered(dial_string)
            case PaidAuthorisation(office_id=office_id, rate=rate):
                self._terms = Terms(office_id, rate)
                return Authorised(
                    balance=authorisation.balance,
                    dial_string=dial_string,
                    funded_s=authorisation.funded_s,
                    schedule=schedule_of(rate, self._reserve_ahead_s),
                )

    async def debit_first(self, command: DebitFirst) -> Event | None:
        """The reservation of the first increment becomes a debit, with the leg on record."""
        answered_at = moment(command.answered_ms)
        answered = self._charging.answered(self._call_id, leg=command.leg, answered_at=answered_at)
        return await self._debited(answered, interval=0, at_talk_s=command.at_talk_s)

    async def debit(self, command: Debit) -> Event | None:
        debit = self._charging.debit(self._call_id, interval=command.interval)
        return await self._debited(debit, interval=command.interval, at_talk_s=command.at_talk_s)

    async def check_money(self, command: CheckMoney) -> Event | None:
        """Is it still true that the money ends at `talk_s`? Unknown is not a reason to warn."""
        if self._terms is None:
            return None
        rate = self._terms.rate
        try:
            balances = await self._charging.balance_of_call(self._terms.office_id, rate)
        except (ChargingUnavailable, LedgerFault) as error:
            self._log.warning("money_not_checked", error=str(error))
            return None
        needed = charge_for(command.talk_s + 1, rate) - charge_for(command.funded_s, rate)
        if balances.available >= needed:
            return None
        await self._want_refill(self._terms.office_id, needed)
        if not command.warns:
            return None
        left_s = round(schedule_of(rate, self._reserve_ahead_s).warn_ahead_s)
        return MoneyShort(left_s=left_s, talk_s=command.talk_s)

    async def _want_refill(self, office_id: str, needed: Money) -> None:
        """Where none can be begun the call is warned and ends, as without one."""
        try:
            await self._charging.want_refill(office_id, needed=needed)
        except (ChargingUnavailable, LedgerFault) as error:
            self._log.warning("refill_not_wanted", error=str(error))

    async def reserve(self, command: Reserve) -> Event:
        interval = command.interval
        try:
            reserved = await self._charging.reserve(self._call_id, interval=interval)
        except Refusal as refusal:
            self._log.info("interval_refused", interval=interval, reason=str(refusal))
            return IntervalRefused(interval=interval, at_talk_s=command.at_talk_s)
        except ChargingUnavailable as error:
            self._log.warning("interval_postponed", interval=interval, error=str(error))
            return IntervalPostponed(interval=interval, at_talk_s=command.at_talk_s)
        except LedgerFault as fault:
            self._note_fault("reserve", fault)
            return IntervalPostponed(interval=interval, at_talk_s=command.at_talk_s)
        self._log.info(
            "interval_reserved",
            interval=interval,
            amount_micros=reserved.amount.micros,
            funded_s=reserved.funded_s,
        )
        return IntervalReserved(interval=interval, funded_s=reserved.funded_s)

    async def settle(self, command: Settle) -> None:
        """Try until the ledger has it: what is owed must not depend on the database being up."""
        now = datetime.now(UTC)
        ended_at = now if command.ended_ms is None else moment(command.ended_ms)
        delays_s = iter(SETTLE_RETRY_S)
        while True:
            try:
                settlement = await self._charging.settle(
                    self._call_id,
                    talk_s=command.talk_s,
                    ended_at=ended_at,
                    hangup_cause=command.hangup_cause,
                    unproved=command.unproved,
                )
                break
            except ChargingUnavailable as error:
                self._log.warning("settlement_postponed", error=str(error))
                await asyncio.sleep(next(delays_s, SETTLE_RETRY_S[-1]))
            except LedgerFault as fault:  # the sweep tries again, and tells of it again
                self._note_fault("settle", fault)
                return
        self._log.info(
            "call_settled",
            talk_s=command.talk_s,
            increments=settlement.increments,
            charged_micros=settlement.charged.micros,
            released_micros=settlement.released.micros,
            available_micros=settlement.available.micros,
            hangup_cause=command.hangup_cause,
            **({"end_unproved": command.unproved} if command.unproved else {}),
            **({"ledger_faults": self._faults} if self._faults else {}),
        )

    async def _debited(
        self, debit: Awaitable[Debited], *, interval: int, at_talk_s: float
    ) -> Event | None:
        """The interval is reserved, so whatever happens here the call is paid for and goes on."""
        try:
            debited = await debit
        except ChargingUnavailable as error:
            self._log.warning("debit_postponed", interval=interval, error=str(error))
            return DebitPostponed(interval=interval, at_talk_s=at_talk_s)
        except LedgerFault as fault:  # settlement prices the whole call
            self._note_fault("debit", fault)
            return None
        self._log_debit(debited)
        if self._terms is None:
            return None
        lasts_s = money_lasts_s(debited, self._terms.rate)
        return None if lasts_s is None else MoneyLasts(lasts_s)

    def _note_fault(self, step: str, fault: LedgerFault) -> None:
        self._faults += 1
        self._log.error("ledger_fault", step=step, code=fault.code, error=str(fault))

    def _log_debit(self, debited: Debited) -> None:
        self._log.info(
            "interval_debited",
            interval=debited.interval,
            amount_micros=debited.amount.micros,
            available_micros=debited.available.micros,
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """Who pays for a call, and at what price."""

    office_id: str
    rate: Rate


def money_lasts_s(debited: Debited, rate: Rate) -> int | None:
    """For how long, from answer, the office can pay this call; None: for ever."""
    return affordable_s(charge_for(debited.funded_s, rate) + debited.available, rate)


def schedule_of(rate: Rate, reserve_ahead_s: float) -> MeteringSchedule:
    """Never reserve more than half an increment early; warn a minute ahead where minutes count."""
    half_s = rate.increment_s / 2
    per_minute = rate.increment_s == SECONDS_PER_MINUTE
    return MeteringSchedule(
        reserve_ahead_s=min(reserve_ahead_s, half_s),
        warn_ahead_s=SECONDS_PER_MINUTE if per_minute else max(SHORTEST_WARNING_S, half_s),
        refill_ahead_s=REFILL_AHEAD_S,
    )


def facts(authorisation: Authorisation) -> dict[str, object]:
    """What the log says of an authorised call; the number itself is not for logs."""
    known: dict[str, object] = {
        "category": str(authorisation.category),
        "reason": authorisation.reason,
        "destination": authorisation.destination,
    }
    if isinstance(authorisation, PaidAuthorisation):
        known["currency"] = authorisation.rate.currency
        known["per_minute_micros"] = authorisation.rate.per_minute.micros
        known["connection_micros"] = authorisation.rate.connection_charge.micros
        known["per_call_micros"] = authorisation.rate.per_call.micros
        known["initial_s"] = authorisation.rate.initial_s
        known["increment_s"] = authorisation.rate.increment_s
        known["reserved_micros"] = authorisation.reserved.micros
        known["funded_s"] = authorisation.funded_s
    return known


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
