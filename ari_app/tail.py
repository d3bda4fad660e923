"""A log that another program writes, read on from where it was left."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from telephony.cel import COMPRESSED, decompressed, files_of, first_since

READ_MAX = 1024 * 1024  # bytes at once, some 2,500 lines; the rest is read the next time


class Tail:
    """Over rotation, too: a file that was moved aside is read to its end before the next one."""

    def __init__(self, file: Path, *, begin_bytes: int, since_ms: int | None = None) -> None:
        """Read nothing yet.

        Args:
            file: the log.
            begin_bytes: so much of what is there already is read the first time.
            since_ms: instead, everything that was written since then, in files that were moved
                aside, too; milliseconds since 1970.
        """
        self._file = file
        self._begin_bytes = begin_bytes
        self._since_ms = since_ms
        self._older: Iterator[list[bytes]] = iter(())  # of what was moved aside before
        self._open: BinaryIO | None = None
        self._rest = b""  # of a line that is being written

    def lines(self) -> list[bytes]:
        """What was written since; a file that is not there yet has nothing.

        Raises:
            OSError: it cannot be read.
        """
        if self._open is None:
            self._begin()
        older = next(self._older, None)
        if older is not None:
            return older
        moved = self._moved()  # before it is read: what comes later does not come to it
        found, whole = self._read()
        if moved and whole:
            self.close()
            self._open = self._opened()
            found += self._read()[0]
        return found

    def _begin(self) -> None:
        """The log is opened first: what is moved aside from now on is this one."""
        self._open = self._opened()
        if self._since_ms is None:
            self._skip()
            return
        written = files_of(self._file, self._since_ms)
        aside = [file for file in written if file != self._file and not self._is_open(file)]
        self._older = _lines_of(aside, self._since_ms)
        if self._open is not None:
            end = self._open.seek(0, os.SEEK_END)
            self._open.seek(first_since(self._open, self._since_ms, begin=0, end=end))
        self._since_ms = None  # a log that is made anew is read from its beginning
        self._begin_bytes = sys.maxsize

    def _is_open(self, file: Path) -> bool:
        return self._open is not None and file.stat().st_ino == os.fstat(self._open.fileno()).st_ino

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


def _lines_of(files: list[Path], since_ms: int) -> Iterator[list[bytes]]:
    """Of files that do not change any more, oldest first, a piece at a time."""
    for file in files:
        with _reading(file) as log:
            if file.suffix not in COMPRESSED:
                log.seek(first_since(log, since_ms, begin=0, end=file.stat().st_size))
            while lines := log.readlines(READ_MAX):
                yield [line.rstrip(b"\n") for line in lines]


def _reading(file: Path) -> AbstractContextManager[Any]:
    return decompressed(file) if file.suffix in COMPRESSED else file.open("rb")
