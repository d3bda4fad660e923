"""Find Asterisk and the other telephone tools: the machine's own, or those that set-up unpacked.

Set-up unpacks Debian packages, never installs them, into a folder of their own in the user's cache;
each program is started through that folder's own dynamic loader: no privilege, no chroot, no change
to the machine.
"""

import gzip
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Raised by one whenever lab/telephony.py unpacks otherwise, so that an older cache is left alone.
GENERATION = 1
# The first release with the security fixes we rely on: docs/adr, and ARI `live_dangerously`.
ASTERISK_FLOOR = (22, 10, 1)
# What the rest was tried with, and no older: docs/wrong-passwords.md has the same table.
FLOORS = {
    "sipp": (3, 8, 0),
    "baresip": (1, 1, 0),
    "espeak-ng": (1, 52, 0),
    "pico2wave": (1, 0, 20130326),  # of its sources: Debian calls it 1.0+git20130326
}
CHECK_TIMEOUT_S = 20


class TelephonyError(Exception):
    """The tools cannot be had; the message is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Tool:
    """How to start one program: what to put before its arguments, and what its environment adds."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.argv, *(str(argument) for argument in arguments)]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephony:
    """Where every tool is. `root` is the unpacked packages; Asterisk may be the machine's own."""

    root: Path
    asterisk_version: tuple[int, ...]
    asterisk_modules: Path
    asterisk_data: Path  # holds documentation/, rest-api/, static-http/
    tools: Mapping[str, Tool]

    @property
    def baresip_modules(self) -> Path:
        return self.root / "usr/lib/baresip/modules"

    def tool(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            TelephonyError: there is no such tool, or this user cannot run it here.
        """
        try:
            return self.tools[name]
        except KeyError:
            raise TelephonyError(
                f"the tool {name} cannot be run by this user on this machine"
            ) from None


def built_telephony(*, cache: Path | None = None) -> Telephony | None:
    """The tools as set-up left them; None where they are missing or damaged. Builds nothing."""
    try:
        return require_tools(unpacked_folder(cache or cache_folder()))
    except TelephonyError:
        return None


def find_asterisk(*, cache: Path | None = None) -> tuple[str, tuple[int, ...]] | None:
    """The machine's own Asterisk, however old, or else that of the tools, and its version.

    Raises:
        TelephonyError: the machine's own does not run.
    """
    path = _asterisk_path()
    if path is not None:
        return path, _asterisk_version(Tool("asterisk", (path,)))
    telephony = built_telephony(cache=cache)
    return None if telephony is None else (str(telephony.root), telephony.asterisk_version)


def cache_folder() -> Path:
    """Where things that are dear to make outlive a checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tollgate"


def unpacked_folder(cache: Path) -> Path:
    """Where set-up unpacks the tools."""
    return cache / f"telephony-{GENERATION}"


def require_tools(root: Path) -> Telephony:
    """Describe the tools of `root`, having run each of them once.

    Raises:
        TelephonyError: a tool is missing or does not run.
    """
    if not root.is_dir():
        raise TelephonyError(f"there is no {root}")
    triplet = _triplet(root)
    prefix = _loader_prefix(root, triplet)
    tools = {
        "sipp": Tool("sipp", (*prefix, str(root / "usr/bin/sipp"))),
        "baresip": Tool("baresip", (*prefix, str(root / "usr/bin/baresip"))),
        "espeak-ng": Tool(
            "espeak-ng",
            (*prefix, str(root / "usr/bin/espeak-ng"), f"--path={root / 'usr/lib' / triplet}"),
        ),
    }
    for name, argument, says in (
        ("sipp", "-v", "SIPp v"),
        ("baresip", "-h", "baresip v"),
        ("espeak-ng", "--version", "eSpeak NG text-to-speech: "),
    ):
        found = _require_runs(tools[name], argument, rf"{says}(\d+)\.(\d+)\.(\d+)")
        _require_floor(name, found, FLOORS[name])
    tools.update(_pico(root))
    ours = Tool("asterisk", (*prefix, str(root / "usr/sbin/asterisk")))
    asterisk, version, modules, data = _machine_asterisk() or (
        ours,
        _require_asterisk_floor(ours),
        root / "usr/lib" / triplet / "asterisk/modules",
        root / "usr/share/asterisk",
    )
    return Telephony(
        root=root,
        asterisk_version=version,
        asterisk_modules=modules,
        asterisk_data=data,
        tools={**tools, "asterisk": asterisk},
    )


def _triplet(root: Path) -> str:
    """The folder of `root`'s libraries, such as x86_64-linux-gnu."""
    found = sorted(root.glob("usr/lib/*/libc.so.6"))
    if not found:
        raise TelephonyError(f"{root} holds no C library")
    return found[0].parent.name


def _loader_prefix(root: Path, triplet: str) -> tuple[str, ...]:
    """Start a program of `root` with `root`'s own loader and libraries."""
    libraries = root / "usr/lib" / triplet
    # x86_64 has its loader in lib64, the others beside their libraries.
    loaders = sorted([*root.glob("usr/lib64/ld-linux*.so.*"), *root.glob("usr/lib/ld-linux*.so.*")])
    loaders += sorted(libraries.glob("ld-linux*.so.*"))
    if not loaders:
        raise TelephonyError(f"{root} holds no dynamic loader")
    return (str(loaders[0]), "--library-path", f"{libraries}:{libraries / 'pulseaudio'}")


def _pico(root: Path) -> dict[str, Tool]:
    """pico2wave has the folder of its voices compiled in, so it alone needs a chroot."""
    command = ("chroot", str(root), "/usr/bin/pico2wave")
    prefix = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
    tool = Tool("pico2wave", (*prefix, *command), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    try:
        _require_runs(tool, "--help", "pico2wave|Usage")
    except TelephonyError:
        return {}  # no root and no user namespaces; the voice then comes from another engine
    _require_floor("pico2wave", _packaged_pico(root), FLOORS["pico2wave"])
    return {"pico2wave": tool}


def _packaged_pico(root: Path) -> re.Match[str]:
    """It does not say its version, so its package does."""
    file = root / "usr/share/doc/libttspico-utils/changelog.Debian.gz"
    try:
        with gzip.open(file, "rt", encoding="utf-8") as changes:
            found = re.match(r"svox \((\d+)\.(\d+)\+git(\d+)", changes.readline())
    except OSError as error:
        raise TelephonyError(f"{file} cannot be read: {error}") from error
    if found is None:
        raise TelephonyError(f"{file} does not say which version of pico2wave this is")
    return found


def _machine_asterisk() -> tuple[Tool, tuple[int, ...], Path, Path] | None:
    """The machine's own Asterisk, where it is new enough and lies where packages put it."""
    path = _asterisk_path()
    if path is None:
        return None
    tool = Tool("asterisk", (path,))
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    libraries = (Path("/usr/lib") / triplet, Path("/usr/lib"), Path("/usr/lib64"))
    modules = [p / "asterisk/modules" for p in libraries if (p / "asterisk/modules").is_dir()]
    shares = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
    data = [p for p in shares if (p / "rest-api").is_dir() and (p / "documentation").is_dir()]
    try:
        version = _require_asterisk_floor(tool)
    except TelephonyError:
        return None
    return (tool, version, modules[0], data[0]) if modules and data else None


def _asterisk_path() -> str | None:
    folders = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return shutil.which("asterisk", path=folders)


def _asterisk_version(tool: Tool) -> tuple[int, ...]:
    found = _require_runs(tool, "-V", r"Asterisk (?:certified/)?(\d+)\.(\d+)\.(\d+)")
    return tuple(int(part) for part in found.groups())


def _require_floor(name: str, found: re.Match[str], floor: tuple[int, ...]) -> None:
    version = tuple(int(part) for part in found.groups())
    if version < floor:
        raise TelephonyError(f"{name} {dotted(version)} is older than {dotted(floor)}")


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _require_asterisk_floor(tool: Tool) -> tuple[int, ...]:
    version = _asterisk_version(tool)
    if version < ASTERISK_FLOOR:
        raise TelephonyError(f"Asterisk {dotted(version)} is older than {dotted(ASTERISK_FLOOR)}")
    return version


def _require_runs(tool: Tool, argument: str, expected: str) -> re.Match[str]:
    """Run a tool once; what it says of itself proves that its libraries load."""
    try:
        run = subprocess.run(  # noqa: S603 - a tool of ours and a constant
            tool.command(argument),
            env=tool.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TelephonyError(f"{tool.name} cannot be run: {error}") from error
    found = re.search(expected, run.stdout + run.stderr)
    if found is None:
        raise TelephonyError(f"{tool.name} does not run: {last_line(run.stderr)}")
    return found


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
