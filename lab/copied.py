"""The application, started by a process that has read its code already, and copies itself.

Reading it takes Python a second of work, which most tests of a call would spend again. A copy is a
process of its own, with its own group, output and end; only `exec` is left out.
"""

import asyncio
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from assembly.parent import die_with_parent

_copying = multiprocessing.get_context("forkserver")


class Copy:
    """One copy, for whoever waits for it and signals it: as a process of asyncio."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        if self._process.pid is None:
            raise RuntimeError("it was never started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        """Return its exit status once it has ended; minus the signal, if one ended it."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            while self._process.exitcode is None:
                await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        return self._process.exitcode


async def start_copy(module: str, arguments: Sequence[str | Path], *, output: Path) -> Copy:
    """As `python -m module`, in this folder; what it writes goes to the file `output`."""
    _copying.set_forkserver_preload([f"{module}.__main__"])
    words = [str(each) for each in arguments]
    process = _copying.Process(target=_run, args=(module, words, output, dict(os.environ)))
    await asyncio.to_thread(process.start)  # the first start waits until the code is read
    return Copy(process)


def _run(
    module: str, arguments: Sequence[str], output: Path, environment: Mapping[str, str]
) -> None:
    die_with_parent()
    os.setpgid(0, 0)
    with output.open("ab") as out, Path(os.devnull).open("rb") as nothing:
        for stream, number in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    sys.modules.pop(f"{module}.__main__", None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
