"""A backup as one file: a compressed tar, the manifest first, each file with its checksum."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from backups.errors import BackupError
from backups.manifest import MANIFEST, File, Manifest

MODE: Final = 0o600  # it says whom the office calls, and may hold passwords of the settings
LEVEL: Final = 3  # of gzip: live calls want the processor more than the disk wants the room
CHUNK: Final = 1024 * 1024
MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024


def checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def described(name: str, file: Path, *, was: str) -> File:
    return File(name=name, was=was, size=file.stat().st_size, sha256=checksum(file))


def write(place: Path, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Write it for its owner alone, to the disk.

    Raises:
        OSError: such as a full disk; what was written is no backup.
    """
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as out:
        with (
            gzip.GzipFile(fileobj=out, mode="wb", compresslevel=LEVEL, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            text = manifest.model_dump_json(indent=1).encode()
            tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
            for each in manifest.files:
                with files[each.name].open("rb") as opened:
                    tar.addfile(_member(each.name, each.size), opened)
        out.flush()
        os.fsync(out.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Nothing of who made it or when: the manifest says what matters."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, MODE
    return member


def read(place: Path, *, into: Path | None = None) -> Manifest:
    """Read all of it and compare every checksum; files are written where `into` says so.

    Nothing but what the manifest names is written, and nothing outside of `into`.

    Raises:
        BackupError: it cannot be read, or is not as it was written.
    """
    try:
        with tarfile.open(place, mode="r|gz") as tar:
            manifest = _manifest(tar)
            for expected in manifest.files:
                member = tar.next()
                if member is None or member.name != expected.name or not member.isfile():
                    raise BackupError(f"{expected.name} is missing in {place}")
                _check(tar, member, expected, into)
            if tar.next() is not None:
                raise BackupError(f"{place} has more in it than its manifest says")
    except (tarfile.TarError, EOFError, OSError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise BackupError(f"{place} cannot be read: {error}") from error
    return manifest


def read_manifest(place: Path) -> Manifest:
    """Only what it says of itself: nothing is compared.

    Raises:
        BackupError: as read.
    """
    try:
        with tarfile.open(place, mode="r|gz") as tar:
            return _manifest(tar)
    except (tarfile.TarError, EOFError, OSError, UnicodeDecodeError) as error:
        raise BackupError(f"{place} cannot be read: {error}") from error


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    opened = None if member is None else tar.extractfile(member)
    if member is None or opened is None or member.name != MANIFEST:
        raise BackupError("it is no backup of Tollgate's")
    if member.size > MANIFEST_BYTES_MAX:
        raise BackupError("its manifest is larger than any that Tollgate writes")
    return Manifest.parse(opened.read().decode())


def _check(
    tar: tarfile.TarFile, member: tarfile.TarInfo, expected: File, into: Path | None
) -> None:
    opened = tar.extractfile(member)
    if opened is None or member.size != expected.size:
        raise BackupError(f"{expected.name} is not as long as it was")
    found = hashlib.sha256()
    if into is None:
        _copy(opened, found, None)
    else:
        file = into / expected.name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(descriptor, "wb") as out:
            _copy(opened, found, out)
            out.flush()
            os.fsync(out.fileno())
    if found.hexdigest() != expected.sha256:
        raise BackupError(f"{expected.name} is damaged: its checksum is another one")


def _copy(source: IO[bytes], found: "hashlib._Hash", out: IO[bytes] | None) -> None:
    while chunk := source.read(CHUNK):
        found.update(chunk)
        if out is not None:
            out.write(chunk)
