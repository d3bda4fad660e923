"""Start programs so that none of them is ever left behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from assembly.parent import die_with_parent
from telephony.tools import Tool


class Started(Protocol):
    """A process of ours, however it was started."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...


async def spawn(  # noqa: PLR0913 - each is one setting, given by name
    tool: Tool,
    arguments: Sequence[str | Path],
    *,
    folder: Path,
    output: Path,
    keep_open: Sequence[int] = (),
    env: dict[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start `tool` in a process group of its own, its output going to the file `output`.

    The kernel kills it when this process dies, even by SIGKILL; it is started from the main
    thread, because the kernel means the thread that started it.
    """
    with output.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *tool.command(*arguments),
            cwd=folder,
            env={**tool.environment(), **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=keep_open,
            process_group=0,
            preexec_fn=die_with_parent,  # one system call: no lock, no allocation
        )


def write_private(file: Path, text: str) -> None:
    """A file that holds a password is its owner's alone, from the first byte."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


async def stop(process: Started, *, patience_s: float = 5) -> None:
    """Ask the process to end; after `patience_s` kill it and whatever it started."""
    signal_group(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await process.wait()
    await kill(process)


async def kill(process: Started) -> None:
    """End the process at once, as a crash would."""
    signal_group(process, signal.SIGKILL)
    await process.wait()


def signal_group(process: Started, number: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, number)
