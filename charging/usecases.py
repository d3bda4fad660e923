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
from charging.errors import UnknownExtension
from charging.evidence import EndUnproved
from charging.extensions import Extension
from charging.kinds import LineKind
from charging.ledger import Balances, CallRecord, MoneyNews, SpendingLimits
from charging.money import Money
from charging.numbering import Number, find_emergency
from charging.offices import Office, OfficesSnapshot
from charging.plan import Category
from charging.ports import Clock, Ledger, Offices, RateDecks
from charging.quotation import Quotation, describe, quote, require_allowed
from charging.rates import Rate, funded_s
from charging.refill_commands import WantRefill

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
    language: str | None = None  # chosen at the phone, over whatever else says one


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

    def __init__(self, *, offices: Offices, decks: RateDecks, ledger: Ledger, clock: Clock) -> None:
        self._offices = offices
        self._decks = decks
        self._ledger = ledger
        self._clock = clock

    def language_for(self, request: CallRequest, *, asterisk: str) -> str:
        """What the caller hears, a refusal too; `asterisk` is what its channel says."""
        return _language_for(self._offices.snapshot(), request, asterisk=asterisk)

    async def authorise(self, request: CallRequest) -> Authorisation:
        """Decide on a call; if it is paid, reserve its first interval.

        Emergency, free and included numbers are decided in memory and touch no database. Whatever
        is decided comes from one snapshot: files that change meanwhile decide the next call.

        Raises:
            Refusal: why the caller may not call this number now. Nothing was reserved.
            LedgerFault: the call_id was used before, for something else.
        """
        offices = self._offices.snapshot()
        try:
            extension = offices.extension(request.endpoint)
        except UnknownExtension:
            emergency = find_emergency(request.dialled, offices.emergency_sites)
            if emergency is None:
                raise
            return _emergency(offices, request, emergency)
        office = offices.office(extension.office_id)
        number = office.parse(request.dialled)
        if number.kind is LineKind.EMERGENCY:
            return _emergency(offices, request, number)
        now = self._clock.now()
        quotation = quote(
            number,
            plan=office.plan,
            deck=lambda: self._decks.deck(office.deck_key),
            on=office.day_of(now),
        )
        require_allowed(extension, quotation, office.plan)
        language = _language_for(offices, request)
        if quotation.rate is None:
            return _without_money(request, extension, language, quotation)
        call = new_call(
            request=request,
            extension=extension,
            office=office,
            language=language,
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

    async def money_news(self, office_id: str, currency: str) -> MoneyNews:
        """Whether a caller who lacks money has it now, or may soon have it."""
        return await self._ledger.money_news(office_id, currency, self._clock.now())

    async def want_refill(self, office_id: str, *, needed: Money) -> None:
        """A live call will lack money: begin a refill now, if the office refills itself."""
        await self._ledger.carry_out(
            WantRefill(office_id=office_id, needed=needed, at=self._clock.now())
        )

    async def open_calls(self, asterisk: str) -> Sequence[CallRecord]:
        """Calls of one Asterisk that are authorised and not settled, for recovery."""
        return await self._ledger.open_calls(asterisk)

    async def balance(self, office_id: str) -> Balances:
        """What an office can spend.

        Raises:
            UnknownOffice: there is none of that name.
        """
        currency = self._offices.snapshot().office(office_id).currency
        return await self._ledger.balances(office_id, currency)

    async def balance_of_call(self, office_id: str, rate: Rate) -> Balances:
        """What the office of a call under way can spend, even if the settings lost it meanwhile."""
        return await self._ledger.balances(office_id, rate.currency)

    async def top_up(
        self, office_id: str, *, amount: Money, key: str, actor: str, reason: str
    ) -> Balances:
        """Put money into an office's account; once per key.

        Raises:
            ValueError: the amount is not positive.
            UnknownOffice: there is none of that name.
            CurrencyMismatch: the amount is not of the office's currency.
            EntryKeyReused: the key named another top-up.
        """
        _ = amount + Money(0, self._offices.snapshot().office(office_id).currency)
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


def _language_for(offices: OfficesSnapshot, request: CallRequest, *, asterisk: str = "") -> str:
    return offices.language_for(request.endpoint, chosen=request.language, asterisk=asterisk)


def _emergency(offices: OfficesSnapshot, request: CallRequest, number: Number) -> Authorisation:
    """For dialplans that send these here: ours does not. Asks nobody who is calling."""
    return UnmeteredAuthorisation(
        call_id=request.call_id,
        office_id="",
        extension=request.endpoint,
        language=_language_for(offices, request),
        number=number,
        destination=describe(number),
        category=Category.EMERGENCY,
        reason=f"{number.digits} is an emergency number",
    )


def _without_money(
    request: CallRequest, extension: Extension, language: str, quotation: Quotation
) -> Authorisation:
    return UnmeteredAuthorisation(
        call_id=request.call_id,
        office_id=extension.office_id,
        extension=extension.name,
        language=language,
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
    office: Office,
    language: str,
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
        language=language,
        dialled=request.dialled,
        number=quotation.number.digits,
        dial_string=quotation.number.dial_string,
        country=quotation.number.country,
        kind=quotation.number.kind.value,
        destination=quotation.destination,
        reason=quotation.reason,
        rate=rate,
        limits=_limits(extension, office),
        caller_channel=request.caller_channel,
        asterisk=request.asterisk,
        authorised_at=now,
        spending_day=office.day_of(now).isoformat(),
        held=nothing,
        debited=nothing,
    )


def _limits(extension: Extension, office: Office) -> SpendingLimits:
    return SpendingLimits(
        extension_day=extension.day_limit,
        extension_month=extension.month_limit,
        office_day=office.plan.daily_ceiling,
    )
