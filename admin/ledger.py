"""`tollgate ledger`: read it, prove it, and take a mistaken top-up out again."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer

from admin.amounts import shown
from admin.context import AsJson, Office, actor, command, fail
from admin.output import print_json, say, say_in_columns
from charging.commands import CancelTopUp, TopUpCancelled
from charging.entries import (
    DIRECTIONS,
    Direction,
    EntryKind,
    PostedEntry,
    available,
    extension_actor,
)
from db.audit import audit
from db.day_sums import add_up_days, forget_sums
from db.history import Wanted, last_entries
from db.ledger import SqlLedger, read_from, read_one_moment
from db.schema import HEAD

LAST_MAX = 1_000_000  # entries shown at once
NUMBER_MAX = 2**63 - 1  # what a BIGINT column holds

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
    """Recompute every balance and every sum; exit status 1 if anything disagrees."""
    with command() as context:
        found = read_one_moment(context.reader, audit)
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


@app.command("add-up")
def add_up(
    *,
    anew: Annotated[
        bool, typer.Option("--anew", help="Drop all sums first, and make every one again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add up past days, from which reports and filters are read; the portal does it by itself."""
    with command() as context:
        context.require_ledger()
        if anew:
            forget_sums(context.engine)
        days = sum(add_up_days(context.engine, now=datetime.now(UTC)))
    if as_json:
        print_json({"days": days})
    else:
        say(f"{days} days added up")


@app.command()
def show(  # noqa: PLR0913, PLR0917 - each is one filter
    office: Office = None,
    call: Annotated[str | None, typer.Option("--call", help="Only the entries of a call.")] = None,
    kind: Annotated[
        list[EntryKind] | None, typer.Option("--kind", help="Only of this kind; may be repeated.")
    ] = None,
    extension: Annotated[
        str | None, typer.Option("--extension", help="Only those of this phone's calls.")
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option("--direction", help="Money in, out, or set aside within.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", help="From this moment on, UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Before this moment, UTC.")] = None,
    before: Annotated[
        int | None,
        typer.Option("--before", min=1, max=NUMBER_MAX, help="Only entries of a lower number."),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", min=1, max=LAST_MAX, help="How many entries.")
    ] = 20,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the last entries of an office, oldest first."""
    wanted = Wanted(
        kinds=frozenset(kind or ()),
        direction=direction,
        call_id=call,
        actor=None if extension is None else extension_actor(extension),
        since=_utc(since),
        until=_utc(until),
    )
    with command() as context:
        office_id = context.office(office)
        query = partial(last_entries, office_id=office_id, limit=last, wanted=wanted, before=before)
        entries = read_from(context.reader, query)
    if as_json:
        print_json({"office": office_id, "entries": [_fields(posted) for posted in entries]})
    else:
        say_in_columns([line for posted in entries for line in _lines(posted)])


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


@app.command("cancel-topup")
def cancel_top_up(
    key: Annotated[str, typer.Argument(help="The key that `tollgate topup` gave.")],
    office: Office = None,
    reason: Annotated[
        str, typer.Option("--reason", "--note", help="Kept with the entry.")
    ] = "by hand",
    *,
    as_json: AsJson = False,
) -> None:
    """Take a mistaken top-up out again, as far as it is unspent."""
    with command() as context:
        office_id = context.office(office)
        context.require_ledger()
        try:
            cancel = CancelTopUp(
                office_id=office_id, key=key, actor=actor(), reason=reason, at=datetime.now(UTC)
            )
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


def _lines(posted: PostedEntry) -> Iterator[tuple[str, ...]]:
    """A line for each posting. The balance is what the office can spend after it."""
    entry = posted.entry
    for posting in entry.postings:
        balance = posted.balance_after(available(entry.office_id))
        yield (
            str(posted.number),
            posted.posted_at.strftime("%Y-%m-%d %H:%M:%S"),
            entry.kind.value,
            shown(posting.amount.micros, posting.amount.currency),
            "" if balance is None else shown(balance.micros, balance.currency),
            f"{posting.source} → {posting.target}",
            entry.key,
            entry.actor,
            entry.reason,
        )


def _fields(posted: PostedEntry) -> dict[str, Any]:
    entry = posted.entry
    return {
        "number": posted.number,
        "key": entry.key,
        "kind": entry.kind.value,
        "direction": DIRECTIONS[entry.kind].value,
        "call_id": entry.call_id,
        "payment_id": entry.payment_id,
        "reverses": entry.reverses,
        "posted_at": posted.posted_at.isoformat(),
        "actor": entry.actor,
        "reason": entry.reason,
        "postings": [
            {
                "source": posting.source,
                "target": posting.target,
                "micros": posting.amount.micros,
                "currency": posting.amount.currency,
                "source_after_micros": None if after.source is None else after.source.micros,
                "target_after_micros": None if after.target is None else after.target.micros,
            }
            for posting, after in zip(entry.postings, posted.balances_after, strict=True)
        ],
    }
