"""Make a ledger from a backup again: proved before it is put in place, nothing lost meanwhile."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from backups import archive, postgresql_dump
from backups.errors import BackupError, NewerLedgerError
from backups.manifest import Manifest, Marks
from backups.marks import Examined, examine, marks_of
from backups.sqlite_copy import close_down
from charging.errors import ChargingUnavailable
from db.engine import LEDGER_MODE, file_of, open_engine, open_reader, shown
from db.ledger import read_from
from db.restorations import Restoration, write_down
from db.schema import HEAD, SchemaVersionError, read_version, upgrade
from db.writing import write_to

ASIDE: Final = "before-restore-"
FILES: Final = "files"
FOLDER_MODE: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    manifest: Manifest
    place: str  # of the ledger
    marks: Marks
    aside: str  # where the ledger is now that was there before; "": there was none
    files: Sequence[Path]  # settings, plans and phones, where they were asked for
    restored_at: datetime


def restore(  # noqa: PLR0913 - each is one choice of who restores
    backup: Path,
    *,
    url: str,
    by: str,
    over: bool = False,
    files_into: Path | None = None,
    now: datetime | None = None,
) -> Restored:
    """Put the ledger of a backup where `url` says.

    A ledger that is there is moved aside, never removed; if it knows more than the backup, only
    where `over` says so. It is written down in the ledger that and when it was restored: the worker
    of card payments then asks its processor for everything since.

    Args:
        backup: the file.
        url: of the database that is to hold it.
        by: who restores.
        over: put it also in the place of a ledger that has newer entries.
        files_into: a folder for settings, plans and phones; None: they are left in the backup.
        now: when; of a test.

    Raises:
        BackupError: nothing is changed.
    """
    at = now or datetime.now(UTC)
    target = file_of(url)
    near = None if target is None else target.absolute().parent
    try:
        if near is not None:
            near.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=near, prefix=".tollgate-restore-") as name:
            unpacked = Path(name)
            manifest = archive.read(backup, into=unpacked)
            _require_fit(manifest, target)
            if target is None:
                marks, aside = _restore_postgresql(manifest, unpacked, url, by, at, over=over)
            else:
                marks, aside = _restore_sqlite(manifest, unpacked, target, by, at, over=over)
            files = [] if files_into is None else _put_files(manifest, unpacked, files_into)
    except OSError as error:
        raise BackupError(f"it cannot be restored there: {error}") from error
    return Restored(
        manifest=manifest, place=shown(url), marks=marks, aside=aside, files=files, restored_at=at
    )


def _require_fit(manifest: Manifest, target: Path | None) -> None:
    if (manifest.database == "sqlite") != (target is not None):
        kind = "SQLite" if manifest.database == "sqlite" else "PostgreSQL"
        raise BackupError(
            f"it is a backup of {kind}, and the database that is named is another kind"
        )
    if manifest.schema_version > HEAD:
        raise BackupError(
            f"its tables are of version {manifest.schema_version}, newer than this Tollgate's"
            f" {HEAD}: restore it with the Tollgate that made it, {manifest.tollgate}"
        )


# --- SQLite --------------------------------------------------------------------------------------


def _restore_sqlite(  # noqa: PLR0913 - what a restoration is about
    manifest: Manifest, unpacked: Path, target: Path, by: str, at: datetime, *, over: bool
) -> tuple[Marks, str]:
    new = unpacked / manifest.ledger.name
    marks = _made_ready(f"sqlite:///{new}", manifest, by, at)
    close_down(new)
    _own_like(new, target)
    aside = ""
    if target.exists():
        _require_not_newer(f"sqlite:///{target}", manifest, over=over)
        close_down(target)
        aside = str(_kept_aside(target, at))
    new.replace(target)
    return marks, aside


def _kept_aside(ledger: Path, at: datetime) -> Path:
    """The file has both names until the new one takes the first; what SQLite left goes with it."""
    kept = ledger.with_name(f"{ledger.name}.{ASIDE}{at:%Y%m%dT%H%M%SZ}")
    os.link(ledger, kept)
    for left in ("-wal", "-shm"):  # only of a damaged one: else they are in the file
        with contextlib.suppress(FileNotFoundError):
            Path(f"{ledger}{left}").replace(f"{kept}{left}")
    return kept


def _own_like(file: Path, target: Path) -> None:
    """Root restores for the user who runs Tollgate: who owned the ledger, or owns its folder."""
    like = (target if target.exists() else target.absolute().parent).stat()
    if os.geteuid() == 0:
        os.chown(file, like.st_uid, like.st_gid)
    file.chmod(LEDGER_MODE)


# --- PostgreSQL ----------------------------------------------------------------------------------


def _restore_postgresql(  # noqa: PLR0913 - what a restoration is about
    manifest: Manifest, unpacked: Path, url: str, by: str, at: datetime, *, over: bool
) -> tuple[Marks, str]:
    engine = open_engine(url)
    aside = ""
    try:
        if postgresql_dump.has_tables(engine):
            _require_not_newer(url, manifest, over=over)
            aside = f"before_restore_{at:%Y%m%dt%H%M%Sz}"
            postgresql_dump.move_aside(engine, aside)
        else:
            postgresql_dump.drop_empty_schema(engine)
        try:
            postgresql_dump.load_dump(url, unpacked / manifest.ledger.name)
            marks = _made_ready(url, manifest, by, at)
        except BaseException:
            if aside:
                postgresql_dump.move_back(engine, aside)
            raise
    finally:
        engine.dispose()
    return marks, aside and f"schema {aside}"


# --- both ----------------------------------------------------------------------------------------


def _made_ready(url: str, manifest: Manifest, by: str, at: datetime) -> Marks:
    """Bring its tables up to date, prove it, and write down that it was restored.

    Raises:
        BackupError: it is not what the manifest says, or not sound.
    """
    engine = open_engine(url)
    try:
        upgrade(engine)
        examined: Examined = read_from(engine, examine)
        examined.require_sound("the restored ledger")
        if examined.marks.offices != manifest.marks.offices:
            raise BackupError("the restored ledger is not the one that the manifest describes")
        told = Restoration(taken_at=manifest.taken_at, restored_at=at, actor=by)
        write_to(engine, lambda writer: write_down(writer, told))
    except (ChargingUnavailable, SchemaVersionError) as error:
        raise BackupError(f"the restored ledger cannot be used: {error}") from error
    finally:
        engine.dispose()
    return examined.marks


def _require_not_newer(url: str, manifest: Manifest, *, over: bool) -> None:
    """Raises NewerLedgerError: it knows more than the backup, or cannot be asked."""
    if over:
        return
    engine = open_reader(url)
    try:
        newer = _newer(engine, manifest)
    except ChargingUnavailable as error:
        newer = [f"it cannot be read ({error})"]
    finally:
        engine.dispose()
    if newer:
        raise NewerLedgerError(
            f"the ledger in {shown(url)} has what the backup of"
            f" {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC has not: {'; '.join(newer)};"
            " --over moves it aside all the same"
        )


def _newer(engine: Engine, manifest: Manifest) -> Sequence[str]:
    version = read_version(engine)
    if version != HEAD:
        return [f"its tables are of version {version or 'none'}, so it cannot be compared"]
    return read_from(engine, marks_of).newer_than(manifest.marks)


def _put_files(manifest: Manifest, unpacked: Path, folder: Path) -> Sequence[Path]:
    """Beside what is there: a file of the same name stays, and the backup's is called .restored."""
    placed = []
    for each in manifest.files:
        if not each.name.startswith(f"{FILES}/"):
            continue
        place = folder / Path(each.name).relative_to(FILES)
        place.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        source = unpacked / each.name
        if place.exists() and archive.checksum(place) != each.sha256:
            place = place.with_name(f"{place.name}.restored")
        with contextlib.suppress(FileNotFoundError):
            place.unlink()
        shutil.move(source, place)
        placed.append(place)
    return placed
