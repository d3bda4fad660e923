"""The Stasis application, or the feature codes, as a process with its log as it is written."""

import json
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lab import processes
from lab.copied import start_copy
from lab.errors import LabError
from lab.lifecycle import Runnable
from lab.watch import FileWatch
from telephony.tools import Tool

START_TIMEOUT_S = 20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where libfaketime keeps what its processes share
Entry = Mapping[str, Any]


class Application(Runnable):
    """`async with Application(settings, folder) as application:` runs one."""

    # Tests of calls start one each; a trial starts it as an office does.
    copied: ClassVar[Collection[str]] = ()  # modules

    def __init__(self, settings: Path, folder: Path, *, module: str = "ari_app") -> None:
        """`settings` is its settings file; its log goes to `folder`; `module` is another's name."""
        self._module = module
        self._tool = Tool(module, (sys.executable, "-m", module))
        self._settings = settings
        self._folder = folder
        self._process: processes.Started | None = None
        self._started_at_line = 0
        self.clock_ahead_s = 0  # of the next start: its wall clock, and nobody else's

    @property
    def log_file(self) -> Path:
        return self._folder / "application.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LabError("the application is not running")
        return self._process.pid

    async def start(self) -> None:
        """Start; returns when it has its connections and has resumed what was open.

        Raises:
            LabError: it gave up, or was not ready in time; the message says what it said last.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self.log_file.touch()
        self._started_at_line = len(self.entries())
        self._process = await self._spawned()
        try:
            await self.wait_for("ready", after=self._started_at_line, timeout_s=START_TIMEOUT_S)
        except BaseException:
            await self.kill()
            raise

    async def _spawned(self) -> processes.Started:
        if self._module in self.copied and not self.clock_ahead_s:
            return await start_copy(self._module, [self._settings], output=self.log_file)
        return await processes.spawn(
            self._tool,
            [self._settings],
            folder=Path.cwd(),
            output=self.log_file,
            env=wall_clock(self.clock_ahead_s),
        )

    async def stop(self) -> None:
        if self._process is not None:
            await processes.stop(self._process)
            self._forget(self._process)

    async def kill(self) -> None:
        """As `kill -9` would."""
        if self._process is not None:
            await processes.kill(self._process)
            self._forget(self._process)

    def _forget(self, ended: processes.Started) -> None:
        """And what libfaketime leaves behind, where it was killed or had a clock of its own."""
        self._process = None
        for name in (f"faketime_shm_{ended.pid}", f"sem.faketime_sem_{ended.pid}"):
            (SHARED_MEMORY / name).unlink(missing_ok=True)

    def suspend(self) -> None:
        """Stop it where it is (SIGSTOP): it does nothing and loses nothing."""
        processes.signal_group(self._running(), signal.SIGSTOP)

    def go_on(self) -> None:
        processes.signal_group(self._running(), signal.SIGCONT)

    def _running(self) -> processes.Started:
        if self._process is None:
            raise LabError("the application is not running")
        return self._process

    def entries(self) -> list[Entry]:
        """Every whole line of its log so far; what is not JSON is kept as `{"event": line}`."""
        whole = self.log_file.read_text(encoding="utf-8").rpartition("\n")[0]
        return [_entry(line) for line in whole.splitlines()]

    async def wait_for(
        self, event: str, *, after: int = 0, timeout_s: float = 10, **facts: object
    ) -> Entry:
        """The first entry of that event with those facts, as soon as it is written.

        `after` skips that many entries from the beginning: `len(application.entries())` waits for
        a new one.

        Raises:
            LabError: there was none in time, or the application ended.
        """

        def found() -> list[Entry]:
            return [e for e in self._alive_entries()[after:] if _is(e, event, facts)]

        return await self._until(found, f"{event} {facts or ''}", timeout_s)

    async def follow(self, *, after: int, timeout_s: float) -> AsyncGenerator[Entry, None]:
        """Every entry from number `after` on, as it is written; ends when the reader stops.

        Raises:
            LabError: nothing was written for `timeout_s`, or the application ended.
        """
        seen = after
        while True:
            await self._until(partial(self._entries_from, seen), "next line", timeout_s)
            for entry in self.entries()[seen:]:
                seen += 1
                yield entry

    def _entries_from(self, first: int) -> list[Entry]:
        return self._alive_entries()[first:]

    def _alive_entries(self) -> list[Entry]:
        self._require_running()
        return self.entries()

    async def _until(self, found: Callable[[], list[Entry]], what: str, timeout_s: float) -> Entry:
        with FileWatch(self.log_file) as watch:
            try:
                await watch.until(lambda: bool(found()), timeout_s=timeout_s)
            except TimeoutError:
                raise LabError(f"the application logged no {what}: {self._last_words()}") from None
        return found()[0]

    def _require_running(self) -> None:
        if self._process is not None and self._process.returncode is not None:
            raise LabError(f"the application gave up: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8").splitlines()[self._started_at_line :]
        return " | ".join(lines[-5:]) or "nothing"


def _entry(line: str) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        return {"event": line}
    return entry if isinstance(entry, dict) else {"event": line}


def _is(entry: Entry, event: str, facts: Mapping[str, object]) -> bool:
    return entry.get("event") == event and all(entry.get(k) == v for k, v in facts.items())


def wall_clock(ahead_s: int) -> dict[str, str]:
    """The environment of a program whose wall clock is that much ahead; the steady one stays.

    Raises:
        LabError: libfaketime is not installed.
    """
    if ahead_s == 0:
        return {}
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise LabError("a clock of its own needs libfaketime: apt-get install faketime")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{ahead_s:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
