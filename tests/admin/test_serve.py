"""`tollgate serve`: every program as one command, brought back when they die, gone when told."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from admin.serve import LONGEST_PAUSE_S, PROGRAMS, SANDBOX, longer, programs_of
from lab.ports import find_free_port
from tests.programs import make_ledger, python_program

PATIENCE_S = 100  # each program takes seconds to start, many on a busy machine
# No Asterisk answers there; the application keeps trying, as it does while Asterisk restarts.
SETTINGS = """\
[ari]
base_url = "http://127.0.0.1:9"
app_name = "tollgate-{port}"
password = "x"
[ami]
port = 9
secret = "x"
[payments]
port = {payments_port}
sandbox_port = {sandbox_port}
[portal]
port = {portal_port}
[agi]
port = {port}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "tollgate.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@pytest.fixture
def settings_file(tmp_path: Path, free_port: int) -> Path:
    make_ledger(tmp_path)
    text = SETTINGS.format(
        port=free_port,
        payments_port=find_free_port(),
        sandbox_port=find_free_port(),
        portal_port=find_free_port(),
    )
    return written(tmp_path, text)


def serving(file: Path) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return python_program("-m", "admin", "serve", "--settings", str(file), patience_s=PATIENCE_S)


async def next_line(process: asyncio.subprocess.Process, **facts: object) -> Mapping[str, Any]:
    """The next line of the log with these facts."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        entry: dict[str, Any] = json.loads(line)
        if all(entry.get(name) == value for name, value in facts.items()):
            return entry
    raise AssertionError(f"no line with {facts}")


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_run_until_a_signal_and_none_is_left(
    settings_file: Path, free_port: int, number: signal.Signals
) -> None:
    async with serving(settings_file) as process:
        started = {
            program: (await next_line(process, event="program_started", program=program))["pid"]
            for program in (*PROGRAMS, SANDBOX)
        }
        await next_line(process, event="ready", port=free_port)  # of the feature codes
        process.send_signal(number)
        await next_line(process, event="stopped")
        assert await process.wait() == 0
    assert not any(runs(pid) for pid in started.values())


async def test_one_that_dies_is_started_again(settings_file: Path, free_port: int) -> None:
    async with serving(settings_file) as process:
        first = await next_line(process, event="program_started", program="agi")
        await next_line(process, event="ready", port=free_port)
        os.kill(first["pid"], signal.SIGKILL)
        died = await next_line(process, event="program_died", program="agi")
        assert died["status"] == -signal.SIGKILL
        second = await next_line(process, event="program_started", program="agi")
        assert second["pid"] != first["pid"]
        await next_line(process, event="ready", port=free_port)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[ari]", "[ari", "is not valid TOML"),
        ("[ami]", "[prompts]\n[cal]", "a section that means nothing: cal"),
        ("[agi]", '[agi]\ncodes.price = "*8"', "cannot be told apart"),
        ("[agi]", '[offices.main]\nplan = "none"\n[agi]', "none"),
    ],
)
async def test_wrong_setting_is_told_in_one_sentence(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = SETTINGS.format(port=4573, payments_port=8182, sandbox_port=8183, portal_port=8181)
    file = written(tmp_path, text.replace(old, new))
    async with serving(file) as process:
        logged, complaint = await process.communicate()
    assert process.returncode == 1
    assert said in complaint.decode()
    assert complaint.count(b"\n") == 1
    assert logged == b""


async def test_port_that_is_taken_stops_everything(settings_file: Path, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        async with serving(settings_file) as process:
            _, complaints = await process.communicate()
    assert process.returncode == 1
    assert f"tollgate: agi: port {free_port} of 127.0.0.1".encode() in complaints


def test_the_sandbox_runs_where_no_other_processor_is_named(tmp_path: Path) -> None:
    assert programs_of(written(tmp_path, "")) == [*PROGRAMS, SANDBOX]
    stripe = written(tmp_path, '[payments]\nprocessor = "stripe"\n')
    assert programs_of(stripe) == [*PROGRAMS]


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = [1.0]
    for _ in range(10):
        pauses.append(longer(pauses[-1]))
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert max(pauses) == LONGEST_PAUSE_S
