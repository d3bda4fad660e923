"""An office with money in it, on SQLite, and on PostgreSQL where a test wants both."""

import asyncio
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from charging.commands import TopUp
from db.engine import open_engine
from db.ledger import SqlLedger
from dialplan.phones import EXAMPLE
from lab.postgresql import Server
from settings import Settings, load_settings
from tests.conftest import TEMPLATE, CreateDatabase
from tests.fakes.charging import gbp
from tests.programs import make_ledger

_numbers = itertools.count()


@dataclass(frozen=True)
class Kept:
    """A site whose ledger is backed up."""

    file: Path  # the settings
    new_url: Callable[[], str]  # of an empty database of the same kind

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def settings(self) -> Settings:
        return load_settings(self.file)

    @property
    def url(self) -> str:
        return self.settings.database.url

    def top_up(self, amount: str, *, key: str, office_id: str = "main") -> None:
        """Acknowledged when it returns."""
        asyncio.run(top_up(self.url, amount, key=key, office_id=office_id))


async def top_up(url: str, amount: str, *, key: str, office_id: str = "main") -> None:
    engine = open_engine(url)
    async with SqlLedger(engine) as ledger:
        await ledger.carry_out(
            TopUp(
                office_id=office_id,
                amount=gbp(amount),
                key=key,
                actor="test",
                reason="",
                at=datetime.now(UTC),
            )
        )


@pytest.fixture
def sqlite_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    folder = tmp_path / "site"
    folder.mkdir()

    def new_url() -> str:
        return f"sqlite:///{tmp_path / f'elsewhere-{next(_numbers)}' / 'ledger.sqlite'}"

    return _site(folder, f"sqlite:///{make_ledger(folder)}", new_url, monkeypatch)


@pytest.fixture
def postgresql_site(
    server: Server,
    create_database: CreateDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Kept:
    folder = tmp_path / "site"
    folder.mkdir()

    def new_url(template: str = "template1") -> str:
        name = f"kept_{next(_numbers)}"
        create_database(server, name, template)
        return server.url(name)

    return _site(folder, new_url(TEMPLATE), new_url, monkeypatch)


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> Kept:
    """With a ledger of one top-up, phones, a plan of its own, and a secret in a file."""
    made: Kept = request.getfixturevalue(f"{request.param}_site")
    return made


def _site(
    folder: Path, url: str, new_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Kept:
    (folder / "ari.password").write_text("secret")
    (folder / "plans").mkdir()
    shutil.copy(Path(__file__).parents[2] / "plans/uk.toml", folder / "plans/ours.toml")
    shutil.copy(EXAMPLE, folder / "phones.toml")
    file = folder / "tollgate.toml"
    file.write_text(
        f'[database]\nurl = "{url}"\n[site]\nphones_file = "phones.toml"\nplans_folder = "plans"\n'
        '[offices.main]\nplan = "ours"\n[offices.other]\nplan = "ours"\n'
        '[ari]\npassword_file = "ari.password"\n'
    )
    monkeypatch.setenv("TOLLGATE_SETTINGS", str(file))
    kept = Kept(file, new_url)
    kept.top_up("20", key="first")
    return kept
