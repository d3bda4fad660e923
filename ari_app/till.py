"""The money side of one call: asks the ledger, and says the answer as an event."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from ari_app.messages import (
    Authorised,
    AuthorisedUnmetered,
    DebitFirst,
    Event,
    IncrementRefused,
    IncrementReserved,
    Refused,
    Reserve,
    Settle,
)
from charging.errors import ChargingUnavailable, Refusal
from charging.rates import Rate
from charging.usecases import Authorisation, CallRequest, Charging, Debited

UNAVAILABLE = "unavailable"  # the refusal when the ledger cannot be asked
SETTLE_RETRY_S = (0.2, 1.0, 5.0)  # and the last of them again and again


class Till:
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

    async def authorise(self, heard: Callable[[Authorisation], None]) -> Event:
        """Classify the number and reserve the first increment; `heard` gets the whole answer."""
        try:
            authorisation = await self._charging.authorise(self._request)
        except Refusal as refusal:
            self._log.info("call_refused", code=refusal.code, reason=str(refusal))
            return Refused(refusal.code)
        except ChargingUnavailable as error:
            self._log.error("call_refused", code=UNAVAILABLE, reason=str(error))
            return Refused(UNAVAILABLE)
        heard(authorisation)
        self._log.info("call_authorised", **facts(authorisation))
        rate, funded_s, balance = (
            authorisation.rate,
            authorisation.funded_s,
            authorisation.balance,
        )
        if rate is None or funded_s is None or balance is None:
            return AuthorisedUnmetered(authorisation.number.dial_string)
        return Authorised(
            balance=balance,
            dial_string=authorisation.number.dial_string,
            funded_s=funded_s,
            ahead_s=ahead_s(rate, self._reserve_ahead_s),
        )

    async def debit_first(self, command: DebitFirst) -> None:
        answered_at = moment(command.answered_ms)
        try:
            debited = await self._charging.answered(
                self._call_id, leg=command.leg, answered_at=answered_at
            )
        except ChargingUnavailable as error:  # settlement prices the whole call
            self._log.warning("debit_postponed", interval=0, error=str(error))
            return
        self._log_debit(debited)

    async def debit(self, interval: int) -> None:
        try:
            debited = await self._charging.debit(self._call_id, interval=interval)
        except ChargingUnavailable as error:  # settlement prices the whole call
            self._log.warning("debit_postponed", interval=interval, error=str(error))
            return
        self._log_debit(debited)

    async def reserve(self, command: Reserve) -> Event:
        interval = command.interval
        try:
            reserved = await self._charging.reserve(self._call_id, interval=interval)
        except (Refusal, ChargingUnavailable) as error:
            self._log.info("increment_refused", interval=interval, reason=str(error))
            return IncrementRefused(interval=interval, at_talk_s=command.at_talk_s)
        self._log.info(
            "increment_reserved",
            interval=interval,
            amount_micros=reserved.amount.micros,
            funded_s=reserved.funded_s,
        )
        return IncrementReserved(interval=interval, funded_s=reserved.funded_s)

    async def settle(self, command: Settle) -> None:
        """Try until the ledger has it: what is owed must not depend on a database's mood."""
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
                )
                break
            except ChargingUnavailable as error:
                self._log.warning("settlement_postponed", error=str(error))
                await asyncio.sleep(next(delays_s, SETTLE_RETRY_S[-1]))
        self._log.info(
            "call_settled",
            talk_s=command.talk_s,
            increments=settlement.increments,
            charged_micros=settlement.charged.micros,
            released_micros=settlement.released.micros,
            available_micros=settlement.available.micros,
            hangup_cause=command.hangup_cause,
        )

    def _log_debit(self, debited: Debited) -> None:
        self._log.info(
            "increment_debited",
            interval=debited.interval,
            amount_micros=debited.amount.micros,
            available_micros=debited.available.micros,
        )


def ahead_s(rate: Rate, reserve_ahead_s: float) -> float:
    """How long before an increment begins it is reserved: never more than half an increment."""
    return min(reserve_ahead_s, rate.increment_s / 2)


def facts(authorisation: Authorisation) -> dict[str, object]:
    """What the log says of an authorised call; the number itself is not for logs."""
    known: dict[str, object] = {
        "category": str(authorisation.category),
        "reason": authorisation.reason,
        "destination": authorisation.destination,
    }
    if authorisation.rate is not None and authorisation.reserved is not None:
        known["currency"] = authorisation.rate.currency
        known["per_minute_micros"] = authorisation.rate.per_minute.micros
        known["connection_micros"] = authorisation.rate.connection_charge.micros
        known["reserved_micros"] = authorisation.reserved.micros
        known["funded_s"] = authorisation.funded_s
    return known


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
