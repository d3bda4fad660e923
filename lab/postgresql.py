"""A PostgreSQL server of our own, from the distribution's package, on a free port of loopback."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.ports import find_free_port

START_TIMEOUT_S = 60
READY = "ready to accept connections"
ROLES = ("postgres", "nobody")  # whom the server runs as where we are root; it refuses to be root


class PostgresqlMissingError(Exception):
    """No server can be started; the message says in one sentence what is missing."""


class Server:
    """One server; it ends with the process that started it, even if that one is killed."""

    def __init__(self, programs: Path, folder: Path, *, durable: bool) -> None:
        self.data = folder / "data"
        self._programs = programs
        self._durable = durable
        self._port = find_free_port()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tollgate@127.0.0.1:{self._port}/{database}"

    def create(self) -> None:
        command = ["-D", str(self.data), "-U", "tollgate", "-A", "trust", "-E", "UTF8"]
        done = subprocess.run(  # noqa: S603 - the distribution's own program, our arguments
            _as_nobody_special([str(self._programs / "initdb"), *command]),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=START_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise PostgresqlMissingError(f"initdb failed: {done.stderr.strip()}")

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 100,
            "fsync": "on" if self._durable else "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), *options]
        self._process = subprocess.Popen(  # noqa: S603 - as above
            _as_nobody_special(command, dies_with_us=True),
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        self._reader = _wait_until_ready(self._process)

    def crash(self) -> None:
        """Stop without ceremony, as if the power had failed; the next start recovers."""
        if self._process is not None and self._reader is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_TIMEOUT_S)
            self._reader.join()
            self._process = self._reader = None


@contextmanager
def running_server(*, durable: bool) -> Iterator[Server]:
    """Start a server, and stop it again.

    Args:
        durable: whether a commit waits for the disk, as it must outside of tests.

    Raises:
        PostgresqlMissingError: the package is not installed, or the server does not start.
    """
    programs = _find_programs()
    with tempfile.TemporaryDirectory(prefix="tollgate-postgresql-") as name:
        if (role := _role()) is not None:
            shutil.chown(name, role)
        server = Server(programs, Path(name), durable=durable)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _find_programs() -> Path:
    """Debian keeps them out of PATH; the newest version wins."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda initdb: int(initdb.parts[-3]) if initdb.parts[-3].isdecimal() else 0,
    )
    found = versions[-1] if versions else shutil.which("initdb")
    if found is None:
        raise PostgresqlMissingError(
            "the tests on PostgreSQL need the distribution's package: apt-get install postgresql"
        )
    return Path(found).resolve().parent


def _role() -> str | None:
    """The user to become, where we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(role for role in ROLES if role in known)


def _as_nobody_special(command: Sequence[str], *, dies_with_us: bool = False) -> list[str]:
    """Run a command as an ordinary user; setpriv is part of util-linux, as every system has it."""
    role = _role()
    options = ["--pdeathsig", "QUIT"] if dies_with_us else []
    if role is not None:
        options += [f"--reuid={role}", f"--regid={pwd.getpwnam(role).pw_gid}", "--clear-groups"]
    return ["setpriv", *options, "--", *command] if options else [*command]


def _wait_until_ready(process: "subprocess.Popen[str]") -> threading.Thread:
    """Read what the server says until it says that it is ready; give who reads the rest."""
    if process.stderr is None:
        raise ValueError("the server's words go nowhere")
    said: list[str] = []
    watchdog = threading.Timer(START_TIMEOUT_S, process.kill)
    watchdog.start()
    for line in process.stderr:
        said.append(line)
        if READY in line:
            watchdog.cancel()
            reader = threading.Thread(target=_read_on, args=(process.stderr,), daemon=True)
            reader.start()
            return reader
    watchdog.cancel()
    raise PostgresqlMissingError(f"the server does not start: {''.join(said).strip()}")


def _read_on(lines: "IO[str]") -> None:
    """Or the server would stand still as soon as the pipe is full."""
    with lines:
        for _ in lines:
            pass
