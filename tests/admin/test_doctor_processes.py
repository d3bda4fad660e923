"""A program is asked itself whether it can work; an administrator's own rights say nothing."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from admin.checks.database import check_database
from admin.checks.findings import Status
from admin.checks.processes import check_processes
from assembly import health
from assembly.health import (
    NoAnswerError,
    answering,
    ask,
    connection_question,
    ledger_question,
    socket_name,
)
from db.engine import open_engine
from settings import SETTINGS_VARIABLE, Settings, load_settings
from settings.model import FeatureCodes
from tests.programs import make_ledger

AS_NOBODY = Path(__file__).with_name("serve_as_nobody.py")
OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A ledger in a folder that everybody may enter, as pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="tollgate-health-"))
    folder.chmod(0o755)
    (folder / "tollgate.toml").write_text('[asterisk]\ncel_file = "legs.json"\n')
    make_ledger(folder)
    yield load_settings(folder / "tollgate.toml")
    shutil.rmtree(folder)


def said(settings: Settings) -> list[tuple[Status, str]]:
    return [(each.status, each.message) for each in check_processes(settings)]


def test_a_program_that_does_not_run_is_named(settings: Settings) -> None:
    (application, features) = said(settings)
    assert (application[0], features[0]) == (PROBLEM, WARNING)  # calls go on without the codes
    assert (
        "the application (ari_app) cannot be asked how it is: it is not running" in application[1]
    )


def test_nobody_is_asked_for_codes_that_are_switched_off(settings: Settings) -> None:
    off = FeatureCodes(balance="", price="", last_call="", language="")
    agi = settings.agi.model_copy(update={"codes": off})
    (application,) = check_processes(settings.model_copy(update={"agi": agi}))
    assert "the application" in application.message


async def test_a_program_that_can_work_says_so(settings: Settings) -> None:
    engine = open_engine(settings.database.url)
    async with (
        answering("ari_app", settings, {"ledger": ledger_question(engine)}),
        answering("agi", settings, {}),
    ):
        found = await asyncio.to_thread(said, settings)
    engine.dispose()
    assert [status for status, _ in found] == [OK, OK]
    assert "the application is well, run by " in found[0][1]


@pytest.mark.parametrize("in_use", [False, True])
def test_a_ledger_that_only_its_maker_can_write_is_a_problem_of_the_program(
    settings: Settings, *, in_use: bool
) -> None:
    """Also while its maker has it open: SQLite then begins a transaction that cannot write."""
    folder = Path(settings.database.url.removeprefix("sqlite:///")).parent
    ledger, legs = folder / "ledger.sqlite", folder / "legs.json"
    engine = open_engine(settings.database.url)
    using = ExitStack()
    if in_use:
        using.enter_context(engine.connect()).execute(text("SELECT 1"))
    for file in folder.glob("ledger.sqlite*"):
        file.chmod(0o444 if os.geteuid() == 0 else 0o400)
    legs.touch(mode=0o600 if os.geteuid() == 0 else 0o000)
    # To whoever asks, all is well.
    assert [each.status for each in check_database(settings)] == [OK]
    program = subprocess.Popen(
        [sys.executable, AS_NOBODY, folder / "tollgate.toml"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        findings = list(check_processes(settings))
        program.stdin.close()
    using.close()
    engine.dispose()
    (ledger_found, legs_found, _) = findings
    assert (ledger_found.status, legs_found.status) == (PROBLEM, PROBLEM)
    assert "cannot use the ledger: attempt to write a readonly database" in ledger_found.message
    assert ledger_found.remedy.startswith("chown ")
    assert str(ledger) in ledger_found.remedy
    assert "cannot use the log of legs: Permission denied" in legs_found.message


async def test_a_program_that_hangs_is_told_apart_from_one_that_is_gone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_TIMEOUT_S", 0.2)

    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_unix_server(say_nothing, socket_name("agi", settings)):
        with pytest.raises(NoAnswerError, match="does not answer within"):
            await ask("agi", settings)
        await gone.wait()


@pytest.mark.parametrize("answer", [b"{}", b"nonsense", b"[1]", b'{"program": 1}'])
async def test_what_is_not_tollgate_is_not_believed(settings: Settings, answer: bytes) -> None:
    def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(speak, socket_name("agi", settings)):
        with pytest.raises(NoAnswerError, match="is not Tollgate"):
            await ask("agi", settings)


async def test_a_second_program_serves_calls_although_the_first_one_answers(
    settings: Settings,
) -> None:
    async with (
        answering("agi", settings, {"first": lambda: "one"}),
        answering("agi", settings, {"second": lambda: "two"}),
    ):
        assert (await ask("agi", settings)).problems == {"first": "one"}


async def test_a_connection_that_is_away_is_the_programs_problem_until_it_is_back(
    settings: Settings,
) -> None:
    connected = {health.ARI: True, health.AMI: False}
    questions = {
        about: connection_question(partial(connected.__getitem__, about)) for about in connected
    }
    async with answering("ari_app", settings, questions), answering("agi", settings, {}):
        (away, _) = await asyncio.to_thread(list, check_processes(settings))
        connected[health.AMI] = True
        (back, _) = await asyncio.to_thread(said, settings)
    assert away.status is PROBLEM
    assert "cannot use the connection to AMI: there is none at this moment" in away.message
    assert "see that Asterisk runs" in away.remedy
    assert back[0] is OK


def test_health_tells_by_its_exit_status_whether_all_that_was_asked_is_well(
    settings: Settings,
) -> None:
    engine = open_engine(settings.database.url)

    async def asked(*arguments: str) -> tuple[int, str]:
        async with (
            answering("ari_app", settings, {"ledger": ledger_question(engine)}),
            answering("portal", settings, {"ledger": lambda: "database is locked"}),
        ):
            return await asyncio.to_thread(told_by_health, settings, *arguments)

    status, words = asyncio.run(asked("ari_app"))
    assert (status, words.splitlines()) == (0, [f"ari_app: well, run by {me()}"])
    status, words = asyncio.run(asked())
    assert status == 1
    assert "portal: ledger: database is locked" in words
    assert "agi: it is not running with these settings" in words
    status, words = asyncio.run(asked("ari_app", "portal", "--json"))
    said_of = json.loads(words)
    assert (status, said_of["well"], said_of["programs"]["ari_app"]["well"]) == (1, False, True)
    assert said_of["programs"]["portal"]["problems"] == {"ledger": "database is locked"}
    status, words = asyncio.run(asked("everything"))
    assert (status, "there is no program everything" in words) == (1, True)
    engine.dispose()


def told_by_health(settings: Settings, *arguments: str) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-m", "admin", "health", *arguments],
        env=os.environ | {SETTINGS_VARIABLE: str(settings.file)},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def me() -> str:
    return health.name_of_user(os.geteuid())
