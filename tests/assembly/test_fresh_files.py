"""A plan or a phones file that was saved is in force soon, and reading it holds up no call."""

import asyncio
import os
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assembly import charging
from assembly.charging import open_charging
from assembly.live_offices import LiveOffices
from assembly.managers_settings import change_setting
from charging.errors import UnknownExtension
from charging.managers_settings import SettingChange
from dialplan.phones import EXAMPLE
from plans.files import SHIPPED_PLANS
from settings import Settings, load_settings
from settings.toml_file import read_text
from tests.programs import make_ledger


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(charging, "FILES_EVERY_S", 0.01)
    (tmp_path / "plans").mkdir()
    shutil.copy(SHIPPED_PLANS / "uk.toml", tmp_path / "plans" / "uk.toml")
    shutil.copy(EXAMPLE, tmp_path / "phones.toml")
    file = tmp_path / "tollgate.toml"
    file.write_text('[site]\nplans_folder = "plans"\nphones_file = "phones.toml"\n')
    make_ledger(tmp_path)
    return load_settings(file)


async def test_files_are_looked_at_again_in_a_thread(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: set[int] = set()
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    refresh = LiveOffices.refresh

    def watched(offices: LiveOffices) -> None:
        readers.add(threading.get_ident())
        refresh(offices)
        loop.call_soon_threadsafe(looked.set)

    monkeypatch.setattr(LiveOffices, "refresh", watched)
    plan = tmp_path / "plans" / "uk.toml"
    text = read_text(plan)
    async with open_charging(settings) as assembled, asyncio.timeout(30):
        snapshot = assembled.offices.snapshot
        before = snapshot()
        plan.unlink()
        os.mkfifo(plan)
        for _ in range(3):  # the pipe stops neither this loop nor the next look
            await _looked_again(looked)
        assert snapshot() is before
        plan.unlink()
        plan.write_text(text.replace('title = "UK"', 'title = "Ours"'))
        while snapshot().office("main").plan.title != "Ours":
            await _looked_again(looked)
    assert threading.get_ident() not in readers


async def test_a_phone_that_is_added_can_call_without_a_restart(
    settings: Settings, tmp_path: Path
) -> None:
    phones = tmp_path / "phones.toml"
    text = read_text(phones)
    async with open_charging(settings) as assembled, asyncio.timeout(30):
        balance_of = assembled.enquiries.balance_of
        with pytest.raises(UnknownExtension):
            await balance_of("4711")
        phones.write_text("[phones.47")  # half of it
        phones.write_text(f'{text}\n[phones.4711]\nname = "New"\n')
        while True:
            try:
                assert not await balance_of("4711")
            except UnknownExtension:
                await asyncio.sleep(0)
            else:
                break
        assert not await balance_of("1001")


async def test_what_a_manager_sets_takes_effect_without_a_restart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charging, "REFRESH_EVERY_S", 0.01)
    looked = asyncio.Event()
    look = charging.look_at_database

    async def watched(*parts: Any) -> bool:
        found = await look(*parts)
        looked.set()
        return found

    monkeypatch.setattr(charging, "look_at_database", watched)
    change = SettingChange(
        office_id="main", name="country", value="IE", actor="portal:anne", at=datetime.now(UTC)
    )
    async with open_charging(settings) as assembled, asyncio.timeout(30):
        live = assembled.offices
        assert live.snapshot().office("main").site.country == "GB"
        await asyncio.to_thread(change_setting, assembled.engine, live.sources, change)
        while live.snapshot().office("main").site.country != "IE":
            await _looked_again(looked)
    async with open_charging(settings) as assembled:  # and is there before the first call
        assert assembled.offices.snapshot().office("main").site.country == "IE"


async def _looked_again(looked: asyncio.Event) -> None:
    looked.clear()
    await looked.wait()
