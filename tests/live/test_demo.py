"""`make run`, as a newcomer or a script meets it."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.addresses import AddressBlock

pytestmark = pytest.mark.live


@asynccontextmanager
async def demonstration(
    folder: Path, *options: str, address: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo", "--folder", str(folder), "--talk-s", "2"),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TOLLGATE_ASTERISK__SIP_ADDRESS": address, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def nothing_runs_in(folder: Path) -> bool:
    """Every program of a demonstration has its folder on its command line or is inside it."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, inside = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
        except OSError:
            continue  # ended meanwhile, or not ours to see
        if process.name != str(os.getpid()) and (
            str(folder).encode() in line or inside.is_relative_to(folder)
        ):
            return False
    return True


def size_of(file: str) -> int:
    return Path(file).stat().st_size


async def test_demonstration_ends_with_a_ledger_that_agrees(tmp_path: Path) -> None:
    with AddressBlock() as block:
        async with demonstration(tmp_path / "demo", "--once", address=block.asterisk) as process:
            said, complaints = await process.communicate()
    assert process.returncode == 0, complaints
    *told, last = said.decode().splitlines()
    summary = json.loads(last)
    assert summary["ledger_ok"] is True
    assert summary["billed_minutes"] == 1
    paid = summary["balance_before_micros"] - summary["balance_after_micros"]
    assert summary["debited_micros"] == paid > 0
    recording = next(line for line in told if line.startswith("What the phone heard: "))
    assert size_of(recording.partition(": ")[2]) > 0
    assert nothing_runs_in(tmp_path / "demo")


async def test_second_start_and_occupied_port_say_so_and_leave_nothing_behind(
    tmp_path: Path,
) -> None:
    with AddressBlock() as block, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        folder = tmp_path / "demo"
        async with demonstration(folder, address=block.asterisk) as first:
            assert first.stdout is not None
            told = [await first.stdout.readline()]
            while b"Ctrl-C stops everything" not in told[-1]:
                told.append(await first.stdout.readline())
                assert told[-1], "it ended"
            assert b"Dial *80 to hear the balance" in told[-2]
            async with demonstration(folder, "--once", address=block.asterisk) as second:
                _, complaint = await second.communicate()
            assert second.returncode == 1
            assert b"a demonstration is already running in" in complaint
            assert complaint.count(b"\n") == 1
        assert nothing_runs_in(folder)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after the first one
        other.bind((block.asterisk, 8088))
        other.listen()
        async with demonstration(folder, "--once", address=block.asterisk) as third:
            _, complaint = await third.communicate()
        assert third.returncode == 1
        assert b"port 8088" in complaint
        assert b"TOLLGATE_ASTERISK__HTTP_PORT" in complaint
        assert complaint.count(b"\n") == 1
        assert nothing_runs_in(folder)
