"""`tollgate ledger`: read it, prove it, and take a mistaken top-up out again."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from admin.amounts import shown
from admin.context import AsJson, Office, command, fail
from admin.output import print_json, say, say_in_columns
from charging.commands import CancelTopUp, TopUpCancelled
from charging.ledger import LedgerEntry
from db.audit import audit
from db.history import last_entries
from db.ledger import SqlLedger, read_from
from db.schema import HEAD

LAST_MAX = 1_000_000  # entries shown at once

app = typer.Typer(no_args_is_help=True, help="Read the ledger, prove it, cancel a top-up.")


@app.command()
def prepare() -> None:
    """Make the ledger where the settings say, or bring its tables up to date."""
    with command() as context:
        new = context.lacks_ledger
        context.prepared().dispose()
        say(f"{context.place}: {'a new ledger' if new else 'ready'}, tables of version {HEAD}")


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Recompute every balance from the postings; exit status 1 if anything disagrees."""
    with command() as context:
        found = read_from(context.reader, audit)
    if as_json:
        print_json(
            {
                "sound": found.sound,
                "accounts": found.accounts,
                "entries": found.entries,
                "calls": found.calls,
                "problems": list(found.problems),
            }
        )
    else:
        for problem in found.problems:
            say(problem)
        verdict = "sound" if found.sound else f"{len(found.problems)} problems"
        say(f"{verdict}: {found.accounts} accounts, {found.entries} entries")
    if not found.sound:
        raise typer.Exit(1)


@app.command()
def show(
    office: Office = None,
    call: Annotated[str | None, typer.Option("--call", help="Only the entries of a call.")] = None,
    last: Annotated[
        int, typer.Option("--last", min=1, max=LAST_MAX, help="How many entries.")
    ] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the last entries of an office, oldest first."""
    with command() as context:
        office_id = context.office(office)
        entries = read_from(
            context.reader,
            lambda reader: last_entries(reader, office_id=office_id, limit=last, call_id=call),
        )
    if as_json:
        print_json({"office": office_id, "entries": [_fields(entry) for entry in entries]})
        return
    say_in_columns(
        [
            (
                entry.posted_at.strftime("%Y-%m-%d %H:%M:%S"),
                shown(posting.amount.micros, posting.amount.currency),
                f"{posting.source} → {posting.target}",
                entry.key,
                entry.note,
            )
            for entry in entries
            for posting in entry.postings
        ]
    )


@app.command("cancel-topup")
def cancel_top_up(
    key: Annotated[str, typer.Argument(help="The key that `tollgate topup` gave.")],
    office: Office = None,
    note: Annotated[str, typer.Option("--note", help="Kept with the entry.")] = "by hand",
    *,
    as_json: AsJson = False,
) -> None:
    """Take a mistaken top-up out again, as far as it is unspent."""
    with command() as context:
        office_id = context.office(office)
        context.require_ledger()
        try:
            cancel = CancelTopUp(office_id=office_id, key=key, note=note, at=datetime.now(UTC))
        except ValueError as error:
            fail(str(error))
        done = asyncio.run(_carry_out(SqlLedger(context.engine), cancel))
    currency = done.amount.currency
    if as_json:
        print_json(
            {
                "office": office_id,
                "key": key,
                "cancelled_micros": done.amount.micros,
                "available_micros": done.balances.available.micros,
                "currency": currency,
            }
        )
    else:
        left = shown(done.balances.available.micros, currency)
        say(f"{shown(done.amount.micros, currency)} taken out, {left} available")


async def _carry_out(ledger: SqlLedger, cancel: CancelTopUp) -> TopUpCancelled:
    async with ledger:
        return await ledger.carry_out(cancel)


def _fields(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "call_id": entry.call_id,
        "posted_at": entry.posted_at.isoformat(),
        "note": entry.note,
        "postings": [
            {
                "source": posting.source,
                "target": posting.target,
                "micros": posting.amount.micros,
                "currency": posting.amount.currency,
            }
            for posting in entry.postings
        ],
    }
