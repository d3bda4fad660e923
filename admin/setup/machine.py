"""The machine that is set up: files, users, programs; or a folder that becomes a machine."""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from admin.setup import places
from admin.setup.items import Item, MakeFolder, MakeLink, PutFile

PROGRAM_TIMEOUT_S = 15 * 60  # recording sounds takes minutes on a busy machine
LINKS_MAX = 40
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence for the admin."""


@dataclass(frozen=True, slots=True)
class State:
    """What is in a place, so that a change of it is noticed."""

    kind: Literal["absent", "file", "folder", "link", "other"]
    mode: int = 0
    uid: int = 0
    gid: int = 0
    sha256: str = ""
    target: str = ""


ABSENT = State("absent")


class Ran(NamedTuple):
    status: int
    said: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Paths are as this machine's programs see them; `root` is in front of each.

    With another root than / no program is run: a folder that will be a machine has none running.
    """

    root: Path = Path("/")

    @property
    def live(self) -> bool:
        return self.root == Path("/")

    def at(self, path: Path) -> Path:
        """Where a file is to be had. A link to a file is followed: the link is the admin's.

        Raises:
            SetupError: the link leads out of the root.
        """
        place = self._followed(self.root / path.relative_to("/"))
        if not place.parent.resolve().is_relative_to(self.root.resolve()):
            raise SetupError(f"{path} leads to {place}, which is not in {self.root}")
        return place

    def _followed(self, place: Path) -> Path:
        """As a program of that machine would, to whom its root is /."""
        for _ in range(LINKS_MAX):
            if not place.is_symlink():
                return place
            target = place.readlink()
            inside = target.relative_to("/") if target.is_absolute() else None
            place = place.parent / target if inside is None else self.root / inside
        raise SetupError(f"{place} is a link to a link without end")

    def text(self, path: Path) -> str | None:
        """None: it is not there. Bytes that are no UTF-8 stay what they are when written."""
        content = self.content(path)
        return None if content is None else content.decode("utf-8", errors="surrogateescape")

    def content(self, path: Path) -> bytes | None:
        try:
            return self.at(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}") from error

    def exists(self, path: Path) -> bool:
        return (self.root / path.relative_to("/")).exists()

    def matching(self, pattern: Path) -> Iterable[Path]:
        """As Asterisk includes files: a name may have * and ?, and stands for none then."""
        if not any(sign in str(pattern) for sign in "*?["):
            return [pattern]
        found = self.root.glob(str(pattern.relative_to("/")))
        return sorted(Path("/") / each.relative_to(self.root) for each in found)

    # --- users ----------------------------------------------------------------------------------

    def uid(self, user: str) -> int | None:
        return self._number("etc/passwd", user)

    def gid(self, group: str) -> int | None:
        return self._number("etc/group", group)

    def _number(self, file: str, name: str) -> int | None:
        for fields in self._entries(file):
            if fields[0] == name:
                return int(fields[2])
        return None

    def _entries(self, file: str) -> Iterator[list[str]]:
        known = self.text(Path("/") / file) or ""
        for line in known.splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2].isdigit():  # noqa: PLR2004 - name:x:number
                yield fields

    # --- what is in a place, and putting something there ----------------------------------------

    def state(self, path: Path) -> State:
        """Of a link itself where the plan makes links; see `at`."""
        place = self._place(path)
        try:
            found = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISLNK(found.st_mode):
            return State("link", target=str(place.readlink()))
        if stat.S_ISDIR(found.st_mode):
            return State("folder", mode, found.st_uid, found.st_gid)
        if not stat.S_ISREG(found.st_mode):
            return State("other", mode, found.st_uid, found.st_gid)
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        return State("file", mode, found.st_uid, found.st_gid, digest)

    def with_content(self, state: State, content: bytes) -> tuple[State, bytes]:
        """The same file, holding something else."""
        return replace(state, sha256=_digest(content)), content

    def empty(self, folder: Path) -> None:
        """Of what can be made again.

        Raises:
            SetupError: it cannot be emptied.
        """
        try:
            for each in (self.root / folder.relative_to("/")).iterdir():
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        except OSError as error:
            raise SetupError(f"{folder} cannot be emptied: {error.strerror}") from error

    def holds_others(self, folder: Path, gone: Iterable[Path]) -> bool:
        """Whether a folder holds more than what will be gone."""
        place = self.root / folder.relative_to("/")
        inside = {folder / each.name for each in place.iterdir()}
        return bool(inside.difference(gone))

    def _place(self, path: Path) -> Path:
        """Links of ours lead to a folder, or to the command, and are looked at as links."""
        place = self.root / path.relative_to("/")
        if not place.is_symlink() or path == places.COMMAND:
            return place
        followed = self._followed(place)
        return self.at(path) if followed.is_file() else place

    def wanted(self, item: Item, now: State) -> State:
        """What will be there once the item is carried out."""
        match item:
            case MakeLink():
                return State("link", target=str(item.target))
            case PutFile(mode=None) if now.kind == "file":
                return State("file", now.mode, now.uid, now.gid, _digest(item.content))
            case PutFile():
                uid, gid = self._owner(item)
                return State("file", item.mode or 0o640, uid, gid, _digest(item.content))
            case MakeFolder():
                uid, gid = self._owner(item)
                return State("folder", item.mode, uid, gid)

    def _owner(self, item: PutFile | MakeFolder) -> tuple[int, int]:
        """A user that is not there yet owns nothing: it is made before anything is written."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        return self.uid(item.owner) or 0, self.gid(item.group) or 0

    def put(self, path: Path, wanted: State, content: bytes = b"") -> None:
        """Make it so, in one step where it is a file: Asterisk may read it meanwhile.

        Raises:
            SetupError: it cannot be written.
        """
        place = self._place(path)
        try:
            match wanted.kind:
                case "absent":
                    _remove(place)
                case "link":
                    _remove(place)
                    place.symlink_to(wanted.target)
                case "folder":
                    place.mkdir(mode=0o700, exist_ok=True)
                    _own(place, wanted)
                case _:
                    _replace(place, content, wanted)
        except OSError as error:
            raise SetupError(f"{path} cannot be written: {error.strerror}") from error

    # --- programs -------------------------------------------------------------------------------

    def program(self, name: str) -> str | None:
        return shutil.which(name, path=SEARCHED) if self.live else None

    def run(self, *command: str, user: str | None = None) -> Ran:
        """What it printed, both ways together.

        Raises:
            SetupError: it cannot be started, or did not end in time.
        """
        number, group = (None, None) if user is None else (self.uid(user), self.gid(user))
        try:
            done = subprocess.run(  # noqa: S603 - set-up's own commands, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=PROGRAM_TIMEOUT_S,
                check=False,
                cwd="/",
                env={"PATH": SEARCHED, "LANG": "C.UTF-8"},
                user=number,
                group=group,
                extra_groups=None if user is None else [],
                umask=-1 if user is None else 0o077,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{command[0]} cannot be run: {error}") from error
        return Ran(done.returncode, done.stdout.strip())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)


def _replace(place: Path, content: bytes, wanted: State) -> None:
    unfinished = unfinished_of(place)
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    if place.exists():
        shutil.copystat(place, unfinished)  # access lists and labels of a security module, too
    _own(unfinished, wanted)
    unfinished.replace(place)


def unfinished_of(place: Path) -> Path:
    """What a set-up that was killed while it wrote may have left."""
    return place.with_name(f".{place.name}.tollgate-new")


def _own(place: Path, wanted: State) -> None:
    if os.geteuid() == 0:
        os.chown(place, wanted.uid, wanted.gid)
    place.chmod(wanted.mode)
