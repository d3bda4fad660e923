"""`python -m agi` and the single-file script, as processes of their own."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from assembly.charging import open_charging
from lab.ports import find_free_port
from prompts.phrases import Phrase, balance_phrase, refusal_phrase
from settings import load_settings
from tests.agi.conftest import call
from tests.fakes.charging import gbp
from tests.programs import ROOT, make_ledger, python_program

SCRIPT = ROOT / "agi" / "balance_script.py"
PATIENCE_S = 30


@pytest.fixture
async def settings_file(tmp_path: Path) -> Path:
    """Of an office with £12.40 whose second phone speaks French."""
    file = tmp_path / "tollgate.toml"
    phones = tmp_path / "phones.toml"
    phones.write_text('[phones.1001]\n[phones.1002]\nlanguage = "fr"\n', encoding="utf-8")
    file.write_text('[site]\nphones_file = "phones.toml"\n', encoding="utf-8")
    make_ledger(tmp_path)
    async with open_charging(load_settings(file)) as assembled:
        await assembled.charging.top_up(
            "main", amount=gbp("12.40"), key="opening", actor="test", reason=""
        )
    return file


@pytest.fixture
def free_port() -> int:
    return find_free_port()


def started(
    *arguments: str, env: Mapping[str, str] | None = None
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return python_program(*arguments, patience_s=PATIENCE_S, env=env)


async def test_server_serves_and_stops_when_told(settings_file: Path, free_port: int) -> None:
    port = {"TOLLGATE_AGI__PORT": str(free_port)}
    async with started("-m", "agi", str(settings_file), env=port) as process:
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        assert (ready["event"], ready["port"]) == ("ready", free_port)
        caller = await call(free_port, "balance", "1002")
        assert caller.clips == list(balance_phrase(gbp("12.40"), "fr").clips)
        process.send_signal(signal.SIGTERM)
        said, complaints = await process.communicate()
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert events == ["feature_asked", "feature_told", "stopped"]
    assert (process.returncode, complaints) == (0, b"")


async def test_port_that_is_taken_is_told_in_one_sentence(
    settings_file: Path, free_port: int
) -> None:
    port = {"TOLLGATE_AGI__PORT": str(free_port)}
    other = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", free_port
    )
    async with other, started("-m", "agi", str(settings_file), env=port) as process:
        _, complaints = await process.communicate()
    assert process.returncode == os.EX_CONFIG
    assert complaints.startswith(f"tollgate: agi: port {free_port} of 127.0.0.1".encode())
    assert complaints.count(b"\n") == 1


@pytest.fixture
def secrets_elsewhere(settings_file: Path) -> Path:
    """Settings whose secrets of Asterisk are in files that are not there."""
    sections = '[ari]\npassword_file = "ari.password"\n[ami]\nsecret_file = "ami.secret"\n'
    settings_file.write_text(settings_file.read_text() + sections)
    return settings_file


async def test_feature_codes_never_look_for_the_secrets_of_asterisk(
    secrets_elsewhere: Path, free_port: int
) -> None:
    port = {"TOLLGATE_AGI__PORT": str(free_port)}
    async with started("-m", "agi", str(secrets_elsewhere), env=port) as process:
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["event"] == "ready"
    async with started("-m", "ari_app", str(secrets_elsewhere)) as process:
        _, complaints = await process.communicate()
    assert process.returncode == os.EX_CONFIG
    assert b"ari.password_file: " in complaints
    assert b"ari.password cannot be read: it is not there" in complaints


def environment(*arguments: str) -> bytes:
    """What Asterisk writes to a script's standard input first."""
    lines = ["agi_request: balance_script.py", "agi_channel: PJSIP/1001-00000001"]
    lines += ["agi_language: en", "agi_callerid: 1002", "agi_calleridname: Not 1001"]
    lines += [f"agi_arg_{n}: {value}" for n, value in enumerate(arguments, start=1)]
    return "\n".join([*lines, "", ""]).encode()


async def run_script(
    settings: Path, *arguments: str, hangs_up: bool = False
) -> tuple[int | None, Sequence[str], bytes]:
    """Its exit status, the commands it gave, and what it complained of."""
    commands = []
    async with started(
        str(SCRIPT), *arguments, env={"TOLLGATE_SETTINGS": str(settings)}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(environment(*arguments))
        while line := await process.stdout.readline():
            commands.append(line.decode().strip())
            process.stdin.write(b"200 result=-1\n" if hangs_up else b"200 result=0 endpos=8\n")
        complaints = await process.stderr.read()
        await process.wait()
    return process.returncode, commands, complaints


def spoken(phrase: Phrase, language: str) -> list[str]:
    clips = [f'STREAM FILE tollgate/{clip} "0123456789*#" 0' for clip in phrase.clips]
    return [
        f'SET VARIABLE "CHANNEL(language)" "{language}"',
        *clips,
        'SET VARIABLE "TOLLGATE_TOLD" "yes"',
    ]


@pytest.mark.parametrize(
    ("arguments", "language"),
    [(("1001", ""), "en"), (("1002", ""), "fr"), (("1002", "en"), "en"), (("1001",), "en")],
)
async def test_script_tells_the_balance_of_the_endpoint_it_is_given(
    settings_file: Path, arguments: tuple[str, ...], language: str
) -> None:
    status, commands, complaints = await run_script(settings_file, *arguments)
    assert commands == spoken(balance_phrase(gbp("12.40"), language), language)
    assert (status, complaints) == (0, b"")


async def test_script_refuses_a_phone_that_nobody_knows(settings_file: Path) -> None:
    status, commands, _ = await run_script(settings_file, '1003" "x')
    assert commands == spoken(refusal_phrase("unknown_extension", "en"), "en")
    assert status == 0


async def test_script_leaves_the_caller_to_the_dialplan_when_it_cannot_tell(
    tmp_path: Path, settings_file: Path
) -> None:
    status, commands, complaints = await run_script(tmp_path / "none.toml", "1001")
    assert (status, commands) == (1, [])
    assert complaints.startswith(b"tollgate: there is no settings file")
    empty = tmp_path / "empty.toml"
    empty.write_text('[database]\nurl = "sqlite:///empty.sqlite"\n', encoding="utf-8")
    status, commands, complaints = await run_script(empty, "1001")
    assert (status, commands) == (1, [])
    assert complaints.count(b"\n") == 1
    status, commands, complaints = await run_script(settings_file, "1001", hangs_up=True)
    assert (status, len(commands), complaints) == (0, 1, b"")
