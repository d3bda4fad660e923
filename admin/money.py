"""`tollgate balance` and `tollgate topup`: what is in an office's account, and more of it."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from admin.amounts import shown
from admin.card_payments import charge_card, tell_of
from admin.context import AsJson, Office, actor, command, fail
from admin.output import print_json, say
from charging.commands import TopUp
from charging.ledger import Balances
from charging.money import parse_money
from db.ledger import SqlLedger

app = typer.Typer()


@app.command()
def balance(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show what an office can spend, and what its live calls have reserved."""
    with command() as context:
        office_id = context.office(office)
        currency = context.plan_of(office_id).currency
        ledger = SqlLedger(context.reader)
        found = asyncio.run(ledger.balances(office_id, currency))
    _show(office_id, found, as_json=as_json)


@app.command()
def topup(  # noqa: PLR0913 - each is one option
    amount: Annotated[str, typer.Argument(help="In the office's currency: 20 or 12.50.")],
    office: Office = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Repeating a key changes nothing. Else a new one.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", "--note", help="Kept with the entry.")
    ] = "by hand",
    *,
    card: Annotated[
        bool, typer.Option("--card", help="Charge the card on file; else the money was seen.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="With --card: yes, the same amount once more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put money into an office's account, and say by which key it can be taken out again."""
    with command() as context:
        office_id = context.office(office)
        if card:
            payment = charge_card(context, office_id, amount, key=key, reason=reason, again=again)
            tell_of(payment, as_json=as_json)
            return
        try:
            money = parse_money(amount, context.plan_of(office_id).currency)
            chosen = uuid.uuid4().hex if key is None else key
            top_up = TopUp(
                office_id=office_id,
                amount=money,
                key=chosen,
                actor=actor(),
                reason=reason,
                at=datetime.now(UTC),
            )
        except ValueError as error:
            fail(str(error))
        found = asyncio.run(_carry_out(SqlLedger(context.engine), top_up))
    _show(office_id, found, as_json=as_json, key=chosen)


async def _carry_out(ledger: SqlLedger, top_up: TopUp) -> Balances:
    async with ledger:
        return await ledger.carry_out(top_up)


def _show(office_id: str, found: Balances, *, as_json: bool, **more: Any) -> None:
    currency = found.available.currency
    if as_json:
        print_json(
            {
                "office": office_id,
                "available_micros": found.available.micros,
                "reserved_micros": found.reserved.micros,
                "owed_micros": found.owed.micros,
                "currency": currency,
            }
            | more
        )
        return
    say(f"{shown(found.available.micros, currency)} available")
    if "key" in more:
        say(f"key {more['key']}")
    if found.reserved:
        say(f"{shown(found.reserved.micros, currency)} reserved by live calls")
    if found.owed:
        owed = shown(found.owed.micros, currency)
        say(f"{owed} owed for a payment that the bank took back; the next card payment pays it")
