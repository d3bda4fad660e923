"""Rate decks in the database, and the decks in force in memory: charging.ports.RateDecks.

Decks are never changed: an import adds one, and the last line of `deck_changes` says which of a
currency and name is in force. So rolling back is pointing at an earlier one.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, insert, or_, select
from sqlalchemy.exc import DBAPIError

from charging.errors import ChargingError, ChargingUnavailable
from charging.rate_deck import DeckKey, RateDeck, RateFields
from db.engine import WRITER
from db.ledger import read_from
from db.models import deck_changes, rate_decks, rates

CHUNK_ROWS = 10_000  # written at once

_LAST_CHANGES = (
    select(func.max(deck_changes.c.id))
    .join(rate_decks, rate_decks.c.id == deck_changes.c.deck_id)
    .group_by(rate_decks.c.currency, rate_decks.c.name)
)
_IN_FORCE = (
    select(rate_decks.c.currency, rate_decks.c.name, rate_decks.c.id)
    .join(deck_changes, rate_decks.c.id == deck_changes.c.deck_id)
    .where(deck_changes.c.id.in_(_LAST_CHANGES))
)
_FIELDS = (
    rates.c.prefix,
    rates.c.destination,
    rates.c.per_minute_micros,
    rates.c.connection_micros,
    rates.c.per_call_micros,
    rates.c.initial_s,
    rates.c.increment_s,
    rates.c.effective,
)
_ROWS_OF_DECK = (
    select(*_FIELDS)
    .where(rates.c.deck_id == bindparam("deck"))
    .order_by(rates.c.prefix, rates.c.effective)
)
_ROWS_OF_PREFIXES = _ROWS_OF_DECK.where(rates.c.prefix.in_(bindparam("prefixes", expanding=True)))


class NothingToRollBackTo(ChargingError):  # noqa: N818 - what there is not
    """There is no earlier deck of this currency and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckChange:
    """Which deck is in force since when."""

    deck_id: int
    key: DeckKey
    source: str
    action: str
    changed_at: datetime


