"""`tollgate extension`: what a desk phone may do, who says so, and what its manager may set."""

from typing import Annotated

import typer

from admin.context import AsJson, Office, command
from admin.offices import Reason, carry_out, wanted
from admin.output import print_json, say, say_in_columns
from admin.provenance import in_columns, in_json

app = typer.Typer(
    no_args_is_help=True, help="What a desk phone may do, who says so, and how to set it."
)

Endpoint = Annotated[str, typer.Argument(help="As its section of the phones file is called.")]


@app.command("list")
def list_extensions(office: Office = None, *, as_json: AsJson = False) -> None:
    """List the desk phones, of one office or of all."""
    with command() as context:
        wanted_office = None if office is None else context.office(office)
        extensions = context.offices.extensions.values()
    rows = [
        {
            "extension": each.endpoint,
            "number": each.number,
            "office": each.office_id,
            "name": each.name,
            "enabled": each.enabled,
        }
        for each in extensions
        if wanted_office in {None, each.office_id}
    ]
    if as_json:
        print_json(rows)
        return
    shown = [[*map(str, list(row.values())[:4]), "" if row["enabled"] else "off"] for row in rows]
    say_in_columns([["extension", "number", "office", "name", ""], *shown])


@app.command("show")
def show(endpoint: Endpoint, *, as_json: AsJson = False) -> None:
    """Show each setting of a desk phone, and whether a file or a manager says so."""
    with command() as context:
        phone = context.sources.phone(endpoint)
        found = context.sources.extension_settings(phone)
    if as_json:
        about = {"extension": phone.endpoint, "number": phone.number, "office": phone.office}
        print_json(about | {"settings": in_json(found)})
        return
    say(f"extension {phone.endpoint}, number {phone.number} of the office {phone.office}")
    say_in_columns(in_columns(found))


@app.command("set")
def set_value(
    endpoint: Endpoint,
    name: Annotated[str, typer.Argument(help="As `show` calls it: name, allow, day_limit …")],
    value: Annotated[str, typer.Argument(help='"5.00", "included, national", fr …')],
    reason: Reason = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Set what the phones file leaves out, as the office's manager may in the portal."""
    with command() as context:
        change = wanted(
            context, name=name, value=value, office=None, reason=reason, endpoint=endpoint
        )
        carry_out(context, change, as_json=as_json)


@app.command("unset")
def unset_value(
    endpoint: Endpoint,
    name: Annotated[str, typer.Argument(help="As `show` calls it.")],
    reason: Reason = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Take back what a manager set."""
    with command() as context:
        change = wanted(
            context, name=name, value=None, office=None, reason=reason, endpoint=endpoint
        )
        carry_out(context, change, as_json=as_json)
