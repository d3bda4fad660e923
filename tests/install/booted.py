"""A root whose first process is its own systemd: units are started, watched and ended by it.

Every namespace is the root's own, but for the network, which is that of whoever boots it, and
nothing else of this machine's files is in it. What it could change of the kernel is read-only.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from assembly.parent import die_with_parent
from lab.watch import FileWatch
from tests.install.root import BY_HAND, CommandFailedError, Root

BOOT_TIMEOUT_S = 120
NOTIFY = "/var/tmp/booted"  # noqa: S108 - inside the root
_DEVICES = "null zero full random urandom tty"
_BOOT = """
echo $$ > "$2/cgroup.procs" &&
exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private \
  -- sh -ec '
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --bind "$1/proc/sys" "$1/proc/sys"
mount -o remount,bind,ro "$1/proc/sys"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for each in {devices}; do touch "$1/dev/$each"; mount --bind "/dev/$each" "$1/dev/$each"; done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
mount -t tmpfs tmpfs "$1/dev/shm"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
cd "$1"
mkdir run/before
pivot_root . run/before
chroot run/before umount -l /
rmdir run/before
exec env -i container=trial NOTIFY_SOCKET={notify} PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --show-status=false' sh "$1"
"""
# Where there is no package of Asterisk there is no unit of it either; this is what Debian's says.
_ASTERISK_UNIT = """\
[Service]
Type=notify
ExecStart=/usr/local/sbin/asterisk -g -f -p -U asterisk -G asterisk
Restart=on-failure
StandardOutput=null
StandardError=null
"""
_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    *("HOME=/root", "LANG=C.UTF-8", "TERM=dumb"),
)


@dataclass(frozen=True, slots=True)
class Booted(Root):
    outside_pid: int  # of who waits for its systemd

    def started(self, command: str) -> Sequence[str]:
        """As somebody would type it who has logged in."""
        return (
            *("nsenter", f"--target={self.outside_pid}", "--mount", "--uts", "--ipc", "--cgroup"),
            *(f"--pid=/proc/{self.outside_pid}/ns/pid_for_children", "--", "env", "-i"),
            *(*_ENVIRONMENT, "sh", "-ec", f"cd /root; {command}"),
        )


@asynccontextmanager
async def booted(root: Root) -> AsyncIterator[Booted]:
    """Until every unit that is to be started with the machine has been."""
    if root.at(str(BY_HAND)).exists():
        root.at("/etc/systemd/system/asterisk.service").write_text(_ASTERISK_UNIT)
    with _own_cgroup() as cgroup:
        boot = _BOOT.replace("{devices}", _DEVICES).replace("{notify}", NOTIFY)
        root.at(NOTIFY).unlink(missing_ok=True)
        ready = asyncio.create_task(_is_ready(root.at(NOTIFY)))
        await asyncio.sleep(0)  # it listens now
        outside = await asyncio.create_subprocess_exec(
            *("sh", "-ec", boot, "sh", str(root.folder), str(cgroup)),
            process_group=0,
            preexec_fn=die_with_parent,
        )
        ended = asyncio.create_task(outside.wait())
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise CommandFailedError(f"{root.folder} was not booted: {await ended}")
            await ready
            yield Booted(root.folder, outside.pid)
        finally:
            ready.cancel()
            if outside.returncode is None:
                outside.kill()  # the kernel ends its systemd then, and all that it has started
            await ended
            await _all_ended(cgroup)
            root.at(NOTIFY).unlink(missing_ok=True)


async def _is_ready(file: Path) -> None:
    """Its systemd says so. It would wait for who listens on and does not read: nobody does."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as told:
        told.bind(str(file))
        async with asyncio.timeout(BOOT_TIMEOUT_S):
            while b"READY=1" not in await loop.sock_recv(told, 4096):
                pass


@contextmanager
def _own_cgroup() -> Iterator[Path]:
    """Which systemd takes for the whole of the machine's."""
    cgroup = _cgroups() / f"tollgate-trial-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        for each in (*sorted(filter(Path.is_dir, cgroup.rglob("*")), reverse=True), cgroup):
            each.rmdir()


def _cgroups() -> Path:
    """Where the second version of cgroups is mounted, alone or beside the first."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise LookupError("cgroup2 is mounted nowhere")


async def _all_ended(cgroup: Path) -> None:
    events = cgroup / "cgroup.events"
    with FileWatch(events) as watch:
        await watch.until(
            lambda: "populated 0" in events.read_text(encoding="utf-8"), timeout_s=BOOT_TIMEOUT_S
        )
