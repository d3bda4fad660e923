"""Plan, phones and settings files as nobody should write them, while an office takes calls.

Whatever stands in a file's place, reading it ends soon; what it says is either in force or refused
in one sentence, and then the last good file is in force and calls go on.
"""

import asyncio
import os
import random
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from assembly.live_offices import LiveOffices
from charging.errors import Refusal
from charging.plain_text import is_plain
from charging.plan import classify
from dialplan.phones import EXAMPLE
from plans.files import SHIPPED_PLANS
from settings import load_settings
from settings.toml_file import SENTENCE_MAX, SIZE_MAX

READ_MAX_S = 5.0  # a starved machine included; what waits for a pipe waits for ever
SETTINGS = """\
[ari]
password = "one"
[ami]
secret = "two"
[database]
url = "sqlite:///ledger.sqlite"
[offices.main]
plan = "uk"
[site]
outside_line_prefix = "9"
phones_file = "phones.toml"
plans_folder = "plans"
[call]
ring_timeout_s = 60
cut_off_early_s = 0.15
[agi.codes]
balance = "*80"
"""
NASTY = (
    *("[" * 100_000, "{a=" * 100_000, "a." * 100_000 + "a = 1", "9" * 10_000, "-", '"', "'''"),
    *("nan", "inf", "1e999", "0x", "1979-05-27T07:32:00Z", "99999-99-99", "true", "[]", "{}"),
    *("\x00", "\x1b[2J", "\u202e", "\ud7ff", "\ufeff", "\r", "\n\n", "=", "]]", "[[", "#" * 5000),
    *('"\\ud800"', '"\\U00110000"', '"' + "x" * 100_000 + '"', "[included]", "[[included]]"),
    *("[phones]", "[offices]", "[site]", 'country = ["GB"]', "included = 5", "x" * 100_000),
)


@dataclass
class FilesOutcome:
    tried: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Reader:
    """One file of an office that is running, damaged again and again."""

    def __init__(self, folder: Path, name: str) -> None:
        (folder / "plans").mkdir()
        contents = {
            "plan": (folder / "plans" / "uk.toml", (SHIPPED_PLANS / "uk.toml").read_bytes()),
            "phones": (folder / "phones.toml", EXAMPLE.read_bytes()),
            "settings": (folder / "tollgate.toml", SETTINGS.encode()),
        }
        for file, content in contents.values():
            file.write_bytes(content)
        self.file, self.good = contents[name]
        self._told: list[str] = []
        settings = load_settings(folder / "tollgate.toml")
        self._offices = LiveOffices(settings, report=self._told.append)

    def read_again(self) -> list[str]:
        """Notice the file; every sentence that an admin would be told."""
        self._told.clear()
        self._offices.refresh()
        return list(self._told)

    def in_force(self) -> object:
        """What calls go by."""
        return self._offices.snapshot()

    def call(self) -> None:
        """Raises whatever a call would be stopped by."""
        offices = self._offices.snapshot()
        for dialled in ("999", "02079460000", "0033612345678", "08001234567", "118118", "9999"):
            try:
                office = offices.office_at("1001")
                classify(office.parse(dialled), office.plan)
            except Refusal:
                continue


READERS = ("plan", "phones", "settings")


def run(kind: str, *, files: int, seed: int) -> FilesOutcome:
    draw = random.Random(f"{kind} {seed}")  # noqa: S311 - what it draws is no secret
    outcome = FilesOutcome()
    with tempfile.TemporaryDirectory(prefix="tollgate-files-") as name:
        reader = Reader(Path(name), kind)
        for number in range(files):
            before = reader.in_force()
            _put(reader, draw)
            _judge(reader, before, outcome, f"{kind} {number} of seed {seed}")
            _put_back(reader)
    return outcome


def _judge(reader: Reader, before: object, outcome: FilesOutcome, name: str) -> None:
    outcome.tried += 1
    began_s = time.monotonic()
    try:
        told = asyncio.run(asyncio.wait_for(asyncio.to_thread(reader.read_again), READ_MAX_S))
        reader.call()
    except Exception as error:  # noqa: BLE001 - that none is raised is what is tried
        outcome.problems.append(f"{name}: {type(error).__name__}: {error}"[:SENTENCE_MAX])
        return
    outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - began_s)
    if not told:
        outcome.accepted += 1
        return
    if reader.in_force() is not before:
        outcome.problems.append(f"{name}: refused, and yet something else is in force")
    (said, *more) = told
    if more or not is_plain(said) or len(said) > SENTENCE_MAX + len(str(reader.file)) + 80:
        outcome.problems.append(f"{name}: not one sentence: {told!r}"[:SENTENCE_MAX])


def _put(reader: Reader, draw: random.Random) -> None:
    """Something in the file's place; one in twenty is no file at all."""
    reader.file.unlink()
    if draw.random() < 0.05:  # noqa: PLR2004 - as said above
        _put_no_file(reader.file, draw)
    else:
        reader.file.write_bytes(_damaged(reader.good, draw))


def _put_no_file(file: Path, draw: random.Random) -> None:
    match draw.randrange(7):
        case 0:
            os.mkfifo(file)
        case 1:
            file.mkdir()
        case 2:
            file.symlink_to(file)
        case 3:
            file.symlink_to("/dev/zero")
        case 4:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(file))
        case 5:
            file.symlink_to(file.with_name("nowhere"))
        case _:
            return  # gone


def _put_back(reader: Reader) -> None:
    file = reader.file
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    file.write_bytes(reader.good)
    reader.read_again()


def _damaged(good: bytes, draw: random.Random) -> bytes:
    content = good
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        content = draw.choice(_DAMAGES)(content, draw)
    return content


def _flip(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 3, 50))):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _cut(content: bytes, draw: random.Random) -> bytes:
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def _truncate(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    start, end = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * draw.choice((1, 2, 50)) + content[end:]


def _insert(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.choice(NASTY).encode() + content[place:]


def _replace_value(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    place = draw.randrange(len(lines))
    key, found, _ = lines[place].partition(b"=")
    if found:
        lines[place] = key + b"= " + draw.choice(NASTY).encode()
    return b"\n".join(lines)


def _shuffle_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    draw.shuffle(lines)
    return b"\n".join(lines)


def _enlarge(content: bytes, draw: random.Random) -> bytes:
    return content + draw.choice((b"# long\n", b"\n", b"\x00")) * (SIZE_MAX // 4)


_DAMAGES = (_flip, _cut, _truncate, _repeat, _insert, _replace_value, _shuffle_lines, _enlarge)
