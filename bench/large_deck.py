"""`python -m bench.large_deck deck|dictionary DATABASE`: hold a million rates, and look numbers up.

A process of its own for each, since memory that one has freed the next would not ask for again.
Prints the bytes the rates take and the microseconds of a lookup.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from charging.rate_deck import DeckKey, RateFields
from db.engine import open_engine
from db.ledger import read_from
from db.rate_decks import decks_in_force, load_deck, rates_in_force
from lab.usage import memory_bytes

CURRENCY = "GBP"
LOOKUPS = 200_000
NUMBER_DIGITS = 12
SEED = 1

Find = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    rates: int
    memory_bytes: int
    lookup_us: float


def hold(load: Callable[[], tuple[int, Find]]) -> Held:
    before = memory_bytes(os.getpid())
    rates, find = load()
    took = memory_bytes(os.getpid()) - before
    return Held(rates=rates, memory_bytes=took, lookup_us=microseconds(find, numbers()))


def microseconds(find: Find, wanted: Sequence[str]) -> float:
    """Of one call, the loop around it included."""
    began_s = time.perf_counter()
    for number in wanted:
        find(number)
    return 1e6 * (time.perf_counter() - began_s) / len(wanted)


def numbers() -> list[str]:
    draw = random.Random(SEED)
    low, high = 10 ** (NUMBER_DIGITS - 1), 10**NUMBER_DIGITS
    return [str(draw.randrange(low, high)) for _ in range(LOOKUPS)]


def as_deck(url: str) -> tuple[int, Find]:
    engine = open_engine(url)
    deck_id = read_from(engine, decks_in_force)[DeckKey(CURRENCY)]
    deck = load_deck(engine, deck_id, CURRENCY)
    today = datetime.now(UTC).date()
    return len(deck), lambda number: deck.lookup(number, today)


def as_dictionary(url: str) -> tuple[int, Find]:
    """What one would write first: a dictionary, asked for ever shorter beginnings."""
    engine = open_engine(url)
    rates: dict[str, RateFields] = {}
    for digit in "123456789":  # one after the other, so that no list of all counts as its memory
        rates.update(read_from(engine, partial(rates_beginning, digit)))

    def find(number: str) -> RateFields | None:
        for length in range(len(number), 0, -1):
            if (found := rates.get(number[:length])) is not None:
                return found
        return None

    return len(rates), find


def rates_beginning(digit: str, reader: Connection) -> Sequence[tuple[str, RateFields]]:
    return rates_in_force(reader, DeckKey(CURRENCY), prefixes=(digit,), name=None)


LOADERS: Mapping[str, Callable[[str], tuple[int, Find]]] = {
    "deck": as_deck,
    "dictionary": as_dictionary,
}


if __name__ == "__main__":
    loader = LOADERS[sys.argv[1]]
    print(json.dumps(asdict(hold(lambda: loader(sys.argv[2])))))
