"""A rate deck of 1,000,000 prefixes: imported, held and asked, beside what one would write first.

The import is the command an admin gives, from its start to its end; beside it the bare reading of
the same file into a SQLite table of its own. The deck in memory stands beside a dictionary.
"""

import csv
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.large_deck import CURRENCY, Held
from lab.errors import LabError

RATES = int(os.environ.get("BENCH_RATES", "1000000"))
PREFIX_DIGITS = (5, 9)
DESTINATIONS = 3000  # each has one price, and many prefixes
BLOCKS = (("60", "60"), ("1", "1"), ("30", "6"))
SEED = 1
IMPORT_GOAL_S = 60
LOOKUP_GOAL_US = 5
MEMORY_GOAL_BYTES = 100_000_000
HEADINGS = ("prefix", "destination", "per_minute", "connection", "initial_s", "increment_s")
SETTINGS = """\
[database]
url = "{url}"
"""


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as name:
        return measure(Path(name))


def measure(folder: Path) -> list[Figure]:
    file = folder / "deck.csv"
    with file.open("w", encoding="ascii", newline="") as out:
        csv.writer(out).writerows([HEADINGS, *rows()])
    plain_s = plain_import_s(file, folder / "plain.sqlite")
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    imported_s = import_s(file, folder, url)
    return figures_of(imported_s, plain_s, held_as("deck", url), held_as("dictionary", url))


def rows() -> Iterator[tuple[str, ...]]:
    """As long and as mixed as a wholesale carrier's, in no order."""
    draw = random.Random(SEED)
    shortest, longest = PREFIX_DIGITS
    prefixes: set[str] = set()
    while len(prefixes) < RATES:
        digits = draw.randint(shortest, longest)
        prefixes.add(str(draw.randrange(10 ** (digits - 1), 10**digits)))
    destinations = [
        (f"Destination {n}", f"0.{draw.randrange(1, 10**4):04}", "0", *draw.choice(BLOCKS))
        for n in range(DESTINATIONS)
    ]
    for prefix in sorted(prefixes, key=lambda _: draw.random()):
        yield prefix, *draw.choice(destinations)


def plain_import_s(file: Path, database: Path) -> float:
    """Read the same file into a table, with nothing checked."""
    began_s = time.perf_counter()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE rates (prefix PRIMARY KEY, name, price, fee, first, next)")
    with file.open(encoding="ascii", newline="") as lines, connection:
        reader = csv.reader(lines)
        next(reader)
        connection.executemany("INSERT INTO rates VALUES (?, ?, ?, ?, ?, ?)", reader)
    connection.close()
    return time.perf_counter() - began_s


def import_s(file: Path, folder: Path, url: str) -> float:
    settings = folder / "tollgate.toml"
    settings.write_text(SETTINGS.format(url=url), encoding="utf-8")
    asked("admin", "ledger", "prepare", settings=settings)
    began_s = time.perf_counter()
    answer = asked("admin", "rates", "import", str(file), "--json", settings=settings)
    took_s = time.perf_counter() - began_s
    if not json.loads(answer).get("deck_id"):
        raise LabError(f"the deck was not imported: {answer}")
    return took_s


def held_as(how: str, url: str) -> Held:
    held = Held(**json.loads(asked("bench.large_deck", how, url)))
    if held.rates != RATES:
        raise LabError(f"the {how} holds {held.rates:,} rates of {RATES:,}")
    return held


def asked(module: str, *arguments: str, settings: Path | None = None) -> str:
    environment = os.environ | ({"TOLLGATE_SETTINGS": str(settings)} if settings else {})
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{module} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def figures_of(imported_s: float, plain_s: float, deck: Held, dictionary: Held) -> list[Figure]:
    many = f"{RATES:,} rates ({CURRENCY})"
    return [
        Figure(
            what=f"{many}: checked, compared, imported",
            unit="s",
            value=imported_s,
            beside=plain_s,
            beside_what="unchecked, into SQLite",
            goal=f"at most {IMPORT_GOAL_S} s",
            met=imported_s <= IMPORT_GOAL_S,
        ),
        Figure(
            what=f"{many}: lookup of the longest prefix",
            unit="µs",
            value=deck.lookup_us,
            beside=dictionary.lookup_us,
            beside_what="a dictionary",
            goal=f"less than {LOOKUP_GOAL_US} µs",
            met=deck.lookup_us < LOOKUP_GOAL_US,
        ),
        Figure(
            what=f"{many}: memory",
            unit="MB",
            value=deck.memory_bytes / 1e6,
            beside=dictionary.memory_bytes / 1e6,
            beside_what="a dictionary",
            goal="less than 100 MB",
            met=deck.memory_bytes < MEMORY_GOAL_BYTES,
        ),
    ]
