"""Two years of one office's calls, written by the database itself: a million rows in minutes.

Every call is paid, lasts less than a minute and has the four entries that such a call has. The
triggers that look at each row are switched off meanwhile; a test lets the audit look at the result.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from charging.commands import TopUp
from charging.money import Money
from db.batches import BatchRunner
from db.engine import WRITER
from lab.errors import LabError

OFFICE: Final = "main"
PRICE: Final = 110_000  # micros of the one minute that each call takes
RINGS_S: Final = 9
ENTRIES: Final = 4  # of a call

# What the two databases write differently: a number after the other, text of a fixed width, and a
# moment from seconds.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {
        "numbers": "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers"
        " WHERE i + 1 < :count)",
        "id": "printf('%032x', {0})",
        "moment": "strftime('%Y-%m-%d %H:%M:%S', {0}, 'unixepoch') || '.000000'",
        "day": "strftime('%Y-%m-%d', {0}, 'unixepoch')",
    },
    "postgresql": {
        "numbers": "WITH numbers(i) AS"
        " (SELECT generate_series(CAST(0 AS BIGINT), CAST(:count AS BIGINT) - 1))",
        "id": "lpad(to_hex({0}), 32, '0')",
        "moment": "to_timestamp({0})",
        "day": "to_char(to_timestamp({0}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    },
}
_COUNTRY = "CASE i % 10 WHEN 0 THEN 'US' WHEN 1 THEN 'DE' WHEN 2 THEN 'ES' ELSE 'FR' END"
_ENDPOINT = "'10' || CASE WHEN i % 9 = 0 THEN '10' ELSE '0' || (i % 9 + 1) END"


def settle_down(engine: Engine) -> None:
    """As the database is a minute after so much was written, and before it is read.

    SQLite would look for every page in a log of gigabytes, and PostgreSQL plan as for empty tables.

    Raises:
        LabError: somebody still reads the ledger, so its log stays.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as writer:
            writer.execute(text("ANALYZE"))
        return
    connection = engine.raw_connection()
    busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    if busy:
        raise LabError("somebody still reads the ledger")


def fill_two_years(
    engine: Engine, *, calls: int, unpaid: int, first: datetime, last: datetime
) -> None:
    """As many paid calls, and calls that cost nothing, one in twenty of them refused.

    They were made through another Asterisk. The ledger of this office must be empty.
    """
    opening = PRICE * (calls + 1_000)
    batches = BatchRunner(engine)
    batches.run(
        [
            TopUp(
                office_id=OFFICE,
                amount=Money(opening, "GBP"),
                key="opening",
                actor="bench",
                reason="",
                at=first - timedelta(days=1),
            )
        ]
    )
    batches.close()
    span_s = round((last - first).total_seconds())
    with _unguarded(engine) as writer:
        words = _WORDS[engine.dialect.name]
        at = f"({round(first.timestamp())} + i * {span_s // calls})"
        values = {"count": calls, "opening": opening, "price": PRICE}
        for statement in _paid(words, at):
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            writer.execute(text(statement), used)
        at = f"({round(first.timestamp())} + i * {span_s // unpaid})"
        writer.execute(text(_unpaid(words, at)), {"count": unpaid})


@contextmanager
def _unguarded(engine: Engine) -> Iterator[Connection]:
    """A transaction in which no trigger looks at rows."""
    with engine.connect().execution_options(**WRITER) as writer, writer.begin():
        if engine.dialect.name == "postgresql":
            writer.execute(text("SET LOCAL session_replication_role = replica"))
            yield writer
            return
        found = writer.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        ).all()
        for name, _ in found:
            writer.exec_driver_sql(f"DROP TRIGGER {name}")
        yield writer
        for _, sql in found:
            writer.exec_driver_sql(sql)


def _paid(words: Mapping[str, str], at: str) -> Iterator[str]:
    begun, answered = words["moment"].format(at), words["moment"].format(f"({at} + {RINGS_S})")
    ended = words["moment"].format(f"({at} + {RINGS_S} + i % 50 + 5)")
    yield _calls(words, at, begun, answered, ended)
    for place, (kind, key, moment) in enumerate(
        (
            ("reserve", "reserve:0", begun),
            ("debit", "debit:0", answered),
            ("reserve", "reserve:1", answered),
            ("release", "release", ended),
        )
    ):
        yield _entries(words, place, kind, key, moment)
    left = "(:opening - i * :price - {0})"
    price, twice = left.format(":price"), left.format(":price * 2")
    for place, moved in enumerate(
        (
            ("available", "reserved", price, ":price"),
            ("reserved", "revenue", "0", "NULL"),
            ("available", "reserved", twice, ":price"),
            ("reserved", "available", "0", price),
        )
    ):
        yield _postings(words, place, *moved)
    yield _AVAILABLE
    yield _RESERVED


