"""`tollgate payments`, `cancel-topup` and `receipt`: money that came in by card, and goes back."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin.amounts import shown
from admin.context import AsJson, Context, Office, actor, command, fail
from admin.money_in import STATES, amount_of, opened, payment_fields, payment_line
from admin.output import print_json, say, say_in_columns
from charging.commands import CancelTopUp, TopUpCancelled
from charging.money_in import Payment
from charging.orders import TopUpOrder
from charging.receipts import Receipt
from charging.refill import State
from db.ledger import SqlLedger, read_from
from db.money_reads import find_payment, last_payments
from papers.receipts import NoPdfError, receipt_page, receipt_pdf

WAIT_S = 30  # for the card processor; then it goes on without us
LOOK_EVERY_S = 0.25
LAST_MAX = 100_000
_UNDER_WAY = frozenset({State.CLAIMED, State.SENT, State.UNKNOWN})

app = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", "--note", help="Kept with the entry.")]


def charge_card(  # noqa: PLR0913 - each is one option
    context: Context, office_id: str, amount: str, *, key: str | None, reason: str, again: bool
) -> Payment:
    """Buy an amount with the card on file, and wait a little for what becomes of it."""

    async def buy() -> Payment:
        async with opened(context) as money_in:
            order = TopUpOrder(amount=money_in.offer(office_id).read(amount), confirmed=again)
            payment = await money_in.begin_top_up(
                office_id, order, by=actor(), key=key or uuid.uuid4().hex, reason=reason
            )
            for _ in range(round(WAIT_S / LOOK_EVERY_S)):
                if payment.state not in _UNDER_WAY:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
                payment = await money_in.payment(office_id, payment.payment_id)
            return payment

    return asyncio.run(buy())


def tell_of(payment: Payment, *, as_json: bool) -> None:
    if as_json:
        print_json(payment_fields(payment))
        return
    why = f" ({payment.attempt.code})" if payment.attempt.code else ""
    say(f"{amount_of(payment.amount)} from {payment.card}: {STATES[payment.state]}{why}")
    say(f"payment {payment.payment_id}")


@app.command()
def payments(
    payment_id: Annotated[str | None, typer.Argument(help="One payment only.")] = None,
    office: Office = None,
    last: Annotated[int, typer.Option("--last", min=1, max=LAST_MAX, help="How many.")] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the last payments by card, newest first, or one of them."""
    with command() as context:
        office_id = context.office(office)
        found = _found(context, office_id, payment_id, last)
    if as_json:
        print_json({"office": office_id, "payments": [payment_fields(each) for each in found]})
    elif payment_id is not None:
        for name, value in payment_fields(found[0]).items():
            say(f"{name}: {'' if value is None else value}")
    elif found:
        say_in_columns([payment_line(each) for each in found])
    else:
        say("no payments by card")


def _found(
    context: Context, office_id: str, payment_id: str | None, last: int
) -> Sequence[Payment]:
    if payment_id is None:
        return read_from(
            context.reader, lambda reader: last_payments(reader, office_id, limit=last)
        )
    one = read_from(context.reader, lambda reader: find_payment(reader, payment_id))
    if one is None or one.office_id != office_id:
        fail(f"office {office_id} has no payment {payment_id!r}")
    return [one]


@app.command("cancel-topup")
def cancel_top_up(
    name: Annotated[str, typer.Argument(help="A payment, or the key that `tollgate topup` gave.")],
    office: Office = None,
    reason: Reason = "by hand",
    *,
    not_charged: Annotated[
        bool,
        typer.Option(
            "--not-charged",
            help="Of a payment of unknown outcome: you saw at the processor that it took nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a top-up: what is unspent leaves the account; money of a card goes back to it."""
    with command() as context:
        office_id = context.office(office)
        context.require_ledger()
        payment = read_from(context.reader, lambda reader: find_payment(reader, name))
        if payment is None or payment.office_id != office_id:
            _tell_cancelled(_cancel_entry(context, office_id, name, reason), as_json=as_json)
            return
        tell_of(
            _cancel_payment(context, office_id, name, reason, not_charged=not_charged),
            as_json=as_json,
        )


def _cancel_payment(
    context: Context, office_id: str, payment_id: str, reason: str, *, not_charged: bool
) -> Payment:
    async def cancel() -> Payment:
        async with opened(context) as money_in:
            act = money_in.close_unknown if not_charged else money_in.cancel_top_up
            return await act(office_id, payment_id, by=actor(), reason=reason)

    try:
        return asyncio.run(cancel())
    except ValueError as error:
        fail(str(error))


def _cancel_entry(context: Context, office_id: str, key: str, reason: str) -> TopUpCancelled:
    try:
        cancel = CancelTopUp(
            office_id=office_id, key=key, actor=actor(), reason=reason, at=datetime.now(UTC)
        )
    except ValueError as error:
        fail(str(error))

    async def carry_out() -> TopUpCancelled:
        async with SqlLedger(context.engine) as ledger:
            return await ledger.carry_out(cancel)

    return asyncio.run(carry_out())


def _tell_cancelled(done: TopUpCancelled, *, as_json: bool) -> None:
    currency = done.amount.currency
    left = done.balances.available.micros
    if as_json:
        print_json(
            {
                "cancelled_micros": done.amount.micros,
                "available_micros": left,
                "currency": currency,
            }
        )
    else:
        taken = shown(done.amount.micros, currency)
        say(f"{taken} taken out, {shown(left, currency)} available")


@app.command()
def receipt(
    payment_id: Annotated[str, typer.Argument(help="The payment.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file that ends with .pdf or .html.")
    ],
    office: Office = None,
    language: Annotated[
        str | None, typer.Option("--language", help="en or fr; else the office's.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Write the receipt of a payment as PDF or as a page that prints."""
    if output.suffix not in {".pdf", ".html"}:
        fail(f"{output} ends with neither .pdf nor .html")
    with command() as context:
        office_id = context.office(office)

        async def issue() -> Receipt:
            async with opened(context) as money_in:
                return await money_in.receipt(office_id, payment_id)

        issued = asyncio.run(issue())
        zone = context.plan_of(office_id).timezone
    try:
        if output.suffix == ".pdf":
            output.write_bytes(receipt_pdf(issued, zone=zone, language=language))
        else:
            page = receipt_page(issued, zone=zone, language=language)
            output.write_text(page, encoding="utf-8")
    except (OSError, NoPdfError) as error:
        fail(str(error))
    if as_json:
        print_json({"receipt": issued.name, "payment": payment_id, "file": str(output)})
    else:
        say(f"receipt {issued.name} in {output}")
