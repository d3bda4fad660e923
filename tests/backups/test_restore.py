"""A ledger from a backup: proved before it takes a place, and nothing that was there is lost."""

import asyncio
import json
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from admin.__main__ import app
from assembly.health import answering
from backups import BackupError, archive, postgresql_dump, restore, take
from backups.errors import NewerLedgerError
from backups.missing import missing_since
from db.audit import audit
from db.engine import open_engine, open_reader
from db.ledger import SqlLedger, read_from
from db.restorations import restorations_since
from db.schema import HEAD, upgrade
from tests.backups.conftest import Kept, top_up
from tests.fakes.charging import gbp


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def available(url: str, office_id: str = "main") -> object:
    async def ask() -> object:
        async with SqlLedger(open_reader(url)) as ledger:
            return (await ledger.balances(office_id, "GBP")).available

    return asyncio.run(ask())


def sound(url: str) -> bool:
    engine = open_reader(url)
    try:
        return read_from(engine, audit).problems == ()
    finally:
        engine.dispose()


def test_a_backup_is_restored_to_another_place(site: Kept) -> None:
    made = take(site.settings)
    site.top_up("5", key="after")
    url = site.new_url()
    done = restore(made.file, url=url, by="cli:test")
    assert available(url) == gbp("20")
    assert available(site.url) == gbp("25")
    assert sound(url)
    assert done.aside == ""
    engine = open_reader(url)
    (written,) = read_from(
        engine, lambda reader: restorations_since(reader, made.manifest.taken_at)
    )
    engine.dispose()
    assert (written.taken_at, written.actor) == (made.manifest.taken_at, "cli:test")


def test_it_takes_the_place_of_a_ledger_that_knows_no_more(site: Kept) -> None:
    made = take(site.settings)
    done = restore(made.file, url=site.url, by="test")
    assert available(site.url) == gbp("20")
    assert done.aside
    site.top_up("1", key="goes-on")
    assert sound(site.url)


def test_over_a_ledger_that_has_newer_entries_only_if_told(site: Kept) -> None:
    made = take(site.settings)
    site.top_up("5", key="after")
    with pytest.raises(NewerLedgerError, match="office main has 1 more entries"):
        restore(made.file, url=site.url, by="test")
    assert available(site.url) == gbp("25")
    done = restore(made.file, url=site.url, by="test", over=True)
    assert available(site.url) == gbp("20")
    _require_kept(site, done.aside)


def _require_kept(site: Kept, aside: str) -> None:
    """What was there is there still."""
    if site.url.startswith("sqlite"):
        assert available(f"sqlite:///{aside}") == gbp("25")
        return
    engine = open_reader(site.url)
    with engine.connect() as reader:
        query = text(f"SELECT count(*) FROM {aside.removeprefix('schema ')}.entries")  # noqa: S608 - ours
        assert reader.scalar(query) == 2
    engine.dispose()


def test_over_another_ledger_altogether_only_if_told(site: Kept) -> None:
    made = take(site.settings)
    other = site.new_url()
    restore(made.file, url=other, by="test")
    engine = open_engine(other)
    engine.dispose()
    Kept(site.file, site.new_url).top_up("1", key="here", office_id="other")
    with pytest.raises(NewerLedgerError, match="office other has 1 entries"):
        restore(made.file, url=site.url, by="test")


