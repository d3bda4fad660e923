"""What the sandbox knows, in one SQLite file: what was answered is on disk before it is said."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    belongs_to TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS objects_of ON objects (kind, belongs_to);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    silent INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'held', 'delivered', 'lost'))
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'due';
CREATE TABLE IF NOT EXISTS appointments (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at REAL NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS faults (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    remaining INTEGER NOT NULL,
    seconds REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS choices (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    what TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    payment TEXT NOT NULL,
    office TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS log_stays BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END;
CREATE TRIGGER IF NOT EXISTS log_is_whole BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END;
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with, and is answered with again under the same key."""

    status: int
    body: Object
    silent: bool = False  # it is what happened, and nobody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which of the objects of a kind are listed."""

    belongs_to: str | None = None
    since: int = 0
    until: int = 2**60
    after: str | None = None  # older than the one of this id
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    place: int
    event_id: str
    tries: int


@dataclass(frozen=True, slots=True)
class Fault:
    """An order to behave badly, for the next requests whose path begins so."""

    kind: str
    path: str
    remaining: int
    seconds: float


class Store:
    """One connection, used by one thread; each request is one transaction."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    # --- objects ---------------------------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_sandbox_{secrets.token_hex(10)}"

    def add(self, kind: str, body: Object, *, belongs_to: str = "") -> Object:
        self._run(
            "INSERT INTO objects (id, kind, belongs_to, created, body) VALUES (?, ?, ?, ?, ?)",
            body["id"],
            kind,
            belongs_to,
            body["created"],
            json.dumps(body),
        )
        return body

    def find(self, kind: str, name: str) -> Object | None:
        found = self._run("SELECT body FROM objects WHERE kind = ? AND id = ?", kind, name)
        row = found.fetchone()
        return None if row is None else json.loads(row["body"])

    def change(self, body: Object) -> Object:
        self._run("UPDATE objects SET body = ? WHERE id = ?", json.dumps(body), body["id"])
        return body

    def listed(self, kind: str, which: Which) -> list[Object]:
        """Newest first."""
        rows = self._run(
            "SELECT body FROM objects WHERE kind = ? AND created BETWEEN ? AND ?"
            " AND (? IS NULL OR belongs_to = ?)"
            " AND (? IS NULL OR place < (SELECT place FROM objects WHERE id = ?))"
            " ORDER BY place DESC LIMIT ?",
            kind,
            which.since,
            which.until,
            which.belongs_to,
            which.belongs_to,
            which.after,
            which.after,
            which.limit,
        )
        return [json.loads(row["body"]) for row in rows]

    # --- idempotency keys ------------------------------------------------------------------------

    def answered(self, key: str) -> tuple[str, Answer] | None:
        """The request that the key was used for, and its answer."""
        row = self._run("SELECT * FROM keys WHERE key = ?", key).fetchone()
        if row is None:
            return None
        return row["request"], Answer(
            row["status"], json.loads(row["body"]), silent=bool(row["silent"])
        )

    def keep_answer(self, key: str, request: str, answer: Answer) -> None:
        self._run(
            "INSERT OR REPLACE INTO keys (key, request, status, body, silent)"
            " VALUES (?, ?, ?, ?, ?)",
            key,
            request,
            answer.status,
            json.dumps(answer.body),
            answer.silent,
        )

    # --- webhooks --------------------------------------------------------------------------------

    def deliver(self, event_id: str, *, due_at: float, state: str = "due") -> None:
        self._run(
            "INSERT INTO deliveries (event_id, due_at, state) VALUES (?, ?, ?)",
            event_id,
            due_at,
            state,
        )

    def due_deliveries(self, *, now: float, limit: int) -> list[Delivery]:
        rows = self._run(
            "SELECT place, event_id, tries FROM deliveries WHERE state = 'due' AND due_at <= ?"
            " ORDER BY due_at LIMIT ?",
            now,
            limit,
        )
        return [Delivery(row["place"], row["event_id"], row["tries"]) for row in rows]

    def delivered(self, delivery: Delivery) -> None:
        self._run("UPDATE deliveries SET state = 'delivered' WHERE place = ?", delivery.place)

    def deliver_again(self, delivery: Delivery, *, due_at: float) -> None:
        self._run(
            "UPDATE deliveries SET tries = tries + 1, due_at = ? WHERE place = ?",
            due_at,
            delivery.place,
        )

    def give_up(self, delivery: Delivery) -> None:
        self._run("UPDATE deliveries SET state = 'lost' WHERE place = ?", delivery.place)

    def release_held(self, *, now: float) -> int:
        """All of them at once, in no order."""
        changed = self._run(
            "UPDATE deliveries SET state = 'due',"
            " due_at = ? + (abs(random()) % 1000) / 1e6 WHERE state = 'held'",
            now - 1,
        )
        return changed.rowcount

    def waiting_deliveries(self) -> int:
        row = self._run("SELECT count(*) FROM deliveries WHERE state = 'due'").fetchone()
        return int(row[0])

    def next_due_at(self) -> float | None:
        """When something is next to be done."""
        row = self._run(
            "SELECT min(due_at) FROM (SELECT due_at FROM appointments"
            " UNION ALL SELECT due_at FROM deliveries WHERE state = 'due')"
        ).fetchone()
        return None if row[0] is None else float(row[0])

    # --- what is to happen later -----------------------------------------------------------------

    def appoint(self, what: str, about: str, *, due_at: float) -> None:
        self._run(
            "INSERT INTO appointments (due_at, what, about) VALUES (?, ?, ?)", due_at, what, about
        )

    def take_due_appointment(self, *, now: float) -> tuple[str, str] | None:
        row = self._run(
            "DELETE FROM appointments WHERE place = (SELECT place FROM appointments"
            " WHERE due_at <= ? ORDER BY due_at, place LIMIT 1) RETURNING what, about",
            now,
        ).fetchone()
        return None if row is None else (row["what"], row["about"])

    # --- faults, and how it is set ---------------------------------------------------------------

    def order(self, fault: Fault) -> None:
        self._run(
            "INSERT INTO faults (kind, path, remaining, seconds) VALUES (?, ?, ?, ?)",
            fault.kind,
            fault.path,
            fault.remaining,
            fault.seconds,
        )

    def take_fault(self, path: str) -> Fault | None:
        row = self._run(
            "UPDATE faults SET remaining = remaining - 1 WHERE place = (SELECT place FROM faults"
            " WHERE remaining > 0 AND substr(?, 1, length(path)) = path ORDER BY place LIMIT 1)"
            " RETURNING *",
            path,
        ).fetchone()
        if row is None:
            return None
        return Fault(row["kind"], row["path"], row["remaining"], row["seconds"])

    def remaining_faults(self) -> int:
        row = self._run("SELECT coalesce(sum(remaining), 0) FROM faults").fetchone()
        return int(row[0])

    def forget_faults(self) -> None:
        self._run("DELETE FROM faults")

    def choose(self, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO choices (name, value) VALUES (?, ?)", name, value)

    def chosen(self, name: str, default: str) -> str:
        row = self._run("SELECT value FROM choices WHERE name = ?", name).fetchone()
        return default if row is None else str(row["value"])

    # --- the log ---------------------------------------------------------------------------------

    def log(self, what: str, intent: Object, *, at: float, amount: int) -> None:
        about = intent["metadata"]
        self._run(
            "INSERT INTO log (at, what, intent_id, payment, office, amount, currency)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            at,
            what,
            intent["id"],
            about.get("payment", ""),
            about.get("office", ""),
            amount,
            intent["currency"],
        )

    def logged(self) -> list[Object]:
        return [dict(row) for row in self._run("SELECT * FROM log ORDER BY place")]
