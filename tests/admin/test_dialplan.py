"""`tollgate dialplan render`, as an admin with an Asterisk of their own runs it."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from admin.__main__ import app
from admin.readable import kept_from_asterisk


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_SETTINGS", raising=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dialplan", "render", *arguments])


def test_the_contexts_of_the_settings_are_shown(folder: Path) -> None:
    (folder / "tollgate.toml").write_text(
        '[ari]\npassword = "a"\napp_name = "bell"\n[site]\noutside_line_prefix = "9"\n'
        '[agi.codes]\nbalance = "*99"\n'
    )
    shown = run().stdout
    for line in ("exten => 9999,1,", "exten => *99,1,", "Stasis(bell,outbound", "[tollgate-trunk]"):
        assert line in shown


def test_our_file_is_written_anew_and_the_admins_only_once(folder: Path) -> None:
    written = run("--output", "etc")
    assert written.exit_code == 0
    assert f"#tryinclude {folder}/etc/tollgate.conf" in written.stdout
    (folder / "etc/tollgate.conf").write_text("old")
    (folder / "etc/tollgate-trunk.conf").write_text("mine")
    assert "is yours and stays as it is" in run("--output", "etc").stdout
    assert "[tollgate-emergency]" in (folder / "etc/tollgate.conf").read_text()
    assert (folder / "etc/tollgate-trunk.conf").read_text() == "mine"
    assert sorted(file.name for file in (folder / "etc").iterdir()) == [
        "tollgate-trunk.conf",
        "tollgate.conf",
    ]


def test_each_office_s_line_is_told_and_what_is_no_longer_there(folder: Path) -> None:
    offices = '[offices.main]\nplan = "uk"\n[offices.lyon]\nplan = "france"\n'
    (folder / "tollgate.toml").write_text(offices)
    written = run("--output", "etc")
    for office in ("main", "lyon"):
        line = f"and in the context of the phones of {office}: include => tollgate.{office}"
        assert line in written.stdout
    assert "no longer there" not in written.stderr
    (folder / "tollgate.toml").write_text('[offices.main]\nplan = "uk"\n')
    again = run("--output", "etc")
    assert "tollgate.lyon" in again.stderr
    assert "no longer there" in again.stderr
    assert "tollgate-emergency.main" not in again.stderr


def test_own_asterisk_is_told_which_files_have_what_it_lacks() -> None:
    said = run("--output", "etc").stdout
    named = re.search(r"As in (\S+),", said)
    assert named is not None
    lacking = re.findall(r"^  (\w+\.conf), (\w+):", said, re.MULTILINE)
    assert {"taskprocessor_overload_trigger", "disabledevents"} <= {option for _, option in lacking}
    for file, option in lacking:
        assert option in (Path(named[1]) / file).read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[offices.main]\nplan = "none"\n', "none.toml, line 1: cannot be read"),
        ('[agi]\nbalance_script = "a,b"\n', "a,b cannot stand in a dialplan"),
        ("[agi", "is not valid TOML"),
    ],
)
def test_what_cannot_be_rendered_is_one_sentence(folder: Path, settings: str, said: str) -> None:
    (folder / "tollgate.toml").write_text(settings)
    result = run("--output", "etc")
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (folder / "etc").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(folder: Path) -> None:
    (folder / "etc").write_text("a file in the folder's place")
    assert "etc cannot be written" in run("--output", "etc").stderr


def test_asterisk_may_read_what_root_renders_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        assert run("--output", "pbx/etc").exit_code == 0
        run("--output", "pbx/etc")  # again: our file is replaced
    finally:
        os.umask(before)
    assert {(folder / name).stat().st_mode & 0o777 for name in ("pbx", "pbx/etc")} == {0o755}
    assert {file.stat().st_mode & 0o777 for file in (folder / "pbx/etc").iterdir()} == {0o644}


def test_a_folder_that_keeps_asterisk_out_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.readable.ASTERISK_USER", "nobody")  # there everywhere
    for each in (folder, *folder.parents):
        if not each.stat().st_mode & 0o001:
            kept = each  # the highest one: pytest's own folder
    assert f"{kept} keeps the user" in run("--output", "etc").stderr
    (folder / "etc").chmod(0o755)
    assert kept_from_asterisk(Path("/etc/hosts")) is None
    monkeypatch.setattr("admin.readable.ASTERISK_USER", "no such user")
    assert "keeps the user" not in run("--output", "etc").stderr


@pytest.mark.parametrize(
    ("extension", "status", "said"),
    [
        ("999", 1, "extension 999 is an emergency number"),
        ("101", 0, "extension 101 hides 101"),
        ("1001", 0, ""),
    ],
)
def test_an_extension_that_is_also_a_number_is_told(
    folder: Path, extension: str, status: int, said: str
) -> None:
    (folder / "phones.toml").write_text(f"[phones.{extension}]\n")
    (folder / "tollgate.toml").write_text('[site]\nphones_file = "phones.toml"\n')
    result = run("--output", "etc")
    assert result.exit_code == status
    assert result.stderr.startswith(said)
    assert (folder / "etc").exists() == (status == 0)
