"""What Asterisk is there: whose, where its files are, which version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from admin.readable import ASTERISK_USER
from admin.setup.conf import Conf, read_conf
from admin.setup.items import ROOT_USER
from admin.setup.machine import Machine
from telephony.tools import ASTERISK_FLOOR, dotted

ETC = Path("/etc/asterisk")
LISTED_BY_PACKAGES = Path("/var/lib/dpkg/info/asterisk.list")
FREEPBX = Path("/etc/freepbx.conf")
DATA = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))  # Debian's, then Asterisk's own

WRITTEN_BY_FREEPBX = (
    "FreePBX writes Asterisk's files anew at every reload, so this command writes none here:"
    " `tollgate dialplan render --gate freepbx` writes its gate, docs/freepbx.md says the rest"
)

_VERSION = re.compile(r"Asterisk (?:certified/)?(\d+)\.(\d+)\.(\d+)")
_DATA_FOLDER = re.compile(r"Data directory:\s+(/\S+)")
_PROTECTED = "documentation"  # stands in the data folder alone, and Asterisk wants it


class Kind(Enum):
    PACKAGED = "as packaged by the distribution"
    BY_HAND = "installed by hand"
    FREEPBX = "written by FreePBX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    kind: Kind
    program: str | None
    version: tuple[int, ...]  # empty: nobody could be asked
    running: bool
    etc: Path
    data: Path  # sounds/ in it is where prompts are looked for
    user: str
    group: str

    def told(self) -> Sequence[str]:
        """For the head of the plan."""
        version = dotted(self.version) if self.version else "of unknown version"
        state = "running" if self.running else "not running"
        return (
            f"Asterisk {version}, {self.kind.value}, {state}, as user {self.user}",
            f"its configuration is in {self.etc}, its sounds in {self.data / 'sounds'}",
        )

    def refusals(self) -> Sequence[str]:
        """Why nothing can be set up here."""
        floor = dotted(ASTERISK_FLOOR)
        if self.version and self.version < ASTERISK_FLOOR:
            old = f"Asterisk {dotted(self.version)} is older than {floor}"
            return (f"{old}, which has fixes that Tollgate relies on: upgrade it first",)
        return (WRITTEN_BY_FREEPBX,) if self.kind is Kind.FREEPBX else ()


def look(machine: Machine, *, etc: Path | None = None) -> Found:
    """What is there, and who it runs as."""
    folder = etc or ETC
    program = machine.program("asterisk")
    main = conf_of(machine, folder, "asterisk.conf")
    user = main.last("options", "runuser") or _usual(machine.uid(ASTERISK_USER))
    group = main.last("options", "rungroup") or _usual(machine.gid(ASTERISK_USER))
    settings = _asked(machine, program)
    return Found(
        kind=_kind(machine),
        program=program,
        version=_version(machine, program),
        running=settings is not None,
        etc=folder,
        data=_data_folder(machine, main, settings or ""),
        user=user,
        group=group,
    )


def conf_of(machine: Machine, etc: Path, name: str) -> Conf:
    """One of Asterisk's files, with what it includes."""
    return read_conf(etc / name, folder=etc, read=machine.text, matching=machine.matching)


def _usual(number: int | None) -> str:
    return ROOT_USER if number is None else ASTERISK_USER


def _kind(machine: Machine) -> Kind:
    if machine.exists(FREEPBX):
        return Kind.FREEPBX
    return Kind.PACKAGED if machine.exists(LISTED_BY_PACKAGES) else Kind.BY_HAND


def _version(machine: Machine, program: str | None) -> tuple[int, ...]:
    if program is None:
        return ()
    found = _VERSION.search(machine.run(program, "-V").said)
    return () if found is None else tuple(int(part) for part in found.groups())


def _asked(machine: Machine, program: str | None) -> str | None:
    """What the running Asterisk says of its folders; None: it does not run."""
    if program is None:
        return None
    ran = machine.run(program, "-rx", "core show settings")
    return ran.said if ran.status == 0 else None


def _data_folder(machine: Machine, main: Conf, settings: str) -> Path:
    said = _DATA_FOLDER.search(settings)
    named = said[1] if said else main.last("directories", "astdatadir")
    if named:
        return Path(named)
    there = [folder for folder in DATA if machine.exists(folder / _PROTECTED)]
    return there[0] if there else DATA[-1]
