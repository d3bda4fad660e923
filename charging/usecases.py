"""What the entry points ask of charging. Calls ports; does no I/O of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from charging.commands import (
    AnswerCall,
    AuthoriseCall,
    CallAuthorised,
    CancelTopUp,
    Debited,
    DebitInterval,
    Reserved,
    ReserveInterval,
    SettleCall,
    Settlement,
    TopUp,
    TopUpCancelled,
)
from charging.errors import InvalidNumber, UnknownExtension
from charging.evidence import EndUnproved
from charging.extensions import Extension
from charging.kinds import LineKind
from charging.language import language_of
from charging.ledger import Balances, CallRecord, SpendingLimits
from charging.money import Money
from charging.numbering import Number, find_emergency, parse_number
from charging.plan import Category, Plan
from charging.ports import Clock, Extensions, Ledger, Plans, RateDecks, Sites
from charging.quotation import Quotation, describe, quote, require_allowed
from charging.rates import Rate, funded_s

__all__ = [
    "Authorisation",
    "Balances",
    "CallRequest",
    "Charging",
    "Debited",
    "PaidAuthorisation",
    "Reserved",
    "Settlement",
    "TopUpCancelled",
    "UnmeteredAuthorisation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    call_id: str  # made by the caller of authorise, before anything is sent
    endpoint: str  # PJSIP endpoint: the only identity
    dialled: str  # as received, untrusted
    caller_channel: str  # Asterisk channel id, and CEL linkedid of all its legs
    asterisk: str  # name of the Asterisk machine or instance
    language: str | None = None  # chosen at the phone, over what its entry and its plan say


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmeteredAuthorisation:
    """An emergency, free or included call: nothing is reserved, nothing will be charged."""

    call_id: str
    office_id: str  # "" for an emergency call, whose caller nobody asks for
    extension: str
    language: str
    number: Number
    destination: str  # "GB landline"
    category: Category
    reason: str  # plain words: "UK plan includes landline lines in GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidAuthorisation:
    """A paid call whose first interval is reserved."""

    call_id: str
    office_id: str
    extension: str
    language: str
    number: Number
    destination: str  # "France mobile"
    reason: str
    rate: Rate
    reserved: Money
    funded_s: int  # talk time that the first reservation pays for
    balance: Money  # available before the reservation: what the caller hears
    category: Category = Category.PAID


Authorisation = UnmeteredAuthorisation | PaidAuthorisation


class Charging:
    """Authorise, meter and settle calls against prepaid balances. Safe to repeat, any of it.

    Every method but a free or included `authorise` may raise ChargingUnavailable: the database is
    locked, full or away. Repeating the same call is then always safe.
    """

    def __init__(  # noqa: PLR0913 - its ports, and nothing else
        self,
        *,
        sites: Sites,
        extensions: Extensions,
        plans: Plans,
        decks: RateDecks,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._extensions = extensions
        self._plans = plans
        self._decks = decks
        self._ledger = ledger
        self._clock = clock

    async def authorise(self, request: CallRequest) -> Authorisation:
        """Decide on a call; if it is paid, reserve its first interval.

        Emergency, free and included numbers are decided in memory and touch no database.

        Raises:
            Refusal: why the caller may not call this number now. Nothing was reserved.
            LedgerFault: the call_id was used before, for something else.
        """
        try:
            extension = self._extensions.find(request.endpoint)
            number = parse_number(request.dialled, self._sites.site_of(extension.office_id))
        except (UnknownExtension, InvalidNumber):
            elsewhere = find_emergency(request.dialled, self._sites.sites())
            if elsewhere is None:
                raise
            return self._emergency(request, elsewhere)
        if number.kind is LineKind.EMERGENCY:
            return self._emergency(request, number)
        plan = self._plans.plan_of(extension.office_id)
        now = self._clock.now()
        quotation = quote(
            number,
            plan=plan,
            deck=lambda: self._decks.deck_of(extension.office_id, plan.currency),
            at=now,
        )
        require_allowed(extension, quotation, plan)
        if quotation.rate is None:
            return _without_money(request, extension, plan, quotation)
        call = new_call(
            request=request,
            extension=extension,
            plan=plan,
            quotation=quotation,
            rate=quotation.rate,
            now=now,
        )
        authorised = await self._ledger.carry_out(
            AuthoriseCall(call, calls_at_once=extension.calls_at_once)
        )
        return _with_money(authorised, number)

    async def answered(self, call_id: str, *, leg: str, answered_at: datetime) -> Debited:
        """Record the carrier leg; the reservation of interval 0 becomes a debit.

        Raises:
            CallSettled: too late, the call is settled: hang the leg up.
            EntryKeyReused: another leg of this call had answered: this one is not paid for.
        """
        return await self._ledger.carry_out(
            AnswerCall(call_id=call_id, leg=leg, answered_at=answered_at)
        )

    async def reserve(self, call_id: str, *, interval: int) -> Reserved:
        """Set money aside for the next interval, before it begins.

        Raises:
            InsufficientBalance, LimitReached: nothing was reserved; it may be tried again.
            CallSettled: the call is over.
            IntervalNotReserved: an interval was left out.
        """
        return await self._ledger.carry_out(
            ReserveInterval(call_id=call_id, interval=interval, at=self._clock.now())
        )

    async def debit(self, call_id: str, *, interval: int) -> Debited:
        """Turn a reservation into a debit, at the beginning of its interval.

        Earlier intervals whose debit was not written are debited with it.

        Raises:
            CallSettled: the call is over.
            IntervalNotReserved: the interval is not reserved.
        """
        return await self._ledger.carry_out(
            DebitInterval(call_id=call_id, interval=interval, at=self._clock.now())
        )

    async def settle(
        self,
        call_id: str,
        *,
        talk_s: int,
        ended_at: datetime,
        hangup_cause: int,
        unproved: EndUnproved | None = None,
    ) -> Settlement:
        """Price the whole call, move the difference and release the rest, exactly once.

        Args:
            call_id: the call.
            talk_s: seconds begun of the carrier leg; 0 if it never answered. An answered
                call counts as at least 1.
            ended_at: when the carrier leg ended.
            hangup_cause: Q.850, 0 when Asterisk does not know.
            unproved: why nobody can say when it ended, where that is so.

        Raises:
            ValueError: talk_s is negative.
            UnknownCall: no such call was authorised.
        """
        return await self._ledger.carry_out(
            SettleCall(
                call_id=call_id,
                talk_s=talk_s,
                ended_at=ended_at,
                hangup_cause=hangup_cause,
                unproved=unproved,
                at=self._clock.now(),
            )
        )

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        """Calls of one Asterisk that are authorised and not settled, for recovery."""
        return await self._ledger.open_calls(asterisk)

    async def balance(self, office_id: str) -> Balances:
        currency = self._plans.plan_of(office_id).currency
        return await self._ledger.balances(office_id, currency)

    async def top_up(
        self, office_id: str, *, amount: Money, key: str, actor: str, reason: str
    ) -> Balances:
        """Put money into an office's account; once per key.

        Raises:
            ValueError: the amount is not positive.
            CurrencyMismatch: the amount is not of the currency of the office's plan.
            EntryKeyReused: the key named another top-up.
        """
        _ = amount + Money(0, self._plans.plan_of(office_id).currency)
        return await self._ledger.carry_out(
            TopUp(
                office_id=office_id,
                amount=amount,
                key=key,
                actor=actor,
                reason=reason,
                at=self._clock.now(),
            )
        )

    async def cancel_top_up(
        self, office_id: str, *, key: str, actor: str, reason: str
    ) -> TopUpCancelled:
        """Take a mistaken top-up out again, as far as it is unspent; once per key.

        Raises:
            UnknownTopUp: the office had no top-up of this key.
            TopUpSpent: nothing of it is unspent.
        """
        return await self._ledger.carry_out(
            CancelTopUp(
                office_id=office_id, key=key, actor=actor, reason=reason, at=self._clock.now()
            )
        )

    def _emergency(self, request: CallRequest, number: Number) -> Authorisation:
        """For dialplans that send these here: ours does not. Asks nobody who is calling."""
        return UnmeteredAuthorisation(
            call_id=request.call_id,
            office_id="",
            extension=request.endpoint,
            language="en",
            number=number,
            destination=describe(number),
            category=Category.EMERGENCY,
            reason=f"{number.digits} is an emergency number",
        )


def _without_money(
    request: CallRequest, extension: Extension, plan: Plan, quotation: Quotation
) -> Authorisation:
    return UnmeteredAuthorisation(
        call_id=request.call_id,
        office_id=extension.office_id,
        extension=extension.name,
        language=language_of(extension, plan, chosen=request.language),
        number=quotation.number,
        destination=quotation.destination,
        category=quotation.category,
        reason=quotation.reason,
    )


def _with_money(authorised: CallAuthorised, number: Number) -> Authorisation:
    """Told from the record, so that a repeated request hears what the first one would have."""
    call = authorised.call
    return PaidAuthorisation(
        call_id=call.call_id,
        office_id=call.office_id,
        extension=call.extension,
        language=call.language,
        number=number,
        destination=call.destination,
        reason=call.reason,
        rate=call.rate,
        reserved=authorised.reserved,
        funded_s=funded_s(0, call.rate),
        balance=authorised.available_before,
    )


def new_call(  # noqa: PLR0913 - everything a call is made of, gathered in one place
    *,
    request: CallRequest,
    extension: Extension,
    plan: Plan,
    quotation: Quotation,
    rate: Rate,
    now: datetime,
) -> CallRecord:
    """The record of a paid call before anything is reserved for it."""
    nothing = Money(0, rate.currency)
    return CallRecord(
        call_id=request.call_id,
        office_id=extension.office_id,
        endpoint=extension.endpoint,
        extension=extension.name,
        language=language_of(extension, plan, chosen=request.language),
        dialled=request.dialled,
        number=quotation.number.digits,
        dial_string=quotation.number.dial_string,
        country=quotation.number.country,
        kind=quotation.number.kind.value,
        destination=quotation.destination,
        reason=quotation.reason,
        rate=rate,
        limits=_limits(extension, plan),
        caller_channel=request.caller_channel,
        asterisk=request.asterisk,
        authorised_at=now,
        spending_day=now.astimezone(plan.timezone).date().isoformat(),
        held=nothing,
        debited=nothing,
    )


def _limits(extension: Extension, plan: Plan) -> SpendingLimits:
    return SpendingLimits(
        extension_day=extension.day_limit,
        extension_month=extension.month_limit,
        office_day=plan.daily_ceiling,
    )
