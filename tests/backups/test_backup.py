"""A backup is of one moment of a ledger in use, proves itself, and is nobody else's to read."""

import asyncio
import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from typer.testing import CliRunner, Result

from admin.__main__ import app
from backups import BackupError, archive, take
from backups.archive import read_manifest
from backups.checking import check
from backups.manifest import is_backup, name_of, superseded
from backups.postgresql_dump import dump_ledger
from backups.site_files import _NAMES_A_SECRET
from db.audit import audit
from db.engine import open_engine, open_reader
from db.history import last_entries
from db.ledger import read_from
from settings import Settings
from settings.model import secrets_of
from tests.backups.conftest import Kept, top_up


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def keys_in(url: str, office_id: str = "main") -> set[str]:
    engine = open_reader(url)
    try:
        entries = read_from(
            engine, lambda reader: last_entries(reader, office_id=office_id, limit=10_000)
        )
        assert read_from(engine, audit).problems == ()
    finally:
        engine.dispose()
    return {posted.entry.key for posted in entries}


def test_a_backup_is_made_proved_and_for_its_owner_alone(site: Kept) -> None:
    made = take(site.settings)
    assert made.file.parent.name == "backups"
    assert is_backup(made.file.name)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.file.parent.stat().st_mode) == 0o700
    assert made.manifest.marks.offices["main"].available_micros == 20 * 10**6
    names = {each.name for each in made.manifest.files}
    assert {"files/tollgate.toml", "files/phones.toml", "files/plans/ours.toml"} < names
    assert made.manifest.secrets_left_out == (str(site.folder / "ari.password"),)
    assert check(made.file).manifest == made.manifest
    assert [file.name for file in made.file.parent.iterdir()] == [made.file.name]


def test_every_secret_of_the_settings_is_known_by_its_name() -> None:
    sections = [field.annotation for field in Settings.model_fields.values()]
    files = {
        f"{name}_file"
        for section in sections
        for each in get_args(section) or (section,)
        if isinstance(each, type) and issubclass(each, BaseModel)
        for name in secrets_of(each)
    }
    assert len(files) >= 5
    assert all(_NAMES_A_SECRET.fullmatch(name) for name in {*files, "secret_file"})


def test_no_secret_that_has_a_file_of_its_own_is_in_it(site: Kept) -> None:
    made = take(site.settings)
    with tarfile.open(made.file) as tar:
        texts = [tar.extractfile(member).read() for member in tar]  # type: ignore[union-attr]
    assert not any(b'secret"' in each or each == b"secret" for each in texts)


async def test_what_was_acknowledged_before_its_moment_is_in_it_while_others_write(
    site: Kept,
) -> None:
    """Several write all the time; each entry that was told before the moment is in the copy."""
    told: dict[str, datetime] = {}

    async def write(office_id: str) -> None:
        for number in range(12):
            key = f"{office_id}-{number}"
            await top_up(site.url, "1", key=key, office_id=office_id)
            told[key] = datetime.now(UTC)

    writing = asyncio.gather(write("main"), write("other"))
    made = await asyncio.to_thread(take, site.settings)
    await writing
    url = site.new_url()
    from backups import restore  # noqa: PLC0415 - what is restored is what is looked at

    await asyncio.to_thread(restore, made.file, url=url, by="test")
    found = keys_in(url) | keys_in(url, "other")
    before = {key for key, moment in told.items() if moment < made.manifest.taken_at}
    missing = [key for key in before if not any(each.endswith(f":{key}") for each in found)]
    assert not missing


def test_a_ledger_that_does_not_add_up_is_no_backup(sqlite_site: Kept) -> None:
    made = take(sqlite_site.settings)
    engine = open_engine(sqlite_site.url)
    with engine.begin() as writer:
        for (trigger,) in writer.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ).all():
            writer.execute(text(f"DROP TRIGGER {trigger}"))
        writer.execute(text("UPDATE balances SET micros = micros + 1 WHERE account = 'available'"))
    engine.dispose()
    with pytest.raises(BackupError, match="not sound"):
        take(sqlite_site.settings, keep=1)
    assert [file.name for file in made.file.parent.iterdir()] == [made.file.name]


def test_an_unsound_database_of_postgresql_is_no_backup_either(postgresql_site: Kept) -> None:
    engine = open_engine(postgresql_site.url)
    with engine.begin() as writer:
        writer.execute(text("ALTER TABLE balances DISABLE TRIGGER ALL"))
        writer.execute(text("UPDATE balances SET micros = micros + 1 WHERE account = 'available'"))
    engine.dispose()
    with pytest.raises(BackupError, match="not sound"):
        take(postgresql_site.settings)


@pytest.mark.usefixtures("postgresql_site")
def test_without_pg_dump_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("backup")
    assert result.exit_code == 1
    assert "postgresql-client" in result.stderr


