"""A log that another program writes, read on from where it was left."""

import os
from pathlib import Path
from typing import BinaryIO

READ_MAX = 1024 * 1024  # bytes at once, some 2,500 lines; the rest is read the next time


class Tail:
    """Over rotation, too: a file that was moved aside is read to its end before the next one."""

    def __init__(self, file: Path, *, begin_bytes: int) -> None:
        """`begin_bytes` of what is there already are read the first time."""
        self._file = file
        self._begin_bytes = begin_bytes
        self._open: BinaryIO | None = None
        self._rest = b""  # of a line that is being written

    def lines(self) -> list[bytes]:
        """What was written since; a file that is not there yet has nothing.

        Raises:
            OSError: it cannot be read.
        """
        if self._open is None:
            self._open = self._opened()
            self._skip()
        moved = self._moved()  # before it is read: what comes later does not come to it
        found, whole = self._read()
        if moved and whole:
            self.close()
            self._open = self._opened()
            found += self._read()[0]
        return found

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._rest = None, b""

    def _opened(self) -> BinaryIO | None:
        try:
            return self._file.open("rb")
        except FileNotFoundError:
            return None

    def _skip(self) -> None:
        """Begin with a whole line, not far before the end."""
        if self._open is None:
            return
        size = self._open.seek(0, 2)
        self._open.seek(max(0, size - self._begin_bytes))
        if size > self._begin_bytes:
            self._open.readline()

    def _read(self) -> tuple[list[bytes], bool]:
        """The next whole lines, and whether the file has been read to its end."""
        if self._open is None:
            return [], True
        if self._open.tell() > os.fstat(self._open.fileno()).st_size:
            self._open.seek(0)  # it was begun anew
            self._rest = b""
        chunk = self._open.read(READ_MAX)
        *found, self._rest = (self._rest + chunk).split(b"\n")
        return found, len(chunk) < READ_MAX

    def _moved(self) -> bool:
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return False  # moved, and not made anew yet
        return self._open is not None and there.st_ino != os.fstat(self._open.fileno()).st_ino
