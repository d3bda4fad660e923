"""Wait for what another program writes into a file, without guessing how long it takes."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.patience import patience

_IN_MODIFY = 0x2
_IN_CREATE = 0x100
_IN_NONBLOCK = os.O_NONBLOCK
# Should a file system tell nothing of its changes, look again this often all the same.
_LOOK_AGAIN_S = 0.25

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """The kernel's word that a file, or the list of files in a folder, has changed (inotify)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._descriptor = _libc.inotify_init1(_IN_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify cannot be had")
        name = os.fsencode(self._path)
        if _libc.inotify_add_watch(self._descriptor, name, _IN_MODIFY | _IN_CREATE) < 0:
            self._close()
            raise OSError(ctypes.get_errno(), f"{self._path} cannot be watched")
        asyncio.get_running_loop().add_reader(self._descriptor, self._drain)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._close()

    async def until(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Return as soon as `condition` is true, asking it after each change.

        Raises:
            TimeoutError: it was not true within `timeout_s`.
        """
        async with patience(timeout_s):
            while True:
                self._changed.clear()  # before asking, so that no change falls in between
                if condition():
                    return
                await self._next_change()

    async def _next_change(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self._changed.wait()
        except TimeoutError:
            return

    def _drain(self) -> None:
        os.read(self._descriptor, 65536)
        self._changed.set()

    def _close(self) -> None:
        os.close(self._descriptor)
