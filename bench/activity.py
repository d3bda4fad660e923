"""A page of 50 rows of activity, and of calls, in a ledger of 1,000,000 postings."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from sqlalchemy import Connection, Engine, text

from bench.figures import Figure
from bench.history import CALLS, GOAL_MS, PAGE, bare_ms_of, milliseconds
from bench.ledger import on_postgresql, on_sqlite
from charging.entries import EntryKind
from charging.unpaid_calls import UnpaidCall
from db.activity import (
    Cursor,
    WantedActivity,
    activity,
)
from db.activity_sums import filtered_sum, totals
from db.call_lists import Place, WantedCalls, list_calls
from db.reports import SpentBy, report
from db.schema import upgrade
from db.unpaid_calls import UnpaidCalls
from tests.db.first_schema import count, fill
from tests.fakes.clock import START

UNPAID = 200_000
_MIDDLE = START + timedelta(seconds=CALLS // 2)
_HOUR = WantedCalls(since=_MIDDLE, until=_MIDDLE + timedelta(hours=1))
FILTERS: Mapping[str, WantedCalls] = {
    "no filter": WantedCalls(),
    "one of 20 extensions": WantedCalls(extension="1007"),
    "an extension that never called": WantedCalls(extension="1099"),
    "a country": WantedCalls(country="FR"),
    "a country that nobody called": WantedCalls(country="JP"),
    "digits that nobody dialled": WantedCalls(number="98765"),
    "an hour of two days": _HOUR,
}
Query = Callable[[Connection], object]


def run() -> list[Figure]:
    with on_sqlite() as engine:
        figures = [*_measure("SQLite", engine)]
    with on_postgresql() as engine:
        return [*figures, *_measure("PostgreSQL", engine)]


def _measure(name: str, engine: Engine) -> Iterator[Figure]:
    fill(engine, CALLS)
    upgrade(engine)
    spacing = timedelta(seconds=CALLS / UNPAID)
    fill_unpaid(engine, UNPAID, first=START, spacing=spacing)
    with engine.connect() as reader:
        if engine.dialect.name == "postgresql":
            reader.execute(text("ANALYZE"))
    last = count(engine, "entries") * 6 // 7  # of the office that has most of the calls
    bare_ms = bare_ms_of(engine, last=last)
    for what, query in _queries(last):
        found_ms = milliseconds(engine, query)
        yield Figure(
            what=f"{what}, {name}",
            unit="ms",
            value=found_ms,
            beside=bare_ms,
            beside_what="a bare keyed read of 50",
            goal=f"under {GOAL_MS} ms" if what.startswith(str(PAGE)) else "",
            met=found_ms < GOAL_MS if what.startswith(str(PAGE)) else None,
        )


def _queries(last: int) -> Iterator[tuple[str, Query]]:
    dice = random.Random(1)

    def activity_page(wanted: WantedActivity, reader: Connection) -> object:
        number = dice.randrange(last // 2, last)
        cursor = None if wanted.calls.since else Cursor(number + 100, number, None)
        return activity(reader, office_id="main", limit=PAGE, wanted=wanted, cursor=cursor)

    def calls_page(wanted: WantedCalls, reader: Connection) -> object:
        at = START + timedelta(seconds=dice.randrange(CALLS // 2, CALLS))
        before = None if wanted.since else Place(at, "z")
        return list_calls(reader, office_id="main", limit=PAGE, wanted=wanted, before=before)

    for name, wanted in FILTERS.items():
        yield (
            f"{PAGE} rows of activity, {name}",
            partial(activity_page, WantedActivity(calls=wanted)),
        )
        yield f"{PAGE} calls, {name}", partial(calls_page, wanted)
    money = WantedActivity(kinds=frozenset({EntryKind.TOP_UP, EntryKind.TOP_UP_CANCEL}))
    yield f"{PAGE} rows of activity, money in and out", partial(activity_page, money)
    hour = WantedActivity(calls=_HOUR)
    yield "totals of an hour", lambda reader: totals(reader, office_id="main", wanted=hour)
    yield "totals of everything", lambda reader: totals(reader, office_id="main")
    of_phone = WantedActivity(calls=WantedCalls(extension="1007"))
    yield (
        "the sum of one extension, of everything",
        lambda reader: filtered_sum(reader, office_id="main", wanted=of_phone),
    )
    for by in SpentBy:
        yield f"report by {by}, of everything", partial(_report, by)


def _report(by: SpentBy, reader: Connection) -> object:
    first, last = START.date(), (START + timedelta(days=60)).date()
    return report(reader, office_id="main", by=by, first=first, last=last, currency="GBP")


def fill_unpaid(engine: Engine, count: int, *, first: datetime, spacing: timedelta) -> None:
    """Calls that cost nothing, one in twenty refused."""
    rows = UnpaidCalls(engine)
    made = (_unpaid(number, first + number * spacing) for number in range(count))
    while chunk := list(islice(made, 5000)):
        rows.write(known=chunk)


def _unpaid(number: int, at: datetime) -> UnpaidCall:
    refused = number % 20 == 0
    return UnpaidCall(
        call_id=f"{number:032x}",
        office_id="main",
        endpoint=f"10{number % 20:02d}",
        extension="x",
        asterisk="pbx",
        caller_channel=f"pbx-{number}",
        dialled="02079460000",
        number="442079460000",
        country="GB",
        kind="landline",
        category="paid" if refused else "included",
        refusal="insufficient_balance" if refused else None,
        started_at=at,
        day=at.date().isoformat(),
    )