def test_no_password_stands_among_the_arguments_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Any]] = []

    def pretend(command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        seen.append((command, options["env"]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("backups.postgresql_dump.subprocess.run", pretend)
    from backups import postgresql_dump  # noqa: PLC0415 - with its pretended program

    postgresql_dump.load_dump("postgresql://me:pa%20ss@db.example/ledger", tmp_path / "dump")
    ((command, environment),) = seen
    (address,) = (part for part in command if part.startswith("--dbname="))
    assert address == "--dbname=postgresql://me@db.example/ledger"
    assert environment["PGPASSWORD"] == "pa ss"


def test_older_ones_are_removed_and_nothing_else(sqlite_site: Kept) -> None:
    folder = sqlite_site.folder / "kept"
    folder.mkdir()
    (folder / "tollgate-notes.txt").touch()
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    days = [begin + timedelta(days=day) for day in range(4)]
    for day in days:
        made = take(sqlite_site.settings, folder, keep=2, now=lambda day=day: day)  # type: ignore[misc]
    assert made.removed == [name_of(days[1])]
    left = {file.name for file in folder.iterdir()}
    assert left == {name_of(days[2]), name_of(days[3]), "tollgate-notes.txt"}


def test_what_is_not_called_like_a_backup_is_never_superseded() -> None:
    names = [name_of(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2)]
    others = ["tollgate-.tar.gz", "ledger.sqlite", f"{names[0]}.old"]
    assert superseded([*names, *others], 1) == [names[0]]
    assert superseded(names, 5) == []


def test_what_a_crash_left_is_gone_with_the_next_one(sqlite_site: Kept) -> None:
    folder = sqlite_site.folder / "backups"
    left = folder / ".tollgate-backup-killed"
    left.mkdir(parents=True)
    (left / "ledger.sqlite").touch()
    made = take(sqlite_site.settings)
    assert [file.name for file in folder.iterdir()] == [made.file.name]


def test_two_at_once_in_one_folder_are_not_taken(sqlite_site: Kept) -> None:
    folder = sqlite_site.folder / "backups"
    folder.mkdir()
    import fcntl  # noqa: PLC0415 - as the other one holds it

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="another backup"):
            take(sqlite_site.settings)
    finally:
        os.close(descriptor)


def test_a_full_disk_leaves_what_was_there(
    sqlite_site: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = take(sqlite_site.settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "write", full)
    with pytest.raises(BackupError, match="No space left"):
        take(sqlite_site.settings, keep=1)
    assert [file.name for file in made.file.parent.iterdir()] == [made.file.name]


# --- proving it again ----------------------------------------------------------------------------


def _repacked(file: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    change(members)
    other = file.with_name("changed.tar.gz")
    with tarfile.open(other, "w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return other


def _damage(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    member, data = members[1]
    members[1] = (member, data[:-1] + bytes([data[-1] ^ 1]))


def _shorten(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    member, data = members[1]
    members[1] = (member, data[:-1])


def _leave_out(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del members[-1]


def _add(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("../outside"), b"x"))


def _without_manifest(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del members[0]


def _of_a_later_form(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    fields = json.loads(members[0][1])
    members[0] = (members[0][0], json.dumps({**fields, "form": 2}).encode())


def _outside(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    fields = json.loads(members[0][1])
    fields["files"][0]["name"] = "../ledger.sqlite"
    members[0] = (members[0][0], json.dumps(fields).encode())
    members[1][0].name = "../ledger.sqlite"


def _of_other_marks(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    fields = json.loads(members[0][1])
    fields["marks"]["offices"]["main"]["available_micros"] += 1
    members[0] = (members[0][0], json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_damage, "checksum"),
        (_shorten, "not as long"),
        (_leave_out, "is missing"),
        (_add, "more in it"),
        (_without_manifest, "no backup"),
        (_of_a_later_form, "no backup that this Tollgate can read"),
        (_outside, "no backup that this Tollgate can read"),
        (_of_other_marks, "not the one that its manifest describes"),
    ],
)
def test_a_backup_that_was_changed_is_refused_and_writes_nothing_outside(
    sqlite_site: Kept, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None], said: str
) -> None:
    made = take(sqlite_site.settings)
    changed = _repacked(made.file, change)
    with pytest.raises(BackupError, match=said):
        check(changed)
    assert not (sqlite_site.folder / "ledger.sqlite-outside").exists()


@pytest.mark.parametrize("size", [0, 1, 100, -100])
def test_a_backup_that_was_cut_short_is_refused(sqlite_site: Kept, size: int) -> None:
    made = take(sqlite_site.settings)
    data = made.file.read_bytes()
    made.file.write_bytes(data[:size])
    result = run("backup", "check", made.file)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for data in (b"text", gzip.compress(b"text")):
        (tmp_path / "x.tar.gz").write_bytes(data)
        with pytest.raises(BackupError, match=r"cannot be read|no backup"):
            read_manifest(tmp_path / "x.tar.gz")


# --- commands ------------------------------------------------------------------------------------


def test_the_command_makes_one_and_check_proves_it(site: Kept) -> None:
    result = run("backup", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["marks"]["offices"]["main"]["entries"] == 1
    named = run("backup", site.folder / "mine.tar.gz")
    assert named.exit_code == 0, named.output
    assert "sound: " in named.stdout
    assert "ari.password" in named.stdout
    checked = run("backup", "check", told["file"])
    assert checked.exit_code == 0, checked.output
    assert run("backup", "make", site.folder / "other").exit_code == 0


def test_without_a_ledger_there_is_nothing_to_copy(sqlite_site: Kept) -> None:
    (sqlite_site.folder / "ledger.sqlite").unlink()
    result = run("backup")
    assert result.exit_code == 1
    assert "there is no ledger" in result.stderr
    assert not (sqlite_site.folder / "ledger.sqlite").exists()


def test_a_snapshot_is_examined_and_dumped_as_one(postgresql_site: Kept, tmp_path: Path) -> None:
    """What is written meanwhile is neither in the dump nor in what is said of it."""
    examined = dump_ledger(postgresql_site.url, tmp_path / "dump")
    postgresql_site.top_up("1", key="later")
    assert examined.marks.offices["main"].entries == 1
    assert (tmp_path / "dump").stat().st_size > 0
    with closing(open(tmp_path / "dump", "rb")) as dump:  # noqa: PTH123 - its first bytes
        assert dump.read(5) == b"PGDMP"
