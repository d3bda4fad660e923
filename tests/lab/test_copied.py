"""A program that is copied does what it does when it is started."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lab import processes
from lab.application import Application
from lab.copied import start_copy
from lab.ports import find_free_port
from lab.processes import Started
from telephony.tools import Tool
from tests.programs import make_ledger

MODULE = "ari_app"


async def started(settings: Path, output: Path) -> Started:
    tool = Tool(MODULE, (sys.executable, "-m", MODULE))
    return await processes.spawn(tool, [settings], folder=Path.cwd(), output=output)


async def test_it_says_the_same_and_ends_with_the_same_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "tollgate.toml"
    settings.write_text('[ari]\npassword = "a"\n[ami]\nsecret = "b"\n', encoding="utf-8")
    await (await start_copy(MODULE, [tmp_path / "nowhere.toml"], output=Path(os.devnull))).wait()
    monkeypatch.setenv("TOLLGATE_AMI__PORT", "many")  # after the one that copies itself began
    copy = await start_copy(MODULE, [settings], output=tmp_path / "copy.log")
    other = await started(settings, tmp_path / "other.log")
    statuses = await asyncio.gather(copy.wait(), other.wait())
    assert statuses[0] == statuses[1] != 0
    said = (tmp_path / "copy.log").read_bytes()
    assert said == (tmp_path / "other.log").read_bytes()
    assert b"ami.port" in said


async def test_it_runs_until_it_is_killed_or_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Application, "copied", ("agi",))
    make_ledger(tmp_path)
    settings = tmp_path / "tollgate.toml"
    settings.write_text(f"[agi]\nport = {find_free_port()}\n", encoding="utf-8")
    program = Application(settings, tmp_path / "agi", module="agi")
    await program.start()
    first = program.pid
    assert os.getpgid(first) == first
    await program.kill()
    assert not program.running
    await program.start()
    assert program.pid != first
    await program.stop()
    assert program.entries()[-1]["event"] == "stopped"
