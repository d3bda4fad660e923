"""A machine in a folder: what set-up finds on it, written down as bytes, rights and owners."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from admin.setup.machine import Machine, State

# As Debian packages them: what is set, without the comments.
STOCK: Mapping[str, str] = {
    "asterisk.conf": "[directories](!)\nastetcdir => /etc/asterisk\n[options]\n;runuser = nobody\n",
    "http.conf": "[general]\nservername=Asterisk\nbindaddr=127.0.0.1\n",
    "manager.conf": (
        '[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\n#include "manager.d/*.conf"\n'
    ),
    "ari.conf": "[general]\nenabled = yes       ; When set to no, ARI support is disabled.\n",
    "cel.conf": "[general]\napps=dial,park\nevents=APP_START,CHAN_START,ANSWER,HANGUP\n[manager]\n",
    "cel_custom.conf": ";[cel_master.csv]\n",
    "modules.conf": "[modules]\nautoload=yes\nnoload => chan_alsa.so\n",
    "pjsip.conf": """\
[udp]
type = transport
[phone](!)
type = endpoint
context = phones
[1001](phone)
callerid = "Reception" <1001>
[workshop](phone)
callerid = Workshop <1002>
[carrier]
type = endpoint
context = from-carrier
[carrier]
type = aor
""",
    "extensions.conf": """\
[general]
static = yes
[phones]
exten => 600,1,Answer()
 same => n,Hangup()

; the carrier's calls
[from-carrier]
exten => 5000,1,Dial(PJSIP/1001)""",
}


def stock_machine(root: Path, changed: Mapping[str, str | bytes | None] | None = None) -> Machine:
    """With the packaged files but for those that are `changed`; None: it is not there."""
    etc = root / "etc/asterisk"
    (root / "var/lib").mkdir(parents=True)
    (root / "usr/share/asterisk/documentation").mkdir(parents=True)
    etc.mkdir(parents=True)
    for name, text in {**STOCK, **(changed or {})}.items():
        if text is not None:
            file = etc / name
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            file.chmod(0o640)
    uid, gid = (990, 991) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    users = ("asterisk", "tollgate")
    lines = [f"{user}:x:{uid}:{gid}::/:/bin/false" for user in users]
    (root / "etc/passwd").write_text("\n".join([*lines, ""]))
    (root / "etc/group").write_text("".join(f"{user}:x:{gid}:\n" for user in users))
    return Machine(root)


def manifest(machine: Machine) -> Mapping[str, State]:
    """Everything below the root, to the byte."""
    return dict(_states(machine))


def _states(machine: Machine) -> Iterator[tuple[str, State]]:
    for place in sorted(machine.root.rglob("*")):
        path = Path("/") / place.relative_to(machine.root)
        yield str(path), machine.state(path)


class DyingMachine(Machine):
    """The power goes when so many things have been put into their places."""

    def __init__(self, root: Path, *, lives: int) -> None:
        super().__init__(root)
        object.__setattr__(self, "_lives", [lives])

    def put(self, path: Path, wanted: State, content: bytes = b"") -> None:
        lives: list[int] = object.__getattribute__(self, "_lives")
        if lives[0] == 0:
            raise PowerFailure(path)
        lives[0] -= 1
        super().put(path, wanted, content)


class PowerFailure(Exception):  # noqa: N818 - it is what happened
    pass


def text_of(machine: Machine, path: str) -> str:
    text = machine.text(Path(path))
    assert text is not None, f"{path} is not there"
    return text
