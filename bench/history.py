"""A page of 50 entries out of 1,000,000 postings, with every filter, beside a bare keyed read.

The ledger is made as the first version of the tables held it and migrated, which is measured too.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from statistics import median

from sqlalchemy import Connection, Engine, text

from bench.figures import Figure
from bench.ledger import on_postgresql, on_sqlite
from charging.entries import Direction, EntryKind, extension_actor
from db.history import EVERYTHING, Wanted, history
from db.ledger import read_from
from db.schema import upgrade
from tests.db.first_schema import count, fill
from tests.fakes.clock import START

CALLS = 144_000  # about 1,000,000 postings
PAGE = 50
READS = 60  # of each filter, each from another place
GOAL_MS = 20
_BARE = text(
    "SELECT * FROM entries JOIN postings ON postings.office_id = entries.office_id"
    " AND postings.entry_number = entries.number WHERE entries.office_id = 'main'"
    " AND entries.number > :first AND entries.number <= :first + 50"
)
_MIDDLE = START + timedelta(seconds=CALLS // 2)

FILTERS: Mapping[str, Wanted] = {
    "no filter": EVERYTHING,
    "kind: top-ups": Wanted(kinds=frozenset({EntryKind.TOP_UP})),
    "kind: settlements": Wanted(kinds=frozenset({EntryKind.SETTLE})),
    "direction in": Wanted(direction=Direction.IN),
    "direction out": Wanted(direction=Direction.OUT),
    "one of 20 extensions": Wanted(actor=extension_actor("1007")),
    "an extension that never called": Wanted(actor=extension_actor("1099")),
    "one call": Wanted(call_id=f"{CALLS // 2 + 1:012d}-main"),
    "an hour of two days": Wanted(since=_MIDDLE, until=_MIDDLE + timedelta(hours=1)),
}


def run() -> list[Figure]:
    with on_sqlite() as engine:
        figures = [*_measure("SQLite", engine)]
    with on_postgresql() as engine:
        return [*figures, *_measure("PostgreSQL", engine)]


def _measure(name: str, engine: Engine) -> Iterator[Figure]:
    fill(engine, CALLS)
    began = time.perf_counter()
    upgrade(engine)
    took_s = time.perf_counter() - began
    postings = count(engine, "postings")
    yield Figure(what=f"migration of {postings:,} postings, {name}", unit="s", value=took_s)
    with engine.connect() as reader:
        last = count(engine, "entries") * 6 // 7  # of the office that has most of the calls
        if engine.dialect.name == "postgresql":
            reader.execute(text("ANALYZE"))
        bare_ms = bare_ms_of(engine, last=last)
        for filter_name, wanted in FILTERS.items():
            yield _figure(engine, f"{filter_name}, {name}", wanted, last=last, bare_ms=bare_ms)


def _figure(engine: Engine, what: str, wanted: Wanted, *, last: int, bare_ms: float) -> Figure:
    dice = random.Random(1)

    def page(reader: Connection) -> None:
        # A period has few pages; else one begins anywhere.
        before = None if wanted.since or wanted.call_id else dice.randrange(last // 2, last)
        history(reader, office_id="main", limit=PAGE, wanted=wanted, before=before)

    found_ms = milliseconds(engine, page)
    return Figure(
        what=f"{PAGE} entries, {what}",
        unit="ms",
        value=found_ms,
        beside=bare_ms,
        beside_what="a bare keyed read of 50",
        goal=f"under {GOAL_MS} ms",
        met=found_ms < GOAL_MS,
    )


def bare_ms_of(engine: Engine, *, last: int) -> float:
    return milliseconds(engine, partial(_bare, last=last))


def _bare(reader: Connection, *, last: int) -> None:
    reader.execute(_BARE, {"first": random.randrange(last // 2, last - PAGE)}).all()


def milliseconds(engine: Engine, query: Callable[[Connection], object]) -> float:
    """What one read takes, transaction included; half of them took less."""
    took_s = []
    for _ in range(READS):
        began = time.perf_counter()
        read_from(engine, query)
        took_s.append(time.perf_counter() - began)
    return 1000 * median(took_s)
