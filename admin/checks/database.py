"""The ledger's database: reachable, durable, with room to grow, and sound."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from admin.checks.findings import Finding, listed, ok, problem, warning
from db.audit import Audit, audit
from db.engine import DatabaseUrlError, file_of, open_reader, shown
from db.history import last_entries
from db.ledger import read_from, read_one_moment
from db.schema import HEAD, version_of
from settings import Settings

SYNCHRONOUS_FULL = 2
DISK_PROBLEM_BYTES = 200 * 1024**2
DISK_WARNING_BYTES = 2 * 1024**3
CLOCK_TOLERANCE_S = 60


def check_database(settings: Settings) -> Iterator[Finding]:
    file = file_of(settings.database.url)
    if file is not None and not file.exists():
        yield problem(
            f"there is no ledger yet in {file}: no balance, no rates, so no paid calls",
            "`tollgate ledger prepare`, `tollgate rates import FILE`, `tollgate topup AMOUNT`",
        )
        return
    try:
        engine = open_reader(settings.database.url)
    except DatabaseUrlError as error:
        yield problem(
            str(error), "[database] url is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        )
        return
    try:
        yield judge_version(version_of(engine), where=shown(settings.database.url))
    except DBAPIError as error:
        yield problem(
            f"{shown(settings.database.url)} cannot be read: {_first_line(error)}", _cure(file)
        )
    finally:
        engine.dispose()


def judge_version(version: str | None, *, where: str) -> Finding:
    if version == HEAD:
        return ok(f"{where}, tables of version {HEAD}")
    if version is None or version < HEAD:
        return problem(
            f"{where}: the tables are of version {version or 'none'}, not {HEAD}",
            "stop what uses them, copy the database, then `tollgate ledger prepare`",
        )
    return problem(
        f"{where}: the tables are of version {version}, newer than this Tollgate's {HEAD}",
        "run the Tollgate that made them",
    )


def check_durability(settings: Settings) -> Iterator[Finding]:
    """Only SQLite can be had otherwise; PostgreSQL's connections ask for it by themselves."""
    with ledger_of(settings) as engine:
        if engine is not None and engine.dialect.name == "sqlite":
            yield read_from(engine, judge_durability)


def judge_durability(reader: Connection) -> Finding:
    journal = reader.scalar(text("PRAGMA journal_mode"))
    synchronous = reader.scalar(text("PRAGMA synchronous"))
    if journal == "wal" and synchronous == SYNCHRONOUS_FULL:
        return ok("every commit is on disk before anybody is told (WAL, synchronous FULL)")
    return problem(
        f"SQLite works with journal_mode={journal} and synchronous={synchronous}",
        "move the ledger to a local disk: network file systems do not allow WAL",
    )


def check_disk(settings: Settings) -> Iterator[Finding]:
    file = file_of(settings.database.url)
    if file is not None:
        folder = next(parent for parent in file.absolute().parents if parent.is_dir())
        yield judge_disk(shutil.disk_usage(folder).free, folder)


def judge_disk(free_bytes: int, folder: Path) -> Finding:
    free = f"{free_bytes / 1024**3:.1f} GB free for the ledger in {folder}"
    if free_bytes < DISK_PROBLEM_BYTES:
        return problem(f"only {free}", "make room: with a full disk every paid call is refused")
    if free_bytes < DISK_WARNING_BYTES:
        return warning(f"only {free}", "make room before it is full: paid calls would be refused")
    return ok(free)


def check_ledger(settings: Settings) -> Iterator[Finding]:
    with ledger_of(settings) as engine:
        if engine is None:
            return
        yield judge_audit(read_one_moment(engine, audit))
        for office_id in settings.offices:
            yield from judge_last_entry(engine, office_id, now=datetime.now(UTC))


def judge_audit(found: Audit) -> Finding:
    if found.sound:
        return ok(f"{found.accounts} accounts and {found.entries} entries agree")
    return problem(
        f"{len(found.problems)} disagreements: {listed(found.problems)}",
        "stop `tollgate serve`, keep a copy of the database, see `tollgate ledger verify`",
    )


def judge_last_entry(engine: Engine, office_id: str, *, now: datetime) -> Iterator[Finding]:
    entries = read_from(engine, lambda reader: last_entries(reader, office_id=office_id, limit=1))
    for entry in entries:
        if (entry.posted_at - now).total_seconds() > CLOCK_TOLERANCE_S:
            yield problem(
                f"office {office_id}: the last entry is of {entry.posted_at:%Y-%m-%d %H:%M} UTC,"
                " which is still to come",
                "set the clock right: timedatectl set-ntp true",
            )


@contextmanager
def ledger_of(settings: Settings) -> Iterator[Engine | None]:
    """None where there is nothing to look at: `check_database` says why. It is never made here."""
    file = file_of(settings.database.url)
    if file is not None and not file.exists():
        yield None
        return
    try:
        engine = open_reader(settings.database.url)
    except DatabaseUrlError:
        yield None
        return
    try:
        yield engine if _has_tables(engine) else None
    finally:
        engine.dispose()


def _has_tables(engine: Engine) -> bool:
    try:
        return version_of(engine) == HEAD
    except DBAPIError:
        return False


def _cure(file: Path | None) -> str:
    if file is None:
        return "start PostgreSQL, or correct [database] url"
    return f"see that {file} is the ledger, and that this user may read and write it"


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