class LiveDecks:
    """The decks in force, in memory; `refresh` reads what was imported meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._decks: dict[DeckKey, RateDeck] = {}
        self._in_force: dict[DeckKey, int] | None = None  # None: never read

    def deck(self, key: DeckKey) -> RateDeck:
        """The deck in force; an empty one if none was ever imported.

        Raises:
            ChargingUnavailable: the database could not be read yet.
        """
        if self._in_force is None:
            raise ChargingUnavailable("no rate deck could be read yet")
        return self._decks.get(key) or RateDeck((), currency=key.currency)

    async def refresh(self) -> bool:
        """Read what changed; whether something did. Live calls keep the rate they began with.

        Raises:
            ChargingUnavailable: the database is away; the decks in memory stay in force.
        """
        in_force = await asyncio.to_thread(read_from, self._engine, decks_in_force)
        changed = {key: deck for key, deck in in_force.items() if self._deck_id(key) != deck}
        for key, deck_id in changed.items():
            self._decks[key] = await asyncio.to_thread(
                load_deck, self._engine, deck_id, key.currency
            )
        self._in_force = in_force
        return bool(changed)

    def _deck_id(self, key: DeckKey) -> int | None:
        return None if self._in_force is None else self._in_force.get(key)


def decks_in_force(reader: Connection) -> dict[DeckKey, int]:
    """The number of the deck in force of each currency and name."""
    return {DeckKey(row.currency, row.name): row.id for row in reader.execute(_IN_FORCE)}


def load_deck(engine: Engine, deck_id: int, currency: str) -> RateDeck:
    """Read a whole deck.

    Raises:
        ChargingUnavailable: the database is away.
    """

    def query(reader: Connection) -> RateDeck:
        found = reader.execution_options(yield_per=CHUNK_ROWS).execute(
            _ROWS_OF_DECK, {"deck": deck_id}
        )
        return RateDeck(map(_prefix_and_fields, found), currency=currency)

    return read_from(engine, query)


def load_rates_of(engine: Engine, number: str, key: DeckKey) -> RateDeck:
    """Read only what may match one number: a command line need not read a million rows.

    Raises:
        ChargingUnavailable: the database is away.
    """

    def query(reader: Connection) -> RateDeck:
        deck_id = decks_in_force(reader).get(key)
        prefixes = [number[:length] for length in range(1, len(number) + 1)]
        found = reader.execute(_ROWS_OF_PREFIXES, {"deck": deck_id, "prefixes": prefixes})
        return RateDeck(map(_prefix_and_fields, found), currency=key.currency)

    return read_from(engine, query)


def import_deck(  # noqa: PLR0913 - what a deck is remembered by
    engine: Engine,
    rows: Iterable[tuple[str, RateFields]],
    *,
    key: DeckKey,
    source: str,
    sha256: str,
    at: datetime,
) -> int:
    """Store a deck and put it in force, or neither.

    Raises:
        ChargingUnavailable: the database is away; nothing was changed.
    """
    deck = key._asdict() | {"source": source, "sha256": sha256, "imported_at": at}
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            added = writer.execute(insert(rate_decks).values(deck).returning(rate_decks.c.id))
            deck_id: int = added.scalar_one()
            _write_rows(writer, deck_id, rows)
            _put_in_force(writer, deck_id, key, action="import", at=at)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error
    return deck_id


def roll_back(engine: Engine, key: DeckKey, *, at: datetime, deck_id: int | None = None) -> int:
    """Put an earlier deck in force again: the one before the deck in force.

    Or a given one of the same currency, under whatever name it was imported.

    Raises:
        NothingToRollBackTo: there is none.
        ChargingUnavailable: the database is away; nothing was changed.
    """
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            earlier = _earlier_deck(writer, key, deck_id)
            _put_in_force(writer, earlier, key, action="rollback", at=at)
    except DBAPIError as error:
        raise ChargingUnavailable(str(error.orig)) from error
    return earlier


def rates_in_force(
    reader: Connection, key: DeckKey, *, prefixes: Sequence[str], name: str | None
) -> Sequence[tuple[str, RateFields]]:
    """The rows of the deck in force whose prefix begins so, or whose destination is called so.

    Args:
        reader: a read transaction.
        key: which deck.
        prefixes: beginnings; empty for any.
        name: a part of the destination's name, in either case; None for any.
    """
    query = (
        select(*_FIELDS)
        .where(rates.c.deck_id == decks_in_force(reader).get(key))
        .order_by(rates.c.prefix, rates.c.effective)
    )
    wanted = [rates.c.prefix.startswith(prefix) for prefix in prefixes]
    if name is not None:
        wanted.append(rates.c.destination.icontains(name, autoescape=True))
    if wanted:
        query = query.where(or_(*wanted))
    return [_prefix_and_fields(row) for row in reader.execute(query)]


def rates_beginning(
    reader: Connection, key: DeckKey, *, prefix: str, limit: int
) -> Sequence[tuple[str, RateFields]]:
    """The first rows of the deck in force whose prefix begins so, by the index of prefixes."""
    after = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"  # what comes after all that begin so
    query = (
        select(*_FIELDS)
        .where(
            rates.c.deck_id == decks_in_force(reader).get(key),
            rates.c.prefix >= prefix,
            rates.c.prefix < after,
        )
        .order_by(rates.c.prefix, rates.c.effective)
        .limit(limit)
    )
    return [_prefix_and_fields(row) for row in reader.execute(query)]


def count_rates(reader: Connection, key: DeckKey) -> int:
    """How many rows the deck in force has."""
    query = select(func.count()).where(rates.c.deck_id == decks_in_force(reader).get(key))
    return reader.scalar(query) or 0


def count_free_rates(reader: Connection, key: DeckKey) -> int:
    """How many rates of the deck in force cost nothing, however long one talks."""
    query = select(func.count()).where(
        rates.c.deck_id == decks_in_force(reader).get(key),
        rates.c.per_minute_micros == 0,
        rates.c.connection_micros == 0,
        rates.c.per_call_micros == 0,
    )
    return reader.scalar(query) or 0


def has_rates(reader: Connection, key: DeckKey, *, prefix: str, on: date) -> bool:
    """Whether any row of the deck in force begins so, and is in effect on a day."""
    query = select(rates.c.prefix).where(
        rates.c.deck_id == decks_in_force(reader).get(key),
        rates.c.prefix.startswith(prefix),
        rates.c.effective <= on,
    )
    return reader.execute(query.limit(1)).first() is not None


def deck_history(reader: Connection, key: DeckKey) -> Sequence[DeckChange]:
    """Every change of the deck in force, the last one first."""
    query = (
        select(deck_changes, rate_decks.c.source)
        .join(rate_decks, rate_decks.c.id == deck_changes.c.deck_id)
        .where(rate_decks.c.currency == key.currency, rate_decks.c.name == key.name)
        .order_by(deck_changes.c.id.desc())
    )
    return [
        DeckChange(
            deck_id=row.deck_id,
            key=key,
            source=row.source,
            action=row.action,
            changed_at=row.changed_at,
        )
        for row in reader.execute(query)
    ]


def _earlier_deck(writer: Connection, key: DeckKey, wanted: int | None) -> int:
    in_force = decks_in_force(writer).get(key)
    query = select(func.max(rate_decks.c.id)).where(rate_decks.c.currency == key.currency)
    if wanted is None:
        query = query.where(rate_decks.c.name == key.name, rate_decks.c.id < (in_force or 0))
    else:
        query = query.where(rate_decks.c.id == wanted)
    found: int | None = writer.scalar(query)
    if found is None:
        raise NothingToRollBackTo(f"there is no earlier {key} deck")
    return found


def _put_in_force(
    writer: Connection, deck_id: int, key: DeckKey, *, action: str, at: datetime
) -> None:
    change = {"currency": key.currency, "deck_id": deck_id, "action": action, "changed_at": at}
    writer.execute(insert(deck_changes), change)


def _write_rows(writer: Connection, deck_id: int, rows: Iterable[tuple[str, RateFields]]) -> None:
    """Sorted, since decks are read in this order."""
    if writer.dialect.name == "postgresql":
        _copy_rows(writer, deck_id, sorted(rows))
        return
    for chunk in _chunks(sorted(rows), CHUNK_ROWS):
        writer.execute(insert(rates), [_row(deck_id, prefix, fields) for prefix, fields in chunk])


def _copy_rows(writer: Connection, deck_id: int, rows: Iterable[tuple[str, RateFields]]) -> None:
    """PostgreSQL takes a million rows four times as fast this way."""
    import psycopg  # noqa: PLC0415 - not loaded where the database is SQLite

    columns = ", ".join(column.name for column in rates.columns)
    connection: Any = writer.connection
    try:
        with connection.cursor().copy(f"COPY rates ({columns}) FROM STDIN") as copy:
            for prefix, fields in rows:
                row = _row(deck_id, prefix, fields)
                copy.write_row([row[column.name] for column in rates.columns])
    except psycopg.Error as error:
        raise ChargingUnavailable(str(error)) from error


def _chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _row(deck_id: int, prefix: str, fields: RateFields) -> dict[str, Any]:
    return {
        "deck_id": deck_id,
        "prefix": prefix,
        "effective": date.fromordinal(fields.effective_day),
        "destination": fields.destination,
        "per_minute_micros": fields.per_minute_micros,
        "connection_micros": fields.connection_micros,
        "per_call_micros": fields.per_call_micros,
        "initial_s": fields.initial_s,
        "increment_s": fields.increment_s,
    }


def _prefix_and_fields(row: Any) -> tuple[str, RateFields]:
    prefix, destination, per_minute, connection, per_call, initial_s, increment_s, effective = row
    return prefix, RateFields(
        destination,
        per_minute,
        connection,
        per_call,
        initial_s,
        increment_s,
        effective.toordinal(),
    )
