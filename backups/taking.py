"""Take a backup of a ledger that is in use, and prove it before it is called one."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from backups import archive, manifest
from backups.errors import BackupError
from backups.manifest import LEDGER, File, Manifest, name_of, superseded
from backups.marks import Examined, examine
from backups.postgresql_dump import dump_ledger
from backups.site_files import secrets_left_out, site_files
from backups.sqlite_copy import copy_ledger
from charging.errors import ChargingUnavailable
from db.engine import file_of, open_reader
from db.ledger import read_from
from db.schema import HEAD, require_version
from settings import SharedSections

FOLDER: Final = "backups"
SUFFIX: Final = ".tar.gz"
_UNFINISHED: Final = ".tollgate-backup-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was read again from the disk, every byte of it."""

    file: Path
    manifest: Manifest
    removed: Sequence[str]  # older ones


def default_place(settings: SharedSections) -> Path:
    """A folder beside the ledger's file, or else beside the settings."""
    ledger = file_of(settings.database.url)
    if ledger is not None:
        return ledger.parent / FOLDER
    return (Path.cwd() if settings.file is None else settings.file.parent) / FOLDER


def take(
    settings: SharedSections,
    place: Path | None = None,
    *,
    keep: int | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Made:
    """Copy the ledger in one moment of it, prove the copy, and keep it with the site's files.

    Calls go on meanwhile. The file gets its name only when it was written, proved and read again;
    one of that name is replaced in the same moment.

    Args:
        settings: whose ledger, plans and phones.
        place: a file that ends with .tar.gz, or a folder in which it gets a name of its own.
        keep: how many backups of the folder stay, this one included; None: all.
        now: the clock.

    Raises:
        BackupError: nothing was made, and what was there stays.
        SchemaVersionError, ChargingUnavailable: the ledger is of another version, or away.
    """
    wanted = default_place(settings) if place is None else place
    folder, name = (wanted.parent, wanted.name) if wanted.name.endswith(SUFFIX) else (wanted, None)
    with _alone_in(folder) as unfinished:
        taken_at = now()
        files = _copied(settings, unfinished)
        made = _written(settings, taken_at, files, unfinished)
        file = folder / (name or name_of(taken_at))
        (unfinished / _PACKED).replace(file)
        _sync_folder(folder)
        removed = [] if keep is None or name is not None else _remove_older(folder, keep)
    return Made(file=file, manifest=made, removed=removed)


_PACKED: Final = "packed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """What is to be packed: its name, where it was, and the copy of it."""

    examined: Examined
    parts: Sequence[tuple[str, str, Path]]


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """A folder for what is not finished; gone at the end, and after a crash with the next backup.

    Raises:
        BackupError: the folder cannot be used, or another backup is being taken there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BackupError(f"the folder {folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as unfinished:
            yield Path(unfinished)
    except BlockingIOError as error:
        raise BackupError(f"another backup is being taken in {folder}") from error
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"the backup cannot be written in {folder}: {error}") from error
    finally:
        os.close(descriptor)


def _copied(settings: SharedSections, unfinished: Path) -> _Copied:
    ledger = file_of(settings.database.url)
    _require_tables(settings)
    if ledger is None:
        copy = unfinished / LEDGER["postgresql"]
        examined, was = dump_ledger(settings.database.url, copy), ""
    else:
        copy, was = unfinished / LEDGER["sqlite"], str(ledger)
        copy_ledger(ledger, copy)
        examined = examine_file(copy)
    examined.require_sound("the ledger")
    parts = [(copy.name, was, copy)]
    for number, (name, file) in enumerate(site_files(settings)):
        part = unfinished / f"file-{number}"
        shutil.copyfile(file, part)  # so that what is measured is what is packed
        parts.append((name, str(file), part))
    return _Copied(examined=examined, parts=parts)


def _require_tables(settings: SharedSections) -> None:
    engine = open_reader(settings.database.url)
    try:
        require_version(engine)
    finally:
        engine.dispose()


def examine_file(ledger: Path) -> Examined:
    """A copy of SQLite's, that nobody else has open.

    Raises:
        BackupError: it cannot be read.
    """
    engine = open_reader(f"sqlite:///{ledger}")
    try:
        return read_from(engine, examine)
    except ChargingUnavailable as error:
        raise BackupError(f"the copy of the ledger cannot be read: {error}") from error
    finally:
        engine.dispose()


def _written(
    settings: SharedSections, taken_at: datetime, copied: _Copied, unfinished: Path
) -> Manifest:
    described: list[File] = [
        archive.described(name, part, was=was) for name, was, part in copied.parts
    ]
    says = Manifest(
        form=manifest.FORM,
        tollgate=version("tollgate"),
        taken_at=taken_at,
        database="sqlite" if described[0].name == LEDGER["sqlite"] else "postgresql",
        schema_version=HEAD,
        marks=copied.examined.marks,
        files=tuple(described),
        secrets_left_out=tuple(secrets_left_out(settings)),
    )
    packed = unfinished / _PACKED
    archive.write(packed, says, {name: part for name, _, part in copied.parts})
    archive.read(packed)
    return says


def _remove_older(folder: Path, keep: int) -> Sequence[str]:
    old = superseded((file.name for file in folder.iterdir() if file.is_file()), keep)
    for name in old:
        (folder / name).unlink()
    return old


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