def test_a_ledger_in_use_is_not_replaced(site: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    made = take(site.settings)
    monkeypatch.setattr(postgresql_dump, "LEAVING_S", 0)
    engine = open_engine(site.url)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            with pytest.raises(BackupError, match="stop `tollgate serve`"):
                restore(made.file, url=site.url, by="test")
    finally:
        engine.dispose()
    assert available(site.url) == gbp("20")


def test_whoever_is_just_leaving_is_waited_for(
    postgresql_site: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = take(postgresql_site.settings)
    engine = open_engine(postgresql_site.url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    monkeypatch.setattr("backups.postgresql_dump.time.sleep", lambda _: engine.dispose())
    restore(made.file, url=postgresql_site.url, by="test")
    assert available(postgresql_site.url) == gbp("20")


async def test_the_command_asks_whether_tollgate_runs(sqlite_site: Kept) -> None:
    made = await asyncio.to_thread(take, sqlite_site.settings)
    async with answering("ari_app", sqlite_site.settings, {}):
        result = await asyncio.to_thread(run, "restore", made.file)
    assert result.exit_code == 1
    assert "ari_app runs with these settings" in result.stderr
    assert (await asyncio.to_thread(run, "restore", made.file)).exit_code == 0


def test_a_damaged_ledger_is_moved_aside_as_it_is(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    ledger = sqlite_site.folder / "ledger.sqlite"
    ledger.write_bytes(b"no database at all")
    with pytest.raises(NewerLedgerError, match="cannot be read"):
        restore(made.file, url=sqlite_site.url, by="test")
    done = restore(made.file, url=sqlite_site.url, by="test", over=True)
    assert Path(done.aside).read_bytes() == b"no database at all"
    assert available(sqlite_site.url) == gbp("20")


def test_the_restored_file_is_for_its_owner_alone(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    os.umask(0o022)
    url = sqlite_site.new_url()
    restore(made.file, url=url, by="test")
    file = Path(url.removeprefix("sqlite:///"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["ledger.sqlite"]


def test_a_backup_of_older_tables_is_brought_up_to_date(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    older = sqlite_site.folder / "older.sqlite"
    engine = open_engine(f"sqlite:///{older}")
    upgrade(engine, to="0009")
    engine.dispose()
    url = sqlite_site.new_url()
    restore(_packed_again(made.file, "0009", older, {}), url=url, by="test")
    assert sound(url)
    asyncio.run(top_up(url, "5", key="first-of-all"))
    assert available(url) == gbp("5")


def test_a_backup_of_newer_tables_is_refused(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    newer = _packed_again(made.file, f"{int(HEAD) + 1:04d}")
    with pytest.raises(BackupError, match="newer than this Tollgate's"):
        restore(newer, url=sqlite_site.new_url(), by="test")


def _packed_again(
    backup: Path, version: str, ledger: Path | None = None, offices: dict[str, Any] | None = None
) -> Path:
    """As an older, or a newer, Tollgate would have made it."""
    folder = backup.parent / f"as-{version}"
    manifest = archive.read(backup, into=folder)
    if ledger is not None:
        shutil.copy(ledger, folder / "ledger.sqlite")
    files = {each.name: folder / each.name for each in manifest.files}
    parts = [archive.described(each.name, files[each.name], was="") for each in manifest.files]
    marks = (
        manifest.marks
        if offices is None
        else manifest.marks.model_copy(update={"offices": offices})
    )
    changed = manifest.model_copy(
        update={"schema_version": version, "files": tuple(parts), "marks": marks}
    )
    other = backup.with_name(f"{version}.tar.gz")
    archive.write(other, changed, files)
    return other


def test_a_backup_of_one_database_is_not_restored_into_the_other(site: Kept) -> None:
    made = take(site.settings)
    sqlite = site.url.startswith("sqlite")
    other = "postgresql://tollgate@127.0.0.1:1/none" if sqlite else "sqlite:////tmp/none/x.sqlite"
    with pytest.raises(BackupError, match="another kind"):
        restore(made.file, url=other, by="test")


def test_what_fails_on_the_way_leaves_what_was_there(
    site: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = take(site.settings)
    site.top_up("5", key="after")

    def fail(*_: object) -> None:
        raise BackupError("as if the machine were full")

    monkeypatch.setattr("backups.restoring.upgrade", fail)
    with pytest.raises(BackupError, match="as if"):
        restore(made.file, url=site.url, by="test", over=True)
    assert available(site.url) == gbp("25")
    assert sound(site.url)


def test_the_command_restores_everything_into_a_folder(sqlite_site: Kept, tmp_path: Path) -> None:
    made = take(sqlite_site.settings)
    new = tmp_path / "new"
    new.mkdir()
    (new / "phones.toml").write_text("# the admin's own")
    result = run("restore", made.file, "--to", new)
    assert result.exit_code == 0, result.output
    assert f"TOLLGATE_SETTINGS={new / 'tollgate.toml'}" in result.stdout
    assert "to be put back by hand" in result.stdout
    assert (new / "phones.toml").read_text() == "# the admin's own"
    assert (new / "phones.toml.restored").exists()
    assert (new / "plans/ours.toml").exists()
    assert available(f"sqlite:///{new / 'ledger.sqlite'}") == gbp("20")
    told = run("restore", made.file, "--to", tmp_path / "third", "--json")
    assert json.loads(told.stdout)["offices"]["main"]["entries"] == 1


def test_two_places_at_once_are_refused(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    result = run("restore", made.file, "--to", "x", "--database", "sqlite:///y")
    assert result.exit_code == 1


# --- what is missing -----------------------------------------------------------------------------


def _leg(channel: str, call: str, kind: str, at: datetime) -> str:
    return json.dumps(
        {
            "eventtype": kind,
            "eventtime": f"{at.timestamp():.3f}",
            "uniqueid": channel,
            "linkedid": call,
            "channame": f"PJSIP/{channel}",
            "eventextra": "",
        }
    )


def test_it_says_which_answered_legs_the_ledger_does_not_have(sqlite_site: Kept) -> None:
    moment = datetime.now(UTC)
    answered, ended = moment + timedelta(seconds=5), moment + timedelta(seconds=65)
    before = moment - timedelta(hours=1)
    log = sqlite_site.folder / "legs.json"
    log.write_text(
        "\n".join(
            [
                _leg("old-2", "old-1", "ANSWER", before),
                _leg("old-2", "old-1", "HANGUP", before + timedelta(seconds=9)),
                _leg("c-1", "c-1", "ANSWER", answered),
                _leg("c-2", "c-1", "ANSWER", answered),
                _leg("c-2", "c-1", "HANGUP", ended),
                _leg("c-1", "c-1", "HANGUP", ended),
                _leg("d-1", "d-1", "HANGUP", ended),
                "",
            ]
        )
    )
    text_of = sqlite_site.file.read_text()
    sqlite_site.file.write_text(f'{text_of}[asterisk]\ncel_file = "legs.json"\n')
    missing = missing_since(sqlite_site.settings, sqlite_site.url, moment)
    assert (missing.legs, missing.talk_s, missing.problem) == (1, 60, "")


def test_a_log_that_cannot_be_read_is_never_no_calls(sqlite_site: Kept) -> None:
    text_of = sqlite_site.file.read_text()
    sqlite_site.file.write_text(f'{text_of}[asterisk]\ncel_file = "plans"\n')
    missing = missing_since(sqlite_site.settings, sqlite_site.url, datetime.now(UTC))
    assert missing.legs is None
    assert missing.problem
