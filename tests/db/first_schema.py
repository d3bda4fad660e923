"""A ledger as the first version of the tables held it, and its way to the last one.

`python -m tests.db.first_schema 100000` makes one of so many calls on each database, kills its
migration half-way, lets it go on, and compares; the tests do it with fewer.
"""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine, text

from db.audit import audit
from db.engine import WRITER, open_engine
from db.ledger import read_from
from db.migrations import entry_copy
from db.schema import upgrade, version_of
from lab.postgresql import running_server
from tests.fakes.clock import START

OFFICES = ("main", "branch")
PRICE = 100_000  # micros of every interval
CHUNK = 50_000
FIRST = "0001"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.db.first_schema"])

Row = dict[str, Any]

_calls = sa.table(
    "calls",
    *map(
        sa.column,
        (
            *("call_id", "office_id", "endpoint", "extension", "language", "dialled", "number"),
            *("dial_string", "country", "kind", "destination", "reason", "currency"),
            *("per_minute_micros", "connection_micros", "per_call_micros", "initial_s"),
            *("increment_s", "caller_channel", "asterisk", "spending_day"),
            *("reserved_intervals", "debited_intervals", "held_micros", "debited_micros"),
        ),
    ),
    sa.column("authorised_at", sa.DateTime(timezone=True)),
    sa.column("settled_at", sa.DateTime(timezone=True)),
)
_postings = entry_copy.old_postings
_balances = sa.table("balances", *map(sa.column, ("account", "currency", "micros")))


class Office:
    """Writes down what the first version would have."""

    def __init__(
        self,
        office_id: str,
        first: datetime = START,
        spacing: timedelta = timedelta(seconds=1),
    ) -> None:
        """Its calls begin at a moment, one after each spacing."""
        self.office_id = office_id
        self._first, self._spacing = first, spacing
        self.balances = {"available": 0, "reserved": 0}

    def post(
        self, key: str, at: datetime, *moves: tuple[str, str, int], call_id: str | None = None
    ) -> Iterator[Row]:
        for line, (source, target, micros) in enumerate(moves):
            for name, change in ((source, -micros), (target, micros)):
                if name in self.balances:
                    self.balances[name] += change
            yield {
                "entry_key": key,
                "line": line,
                "office_id": self.office_id,
                "call_id": call_id,
                "source": self._account(source),
                "target": self._account(target),
                "micros": micros,
                "currency": "GBP",
                "posted_at": at,
                "note": "" if call_id else "cash",
            }

    def _account(self, name: str) -> str:
        return f"office:{self.office_id}:{name}" if name in self.balances else f"operator:{name}"

    def call(self, number: int, dice: random.Random) -> tuple[Row, list[Row]]:
        """One call: most were answered, some never, a few still talk."""
        call_id = f"{number:012d}-{self.office_id}"
        at = self._first + number * self._spacing
        intervals = dice.choice((0, 1, 2, 3, 3, 4))
        over = dice.random() > 0.001
        key = f"call:{call_id}"
        rows: list[Row] = []

        def post(name: str, *moves: tuple[str, str, int], late_s: int = 0) -> None:
            moment = at + timedelta(seconds=late_s)
            rows.extend(self.post(f"{key}:{name}", moment, *moves, call_id=call_id))

        reserved = max(intervals, 1)
        for interval in range(reserved):
            post(f"reserve:{interval}", ("available", "reserved", PRICE), late_s=interval)
            if interval < intervals:
                # A debit bears the moment of the answer, which may be long past.
                late_s = interval or -30
                post(f"debit:{interval}", ("reserved", "revenue", PRICE), late_s=late_s)
        debited, held = PRICE * intervals, PRICE * (reserved - intervals)
        if over and dice.random() < 0.1 and intervals:
            post("settle", ("revenue", "available", PRICE), late_s=intervals)
            debited -= PRICE
        elif over and intervals:
            post("reserve:99", ("available", "reserved", PRICE), late_s=intervals)
            taken = dice.randrange(1, PRICE)
            post(
                "settle",
                ("reserved", "revenue", PRICE),
                ("available", "revenue", taken),
                late_s=intervals,
            )
            debited += PRICE + taken
        elif over:
            post("release", ("reserved", "available", held), late_s=1)
        row = _call_row(call_id, self.office_id, at, over=over) | {
            "reserved_intervals": reserved,
            "debited_intervals": intervals,
            "held_micros": 0 if over else held,
            "debited_micros": debited,
        }
        return row, rows


def _call_row(call_id: str, office_id: str, at: datetime, *, over: bool) -> Row:
    words = dict.fromkeys(
        ("extension", "dialled", "dial_string", "kind", "destination", "reason"), "x"
    )
    return words | {
        "call_id": call_id,
        "office_id": office_id,
        "endpoint": f"10{int(call_id[:12]) % 20:02d}",
        "language": "en",
        "number": "33612345678",
        "country": "FR",
        "currency": "GBP",
        "per_minute_micros": PRICE,
        "connection_micros": 0,
        "per_call_micros": 0,
        "initial_s": 60,
        "increment_s": 60,
        "caller_channel": call_id,
        "asterisk": "pbx",
        "authorised_at": at,
        "spending_day": at.date().isoformat(),
        "settled_at": at + timedelta(minutes=5) if over else None,
    }


