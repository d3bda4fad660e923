"""A plan or a phones file that was saved is in force soon, and reading it holds up no call."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest

from assembly import charging
from assembly.charging import open_charging
from charging.errors import UnknownExtension
from dialplan.phones import EXAMPLE
from plans.files import SHIPPED_PLANS, PlanFiles
from settings import Settings, load_settings
from settings.toml_file import read_text


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(charging, "FILES_EVERY_S", 0.01)
    (tmp_path / "plans").mkdir()
    shutil.copy(SHIPPED_PLANS / "uk.toml", tmp_path / "plans" / "uk.toml")
    shutil.copy(EXAMPLE, tmp_path / "phones.toml")
    file = tmp_path / "tollgate.toml"
    file.write_text('[site]\nplans_folder = "plans"\nphones_file = "phones.toml"\n')
    return load_settings(file)


async def test_files_are_looked_at_again_in_a_thread(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: set[int] = set()
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()
    refresh = PlanFiles.refresh

    def watched(files: PlanFiles) -> None:
        readers.add(threading.get_ident())
        refresh(files)
        loop.call_soon_threadsafe(looked.set)

    monkeypatch.setattr(PlanFiles, "refresh", watched)
    plan = tmp_path / "plans" / "uk.toml"
    text = read_text(plan)
    async with open_charging(settings) as assembled, asyncio.timeout(30):
        before = assembled.plans.plan_of("main")
        plan.unlink()
        os.mkfifo(plan)
        for _ in range(3):  # the pipe stops neither this loop nor the next look
            await _looked_again(looked)
        assert assembled.plans.plan_of("main") is before
        plan.unlink()
        plan.write_text(text.replace('title = "UK"', 'title = "Ours"'))
        while assembled.plans.plan_of("main").title != "Ours":
            await _looked_again(looked)
    assert threading.get_ident() not in readers


async def test_a_phone_that_is_added_can_call_without_a_restart(
    settings: Settings, tmp_path: Path
) -> None:
    phones = tmp_path / "phones.toml"
    text = read_text(phones)
    async with open_charging(settings) as assembled, asyncio.timeout(30):
        language_of = assembled.enquiries.language_of
        with pytest.raises(UnknownExtension):
            language_of("4711")
        phones.write_text("[phones.47")  # half of it
        phones.write_text(f'{text}\n[phones.4711]\nname = "New"\nlanguage = "fr"\n')
        while True:
            try:
                assert language_of("4711") == "fr"
            except UnknownExtension:
                await asyncio.sleep(0)
            else:
                break
        assert language_of("1001")


async def _looked_again(looked: asyncio.Event) -> None:
    looked.clear()
    await looked.wait()
