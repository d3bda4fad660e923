"""`tollgate refill`: the rule by which an account refills itself from the card on file."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from admin.context import AsJson, Office, actor, command, fail
from admin.money_in import amount_of, opened, payment_fields, payment_line, policy_fields
from admin.output import print_json, say, say_in_columns
from charging.money import Money, parse_money
from charging.money_in import MoneyIn, Policy, RefillStatus
from charging.orders import RefillRule, refill_rule
from charging.refill_rules import PolicyState
from db.ledger import SqlLedger
from db.money_reads import SqlMoney

app = typer.Typer(
    no_args_is_help=True, help="The rule by which an account refills itself from its card."
)

Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]

PAUSES = {
    "card": "the card was declined: replace it in the portal, or `tollgate refill try-again`",
    "authentication": "the bank wants to hear the cardholder, who confirms it in the portal",
    "dispute": "a payment is disputed: settle that, then `tollgate refill try-again`",
    "operator": "a payment has to be looked into: see `tollgate doctor` and `tollgate payments`",
}


@app.command()
def status(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show whether the account refills itself, and if not, why not and what to do."""
    with command() as context:
        office_id = context.office(office)
        found = asyncio.run(_status(SqlLedger(context.reader), office_id))
    if as_json:
        fields = policy_fields(found.policy)
        fields["card"] = None if found.card is None else found.card.name
        fields["open"] = None if found.open_refill is None else payment_fields(found.open_refill)
        print_json(fields)
        return
    say(sentence_of(found.policy))
    say("no card on file" if found.card is None else f"card on file: {found.card.name}")
    if found.open_refill is not None:
        say_in_columns([payment_line(found.open_refill)])


async def _status(ledger: SqlLedger, office_id: str) -> RefillStatus:
    policy, card, open_refill = await SqlMoney(ledger).refill_status(office_id)
    return RefillStatus(policy=policy, card=card, open_refill=open_refill)


@app.command("set")
def set_rule(  # noqa: PLR0913, PLR0917 - each is one part of the rule
    amount: Annotated[str, typer.Argument(help="One of the amounts on offer: 10.")],
    below: Annotated[str, typer.Option("--below", help="Add it when the balance is below this.")],
    day_max: Annotated[
        str | None, typer.Option("--day-max", help="At most so much in any 24 hours.")
    ] = None,
    month_max: Annotated[
        str | None, typer.Option("--month-max", help="At most so much in any 30 days.")
    ] = None,
    office: Office = None,
    reason: Reason = "",
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where this charges the card at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Switch it on, or change it. The office's consent is yours to have: your name is kept."""
    with command() as context:
        office_id = context.office(office)
        currency = context.plan_of(office_id).currency
        try:
            rule = refill_rule(
                amount=parse_money(amount, currency),
                threshold=parse_money(below, currency),
                day_max=_money(day_max, currency),
                month_max=_money(month_max, currency),
            )
        except ValueError as error:
            fail(str(error))

        async def change() -> Policy:
            async with opened(context) as money_in:
                if not yes:
                    balances = await money_in.balances(office_id)
                    _require_nothing_at_once(rule, balances.available)
                return await money_in.set_refill(
                    office_id, rule, by=actor(), words=consent_words(rule), reason=reason
                )

        policy = asyncio.run(change())
    _tell(policy, as_json=as_json)


def _require_nothing_at_once(rule: RefillRule, balance: Money) -> None:
    if balance < rule.threshold:
        at_once = rule.needed_to_reach(rule.threshold, balance)
        fail(
            f"the balance is {amount_of(balance)}, so the card would be charged"
            f" {amount_of(at_once)} at once: repeat it with --yes"
        )


@app.command()
def now(office: Office = None, reason: Reason = "", *, as_json: AsJson = False) -> None:
    """Refill once, although the balance suffices; the rule's ceilings hold."""
    _carry_out(
        lambda money_in, office_id: money_in.refill_now(office_id, by=actor(), reason=reason),
        office=office,
        as_json=as_json,
    )


@app.command()
def off(office: Office = None, reason: Reason = "", *, as_json: AsJson = False) -> None:
    """Switch it off. What was not sent is not charged; what was sent finishes, and credits."""
    _carry_out(
        lambda money_in, office_id: money_in.disable_refill(office_id, by=actor(), reason=reason),
        office=office,
        as_json=as_json,
    )


@app.command("try-again")
def try_again(office: Office = None, reason: Reason = "", *, as_json: AsJson = False) -> None:
    """End a pause, whatever it is for: you are the operator."""
    _carry_out(
        lambda money_in, office_id: money_in.try_again(
            office_id, by=actor(), operator=True, reason=reason
        ),
        office=office,
        as_json=as_json,
    )


def _carry_out(
    change: Callable[[MoneyIn, str], Awaitable[Policy]], *, office: str | None, as_json: bool
) -> None:
    with command() as context:
        office_id = context.office(office)

        async def carried_out() -> Policy:
            async with opened(context) as money_in:
                return await change(money_in, office_id)

        policy = asyncio.run(carried_out())
    _tell(policy, as_json=as_json)


def _tell(policy: Policy, *, as_json: bool) -> None:
    if as_json:
        print_json(policy_fields(policy))
    else:
        say(sentence_of(policy))


def sentence_of(policy: Policy) -> str:
    """The true state: it never says "on" while nothing would be charged."""
    rule = policy.rule
    if rule is None or policy.state is PolicyState.OFF:
        return "auto-refill is off"
    adds = f"adds {amount_of(rule.amount)} when the balance is below {amount_of(rule.threshold)}"
    ceilings = f"at most {amount_of(rule.day_max)} a day and {amount_of(rule.month_max)} a month"
    match policy.state:
        case PolicyState.HELD:
            until = "" if policy.look_at is None else f" until {policy.look_at:%Y-%m-%d %H:%M} UTC"
            return f"auto-refill has reached its ceiling ({ceilings}) and is held{until}"
        case PolicyState.PAUSED:
            return f"auto-refill is paused: {PAUSES[str(policy.paused_for)]}"
        case _:
            return f"auto-refill {adds}, {ceilings}"


def consent_words(rule: RefillRule) -> str:
    return (
        f"The card on file is charged {amount_of(rule.amount)}, or a multiple of it, without asking"
        f" whenever the balance is below {amount_of(rule.threshold)}: at most"
        f" {amount_of(rule.day_max)} in 24 hours and {amount_of(rule.month_max)} in 30 days."
    )


def _money(text: str | None, currency: str) -> Money | None:
    return None if text is None else parse_money(text, currency)
