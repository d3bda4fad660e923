"""Every file as it was before set-up wrote it, so that all of it can be taken back to the byte.

A line is on the disk before the change that it tells of is made: whenever set-up dies, the next run
goes on, and undoing works.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from admin.setup.machine import Machine, SetupError, State

FOLDER = Path("/var/lib/tollgate-setup")
FILE = FOLDER / "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place: what was there before set-up first wrote it, and everything that set-up wrote."""

    path: Path
    before: State
    content: bytes | None  # of the file that was there
    afters: Sequence[State]
    yours: bool = False
    made: bool = False  # a folder of which nothing is kept


class Journal:
    """Of one machine; root alone can read it, for it may hold former secrets."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._file = machine.root / FILE.relative_to("/")
        self._entries: dict[Path, Entry] = {}
        self.options: Mapping[str, Any] = {}
        for line in self._lines():
            self._take(line)

    @property
    def entries(self) -> Sequence[Entry]:
        """In the order in which they were first written."""
        return tuple(self._entries.values())

    def entry(self, path: Path) -> Entry | None:
        return self._entries.get(path)

    def remember_options(self, options: Mapping[str, Any]) -> None:
        """What set-up was told, for `tollgate upgrade`."""
        if options != self.options:
            self._append({"options": options})

    def note(  # noqa: PLR0913 - each is one fact of the entry
        self,
        path: Path,
        before: State,
        content: bytes | None,
        after: State,
        *,
        yours: bool = False,
        made: bool = False,
    ) -> None:
        """Before the change is made.

        `before` of a place that is known already counts only where it is not what set-up left
        there: then it is the admin's newer state.
        """
        known = self._entries.get(path)
        if known is not None and (before == known.before or before in known.afters):
            if after in known.afters:
                return
            before, content = known.before, known.content
        self._append(
            {
                "path": str(path),
                "before": asdict(before),
                "content": None if content is None else base64.b64encode(content).decode(),
                "after": asdict(after),
                "yours": yours,
                "made": made,
            }
        )

    def forget(self) -> None:
        """Everything was taken back."""
        self._file.unlink(missing_ok=True)
        if self._file.parent.is_dir():
            self._file.parent.rmdir()
        self._entries.clear()

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        try:
            whole = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SetupError(f"{FILE} cannot be read: {error.strerror}") from error
        # What stands behind the last line's end was cut off before its change was begun.
        *lines, _ = whole.split("\n")
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise SetupError(f"{FILE} is damaged, so nothing can be taken back by it") from error

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._cut_off()
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise SetupError(f"{FILE} cannot be written: {error.strerror}") from error
        self._take(line)

    def _cut_off(self) -> None:
        """Half a line of a run that was killed."""
        if not self._file.exists():
            return
        whole = self._file.read_bytes()
        if not whole.endswith(b"\n"):
            os.truncate(self._file, whole.rfind(b"\n") + 1)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "options" in line:
            self.options = dict(line["options"])
            return
        path, before, content = Path(line["path"]), State(**line["before"]), line["content"]
        known = self._entries.get(path)
        same = known is not None and known.before == before
        self._entries[path] = Entry(
            path=path,
            before=before,
            content=None if content is None else base64.b64decode(content),
            afters=(*(known.afters if known is not None and same else ()), State(**line["after"])),
            yours=line["yours"],
            made=line["made"],
        )
