"""Reading what an admin wrote: a regular file of limited size, and one sentence when it is wrong.

A file may be anything at the moment it is read: a pipe that nobody writes to, half of itself, or a
list within a list a hundred thousand deep. Whoever reads it goes on without it.
"""

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from charging.plain_text import escaped

SIZE_MAX = 512 * 1024
DOTS_MAX = 40  # on a line: a key of many parts costs tomllib the square of their number
SENTENCE_MAX = 300
NAME_MAX = 200  # characters of a file's name in a sentence


class TomlFileError(Exception):
    """A file that cannot be used; `line` is where, as far as that is known."""

    def __init__(self, reason: str, *, line: int = 1) -> None:
        super().__init__(sentence(reason))
        self.line = line


class FileMissing(TomlFileError):  # noqa: N818 - what is so, which may be no error
    """There is no such file."""


def read_text(file: Path) -> str:
    """The text of a regular file of at most SIZE_MAX bytes; waits for nobody.

    Raises:
        TomlFileError: it is none, it is too large, or it is not UTF-8.
        FileMissing: there is no such file.
    """
    try:
        content = _content_of(file)
    except FileNotFoundError:
        raise FileMissing("cannot be read: it is not there") from None
    except OSError as error:
        raise TomlFileError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise TomlFileError(f"cannot be read: {error}") from error
    if len(content) > SIZE_MAX:
        raise TomlFileError(f"cannot be read: it is larger than {SIZE_MAX // 1024} kB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TomlFileError("is not UTF-8 text", line=line) from error


def _content_of(file: Path) -> bytes:
    # O_NONBLOCK: opening a pipe would otherwise wait for whoever writes to it.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TomlFileError("cannot be read: it is not a regular file")
        content = b""
        while len(content) <= SIZE_MAX and (more := os.read(descriptor, SIZE_MAX + 1)):
            content += more
        return content
    finally:
        os.close(descriptor)


def version_of(file: Path) -> tuple[int, ...]:
    """Changes whenever the file is written or replaced; empty if it is not there."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def parse_toml(text: str) -> dict[str, Any]:
    """Raises TomlFileError: the text is not TOML, or more of it than a person writes."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > DOTS_MAX and not line.lstrip().startswith("#"):
            raise TomlFileError(f"has more than {DOTS_MAX} dots on a line", line=number)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlFileError(f"is not valid TOML: {error}", line=_line_of(error, text)) from error
    except RecursionError:
        raise TomlFileError("is nested too deeply") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise TomlFileError(f"holds a value that cannot be read: {error}") from error


def sentence(text: str) -> str:
    """One line of limited length that a terminal and a log can show."""
    line = escaped(" ".join(text.split()))
    return line if len(line) <= SENTENCE_MAX else f"{line[:SENTENCE_MAX]}…"


def named(file: Path | str) -> str:
    """A file as a sentence names it: settings may name it with anything; of a long name the end."""
    name = escaped(str(file))
    return name if len(name) <= NAME_MAX else f"…{name[-NAME_MAX:]}"


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else text.count("\n") + 1
