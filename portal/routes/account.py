"""Prepaid Account, Balance: what is left, what moves it now, and how it is filled."""

from datetime import timedelta
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from charging.call_price import CallPrice, explain_price
from charging.errors import (
    BoughtJustNow,
    EntryKeyReused,
    NoCardOnFile,
    RefillNotAllowed,
    UnknownCall,
)
from charging.ledger import Balances, CallRecord
from charging.money import Money
from charging.refill_rules import PolicyState
from db.call_requests import ask_to_hang_up
from db.ledger import balances_of
from db.one_call import live_calls
from db.reports import SpentBy, report
from portal import call_words, money_words
from portal.access import Manager, ProvenManager, Reader, Visit, visit_in
from portal.charts import days_left, gauge
from portal.languages import marked
from portal.money_forms import (
    KEY_USED,
    OFF,
    RefillForm,
    TopUpForm,
    card_name,
    consent_words,
    name_of,
    rule_sentence,
    rules_for,
)
from portal.pages import done
from portal.parts import Needs, Parts

router = APIRouter()

PACE_DAYS = 14  # from which the days that are left are told
NO_CARD = marked("There is no card on file. Enter one under Billing first.")


class LiveCall(NamedTuple):
    call: CallRecord
    price: CallPrice


class Standing(NamedTuple):
    """Everything of the ledger that the page shows, read at one moment."""

    balances: Balances
    spent: Money
    live: list[LiveCall]


@router.get("/")
async def balance(request: Request, _: Reader, parts: Needs) -> Response:
    return await _page(request, parts)


@router.get("/live")
async def live(request: Request, visit: Reader, parts: Needs) -> Response:
    """The part of the page that a script asks for again and again."""
    standing = await _standing(visit, parts)
    return parts.pages.page(request, "live.html", live=standing.live, say=call_words)


async def _page(  # noqa: PLR0913 - a form with its problems takes the place of a fresh one
    request: Request,
    parts: Parts,
    *,
    status: int = HTTPStatus.OK,
    top_up: TopUpForm | None = None,
    refill: RefillForm | None = None,
    again: BoughtJustNow | None = None,
) -> Response:
    visit = visit_in(request)
    words = parts.pages.words(request)
    standing = await _standing(visit, parts)
    money_in = await parts.money_in.status(visit.office_id)
    offered = parts.money_in.offer(visit.office_id)
    if top_up is None:
        top_up = TopUpForm()
        top_up.offer(offered, words)
    rule = money_in.policy.rule
    on = money_in.policy.state is not PolicyState.OFF
    if refill is None:
        refill = RefillForm(data={"rule": name_of(rule) if rule and on else OFF})
        refill.offer(rules_for(offered), words, rule)
    top_up.renew_key()
    available = standing.balances.available
    return parts.pages.page(
        request,
        "balance.html",
        status=status,
        balances=standing.balances,
        gauge=gauge(available, rule.threshold if rule and on else None),
        rule=rule if on else None,
        days=days_left(available, standing.spent, PACE_DAYS),
        live=standing.live,
        say=call_words,
        top_up=top_up,
        refill=refill,
        again=again,
        status_of=money_in,
        refill_said=money_words.refill_said(words, money_in),
        paused=money_in.policy.state is PolicyState.PAUSED,
        card_name=card_name,
        rule_sentence=rule_sentence,
    )


async def _standing(visit: Visit, parts: Parts) -> Standing:
    office = parts.offices.office(visit.office_id)
    today = office.day_of(visit.at)

    def query(reader: Connection) -> Standing:
        lines = report(
            reader,
            office_id=office.id,
            by=SpentBy.DAY,
            first=today - timedelta(days=PACE_DAYS - 1),
            last=today,
            currency=office.currency,
        )
        spent = sum((line.spent for line in lines), start=Money(0, office.currency))
        calls = live_calls(reader, office.id)
        return Standing(
            balances=balances_of(reader, office.id, office.currency),
            spent=spent,
            live=[LiveCall(call, explain_price(call, visit.at)) for call in calls],
        )

    return await parts.store.read(query)


@router.post("/top-ups")
async def buy(request: Request, visit: Manager, parts: Needs) -> Response:
    """One row, unique by its key; nothing is asked of the card processor here."""
    form = TopUpForm(await request.form())
    offered = parts.money_in.offer(visit.office_id)
    form.offer(offered, parts.pages.words(request))
    order = form.order(offered, f"{parts.public_url}/payments/latest")
    if order is None:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _page(request, parts, status=status, top_up=form)
    try:
        payment = await parts.money_in.begin_top_up(
            visit.office_id, order, by=visit.user.actor, key=str(form.key.data)
        )
    except BoughtJustNow as just_now:
        form.confirmed.data = "yes"
        return await _page(request, parts, status=HTTPStatus.CONFLICT, top_up=form, again=just_now)
    except (NoCardOnFile, EntryKeyReused) as error:
        form.refuse(form.amount, NO_CARD if isinstance(error, NoCardOnFile) else KEY_USED)
        return await _page(request, parts, status=HTTPStatus.CONFLICT, top_up=form)
    return RedirectResponse(f"/payments/{payment.payment_id}", status_code=HTTPStatus.SEE_OTHER)


@router.post("/refill")
async def set_refill(request: Request, visit: ProvenManager, parts: Needs) -> Response:
    form = RefillForm(await request.form())
    words = parts.pages.words(request)
    money_in = await parts.money_in.status(visit.office_id)
    offered = parts.money_in.offer(visit.office_id)
    form.offer(rules_for(offered), words, money_in.policy.rule)
    if not form.validate():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _page(request, parts, status=status, refill=form)
    rule = form.chosen()
    if rule is None:
        await parts.money_in.disable_refill(visit.office_id, by=visit.user.actor)
        return done("/", "refill_off")
    if money_in.card is None:
        form.refuse(form.rule, NO_CARD)
        return await _page(request, parts, status=HTTPStatus.CONFLICT, refill=form)
    await parts.money_in.set_refill(
        visit.office_id,
        rule,
        by=visit.user.actor,
        words=consent_words(words, rule, money_in.card.card),
    )
    return done("/", "refill_set")


@router.post("/refill/try-again")
async def try_again(visit: ProvenManager, parts: Needs) -> Response:
    try:
        await parts.money_in.try_again(visit.office_id, by=visit.user.actor)
    except RefillNotAllowed:
        return done("/", "not_now")
    return done("/", "refill_tried")


@router.post("/calls/{call_id}/hang-up")
async def hang_up(call_id: str, visit: Manager, parts: Needs) -> Response:
    """A request: the application that carries the call does it."""
    try:
        await parts.store.call(
            lambda engine: ask_to_hang_up(
                engine,
                office_id=visit.office_id,
                call_id=call_id,
                actor=visit.user.actor,
                reason="",
                at=visit.at,
                client_address=visit.client_address,
            )
        )
    except UnknownCall:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    return done("/", "hanging_up")
