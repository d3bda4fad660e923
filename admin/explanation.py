"""What would happen if a number were dialled: the rules of a real call, and nothing reserved."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from admin.context import Context
from admin.output import say
from charging.commands import AuthoriseCall
from charging.deck_file import DeckFormat, read_deck_text
from charging.errors import (
    CurrencyMismatch,
    DestinationBarred,
    InsufficientBalance,
    InvalidNumber,
    Refusal,
)
from charging.extensions import Extension
from charging.money import Money
from charging.numbering import Number, find_emergency, parse_written, written_number
from charging.offices import Office
from charging.plan import Category, Plan, classify
from charging.quotation import Quotation, describe, quote, require_allowed
from charging.rate_deck import DeckKey, RateDeck
from charging.rates import Rate, affordable_s, interval_price
from charging.usecases import CallRequest, new_call
from db.dry_run import try_out
from db.ledger import read_from
from db.rate_decks import decks_in_force, load_rates_of
from plans.files import SAMPLE_DECKS


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is thought to dial, on which plan, and when."""

    extension: Extension
    office: Office
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What would happen. `refusal` is None where the call would be allowed."""

    dialled: str
    number: Number | None
    category: Category
    reason: str
    destination: str
    rate: Rate | None = None
    affordable_s: int | None = None  # None: endless, or nothing to pay
    refusal: Refusal | None = None

    @property
    def reserve(self) -> Money | None:
        return None if self.rate is None else interval_price(0, self.rate)


def caller_of(
    context: Context,
    *,
    plan_name: str | None,
    endpoint: str | None,
    office: str | None,
    at: datetime | None,
) -> Caller:
    """Whoever the options of a command name; without --phone, nobody's limits apply."""
    if endpoint is None:
        office_id = context.office(office)
        extension = Extension(endpoint="", number="", name="", office_id=office_id)
    else:
        extension = context.offices.extension(endpoint)
    caller_office = context.offices.office(extension.office_id)
    if plan_name is not None:
        caller_office = on_plan(caller_office, context.plan(plan_name))
    moment = datetime.now(UTC) if at is None else at
    if moment.tzinfo is None:  # what an admin types is the office's own time
        moment = moment.replace(tzinfo=caller_office.time_zone)
    return Caller(extension=extension, office=caller_office, at=moment)


def on_plan(office: Office, plan: Plan) -> Office:
    """As if it were on another plan, and stood where that plan is sold."""
    return replace(
        office,
        plan=plan,
        site=replace(office.site, country=plan.country),
        time_zone=plan.timezone,
        language=plan.language,
    )


def quote_number(context: Context, dialled: str, caller: Caller) -> Quotation:
    """Raises Refusal."""
    number = number_of(dialled, caller.office)
    return quote(
        number,
        plan=caller.office.plan,
        deck=_deck_for(context, number, caller.office),
        on=caller.office.day_of(caller.at),
    )


def number_of(dialled: str, office: Office) -> Number:
    """As at one of its phones: what means help where its plan is sold is help there too.

    Raises:
        InvalidNumber: not a number, or no number that could exist.
    """
    known = find_emergency(written_number(dialled), office.emergency_sites)
    return known or parse_written(dialled, office.site)


def explain_call(context: Context, dialled: str, caller: Caller) -> Explanation:
    try:
        number = number_of(dialled, caller.office)
    except InvalidNumber as refusal:
        return Explanation(
            dialled=dialled,
            number=None,
            category=Category.INVALID,
            reason=refusal.reason,
            destination="",
            refusal=refusal,
        )
    try:
        quotation = quote_number(context, dialled, caller)
    except Refusal as refusal:
        return _unpriced(number, caller, refusal)
    return _priced(context, quotation, caller)


def _unpriced(number: Number, caller: Caller, refusal: Refusal) -> Explanation:
    barred = isinstance(refusal, DestinationBarred)
    return Explanation(
        dialled=number.dialled,
        number=number,
        category=Category.BARRED if barred else Category.PAID,
        reason=classify(number, caller.office.plan).reason if barred else str(refusal),
        destination=describe(number),
        refusal=refusal,
    )


def _priced(context: Context, quotation: Quotation, caller: Caller) -> Explanation:
    refusal: Refusal | None = None
    balance: Money | None = None
    try:
        require_allowed(caller.extension, quotation, caller.office.plan)
        balance = _balance_to_spend(context, quotation, caller)
    except InsufficientBalance as error:
        refusal, balance = error, error.available
    except Refusal as error:
        refusal = error
    rate = quotation.rate
    return Explanation(
        dialled=quotation.number.dialled,
        number=quotation.number,
        category=quotation.category,
        reason=quotation.reason,
        destination=quotation.destination,
        rate=rate,
        affordable_s=None if rate is None or balance is None else affordable_s(balance, rate),
        refusal=refusal,
    )


def _balance_to_spend(context: Context, quotation: Quotation, caller: Caller) -> Money | None:
    """What a paid call would find.

    None if nothing is to be paid, or if the account is of another currency than a plan that was
    only asked about.

    Raises:
        Refusal: what the authorisation of the call would raise.
    """
    if quotation.rate is None:
        return None
    if context.lacks_ledger:
        raise InsufficientBalance(
            available=Money(0, quotation.rate.currency),
            needed=interval_price(0, quotation.rate),
        )
    request = CallRequest(
        call_id=uuid.uuid4().hex,
        endpoint=caller.extension.endpoint,
        dialled=quotation.number.dialled,
        caller_channel="",
        asterisk="",
    )
    call = new_call(
        request=request,
        extension=caller.extension,
        office=caller.office,
        language=caller.office.language,
        quotation=quotation,
        rate=quotation.rate,
        now=caller.at,
    )
    authorise = AuthoriseCall(call, calls_at_once=caller.extension.calls_at_once)
    try:
        return try_out(context.reader, authorise).available_before
    except CurrencyMismatch:
        return None


def _deck_for(context: Context, number: Number, office: Office) -> Callable[[], RateDeck]:
    """What the deck in force says of one number; where none was imported, the sample deck."""

    def load() -> RateDeck:
        key = office.deck_key
        if not context.lacks_ledger and key in read_from(context.reader, decks_in_force):
            return load_rates_of(context.reader, number.key, key)
        return _sample_deck(key)

    return load


def _sample_deck(key: DeckKey) -> RateDeck:
    currency = key.currency
    file = SAMPLE_DECKS / f"sample-{currency.lower()}.csv"
    if not file.exists():
        return RateDeck((), currency=currency)
    say(f"no {key} deck was imported: using the sample deck", err=True)
    form = DeckFormat(columns={}, currency=currency, effective=date.min)
    return RateDeck(read_deck_text(file.read_bytes(), form).rows, currency=currency)
