"""A PostgreSQL server of our own, from the distribution's package, on a free port of loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 60
ROLES = ("postgres", "nobody")  # whom the server runs as where we are root; it refuses to be root


class PostgresqlMissingError(Exception):
    """No server can be started; the message says in one sentence what is missing."""


@dataclass(frozen=True)
class Server:
    port: int
    programs: Path
    folder: Path
    durable: bool

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port}"
            f" -c unix_socket_directories= -c max_connections=100"
            f" -c fsync={'on' if self.durable else 'off'}"
        )
        how = ("-l", self.folder / "log", "-o", options, "-w", "-t", START_TIMEOUT_S)
        _run(self.programs / "pg_ctl", "-D", self.data, *how, "start")

    def crash(self) -> None:
        """Stop without ceremony, as if the power had failed; the next start recovers."""
        _run(self.programs / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tollgate@127.0.0.1:{self.port}/{database}"


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
        server = Server(port=_free_port(), programs=programs, folder=Path(name), durable=durable)
        _give_away(server.folder)
        _run(programs / "initdb", "-D", server.data, "-U", "tollgate", "-A", "trust", "-E", "UTF8")
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _role() -> str | None:
    """The user to become, where we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(role for role in ROLES if role in known)


def _give_away(folder: Path) -> None:
    role = _role()
    if role is not None:
        shutil.chown(folder, role)


def _run(*command: object) -> None:
    words: Sequence[str] = [str(word) for word in command]
    role = _role()
    # The server inherits no pipe of ours: pg_ctl's child would keep it open for ever.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=role,
            group=None if role is None else pwd.getpwnam(role).pw_gid,
            extra_groups=None if role is None else [],
            timeout=2 * START_TIMEOUT_S,
            check=False,
        )
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if done.returncode != 0:
        raise PostgresqlMissingError(f"{Path(words[0]).name} failed: {said}")
