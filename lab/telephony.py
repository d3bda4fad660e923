"""Build the telephone tools once into the user's cache folder, where they are missing.

Debian *forky* carries Asterisk 22.10.1, SIPp 3.8 and baresip; older releases carry no Asterisk at
all. So the packages are unpacked: see telephony/tools.py.

`python -m lab.telephony` does it and says what it does; `make setup` calls that.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from telephony.tools import (
    ASTERISK_FLOOR,
    Telephony,
    TelephonyError,
    built_telephony,
    cache_folder,
    dotted,
    last_line,
    require_tools,
    unpacked_folder,
)

SUITE = "forky"
PACKAGES = ("asterisk", "sip-tester", "baresip-core", "espeak-ng", "libttspico-utils")
BUILD_TIMEOUT_S = 15 * 60

Say = Callable[[str], None]


def find_telephony(say: Say = print, *, cache: Path | None = None) -> Telephony:
    """Find the tools, building them first where they are missing or damaged.

    Safe side by side: a second caller waits for the first one's build and then uses it.

    Raises:
        TelephonyError: they are missing and cannot be built.
    """
    folder = cache or cache_folder()
    telephony = built_telephony(cache=folder)
    if telephony is not None:
        return telephony
    root = unpacked_folder(folder)
    with _locked(root.with_name(f"{root.name}.lock"), say):
        telephony = built_telephony(cache=folder)  # another set-up may have finished meanwhile
        if telephony is None:
            _build(root, say)
            telephony = require_tools(root)
    return telephony


@contextmanager
def _locked(lock: Path, say: Say) -> Iterator[None]:
    """Hold `lock`, waiting for whoever holds it; the kernel lets go when its holder dies."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise TelephonyError(f"the cache folder {lock.parent} cannot be used: {error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up to finish building the telephone tools …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(root: Path, say: Say) -> None:
    """Unpack the packages beside `root` and rename into place: `root` is whole or absent."""
    for leftover in root.parent.glob(f"{root.name}.building-*"):
        shutil.rmtree(leftover, ignore_errors=True)  # of a build that was killed; we hold the lock
    building = Path(tempfile.mkdtemp(prefix=f"{root.name}.building-", dir=root.parent))
    building.chmod(0o755)
    try:
        unpacked = building / "root"
        say(f"Unpacking Asterisk, SIPp and baresip into {root} (about 400 MB, once) …")
        _run(_mmdebstrap_command(_mmdebstrap(building, say), unpacked))
        _link_merged_usr(unpacked)
        require_tools(unpacked)
        if root.exists():
            root.rename(building / "damaged")
        unpacked.rename(root)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    say("The telephone tools are ready.")


def _mmdebstrap_command(mmdebstrap: Sequence[str], target: Path) -> list[str]:
    """Unpack only: no maintainer script runs, so no privilege is needed. Mirrors: its defaults."""
    return [
        *mmdebstrap,
        "--mode=chrootless",
        "--variant=extract",
        "--components=main,non-free",
        '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may be a dated snapshot
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(target),
    ]


def _mmdebstrap(workspace: Path, say: Say) -> list[str]:
    """The command, installed or unpacked first where the machine lacks it."""
    if shutil.which("mmdebstrap"):
        return ["mmdebstrap"]
    if shutil.which("apt-get") is None:
        raise TelephonyError(
            "Tollgate's telephone tools are Debian packages and this machine has no apt: install"
            f" Asterisk {dotted(ASTERISK_FLOOR)} or newer, and run this on Debian"
        )
    for prefix in _privileged_prefixes():
        say("Installing mmdebstrap …")
        if _install_mmdebstrap(prefix):
            return ["mmdebstrap"]
    say("Unpacking mmdebstrap …")
    return _unpack_mmdebstrap(workspace)


def _privileged_prefixes() -> list[list[str]]:
    if os.geteuid() == 0:
        return [[]]
    return [["sudo", "-n"]] if shutil.which("sudo") else []


def _install_mmdebstrap(prefix: list[str]) -> bool:
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", "mmdebstrap"]
    try:
        _run([*prefix, "apt-get", "update"])
        _run(install)
    except TelephonyError:
        return False  # no right to, or no such package here; the next way needs neither
    return shutil.which("mmdebstrap") is not None


def _unpack_mmdebstrap(workspace: Path) -> list[str]:
    """Fetch the package without privilege, with package lists of our own, and unpack it."""
    private = workspace / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (private / folder).mkdir(parents=True)
    options = [
        f"-oDir::State::Lists={private / 'lists'}",
        f"-oDir::Cache={private / 'cache'}",
        "-oDebug::NoLocking=true",
    ]
    _run(["apt-get", *options, "update"])
    _run(["apt-get", *options, "download", "mmdebstrap"], folder=private)
    packages = sorted(private.glob("mmdebstrap_*.deb"))
    if not packages:
        raise TelephonyError("apt-get download mmdebstrap fetched nothing")
    _run(["dpkg-deb", "-x", str(packages[0]), str(private / "unpacked")])
    return ["perl", str(private / "unpacked/usr/bin/mmdebstrap")]


def _link_merged_usr(root: Path) -> None:
    """The links that a package script would make; chroot needs them to find the loader."""
    for name in ("bin", "lib", "lib64", "sbin"):
        link = root / name
        if not link.exists() and (root / "usr" / name).is_dir():
            link.symlink_to(f"usr/{name}")


def _run(command: Sequence[str], *, folder: Path | None = None) -> None:
    try:
        run = subprocess.run(  # noqa: S603 - every command is spelt out above
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TelephonyError(f"the telephone tools cannot be built: {error}") from error
    if run.returncode != 0:
        raise TelephonyError(
            f"the telephone tools cannot be built, {command[0]} said: {last_line(run.stderr)}"
        )


def main() -> int:
    try:
        telephony = find_telephony()
    except TelephonyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    version = dotted(telephony.asterisk_version)
    sys.stdout.write(f"Asterisk {version}, SIPp and baresip are in {telephony.root}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
