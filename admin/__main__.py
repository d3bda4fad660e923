"""The `tollgate` command: one module for each group of commands, loaded when it is asked for.

Loading all of them takes several times as long as reading a balance.
"""

import gc
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Listed:
    """A command as `tollgate --help` lists it; a test compares `told` with its own help."""

    module: str
    told: str
    is_group: bool = False  # all commands of the module, under one name


COMMANDS: Mapping[str, Listed] = {
    "serve": Listed(
        "admin.serve",
        "Run the application, feature codes, card payments and the portal until Ctrl-C.",
    ),
    "doctor": Listed(
        "admin.doctor", "Look at everything a call needs, and say what to do about what is wrong."
    ),
    "health": Listed(
        "admin.health",
        "Ask the programs of these settings, over a socket of this machine, whether they can work.",
    ),
    "setup": Listed(
        "admin.setup.commands", "Set Tollgate up on this machine's Asterisk.", is_group=True
    ),
    "upgrade": Listed(
        "admin.setup.life",
        "After installing another version: bring everything up to it, and look at it.",
    ),
    "uninstall": Listed(
        "admin.setup.life", "Stop Tollgate and take back what set-up wrote; the ledger stays."
    ),
    "settings": Listed("admin.settings", "Look at the settings file.", is_group=True),
    "explain": Listed(
        "admin.rating",
        "Say what a number is, what it costs, and whether the call would be allowed now.",
    ),
    "price": Listed("admin.rating", "Say what a call of so many seconds costs."),
    "balance": Listed(
        "admin.money", "Show what an office can spend, and what its live calls have reserved."
    ),
    "topup": Listed(
        "admin.money",
        "Put money into an office's account, and say by which key it can be taken out again.",
    ),
    "adjust": Listed(
        "admin.adjusting",
        "Add to an account or take from what is free in it, as customer care does, and say why.",
    ),
    "refill": Listed(
        "admin.refill",
        "The rule by which an account refills itself from its card.",
        is_group=True,
    ),
    "payments": Listed(
        "admin.card_payments", "Show the last payments by card, newest first, or one of them."
    ),
    "cancel-topup": Listed(
        "admin.card_payments",
        "Cancel a top-up: what is unspent leaves the account; money of a card goes back to it.",
    ),
    "receipt": Listed(
        "admin.card_payments", "Write the receipt of a payment as PDF or as a page that prints."
    ),
    "user": Listed("admin.people", "Who may use the portal, and what they may do.", is_group=True),
    "token": Listed("admin.tokens", "Tokens with which programs use the API.", is_group=True),
    "activity": Listed(
        "admin.activity",
        "Show what changed an office's balance, a paid call in one row, and what was refused.",
    ),
    "calls": Listed(
        "admin.activity", "Show every outbound call, included, free and refused ones too."
    ),
    "call": Listed(
        "admin.call", "Show a call by its id, those under way, or end one.", is_group=True
    ),
    "report": Listed(
        "admin.activity",
        "Show what was spent by day, country or extension, in the office's own days.",
    ),
    "export": Listed(
        "admin.export",
        "Write what changed each office's balance in a period, its receipts, and their sums.",
    ),
    "backup": Listed(
        "admin.backup",
        "Copy the ledger while calls go on, prove the copy, and keep it with the site's files.",
        is_group=True,
    ),
    "restore": Listed(
        "admin.restore",
        "Put the ledger of a backup in place of the one that the settings name.",
    ),
    "privacy": Listed("admin.privacy", "Mask numbers that were kept long enough.", is_group=True),
    "office": Listed(
        "admin.offices",
        "What is in force for an office, who says so, and how to set it.",
        is_group=True,
    ),
    "extension": Listed(
        "admin.extensions",
        "What a desk phone may do, who says so, and how to set it.",
        is_group=True,
    ),
    "ledger": Listed("admin.ledger", "Read the ledger, prove it, cancel a top-up.", is_group=True),
    "rates": Listed("admin.rates", "Import, show and roll back rate decks.", is_group=True),
    "dialplan": Listed(
        "admin.dialplan", "Tollgate's part of the dialplan of your Asterisk.", is_group=True
    ),
    "prompts": Listed(
        "admin.prompts",
        "Record what callers hear, see that all of it is there, and listen to it.",
        is_group=True,
    ),
}


class Commands(TyperGroup):
    """Lists every command from the table above, and loads the one that is run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, listed in COMMANDS.items():
            self.add_command(TyperCommand(name, callback=None, help=listed.told))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, None if listed is None or name is None else load(name), rest


def load(name: str) -> Any:
    """The command itself, of typer's type."""
    listed = COMMANDS[name]
    gc.disable()  # a module that is loaded leaves no garbage, and looking for it takes a tenth
    try:
        group = get_group(importlib.import_module(listed.module).app)
    finally:
        gc.freeze()
        gc.enable()
    if not listed.is_group:
        return group.commands[name]
    group.name = name
    return group


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Prepaid calling for an office phone system on Asterisk.",
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - typer hands over what was given
    if wanted:
        typer.echo(f"tollgate {metadata.version('tollgate')}")
        raise typer.Exit


@app.callback()
def tollgate(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_tell_version, is_eager=True, help="Show it."),
    ] = False,
) -> None:
    """Prepaid calling for an office phone system on Asterisk."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
