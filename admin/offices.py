"""`tollgate office`: what is in force for an office, who says so, and what its manager may set."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from admin.context import AsJson, Context, Office, actor, command
from admin.output import print_json, say, say_in_columns
from admin.provenance import in_columns, in_json
from assembly.managers_settings import change_setting
from charging.managers_settings import SettingChange

app = typer.Typer(
    no_args_is_help=True, help="What is in force for an office, who says so, and how to set it."
)

Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]
DIALLED_BY = frozenset({"country", "outside_line_prefix", "international_prefix", "language"})


@app.command("list")
def list_offices(*, as_json: AsJson = False) -> None:
    """List the offices: currency, plan, deck, country, language, time zone, extensions."""
    with command() as context:
        offices, extensions = context.offices.offices, context.offices.extensions.values()
    rows = [
        {
            "office": office.id,
            "currency": office.currency,
            "plan": office.plan.name,
            "deck": office.deck,
            "country": office.site.country,
            "language": office.language,
            "time_zone": str(office.time_zone),
            "extensions": sum(each.office_id == office.id for each in extensions),
        }
        for office in offices
    ]
    if as_json:
        print_json(rows)
    else:
        say_in_columns([list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)])


@app.command("show")
def show(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show each setting of an office, and whether a file, a manager or its plan says so."""
    with command() as context:
        office_id = context.office(office)
        bought = context.sources.bought(office_id)
        found = bought | context.sources.office_settings(office_id)
        currency = context.sources.office(office_id).currency
    if as_json:
        print_json({"office": office_id, "currency": currency, "settings": in_json(found)})
        return
    say(f"office {office_id}, whose account is in {currency}")
    say_in_columns(in_columns(found))


@app.command("set")
def set_value(
    name: Annotated[str, typer.Argument(help="As `show` calls it: country, language …")],
    value: Annotated[str, typer.Argument(help="As it would stand in the settings file.")],
    office: Office = None,
    reason: Reason = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Set what the settings file leaves out, as the office's manager may in the portal."""
    with command() as context:
        change = wanted(context, name=name, value=value, office=office, reason=reason)
        _carry_out(context, change, as_json=as_json)


@app.command("unset")
def unset_value(
    name: Annotated[str, typer.Argument(help="As `show` calls it.")],
    office: Office = None,
    reason: Reason = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Take back what a manager set: the settings file or the plan says it again."""
    with command() as context:
        change = wanted(context, name=name, value=None, office=office, reason=reason)
        _carry_out(context, change, as_json=as_json)


def wanted(  # noqa: PLR0913 - what a change is made of
    context: Context,
    *,
    name: str,
    value: str | None,
    office: str | None,
    reason: str,
    endpoint: str = "",
) -> SettingChange:
    return SettingChange(
        office_id=context.sources.phone(endpoint).office if endpoint else context.office(office),
        endpoint=endpoint,
        name=name,
        value=value,
        actor=actor(),
        reason=reason,
        at=datetime.now(UTC),
    )


def carry_out(context: Context, change: SettingChange, *, as_json: bool) -> None:
    """Keep a change and show what is in force then."""
    change_setting(context.engine, context.sources, change)
    found = context.read_again().in_force(change.office_id, change.endpoint)
    one = {change.name: found[change.name]}
    if as_json:
        whose = {"office": change.office_id} | (
            {"extension": change.endpoint} if change.endpoint else {}
        )
        print_json(whose | {"settings": in_json(one)})
    else:
        say_in_columns(in_columns(one))


def _carry_out(context: Context, change: SettingChange, *, as_json: bool) -> None:
    carry_out(context, change, as_json=as_json)
    if change.name in DIALLED_BY:
        say("the dialplan depends on it, too: `tollgate dialplan render`", err=True)
