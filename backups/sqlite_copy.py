"""A copy of SQLite's file while others write to it, by SQLite's own backup.

One step copies all of it within one read transaction: it holds what was committed when it began,
the write-ahead log included, and in WAL mode nobody who writes waits for who reads.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from backups.archive import MODE
from backups.errors import BackupError

LOCK_TIMEOUT_S = 5
IN_ONE_STEP = -1


def copy_ledger(source: Path, target: Path) -> None:
    """Raises BackupError: it cannot be read, or the copy cannot be written."""
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE))
        with (
            contextlib.closing(_opened(source)) as read,
            contextlib.closing(_opened(target)) as written,
        ):
            read.backup(written, pages=IN_ONE_STEP)
            written.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            (verdict,) = written.execute("PRAGMA integrity_check(1)").fetchone()
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"the ledger {source} cannot be copied: {error}") from error
    if verdict != "ok":
        raise BackupError(f"the copy of the ledger is damaged: {verdict}")
    with target.open("rb") as opened:
        os.fsync(opened.fileno())


def close_down(ledger: Path) -> None:
    """Put what is in the write-ahead log into the file; so it can be moved as one file.

    SQLite does so only for who is alone: somebody else who has it open is noticed here. A file that
    is no database, or a damaged one, is left as it is.

    Raises:
        BackupError: it is in use.
    """
    try:
        with contextlib.closing(_opened(ledger)) as opened:
            opened.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise BackupError(f"{ledger} is in use: stop `tollgate serve` first") from error


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(file.absolute()))}?mode=rw",
        uri=True,
        timeout=LOCK_TIMEOUT_S,
        isolation_level=None,
    )
