"""`tollgate explain` and `tollgate price`: what a number is, and what calling it costs."""

from datetime import datetime
from typing import Annotated, Any

import typer

from admin.amounts import shown
from admin.context import AsJson, Office, command
from admin.explanation import Explanation, caller_of, explain_call, quote_number
from admin.output import print_json, say
from charging.money import Money
from charging.offices import Office as CallersOffice
from charging.rates import Rate, billable_seconds, charge_for

app = typer.Typer()

SECONDS_MAX = 1_000_000_000  # of talk: some thirty years

NumberArgument = Annotated[
    str, typer.Argument(help="As people write it: 0033142685300, +44 (0)20 …")
]
PlanOption = Annotated[
    str | None, typer.Option("--plan", help="uk, france or another plan file, not the office's.")
]
At = Annotated[datetime | None, typer.Option("--at", help="As if it were dialled then.")]


@app.command(context_settings={"ignore_unknown_options": True})
def explain(  # noqa: PLR0913 - one for each option of the command
    number: NumberArgument,
    plan: PlanOption = None,
    extension: Annotated[
        str | None,
        typer.Option(
            "--phone", "--extension", help="Dialled by the phone of this endpoint, with its limits."
        ),
    ] = None,
    at: At = None,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say what a number is, what it costs, and whether the call would be allowed now."""
    with command() as context:
        caller = caller_of(context, plan_name=plan, endpoint=extension, office=office, at=at)
        explanation = explain_call(context, number, caller)
    if as_json:
        print_json({"office": caller.office.id, **_fields(explanation)})
    else:
        _print(explanation, caller.office)


@app.command(context_settings={"ignore_unknown_options": True})
def price(  # noqa: PLR0913 - one for each option of the command
    number: NumberArgument,
    seconds: Annotated[
        int, typer.Option("--seconds", min=0, max=SECONDS_MAX, help="Whole seconds of talk.")
    ],
    plan: PlanOption = None,
    at: At = None,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say what a call of so many seconds costs."""
    with command() as context:
        caller = caller_of(context, plan_name=plan, endpoint=None, office=office, at=at)
        quotation = quote_number(context, number, caller)
    rate = quotation.rate
    charge = Money(0, caller.office.currency) if rate is None else charge_for(seconds, rate)
    billable_s = 0 if rate is None else billable_seconds(seconds, rate)
    if not as_json:
        cost = shown(charge.micros, charge.currency)
        say(f"{quotation.destination}: {cost} for {seconds} s, {billable_s} s billed")
        return
    print_json(
        {
            "dialled": number,
            "e164": quotation.number.e164,
            "destination": quotation.destination,
            "category": quotation.category.value,
            "seconds": seconds,
            "billable_s": billable_s,
            "charge_micros": charge.micros,
            "currency": charge.currency,
        }
    )


def _fields(explanation: Explanation) -> dict[str, Any]:
    number, rate = explanation.number, explanation.rate
    return {
        "dialled": explanation.dialled,
        "e164": None if number is None else number.e164,
        "country": None if number is None else number.country,
        "kind": None if number is None else number.kind.value,
        "destination": explanation.destination,
        "category": explanation.category.value,
        "reason": explanation.reason,
        "rate": None if rate is None else rate_fields(rate),
        "reserve_micros": None if explanation.reserve is None else explanation.reserve.micros,
        "affordable_s": explanation.affordable_s,
        "decision": "allow" if explanation.refusal is None else "refuse",
        "refusal": None if explanation.refusal is None else explanation.refusal.code,
    }


def rate_fields(rate: Rate) -> dict[str, Any]:
    return {
        "per_minute_micros": rate.per_minute.micros,
        "connection_micros": rate.connection_charge.micros,
        "per_call_micros": rate.per_call.micros,
        "initial_s": rate.initial_s,
        "increment_s": rate.increment_s,
        "currency": rate.currency,
    }


def rate_in_words(rate: Rate) -> str:
    """£0.11 a minute in blocks of 60/60 s, and £0.05 on answer."""
    parts = [f"{shown(rate.per_minute.micros, rate.currency)} a minute"]
    if rate.connection_charge:
        parts.append(f"{shown(rate.connection_charge.micros, rate.currency)} on answer")
    if rate.per_call:
        parts.append(f"{shown(rate.per_call.micros, rate.currency)} per call")
    return f"{', '.join(parts)}; blocks of {rate.initial_s}/{rate.increment_s} s"


def _print(explanation: Explanation, office: CallersOffice) -> None:
    number, rate, refusal = explanation.number, explanation.rate, explanation.refusal
    lines = {
        "office": f"{office.id} ({office.plan.title} plan, dials as in {office.site.country})",
        "number": explanation.dialled if number is None else f"{number.key} ({number.kind})",
        "destination": explanation.destination,
        "category": explanation.category.value,
        "reason": explanation.reason,
        "rate": "" if rate is None else rate_in_words(rate),
        "affordable": "" if explanation.affordable_s is None else f"{explanation.affordable_s} s",
        "decision": "allow" if refusal is None else f"refuse: {refusal}",
    }
    for name, text in lines.items():
        if text:
            say(f"{name:12} {text}")
