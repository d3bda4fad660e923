"""One running Asterisk: its folder, its addresses, its secrets, and nothing left when it stops."""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

import aiohttp

from dialplan.office_routes import OfficeRoutes
from dialplan.phones import Phone
from dialplan.render import AsteriskConfig, Secrets, render
from lab import processes
from lab.errors import LabError
from lab.lifecycle import Runnable
from lab.patience import patience
from lab.ports import is_free_tcp, is_free_udp
from telephony.tools import Telephony

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
CLI_TIMEOUT_S = 10
# The kernel's limit on a socket's path is 108 bytes; Asterisk's control socket is in that folder.
_RUN_FOLDER_BYTES = 80
_LOG_TAIL_LINES = 5


class PortTakenError(LabError):
    """Another program has a port that this instance needs."""

    def __init__(self, *, address: str, port: int, protocol: str, setting: str) -> None:
        super().__init__(
            f"{protocol} port {port} of {address} is taken by another program:"
            f" stop that program, or change {setting}"
        )
        self.address = address
        self.port = port
        self.setting = setting


class AlreadyRunningError(LabError):
    """The folder belongs to an Asterisk that is running."""


def asterisk_config(  # noqa: PLR0913 - each is one setting, given by name
    folder: Path,
    telephony: Telephony,
    *,
    sip_address: str,
    trunk: tuple[str, int],
    phones: Sequence[Phone],
    emergency_numbers: Sequence[str],
    control_address: str | None = None,
    name: str = "tollgate",
) -> AsteriskConfig:
    """The usual configuration of an instance in `folder`; `dataclasses.replace` changes the rest.

    Makes the folder and the secrets where they do not exist; they then stay the same for good.

    Raises:
        LabError: the folder cannot be used.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _secrets(folder / "secrets.json", phones)
        run_folder = _run_folder(folder)
    except OSError as error:
        raise LabError(f"the folder {folder} cannot be used: {error.strerror}") from error
    return AsteriskConfig(
        name=name,
        folder=folder,
        run_folder=run_folder,
        modules=telephony.asterisk_modules,
        sip_address=sip_address,
        control_address=control_address or sip_address,
        trunk_host=trunk[0],
        trunk_port=trunk[1],
        phones=tuple(phone for phone in phones if phone.enabled),
        secrets=known,
        offices=(
            OfficeRoutes(
                name="main", emergency=tuple((number, number) for number in emergency_numbers)
            ),
        ),
        max_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    )


class Suspension(NamedTuple):
    """A time in which it did not run; seconds since 1970."""

    from_s: float
    to_s: float


class Instance(Runnable):
    """`async with Instance(config, telephony, sounds=…) as asterisk:` runs one Asterisk."""

    def __init__(self, config: AsteriskConfig, telephony: Telephony, *, sounds: Path) -> None:
        """`sounds` holds LANGUAGE/tollgate/CLIP.wav16 and the like; it may still be empty."""
        self.config = config
        self._telephony = telephony
        self._tool = telephony.tool("asterisk")
        self._sounds = sounds.absolute()
        self._process: asyncio.subprocess.Process | None = None
        self._lock: IO[str] | None = None
        self._suspended_at_s = 0.0
        self.stops: list[Suspension] = []

    # --- what an application needs to connect ---------------------------------------------------

    @property
    def ari_url(self) -> str:
        return f"http://{self.config.control_address}:{self.config.http_port}"

    @property
    def log_file(self) -> Path:
        return self.config.folder / "log/messages"

    @property
    def legs_file(self) -> Path:
        """CEL: one JSON line for each answer and end of each leg."""
        return self.config.folder / "log/cel-custom/legs.json"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LabError("Asterisk is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    # --- its life -------------------------------------------------------------------------------

    def render(self) -> None:
        """Write the configuration, and the folders that Asterisk wants to find."""
        folder = self.config.folder
        for name in ("log/cel-custom", "db", "spool/cache", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.config.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asterisk reads its documentation and ARI's description from the data folder, and refuses
        # to start without; only the sounds in it are ours.
        for shipped in self._telephony.asterisk_data.iterdir():
            if shipped.name != "sounds":
                _link(folder / "data" / shipped.name, shipped)
        _link(folder / "data/sounds", self._sounds)
        render(self.config)

    async def start(self) -> None:
        """Write the configuration and start; returns when calls are taken and ARI answers.

        Raises:
            AlreadyRunningError: an Asterisk is running in this folder.
            PortTakenError: another program has one of its ports.
            LabError: Asterisk gave up; the message ends with what its log said last.
        """
        self._lock = self._take_folder()
        try:
            self._require_free_ports()
            self.render()
            await self._launch()
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Hang up and end; nothing of it is left, whatever state it is in."""
        if self._process is not None:
            await processes.stop(self._process, patience_s=STOP_TIMEOUT_S)
        self._forget()

    async def kill(self) -> None:
        """End it as a crash would: no BYE, no farewell."""
        if self._process is not None:
            await processes.kill(self._process)
        self._forget()

    def suspend(self) -> None:
        """Stop it where it is (SIGSTOP): what is sent to it waits in the kernel."""
        if self._process is not None:
            self._suspended_at_s = time.time()
            processes.signal_group(self._process, signal.SIGSTOP)

    def go_on(self) -> None:
        if self._process is not None:
            processes.signal_group(self._process, signal.SIGCONT)
            self.stops.append(Suspension(self._suspended_at_s, time.time()))

    async def cli(self, command: str) -> str:
        """What Asterisk answers to a command of its console.

        Raises:
            LabError: it did not answer.
        """
        console = await asyncio.create_subprocess_exec(
            *self._tool.command("-C", self._main_file, "-rx", command),
            env=self._tool.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with patience(CLI_TIMEOUT_S):
                said, _ = await console.communicate()
        except BaseException:
            console.kill()
            await console.wait()
            raise
        answer = said.decode(errors="replace")
        if console.returncode != 0:
            raise LabError(f"Asterisk's console did not take {command!r}: {answer.strip()}")
        return answer

    # --- helpers --------------------------------------------------------------------------------

    @property
    def _main_file(self) -> Path:
        return self.config.folder / "etc/asterisk.conf"

    def _take_folder(self) -> IO[str]:
        """Hold the folder for as long as Asterisk lives, which inherits the lock."""
        self.config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.config.folder / "running.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(
                f"an Asterisk is already running in {self.config.folder}"
            ) from None
        return lock

    def _require_free_ports(self) -> None:
        c = self.config
        for address, port, protocol, is_free, setting in (
            (c.sip_address, c.sip_port, "UDP", is_free_udp, "sip_port"),
            (c.control_address, c.http_port, "TCP", is_free_tcp, "http_port"),
            (c.control_address, c.ami_port, "TCP", is_free_tcp, "ami_port"),
        ):
            if not is_free(address, port):
                raise PortTakenError(address=address, port=port, protocol=protocol, setting=setting)

    async def _launch(self) -> None:
        assert self._lock is not None  # noqa: S101 - start() has just taken it
        with _ReadySocket(self.config.run_folder) as ready:
            self._process = await processes.spawn(
                self._tool,
                ["-f", "-C", self._main_file],
                folder=self.config.folder,
                output=self.config.folder / "log/console",
                keep_open=[self._lock.fileno()],
                env={"NOTIFY_SOCKET": str(ready.path)},
            )
            ended = asyncio.ensure_future(self._process.wait())
            waiting = asyncio.ensure_future(ready.wait())
            try:
                done, _ = await asyncio.wait(
                    {ended, waiting}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                ended.cancel()
                waiting.cancel()
        if ended in done:
            raise LabError(f"Asterisk gave up while starting; it said: {self._last_words()}")
        if not done:
            raise LabError(f"Asterisk was not ready in {START_TIMEOUT_S} s: {self._last_words()}")
        await self._require_ari()

    async def _require_ari(self) -> None:
        secret = self.config.secrets
        authorization = aiohttp.encode_basic_auth(secret.ari_username, secret.ari_password)
        try:
            async with (
                aiohttp.ClientSession(
                    headers={"Authorization": authorization},
                    timeout=aiohttp.ClientTimeout(total=CLI_TIMEOUT_S),
                ) as session,
                session.get(f"{self.ari_url}/ari/asterisk/info?only=status") as reply,
            ):
                reply.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LabError(f"Asterisk runs but ARI does not answer: {error}") from error

    def _last_words(self) -> str:
        lines: list[str] = []
        for file in (self.config.folder / "log/console", self.log_file):
            with contextlib.suppress(OSError):
                lines += file.read_text(errors="replace").splitlines()
        told = [line.strip() for line in lines if "ERROR" in line or "WARNING" in line] or lines
        return " | ".join(told[-_LOG_TAIL_LINES:]) or "nothing"

    def _forget(self) -> None:
        self._process = None
        shutil.rmtree(self.config.run_folder, ignore_errors=True)  # it may lie outside our folder
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _ReadySocket:
    """Where Asterisk says READY=1 when every module has loaded: systemd's protocol, without it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)
        self._socket.bind(str(self.path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        while b"READY=1" not in await loop.sock_recv(self._socket, 4096):
            pass


def _secrets(file: Path, phones: Sequence[Phone]) -> Secrets:
    """The instance's secrets, made once; a phone added later gets a password of its own."""
    kept: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        kept = _read_secrets(file)
    wanted = ["ari", "ami", *(f"phone:{phone.endpoint}" for phone in phones)]
    missing = [name for name in wanted if name not in kept]
    if missing:
        kept.update({name: secrets.token_urlsafe(24) for name in missing})
        _write_secrets(file, kept)
    return Secrets(
        ari_password=kept["ari"],
        ami_password=kept["ami"],
        phones={phone.endpoint: kept[f"phone:{phone.endpoint}"] for phone in phones},
    )


def _read_secrets(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, Mapping) or not all(isinstance(v, str) for v in content.values()):
        raise LabError(f"{file} is damaged; remove it and every password is made anew")
    return dict(content)


def _write_secrets(file: Path, content: Mapping[str, str]) -> None:
    partial = file.with_suffix(".new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(content, out, indent=1)
    partial.replace(file)


def _run_folder(folder: Path) -> Path:
    """Beside the rest, unless the path is too long for a socket."""
    run_folder = folder / "run"
    if len(os.fsencode(run_folder)) <= _RUN_FOLDER_BYTES:
        return run_folder
    short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"tollgate-{os.geteuid()}-{short}"


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