def fill(
    engine: Engine,
    calls: int,
    *,
    first: datetime = START,
    spacing: timedelta = timedelta(seconds=1),
) -> None:
    """Make a ledger of the first schema: two offices, their money in and out, and calls."""
    upgrade(engine, to=FIRST)
    dice = random.Random(calls)  # noqa: S311 - every run is the same
    offices = [Office(name, first, spacing) for name in OFFICES]
    with engine.connect().execution_options(**WRITER) as writer:
        rows_of_all = _rows(offices, calls, dice, first)
        while chunk := list(itertools.islice(rows_of_all, CHUNK)):
            with writer.begin():
                posted = [row for _, rows in chunk for row in rows]
                made = [row for row, _ in chunk if row]
                writer.execute(sa.insert(_postings), posted)
                if made:
                    writer.execute(sa.insert(_calls), made)
        with writer.begin():
            stored = [
                {"account": f"office:{o.office_id}:{name}", "currency": "GBP", "micros": micros}
                for o in offices
                for name, micros in o.balances.items()
            ]
            writer.execute(sa.insert(_balances), stored)


def _rows(
    offices: list[Office], calls: int, dice: random.Random, began: datetime
) -> Iterator[tuple[Row | None, list[Row]]]:
    """In the order in which they were posted: the two offices take turns."""
    first, second = offices
    enough = PRICE * 10 * (calls + 10)
    for office in offices:
        funds = ("funding", "available", enough)
        yield None, list(office.post(f"topup:{office.office_id}", began, funds))
    yield None, list(first.post("topup:inv7", began, ("funding", "available", 100)))
    back = ("available", "funding", 100)
    yield None, list(first.post("topup:inv7:cancel", began, back))
    # What a key of the first version could be mistaken for, and what the second one wrote.
    inwards = ("funding", "available", 5)
    yield None, list(first.post("topup:x:cancel", began, inwards))
    yield None, list(second.post("top-up:branch:inv8", began, inwards))
    outwards = ("available", "funding", 5)
    yield None, list(second.post("top-up-cancel:branch:inv8", began, outwards))
    for number in range(calls):
        yield offices[number % 7 == 0].call(number, dice)


def balances_of(engine: Engine) -> dict[str, int]:
    """Of each account, by the tables of either version."""
    with engine.connect() as reader:
        if version_of(engine) == FIRST:
            query = "SELECT account, micros FROM balances"
        else:
            query = "SELECT 'office:' || office_id || ':' || account, micros FROM balances"
        return {row[0]: row[1] for row in reader.execute(text(query))}


def count(engine: Engine, table: str) -> int:
    with engine.connect() as reader:
        return int(reader.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0)


# --- killed half-way -------------------------------------------------------------------------


def migrate_until_killed(url: str, *, batches: int) -> None:
    """Migrate in a process of its own, which is killed inside the batch after so many."""
    here, there = _context.Pipe()
    process = _context.Process(target=_migrate, args=(url, entry_copy.BATCH, batches, there))
    process.start()
    there.close()
    with contextlib.suppress(EOFError):
        here.recv()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise AssertionError(f"the migration ended with {process.exitcode}, and was not killed")


def _migrate(url: str, batch: int, batches: int, alive: Pipe) -> None:
    entry_copy.BATCH = batch
    written = itertools.count()

    def die(*_: object) -> None:
        if next(written) == batches:  # rows are written, and nothing is committed
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(
        Engine,
        "after_cursor_execute",
        lambda _c, _cur, statement, *_: die() if "INTO postings_next" in statement else None,
    )
    upgrade(open_engine(url))
    alive.send("done")


# --- by hand ---------------------------------------------------------------------------------


def _report(name: str, url: str, calls: int) -> bool:
    engine = open_engine(url)
    began = time.monotonic()
    fill(engine, calls)
    before, postings = balances_of(engine), count(engine, "postings")
    sys.stdout.write(
        f"{name}: {calls} calls, {postings} postings made in {time.monotonic() - began:.0f} s\n"
    )
    half = postings // entry_copy.BATCH // 2
    migrate_until_killed(url, batches=half)
    with engine.connect() as reader:
        copied = entry_copy.copied_up_to(reader)
    began = time.monotonic()
    upgrade(engine)
    took_s = time.monotonic() - began
    found = read_from(engine, audit)
    equal = before == balances_of(engine) and postings == count(engine, "postings")
    sys.stdout.write(
        f"  killed at posting {copied}; went on and ended in {took_s:.0f} s: balances and postings"
        f" {'equal' if equal else 'DIFFER'}, audit of {found.entries} entries"
        f" {'sound' if found.sound else found.problems[:3]}\n"
    )
    engine.dispose()
    return equal and found.sound and 0 < copied < postings


def _main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        sound = _report("SQLite", f"sqlite:///{Path(folder) / 'ledger.sqlite'}", calls)
    with running_server(durable=True) as server:
        sound = _report("PostgreSQL", server.url(), calls) and sound
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    _main()
