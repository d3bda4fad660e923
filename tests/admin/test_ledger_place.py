"""Which ledger a command means: it is named, it is never made by accident, and reads leave it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.__main__ import app
from admin.checks.database import check_database
from admin.checks.findings import Status
from admin.checks.site import check_secrets
from plans.files import SAMPLE_DECKS
from tests.admin.conftest import Site
from tests.programs import set_version

READS = (
    ["balance"],
    ["ledger", "show"],
    ["ledger", "verify"],
    ["rates", "show"],
    ["rates", "history"],
    ["explain", "0033612345678"],
    ["price", "0033612345678", "--seconds", "60"],
    ["rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv"), "--dry-run"],
    ["doctor", "--no-asterisk"],
)
WRITES = (
    ["topup", "5"],
    ["rates", "import", str(SAMPLE_DECKS / "sample-gbp.csv")],
    ["rates", "rollback"],
    ["ledger", "cancel-topup", "k1"],
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def contents(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Every file below a folder, byte for byte, and when it was changed."""
    return {
        str(file): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, in which somebody gives a command by mistake."""
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    monkeypatch.delenv("TOLLGATE_DATABASE__URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", [*READS, *WRITES], ids=" ".join)
def test_no_command_makes_a_ledger_in_a_wrong_folder(elsewhere: Path, arguments: list[str]) -> None:
    run(*arguments)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("arguments", WRITES, ids=" ".join)
def test_a_write_in_a_wrong_folder_says_which_file_and_what_to_do(
    elsewhere: Path, arguments: list[str]
) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert f"there is no ledger in {elsewhere / '.tollgate' / 'ledger.sqlite'}" in done.stderr
    assert "TOLLGATE_SETTINGS" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_ledger_is_made_where_it_is_asked_for(elsewhere: Path) -> None:
    done = run("ledger", "prepare")
    file = elsewhere / ".tollgate" / "ledger.sqlite"
    assert f"{file}: a new ledger" in done.stdout
    assert "ready" in run("ledger", "prepare").stdout
    assert run("topup", "5").exit_code == 0
    assert run("balance").stdout == "£5.00 available\n"


@pytest.mark.parametrize("arguments", [*READS[:6], *WRITES], ids=" ".join)
def test_where_settings_name_a_ledger_no_other_command_makes_it(
    site: Site, arguments: list[str]
) -> None:
    done = site.run(*arguments)
    assert not site.ledger.exists()
    if arguments[0] == "explain":
        return  # it says what it can
    assert done.exit_code == 1
    assert f"no ledger in {site.ledger}: `tollgate ledger prepare` makes one" in done.stderr


@pytest.mark.parametrize("arguments", [*READS[:5], *WRITES], ids=" ".join)
@pytest.mark.parametrize(
    ("version", "said"),
    [("0001", "older than this Tollgate's"), ("9999", "newer than this Tollgate's")],
)
def test_no_command_takes_tables_of_another_version_or_changes_them(
    site: Site, version: str, said: str, arguments: list[str]
) -> None:
    site.make_ledger()
    set_version(site.ledger, version)
    before = contents(site.folder)
    done = site.run(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"of version {version}, {said}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents(site.folder) == before


def test_tables_of_a_newer_tollgate_are_not_prepared(site: Site) -> None:
    site.make_ledger()
    set_version(site.ledger, "9999")
    done = site.run("ledger", "prepare")
    assert done.exit_code == 1
    assert "run the Tollgate that made them" in done.stderr


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_no_read_changes_a_byte(site: Site, arguments: list[str]) -> None:
    site.make_ledger()
    before = contents(site.folder)
    site.run(*arguments)
    assert contents(site.folder) == before


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_no_read_makes_what_is_not_there(site: Site, arguments: list[str]) -> None:
    before = contents(site.folder)
    site.run(*arguments)
    assert contents(site.folder) == before


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_ledger_is_its_owners_alone(site: Site, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert site.run("ledger", "prepare").exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(site.ledger.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("mode", "said"), [(0o644, "may read the ledger"), (0o660, "may write to the ledger")]
)
def test_a_ledger_that_others_can_open_is_told(site: Site, mode: int, said: str) -> None:
    site.make_ledger()
    site.ledger.chmod(mode)
    ((status, told),) = site.said(check_secrets)
    assert status is Status.PROBLEM
    assert said in told


@pytest.mark.parametrize("arguments", [["balance"], ["topup", "5"]], ids=" ".join)
def test_a_file_that_is_no_ledger_is_named_with_what_to_do(
    site: Site, arguments: list[str]
) -> None:
    site.ledger.write_text("not a database, but longer than its header would be" * 100)
    done = site.run(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(site.ledger) in done.stderr
    assert "see that it is the ledger" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_in_place_of_a_ledger_is_named(site: Site) -> None:
    site.ledger.mkdir()
    for arguments in (["balance"], ["topup", "5"]):
        done = site.run(*arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert str(site.ledger) in done.stderr


def test_a_ledger_path_with_marks_of_an_address_is_that_file(site: Site) -> None:
    site.add('[database]\nurl = "sqlite:///a#b é.sqlite"\n')
    site.run("ledger", "prepare")
    assert (site.folder / "a#b é.sqlite").exists()
    (status, _), *_ = site.said(check_database)
    assert status is Status.OK


@pytest.mark.parametrize(
    "arguments",
    [
        ["ledger", "show", "--last", "9" * 30],
        ["price", "0033612345678", "--seconds", "9" * 30],
        ["rates", "rollback", "--deck", "9" * 30],
        ["topup", "9" * 30],
        ["topup", "9" * 5000],
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_a_number_that_is_too_large_is_refused_in_words(site: Site, arguments: list[str]) -> None:
    site.make_ledger()
    done = site.run(*arguments)
    assert done.exit_code in {1, 2}
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stderr
