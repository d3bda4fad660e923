"""`tollgate privacy`: numbers that were kept long enough."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import typer

from admin.context import AsJson, command
from admin.output import print_json, say
from db.ledger import read_from
from db.masked_numbers import mask_numbers, to_be_masked

app = typer.Typer(no_args_is_help=True, help="Mask numbers that were kept long enough.")

_WORDS = {"calls": "paid calls", "unpaid_calls": "included, free and refused calls"}


@app.callback()
def privacy() -> None:
    """Mask numbers that were kept long enough."""


@app.command()
def purge(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be masked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Mask the numbers of calls older than `[privacy] keep_numbers_days`; money and times stay.

    The application does the same once a day.
    """
    with command() as context:
        days = context.settings.privacy.keep_numbers_days
        counts: Counter[str] = Counter(dict.fromkeys(_WORDS, 0))
        if days:
            before = datetime.now(UTC) - timedelta(days=days)
            if dry_run:
                counts.update(read_from(context.reader, partial(to_be_masked, before=before)))
            else:
                context.require_ledger()
                for step in mask_numbers(context.engine, before):
                    counts.update(step)
    if as_json:
        print_json({"keep_numbers_days": days, "dry_run": dry_run, "masked": dict(counts)})
        return
    if not days:
        say("numbers are kept for ever: [privacy] keep_numbers_days = 0")
        return
    verb = "would be masked" if dry_run else "masked"
    for table, words in _WORDS.items():
        say(f"{counts[table]:,} {words} older than {days} days: {verb}")
