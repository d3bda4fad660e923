"""Prove a backup again: its checksums, that its ledger is one, and that this one adds up."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from backups import archive
from backups.errors import BackupError
from backups.manifest import Manifest
from backups.marks import Examined
from backups.postgresql_dump import read_through
from backups.taking import examine_file
from db.schema import HEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    manifest: Manifest
    examined: Examined | None  # None: its ledger is examined where it is restored


def check(place: Path) -> Checked:
    """Unpack it into a folder that is gone afterwards, and look at all of it.

    A ledger of SQLite and of today's tables is proved here. One of PostgreSQL, proved when it was
    dumped, is read through; one of older tables is proved when it was restored and brought up to
    date.

    Raises:
        BackupError: it is not good.
    """
    with tempfile.TemporaryDirectory(prefix="tollgate-backup-") as name:
        folder = Path(name)
        manifest = archive.read(place, into=folder)
        ledger = folder / manifest.ledger.name
        if manifest.database == "postgresql":
            read_through(ledger)
            return Checked(manifest=manifest, examined=None)
        if manifest.schema_version != HEAD:
            return Checked(manifest=manifest, examined=None)
        examined = examine_file(ledger)
    examined.require_sound(f"the ledger in {place}")
    if examined.marks != manifest.marks:
        raise BackupError(f"the ledger in {place} is not the one that its manifest describes")
    return Checked(manifest=manifest, examined=examined)
