"""`tollgate call`: everything that is known of one call, those under way, and how to end one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from admin.call_words import money_words, price_lines, refusal_words, signed, talk_words
from admin.context import AsJson, Office, actor, command, fail
from admin.default_command import WithDefault
from admin.output import print_json, say, say_in_columns
from charging.call_price import CallPrice, CallState, explain_price
from charging.entries import PostedEntry, available
from charging.errors import UnknownCall
from charging.ledger import CallRecord
from charging.unpaid_calls import UnpaidCall
from db.call_requests import HangUpRequest, ask_to_hang_up, requests_of
from db.ledger import read_from
from db.one_call import PaidCallLife, find_call, live_calls

CARRIED_OUT_MAX_S = 10.0
LOOK_EVERY_S = 0.2


class ShowsByDefault(WithDefault):
    """`tollgate call ID` is `tollgate call show ID`: an id is no command's name."""

    invoked_by_itself = "show"


app = typer.Typer(
    cls=ShowsByDefault,
    no_args_is_help=True,
    help="Show a call by its id, those under way, or end one.",
)


@app.command()
def show(
    call_id: Annotated[str, typer.Argument(help="As `tollgate calls` and logs name it.")],
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the life of one call, and why it costs what it costs."""
    with command() as context:
        office_id = context.office(office)
        zone = context.offices.office(office_id).time_zone
        found = read_from(context.reader, partial(find_call, office_id=office_id, call_id=call_id))
        asked = read_from(context.reader, partial(requests_of, call_id=call_id))
    match found:
        case None:
            fail(f"office {office_id} has no call {call_id!r}")
        case UnpaidCall():
            _show_unpaid(found, zone, as_json=as_json)
        case PaidCallLife():
            _show_paid(found, asked, zone, as_json=as_json)


@app.command()
def live(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show the paid calls under way, with what each costs so far."""
    with command() as context:
        office_id = context.office(office)
        calls = read_from(context.reader, partial(live_calls, office_id=office_id))
    now = datetime.now(UTC)
    priced = [(call, explain_price(call, now)) for call in calls]
    if as_json:
        rows = [_live_json(call, price) for call, price in priced]
        print_json({"office": office_id, "calls": rows})
        return
    say_in_columns([_live_line(call, price) for call, price in priced])
    say(f"{len(calls)} paid calls under way")


@app.command()
def hangup(
    call_id: Annotated[str, typer.Argument(help="As `tollgate call live` names it.")],
    office: Office = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the request.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """End a paid call under way; it is charged for its talk until then. Who asked is kept."""
    with command() as context:
        office_id = context.office(office)
        context.require_ledger()
        try:
            asked = ask_to_hang_up(
                context.engine,
                office_id=office_id,
                call_id=call_id,
                actor=actor(),
                reason=reason,
                at=datetime.now(UTC),
            )
        except UnknownCall:
            fail(f"office {office_id} has no paid call {call_id!r}")
        done = _wait_for(context.engine, asked)
    if as_json:
        print_json(_request_json(done))
    elif done.outcome is None:
        fail(f"not done in {CARRIED_OUT_MAX_S:.0f} s: is the application that carries it running?")
    else:
        say({"hung_up": "hung up", "over": "it was over already"}[done.outcome.value])


def _wait_for(engine: Engine, asked: HangUpRequest) -> HangUpRequest:
    """What has become of a request, as soon as the application says so."""
    until_s = time.monotonic() + CARRIED_OUT_MAX_S
    while asked.outcome is None and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
        found = read_from(engine, partial(requests_of, call_id=asked.call_id))
        asked = next(each for each in found if each.request_id == asked.request_id)
    return asked


# --- words ----------------------------------------------------------------------------------------


def _show_paid(
    life: PaidCallLife, asked: Sequence[HangUpRequest], zone: tzinfo, *, as_json: bool
) -> None:
    call = life.call
    price = explain_price(call, datetime.now(UTC))
    if as_json:
        print_json(_paid_json(life, price, asked, zone))
        return
    say(f"{call.extension} ({call.endpoint}) dialled {call.dialled}: +{call.number}")
    say_in_columns([*_moments(call, asked, zone)])
    say_in_columns([_entry_line(posted, zone) for posted in life.entries])
    for line in price_lines(price):
        say(line)
    verb = "Charged" if call.settled_at else "Charged so far"
    say(f"{verb}: {money_words(price.charged)}.")


def _moments(
    call: CallRecord, asked: Sequence[HangUpRequest], zone: tzinfo
) -> Iterator[tuple[str, str]]:
    named = (
        ("authorised", call.authorised_at),
        ("answered", call.answered_at),
        *((f"{each.actor} asked to hang up", each.asked_at) for each in asked),
        ("ended", call.ended_at),
        ("settled", call.settled_at),
    )
    for what, at in named:
        if at is not None:
            yield _shown(at, zone), what


def _entry_line(posted: PostedEntry, zone: tzinfo) -> tuple[str, ...]:
    entry = posted.entry
    name = entry.key.rpartition(f"{entry.call_id}:")[2]
    moved = entry.postings[0].amount
    for posting in entry.postings[1:]:
        moved += posting.amount
    balance = posted.balance_after(available(entry.office_id))
    left = "" if balance is None else f"{money_words(balance)} available"
    return (_shown(posted.posted_at, zone), name, money_words(moved), left)


def _show_unpaid(call: UnpaidCall, zone: tzinfo, *, as_json: bool) -> None:
    if as_json:
        print_json(_unpaid_json(call, zone))
        return
    number = f": +{call.number}" if call.number else ""
    say(f"{call.extension} ({call.endpoint}) dialled {call.dialled}{number}")
    say(_shown(call.started_at, zone))
    if call.refusal is not None:
        say(f"Refused: {refusal_words(call.refusal, call.refusal_detail)}.")
        return
    say(f"It is {call.category}: nothing is charged.")
    if call.ended_at is not None:
        answered = f"Talked for {talk_words(call.talk_s)}." if call.talk_s else "Nobody answered."
        say(answered)


def _live_line(call: CallRecord, price: CallPrice) -> tuple[str, ...]:
    talk = "ringing" if price.state is CallState.RINGING else talk_words(price.talk_s)
    what = (call.call_id, call.extension, f"+{call.number}", call.destination, talk)
    return (*what, money_words(price.charged), f"{signed(call.held)} reserved")


def _shown(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


# --- JSON -----------------------------------------------------------------------------------------


def _live_json(call: CallRecord, price: CallPrice) -> Mapping[str, Any]:
    return {
        "call_id": call.call_id,
        "endpoint": call.endpoint,
        "extension": call.extension,
        "number": call.number,
        "destination": call.destination,
        "asterisk": call.asterisk,
        "authorised_at": call.authorised_at.isoformat(),
        "reserved_micros": call.held.micros,
        **_price_json(price),
    }


def _price_json(price: CallPrice) -> Mapping[str, Any]:
    rate = price.rate
    return {
        "state": price.state.value,
        "reason": price.reason,
        "currency": rate.currency,
        "per_minute_micros": rate.per_minute.micros,
        "initial_s": rate.initial_s,
        "increment_s": rate.increment_s,
        "talk_s": price.talk_s,
        "billable_s": price.billable_s,
        "further_increments": price.further_increments,
        "connection_micros": price.connection.micros,
        "per_call_micros": price.per_call.micros,
        "time_micros": price.time.micros,
        "price_micros": price.price.micros,
        "charged_micros": price.charged.micros,
        "unpaid_micros": price.unpaid.micros,
        "end_unproved": price.end_unproved,
    }


def _paid_json(
    life: PaidCallLife, price: CallPrice, asked: Sequence[HangUpRequest], zone: tzinfo
) -> Mapping[str, Any]:
    def moment(at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(zone).isoformat()

    call = life.call
    return {
        **_live_json(call, price),
        "dialled": call.dialled,
        "country": call.country,
        "line": call.kind,
        "answered_at": moment(call.answered_at),
        "ended_at": moment(call.ended_at),
        "settled_at": moment(call.settled_at),
        "hangup_cause": call.hangup_cause,
        "entries": [
            {
                "number": posted.number,
                "key": posted.entry.key,
                "kind": posted.entry.kind.value,
                "posted_at": moment(posted.posted_at),
                "micros": [posting.amount.micros for posting in posted.entry.postings],
            }
            for posted in life.entries
        ],
        "requests": [_request_json(each) for each in asked],
    }


def _unpaid_json(call: UnpaidCall, zone: tzinfo) -> Mapping[str, Any]:
    fields = {name: getattr(call, name) for name in call.__slots__}
    return {
        name: value.astimezone(zone).isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _request_json(request: HangUpRequest) -> Mapping[str, Any]:
    return {
        "request_id": request.request_id,
        "call_id": request.call_id,
        "actor": request.actor,
        "reason": request.reason,
        "asked_at": request.asked_at.isoformat(),
        "outcome": request.outcome,
        "done_at": None if request.done_at is None else request.done_at.isoformat(),
    }
