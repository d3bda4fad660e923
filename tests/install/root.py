"""A bare system in a folder, with Asterisk of its own, and commands run in it as on a machine."""

import asyncio
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from telephony.tools import Telephony, cache_folder

ROOTS = cache_folder() / "roots"
WORK = Path("/var/tmp")  # noqa: S108 - roots are large, and /tmp may be memory
BORROWED = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
# What a system is made with. Debian 12 and 13 have no package of Asterisk: there the unpacked
# one is put where somebody who builds it by hand would put it.
_BARE = ("python3", "ca-certificates", "logrotate")
PACKAGES = {"forky": ("asterisk", *_BARE), "trixie": _BARE, "bookworm": _BARE}
BY_HAND = Path("/opt/asterisk")
PATIENCE_S = 600

_MOUNTS = """
mount --bind /dev "$1/dev" &&
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" &&
mount -t tmpfs tmpfs "$1/dev/shm" &&
mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" &&
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
  PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
  chroot "$1" sh -ec "cd /root; $2"
"""


class CommandFailedError(Exception):
    """A command of the document; the message has what it printed."""


@dataclass(frozen=True, slots=True)
class Root:
    folder: Path

    def run(self, command: str, *, answer: str = "") -> str:
        """What a command printed, typed into a shell of root's.

        Raises:
            CommandFailedError: its exit status is not 0.
        """
        done = subprocess.run(
            self.started(command),
            input=answer,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailedError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def started(self, command: str) -> Sequence[str]:
        """In a namespace of mounts that ends with it: nothing stays mounted."""
        return (
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", _MOUNTS, "sh", str(self.folder), command),
        )

    def at(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    async def asterisk_until_ready(self, log: Path) -> asyncio.subprocess.Process:
        """Asterisk as its unit starts it, as the user asterisk; returns when it takes calls."""
        ready = self.at("/run/ready")
        ready.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as told:
            told.bind(str(ready))
            ready.chmod(0o777)
            run = "NOTIFY_SOCKET=/run/ready exec asterisk -g -f -p -U asterisk -G asterisk"
            with log.open("ab") as out:
                process = await asyncio.create_subprocess_exec(
                    *self.started(run), stdout=out, stderr=out, process_group=0
                )
            async with asyncio.timeout(60):
                while b"READY=1" not in await asyncio.get_running_loop().sock_recv(told, 4096):
                    pass
        return process


def packed(suite: str) -> Path:
    """Made once, and unpacked anew for each trial."""
    tar = ROOTS / f"{suite}-install.tar"
    if not tar.exists():
        ROOTS.mkdir(parents=True, exist_ok=True)
        unfinished = tar.with_name(f"new-{tar.name}")
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", "--variant=apt", "--skip=cleanup/apt/lists"),
                '--aptopt=Acquire::Check-Valid-Until "false"',
                *(f"--include={','.join(PACKAGES[suite])}", suite, str(unfinished)),
            ],
            check=True,
        )
        unfinished.rename(tar)
    return tar


def unpacked(suite: str, folder: Path, telephony: Telephony) -> Root:
    """With this machine's way to packages, and Asterisk."""
    with tarfile.open(packed(suite)) as system:
        for each in system:
            if not each.isdev():
                system.extract(each, folder, numeric_owner=True, filter="fully_trusted")
    for name in ("dev", "proc", "sys", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    for file in map(Path, BORROWED):
        if file.exists():
            shutil.copyfile(file, folder / file.relative_to("/"))
    hosts = f"127.0.0.1 localhost {socket.gethostname()}\n"
    (folder / "etc/hosts").write_text(hosts)
    root = Root(folder)
    if not root.at("/usr/sbin/asterisk").exists():
        _build_by_hand(root, telephony)
    return root


def _build_by_hand(root: Root, telephony: Telephony) -> None:
    """A system that has no package: programs, modules and data under a folder of their own."""
    devices = shutil.ignore_patterns("dev")  # to read one of them never ends
    shutil.copytree(telephony.root, root.at(str(BY_HAND)), symlinks=True, ignore=devices)
    prefix = [
        part.replace(str(telephony.root), str(BY_HAND)) for part in telephony.tool("asterisk").argv
    ]
    start = root.at("/usr/local/sbin/asterisk")
    start.write_text(f'#!/bin/sh\nexec {" ".join(prefix)} "$@"\n')
    start.chmod(0o755)
    shutil.copytree(root.at(f"{BY_HAND}/etc/asterisk"), root.at("/etc/asterisk"))
    root.run("useradd --system --user-group --home-dir /var/lib/asterisk asterisk")
    modules = str(telephony.asterisk_modules).replace(str(telephony.root), str(BY_HAND))
    data = str(telephony.asterisk_data).replace(str(telephony.root), str(BY_HAND))
    folders = ("/var/lib/asterisk", "/var/log/asterisk", "/var/spool/asterisk", "/run/asterisk")
    main = (
        "[directories]\nastetcdir => /etc/asterisk\n"
        f"astmoddir => {modules}\nastdatadir => {data}\nastagidir => {data}/agi-bin\n"
        "astvarlibdir => /var/lib/asterisk\nastdbdir => /var/lib/asterisk\n"
        "astkeydir => /var/lib/asterisk\nastspooldir => /var/spool/asterisk\n"
        "astrundir => /run/asterisk\nastlogdir => /var/log/asterisk\n[options]\nnocolor = yes\n"
    )
    root.at("/etc/asterisk/asterisk.conf").write_text(main)
    root.run(
        f"mkdir -p {' '.join(folders)} /var/cache/asterisk;"
        f" chown -R asterisk:asterisk {' '.join(folders)} /var/cache/asterisk /etc/asterisk"
    )


def raise_loopback() -> None:
    """In a network of its own, where nothing else has any port."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # noqa: S607 - the system's own