_OF_LAST = f"FROM entries WHERE office_id = '{OFFICE}' ORDER BY number DESC LIMIT 1"
_AVAILABLE = (
    "UPDATE balances SET micros = :opening - CAST(:count AS BIGINT) * :price,"  # noqa: S608 - ours
    f" entry_number = (SELECT number {_OF_LAST}), posted_at = (SELECT posted_at {_OF_LAST})"
    f" WHERE office_id = '{OFFICE}' AND account = 'available'"
)
_RESERVED = (
    "INSERT INTO balances (office_id, account, currency, micros, entry_number, posted_at)"
    f" SELECT '{OFFICE}', 'reserved', 'GBP', 0, number, posted_at {_OF_LAST}"
)


def _calls(words: Mapping[str, str], at: str, begun: str, answered: str, ended: str) -> str:
    call_id = words["id"].format("i")
    return _insert(
        "calls",
        words,
        {
            **_of_a_call(call_id, words["day"].format(at), "spending_day"),
            "language": "'en'",
            "dial_string": "'0033612345678'",
            "destination": "'France mobile'",
            "reason": "'UK plan does not include mobiles in FR'",
            "currency": "'GBP'",
            "per_minute_micros": ":price",
            "connection_micros": "0",
            "per_call_micros": "0",
            "initial_s": "60",
            "increment_s": "60",
            "authorised_at": begun,
            "reserved_intervals": "2",
            "debited_intervals": "1",
            "held_micros": "0",
            "debited_micros": ":price",
            "leg": f"'PJSIP/trunk-' || {call_id}",
            "answered_at": answered,
            "ended_at": ended,
            "talk_s": "i % 50 + 5",
            "released_micros": ":price",
            "hangup_cause": "16",
            "settled_at": ended,
        },
    )


def _entries(words: Mapping[str, str], place: int, kind: str, key: str, moment: str) -> str:
    call_id = words["id"].format("i")
    escaped = key.replace(":", "\\:")  # else it would be a value by name
    return _insert(
        "entries",
        words,
        {
            "office_id": f"'{OFFICE}'",
            "number": f"i * {ENTRIES} + {place + 2}",
            "key": f"'call:' || {call_id} || '\\:{escaped}'",
            "kind": f"'{kind}'",
            "call_id": call_id,
            "actor": f"'extension:' || {_ENDPOINT}",
            "reason": "''",
            "posted_at": moment,
        },
    )


def _postings(  # noqa: PLR0913, PLR0917 - one movement, as the ledger has it
    words: Mapping[str, str],
    place: int,
    source: str,
    target: str,
    source_after: str,
    target_after: str,
) -> str:
    return _insert(
        "postings",
        words,
        {
            "office_id": f"'{OFFICE}'",
            "entry_number": f"i * {ENTRIES} + {place + 2}",
            "line": "0",
            "source": f"'{source}'",
            "target": f"'{target}'",
            "micros": ":price",
            "currency": "'GBP'",
            "source_after_micros": source_after,
            "target_after_micros": target_after,
        },
    )


def _unpaid(words: Mapping[str, str], at: str) -> str:
    refused = "i % 20 = 0"
    connected = f"CASE WHEN {refused} THEN NULL ELSE {{0}} END"
    call_id = words["id"].format("i + 1000000000")
    ended = words["moment"].format(f"({at} + {RINGS_S} + 60)")
    answered = words["moment"].format(f"({at} + {RINGS_S})")
    return _insert(
        "unpaid_calls",
        words,
        {
            **_of_a_call(call_id, words["day"].format(at), "day"),
            "category": f"CASE WHEN {refused} THEN 'paid' ELSE 'included' END",
            "refusal": f"CASE WHEN {refused} THEN 'insufficient_balance' END",
            "started_at": words["moment"].format(at),
            "answered_at": connected.format(answered),
            "ended_at": connected.format(ended),
            "talk_s": connected.format("60"),
            "hangup_cause": "16",
        },
    )


def _of_a_call(call_id: str, day: str, day_column: str) -> dict[str, str]:
    return {
        "call_id": call_id,
        "office_id": f"'{OFFICE}'",
        "endpoint": _ENDPOINT,
        "extension": "'Reception'",
        "asterisk": "'elsewhere'",
        "caller_channel": f"'pbx-' || {call_id}",
        "dialled": "'0033612345678'",
        "number": "'336' || (10000000 + i % 80000000)",
        "country": _COUNTRY,
        "kind": "'mobile'",
        day_column: day,
    }


def _insert(table: str, words: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    names, values = ", ".join(columns), ", ".join(columns.values())
    return f"INSERT INTO {table} ({names}) {words['numbers']} SELECT {values} FROM numbers"  # noqa: S608 - ours
