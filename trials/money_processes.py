"""The processes that a trial of money kills and starts again, each with a log of its own."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from lab.processes import kill, spawn
from lab.sandbox import PROGRAM, Sandbox
from telephony.tools import Tool

START_S: Final = 120.0
REACH_S: Final = 20.0  # how long a named point is waited for
LOOK_EVERY_S: Final = 0.05
WORKERS: Final = ("worker", "second worker")
READY: Final = {
    "sandbox": '"event": "ready"',
    "worker": '"event": "ready"',
    "second worker": '"event": "ready"',
    "portal": '"event": "ready"',
    "application": "ready",
}
_REPOSITORY: Final = Path(__file__).parents[1]
_PYTHON: Final = Tool("python", (sys.executable,))
_COMPLAINTS: Final = ("fault:", "work_failed", "page_failed", "Traceback")


async def until(
    ask: Callable[[], Awaitable[Any]],
    reached: Callable[[Any], bool],
    patience_s: float = REACH_S,
) -> None:
    """Look at another program's records until they say so.

    Raises:
        TimeoutError: they do not.
    """
    async with asyncio.timeout(patience_s):
        while not reached(await ask()):  # noqa: ASYNC110 - other programs' records
            await asyncio.sleep(LOOK_EVERY_S)


class Processes:
    """By name, in one folder; `calls` is what the stand-in of the application is told."""

    def __init__(
        self, folder: Path, sandbox: Sandbox, settings: Path, calls: Callable[[int], Sequence[str]]
    ) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._settings = settings
        self._calls = calls
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._starts: Counter[str] = Counter()

    def running(self, name: str) -> asyncio.subprocess.Process:
        return self._running[name]

    async def start(self, *names: str) -> None:
        """Returns when each has said that it is ready."""
        for name in names:
            await self._start(name)
        for name in names:
            ready = partial(self._times_ready, name)
            await until(ready, self._starts[name].__le__, START_S)

    async def kill(self, *names: str) -> None:
        await asyncio.gather(*(kill(self._running[name]) for name in names))

    async def restart(self, *names: str) -> None:
        await self.kill(*names)
        await self.start(*names)

    async def end(self) -> None:
        await self.kill(*self._running)

    async def _start(self, name: str) -> None:
        arguments: Sequence[str | Path]
        environment = dict(self._sandbox.environment)
        match name:
            case "sandbox":
                arguments = ("-m", PROGRAM, self._settings)
            case "portal":
                arguments = ("-m", "portal", self._settings)
            case "application":
                arguments = ("-m", "trials.money_calls", *self._calls(self._starts[name]))
            case _:
                arguments = ("-m", "payments", self._settings)
                if name == "second worker":  # webhooks are taken by the first
                    port = Sandbox.in_folder(self._folder).payments.port
                    environment["TOLLGATE_PAYMENTS__PORT"] = str(port)
        self._starts[name] += 1
        self._running[name] = await spawn(
            _PYTHON,
            arguments,
            folder=_REPOSITORY,
            output=self._folder / f"{name}.log",
            env={**environment, "PYTHONPATH": str(_REPOSITORY)},
        )

    async def _times_ready(self, name: str) -> int:
        """Who is only starting is no loss."""
        text = (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return text.count(READY[name])

    def complaints(self) -> Sequence[str]:
        """What they say that none should."""
        return [
            f"{file.name}: {line[:200]}"
            for file in sorted(self._folder.glob("*.log"))
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(mark in line for mark in _COMPLAINTS)
        ]
