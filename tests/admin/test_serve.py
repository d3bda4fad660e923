"""`tollgate serve`: every program as one command, brought back when they die, gone when told."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import pytest

import admin.watch
import assembly.health
from admin.serve import LONGEST_PAUSE_S, PROGRAMS, SANDBOX, longer, programs_of
from admin.watch import watch
from assembly.systemd import Notifier
from lab.ports import find_free_port
from settings import SharedSections, load_sections
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


class Systemd:
    """Where a service of Type=notify says how it is."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def told(self, word: str) -> None:
        """Return once the word was said."""
        async with asyncio.timeout(PATIENCE_S):
            while word not in (await self._word()).split("\n"):
                pass

    async def _word(self) -> str:
        return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()


async def next_line(process: asyncio.subprocess.Process, **facts: object) -> Mapping[str, Any]:
    """The next line of the log with these facts."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        entry: dict[str, Any] = json.loads(line)
        if all(entry.get(name) == value for name, value in facts.items()):
            return entry
    raise AssertionError(f"no line with {facts}")


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")


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


async def test_systemd_is_told_when_all_answer_and_that_it_runs_on(
    settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every program is asked first; and none of them is told where systemd listens."""
    with Systemd(tmp_path / "notify") as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", str(systemd.file))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        async with serving(settings_file) as process:
            first = await next_line(process, event="program_started", program="agi")
            assert "NOTIFY_SOCKET" not in environment_of(first["pid"])
            await systemd.told("READY=1")
            await systemd.told("WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            await systemd.told("STOPPING=1")


async def test_one_that_hangs_is_ended_and_started_again(
    settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.watch, "ASK_EVERY_S", 0.05)
    monkeypatch.setattr(admin.watch, "HUNG_S", 0.0)
    settings = load_sections(SharedSections, settings_file)
    running: dict[str, asyncio.subprocess.Process] = {}
    with Systemd(tmp_path / "notify") as systemd:
        async with python_program("-m", "agi", str(settings_file), patience_s=PATIENCE_S) as hung:
            running["agi"] = hung
            notifier = Notifier(str(systemd.file))
            watching = asyncio.create_task(watch(["agi"], running, settings, notifier))
            await systemd.told("READY=1")
            monkeypatch.setattr(assembly.health, "ANSWER_TIMEOUT_S", 1.0)
            hung.send_signal(signal.SIGSTOP)
            assert await hung.wait() == -signal.SIGKILL
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


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
    assert process.returncode == os.EX_CONFIG
    assert said in complaint.decode()
    assert complaint.count(b"\n") == 1
    assert logged == b""


async def test_port_that_is_taken_stops_everything(settings_file: Path, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        async with serving(settings_file) as process:
            _, complaints = await process.communicate()
    assert process.returncode == os.EX_CONFIG
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
