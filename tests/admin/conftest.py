"""A site in a folder of its own, with everything as it should be."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.__main__ import app
from admin.checks.findings import Check, Status
from dialplan.phones import EXAMPLE
from plans.files import SAMPLE_DECKS
from prompts.library import Library
from settings import Settings, load_settings
from tests.programs import make_ledger
from tests.prompts.voices import unpacked_once


@dataclass(frozen=True)
class Site:
    file: Path  # the settings

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def settings(self) -> Settings:
        return load_settings(self.file)

    def add(self, sections: str) -> None:
        self.file.write_text(self.file.read_text() + sections)

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    def make_ledger(self, *, top_up: str | None = "20", deck: str = "gbp") -> None:
        make_ledger(self.folder)
        imported = self.run("rates", "import", SAMPLE_DECKS / f"sample-{deck}.csv")
        assert imported.exit_code == 0, imported.output
        if top_up is not None:
            assert self.run("topup", top_up).exit_code == 0

    def said(self, check: Check) -> Sequence[tuple[Status, str]]:
        """What a check says of this site; whatever is not ok comes with a remedy."""
        found = tuple(check(self.settings))
        assert all((each.status is Status.OK) == (each.remedy == "") for each in found)
        return [(each.status, each.message) for each in found]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Settings and phones; neither a ledger nor prompts yet."""
    file = tmp_path / "tollgate.toml"
    file.touch(mode=0o600)
    file.write_text('[site]\nphones_file = "phones.toml"\n[prompts]\nsounds_folder = "sounds"\n')
    shutil.copy(EXAMPLE, tmp_path)
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    return Site(file)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return unpacked_once(tmp_path_factory)


@pytest.fixture
def sounds(recordings: Library, site: Site) -> Library:
    """The site's own recordings: what one test removes, no other misses."""
    folder = site.folder / "sounds"
    shutil.copytree(recordings.sounds, folder, symlinks=True, copy_function=os.link)
    return Library(folder)
