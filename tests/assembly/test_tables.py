"""Charging begins on tables of this version only, now or when the database is back."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine

from assembly import charging
from assembly.charging import beside, open_charging
from charging.errors import ChargingUnavailable
from db.schema import SchemaVersionError
from settings import Settings, load_settings
from tests.programs import make_ledger


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_ledger(tmp_path)
    file = tmp_path / "tollgate.toml"
    file.touch()
    return load_settings(file)


async def test_tables_that_turn_out_wrong_when_the_database_is_back_end_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception] = [ChargingUnavailable("away"), SchemaVersionError("another version")]

    def require_version(_: Engine) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(charging, "require_version", require_version)
    monkeypatch.setattr(charging, "RETRY_EVERY_S", 0)
    with pytest.raises(SchemaVersionError, match="another version"):
        async with open_charging(settings), asyncio.timeout(30):
            await asyncio.get_running_loop().create_future()
    assert not answers


async def test_what_is_done_beside_a_block_ends_with_it() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async with beside(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_a_block_that_is_cancelled_is_cancelled() -> None:
    begun = asyncio.Event()

    async def block() -> None:
        async with beside(asyncio.sleep(3600)):
            begun.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(block())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
