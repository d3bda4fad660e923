"""One application for one Asterisk: who is told to go, and that nobody is told for ever."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ari_app import only_one as module
from ari_app.only_one import only_one
from assembly.process import TakenError
from lab.ports import find_free_port
from settings import Settings
from tests.programs import python_program

HOLDER = """
import asyncio, sys
from ari_app.only_one import only_one
from settings import Settings

async def hold():
    settings = Settings.model_validate_json(sys.argv[1])
    async with only_one(settings, settings.ari):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


def sections() -> dict[str, Mapping[str, Any]]:
    return {
        "ari": {"base_url": f"http://127.0.0.1:{PORT}", "password": "x"},
        "asterisk": {"name": "pbx"},
        "database": {"url": f"sqlite:////nowhere/{PORT}.sqlite"},
    }


def settings(**changes: Mapping[str, Any]) -> Settings:
    return Settings.model_validate(sections() | changes)


PORT = find_free_port()
OTHER_DATABASE = {"url": f"sqlite:////nowhere/other-{PORT}.sqlite"}
OTHER_ARI = {"base_url": f"http://127.0.0.2:{PORT}", "password": "x"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.1)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (settings(), "answers as tollgate"),
        (settings(database=OTHER_DATABASE), "answers as tollgate"),
        (settings(ari=OTHER_ARI), "the Asterisk named pbx"),
        (
            settings(
                ari={"base_url": f"http://localhost:{PORT}/", "password": "x"},
                database=OTHER_DATABASE,
            ),
            "answers as tollgate",
        ),
    ],
)
async def test_second_application_is_refused_with_the_reason(second: Settings, why: str) -> None:
    first = settings()
    assert first.ari is not None
    assert second.ari is not None
    async with only_one(first, first.ari):
        with pytest.raises(TakenError, match=why):
            async with only_one(second, second.ari):
                pass


@pytest.mark.parametrize(
    "second",
    [
        settings(ari=OTHER_ARI, asterisk={"name": "pbx2"}),
        settings(ari=OTHER_ARI, database=OTHER_DATABASE),
        settings(
            ari={"base_url": f"http://127.0.0.1:{PORT}", "app_name": "other", "password": "x"},
            asterisk={"name": "pbx2"},
        ),
    ],
)
async def test_applications_of_different_asterisks_do_not_meet(second: Settings) -> None:
    first = settings()
    assert first.ari is not None
    assert second.ari is not None
    async with only_one(first, first.ari), only_one(second, second.ari):
        pass


async def test_application_that_was_killed_leaves_its_place_at_once() -> None:
    first = settings()
    assert first.ari is not None
    given = json.dumps(sections())
    async with python_program("-c", HOLDER, given, patience_s=30) as holder:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(TakenError):
            async with only_one(first, first.ari):
                pass
        holder.kill()
        await holder.wait()
        async with only_one(first, first.ari):
            pass


async def test_refusal_does_not_show_the_password_of_the_ledger() -> None:
    database = {"url": "postgresql://tollgate:secret@127.0.0.1/tollgate"}
    first = settings(database=database)
    second = settings(database=database, ari=OTHER_ARI)
    assert first.ari is not None
    assert second.ari is not None
    async with only_one(first, first.ari):
        with pytest.raises(TakenError) as refusal:
            async with only_one(second, second.ari):
                pass
    assert "secret" not in str(refusal.value)
