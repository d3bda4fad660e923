"""What a plan is made of: files, folders and links, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT_USER = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFile:
    """A file with this content. One that is there keeps owner and mode unless `mode` is given."""

    path: Path
    content: bytes
    why: str
    mode: int | None = 0o644  # None: as it is
    owner: str = ROOT_USER
    group: str = ROOT_USER
    secret: bool = False  # never shown
    yours: bool = False  # written once, the admin's from then on
    made: bool = False  # rendered anew by other commands, too: no byte of it is anybody's

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", errors="surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFolder:
    path: Path
    why: str
    mode: int = 0o755
    owner: str = ROOT_USER
    group: str = ROOT_USER
    made: bool = False  # everything in it is made by Tollgate, and can be made again


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeLink:
    path: Path
    target: Path
    why: str


Item = PutFile | MakeFolder | MakeLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    items: Sequence[Item]
    told: Sequence[str] = ()  # what remains for the admin to do, or to know
    refused: Sequence[str] = ()  # why nothing can be written
