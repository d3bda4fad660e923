"""`tollgate adjust`: add to an office's account, or take from it, with a reason."""

import asyncio
import uuid
from typing import Annotated

import typer

from admin.amounts import shown
from admin.context import AsJson, Context, Office, actor, command, fail
from admin.money_in import opened
from admin.output import print_json, say
from charging.adjustments import Adjusted, Adjustment
from charging.money import Money, parse_money

app = typer.Typer()


@app.command()
def adjust(  # noqa: PLR0913 - each is one option
    adjustment: Annotated[Adjustment, typer.Argument(help="Add, or take from what is free.")],
    amount: Annotated[str, typer.Argument(help="In the office's currency: 20 or 12.50.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Kept with the entry; the office sees it.")
    ],
    office: Office = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Repeating a key changes nothing. Else a new one.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Add to an account or take from what is free in it, as customer care does, and say why."""
    with command() as context:
        office_id = context.office(office)
        chosen = uuid.uuid4().hex if key is None else key
        try:
            money = parse_money(amount, context.plan_of(office_id).currency)
            done = asyncio.run(
                _carry_out(context, office_id, adjustment, money, key=chosen, reason=reason)
            )
        except ValueError as error:
            fail(str(error))
    left = done.balances.available
    if as_json:
        print_json(
            {
                "office": office_id,
                "entry": done.entry_key,
                "key": chosen,
                "micros": done.amount.micros,
                "available_micros": left.micros,
                "currency": left.currency,
            }
        )
        return
    what = "added" if adjustment is Adjustment.GRANT else "taken"
    changed = shown(done.amount.micros, done.amount.currency)
    say(f"{changed} {what}, {shown(left.micros, left.currency)} available")
    say(f"key {chosen}")


async def _carry_out(  # noqa: PLR0913 - what is written into the entry
    context: Context,
    office_id: str,
    adjustment: Adjustment,
    amount: Money,
    *,
    key: str,
    reason: str,
) -> Adjusted:
    async with opened(context) as money_in:
        return await money_in.adjust(
            office_id, adjustment, amount, by=actor(), key=key, reason=reason
        )
