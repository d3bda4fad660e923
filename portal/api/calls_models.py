"""Calls as the API shows them."""

from enum import StrEnum

from charging.call_price import CallPrice, CallState
from charging.entries import PostedEntry
from charging.ledger import CallRecord
from charging.rates import Rate
from db.call_lists import ListedCall
from db.call_requests import HangUpRequest
from portal import call_words
from portal.api.values import Amount, Answer, Moment, amount_if, amount_of
from portal.words import Words


class CallOutcome(StrEnum):
    PAID = "paid"
    INCLUDED = "included"
    FREE = "free"
    REFUSED = "refused"


class RateShown(Answer):
    per_minute: Amount
    connection_charge: Amount
    per_call: Amount
    initial_s: int
    increment_s: int


class Phone(Answer):
    endpoint: str
    name: str


class Refused(Answer):
    """Why an attempt was not connected."""

    code: str
    detail: str
    sentence: str


class CallShown(Answer):
    id: str
    started_at: Moment
    phone: Phone
    dialled: str
    number: str
    country: str
    kind: str
    destination: str
    outcome: CallOutcome
    refusal: Refused | None
    answered_at: Moment | None
    ended_at: Moment | None
    talk_s: int | None
    cost: Amount | None
    under_way: bool
    hangup_cause: int | None


class LiveCall(Answer):
    """A paid call that goes on."""

    id: str
    started_at: Moment
    phone: Phone
    number: str
    country: str
    kind: str
    state: CallState
    answered_at: Moment | None
    talk_s: int
    rate: RateShown
    cost: Amount
    reserved: Amount


class LiveCalls(Answer):
    at: Moment
    calls: list[LiveCall]


class Calls(Answer):
    calls: list[CallShown]
    next: str | None


class EntryShown(Answer):
    number: int
    kind: str
    posted_at: Moment
    amounts: list[Amount]


class HangUp(Answer):
    """A request that a call be ended; the application that carries it does so within seconds."""

    id: str
    call: str
    by: str
    asked_at: Moment
    outcome: str | None
    done_at: Moment | None


class PriceShown(Answer):
    """Connection, price per call and time are the price."""

    state: CallState
    rate: RateShown
    talk_s: int
    billable_s: int
    connection: Amount
    per_call: Amount
    time: Amount
    price: Amount
    charged: Amount
    unpaid: Amount
    sentence: str


class OneCall(CallShown):
    price: PriceShown | None
    entries: list[EntryShown]
    hang_ups: list[HangUp]


def rate_shown(rate: Rate) -> RateShown:
    return RateShown(
        per_minute=amount_of(rate.per_minute),
        connection_charge=amount_of(rate.connection_charge),
        per_call=amount_of(rate.per_call),
        initial_s=rate.initial_s,
        increment_s=rate.increment_s,
    )


def call_shown(words: Words, call: ListedCall) -> CallShown:
    refusal = None
    if call.refusal is not None:
        sentence = call_words.why_refused(words, call.refusal, call.refusal_detail)
        refusal = Refused(code=call.refusal, detail=call.refusal_detail, sentence=sentence)
    return CallShown(
        id=call.call_id,
        started_at=call.started_at,
        phone=Phone(endpoint=call.endpoint, name=call.extension),
        dialled=call.dialled,
        number=call_words.written(call.number, call.dialled),
        country=call.country,
        kind=call.kind,
        destination=call.destination,
        outcome=CallOutcome(call.outcome),
        refusal=refusal,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        talk_s=call.talk_s,
        cost=amount_if(call.cost),
        under_way=call.under_way,
        hangup_cause=call.hangup_cause,
    )


def live_call(call: CallRecord, price: CallPrice) -> LiveCall:
    return LiveCall(
        id=call.call_id,
        started_at=call.authorised_at,
        phone=Phone(endpoint=call.endpoint, name=call.extension),
        number=call_words.written(call.number, call.dialled),
        country=call.country,
        kind=call.kind,
        state=price.state,
        answered_at=call.answered_at,
        talk_s=price.talk_s,
        rate=rate_shown(call.rate),
        cost=amount_of(price.price),
        reserved=amount_of(call.held),
    )


def price_shown(words: Words, price: CallPrice) -> PriceShown:
    return PriceShown(
        state=price.state,
        rate=rate_shown(price.rate),
        talk_s=price.talk_s,
        billable_s=price.billable_s,
        connection=amount_of(price.connection),
        per_call=amount_of(price.per_call),
        time=amount_of(price.time),
        price=amount_of(price.price),
        charged=amount_of(price.charged),
        unpaid=amount_of(price.unpaid),
        sentence=call_words.why_it_cost(words, price),
    )


def entry_shown(posted: PostedEntry) -> EntryShown:
    return EntryShown(
        number=posted.number,
        kind=posted.entry.kind.value,
        posted_at=posted.posted_at,
        amounts=[amount_of(posting.amount) for posting in posted.entry.postings],
    )


def hang_up_shown(request: HangUpRequest) -> HangUp:
    return HangUp(
        id=request.request_id,
        call=request.call_id,
        by=request.actor,
        asked_at=request.asked_at,
        outcome=None if request.outcome is None else request.outcome.value,
        done_at=request.done_at,
    )
