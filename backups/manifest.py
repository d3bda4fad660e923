"""What a backup says of itself: when it was taken, of what, and the checksum of each file in it.

PURE: a text in, values out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from backups.errors import BackupError

FORM: Final = 1  # of the manifest; a later form is refused rather than guessed
MANIFEST: Final = "manifest.json"
LEDGER: Final = {"sqlite": "ledger.sqlite", "postgresql": "ledger.pgdump"}
SETTINGS: Final = "files/tollgate.toml"
PHONES: Final = "files/phones.toml"
PLANS: Final = "files/plans"

_NAME = re.compile(r"tollgate-(\d{8}T\d{6}Z)\.tar\.gz")
_MOMENT = "%Y%m%dT%H%M%SZ"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Part):
    """One file of the backup."""

    name: str
    was: str  # where it was; "": it was no file, such as a database of PostgreSQL
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @field_validator("name")
    @classmethod
    def _inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or str(path) != name or name == MANIFEST:
            raise ValueError(f"{name!r} is no file of a backup")
        return name


class OfficeMark(_Part):
    """How far the account of an office is."""

    entries: int  # the number of its last one
    key: str
    posted_at: datetime
    available_micros: int
    currency: str


class Marks(_Part):
    """How far a ledger is: two of them are told apart by these."""

    accounts: int
    entries: int
    calls: int
    changes: int  # the number of the last row of the audit trail
    offices: Mapping[str, OfficeMark]

    def newer_than(self, other: "Marks") -> Sequence[str]:
        """What this ledger knows and the other does not, a phrase each."""
        found = []
        for office_id, mark in sorted(self.offices.items()):
            theirs = other.offices.get(office_id)
            if theirs is None:
                found.append(f"office {office_id} has {mark.entries} entries")
            elif mark.entries > theirs.entries:
                found.append(
                    f"office {office_id} has {mark.entries - theirs.entries} more entries, the"
                    f" last of {mark.posted_at:%Y-%m-%d %H:%M:%S} UTC"
                )
            elif mark.entries == theirs.entries and mark.key != theirs.key:
                found.append(f"office {office_id} has other entries")
        if self.changes > other.changes:
            found.append(f"{self.changes - other.changes} changes by people are recorded")
        return found


class Manifest(_Part):
    form: Literal[1] = 1
    tollgate: str  # the version that made it
    taken_at: datetime  # what was acknowledged before this moment is in it
    database: Literal["sqlite", "postgresql"]
    schema_version: str
    marks: Marks
    files: tuple[File, ...]
    secrets_left_out: tuple[str, ...] = ()  # files that are to be put back by hand

    @property
    def ledger(self) -> File:
        return next(file for file in self.files if file.name == LEDGER[self.database])

    @classmethod
    def parse(cls, text: str) -> "Manifest":
        """Raises BackupError: it is none, or of another form."""
        try:
            manifest = cls.model_validate_json(text)
        except ValidationError as error:
            raise BackupError("it is no backup that this Tollgate can read") from error
        names = [file.name for file in manifest.files]
        if len(set(names)) != len(names) or LEDGER[manifest.database] not in names:
            raise BackupError("its list of files contradicts itself")
        return manifest


def name_of(moment: datetime) -> str:
    """What a backup of that moment is called in its folder."""
    return f"tollgate-{moment.astimezone(UTC).strftime(_MOMENT)}.tar.gz"


def is_backup(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def superseded(names: Iterable[str], keep: int) -> Sequence[str]:
    """Of the names in a folder, the backups that are older than the newest `keep`.

    Whatever is called otherwise is somebody else's, and stays.
    """
    newest_first = sorted(filter(is_backup, names), reverse=True)
    return newest_first[keep:]
