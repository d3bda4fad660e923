"""Tables of another version: no process starts on them, and none changes them."""

import os
from pathlib import Path

import pytest

from assembly.process import WRONG_TABLES
from tests.programs import make_ledger, python_program, set_version

PATIENCE_S = 60
SETTINGS = """\
[ari]
base_url = "http://127.0.0.1:9"
password = "x"
[ami]
port = 9
secret = "x"
"""
PROGRAMS = (["ari_app"], ["agi"], ["payments"], ["portal"], ["admin", "serve", "--settings"])


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    file = tmp_path / "tollgate.toml"
    file.write_text(SETTINGS)
    return file


async def complaint_of(program: list[str], settings_file: Path) -> str:
    """What it says as it gives up."""
    command = python_program("-m", *program, str(settings_file), patience_s=PATIENCE_S)
    async with command as process:
        logged, complaint = await process.communicate()
    assert (process.returncode, logged) == (WRONG_TABLES, b"")
    assert complaint.count(b"\n") == 1
    return complaint.decode()


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
@pytest.mark.parametrize("version", ["0001", "9999"])
async def test_a_program_refuses_tables_of_another_version(
    program: list[str], version: str, settings_file: Path
) -> None:
    ledger = settings_file.with_name("ledger.sqlite")
    make_ledger(ledger.parent)
    set_version(ledger, version)
    before = ledger.read_bytes()
    complaint = await complaint_of(program, settings_file)
    assert f"the tables of {ledger} are of version {version}" in complaint
    assert ("tollgate ledger prepare" in complaint) == (version == "0001")
    assert ledger.read_bytes() == before


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
async def test_a_program_makes_no_ledger(program: list[str], settings_file: Path) -> None:
    complaint = await complaint_of(program, settings_file)
    assert "`tollgate ledger prepare` makes one" in complaint
    assert os.listdir(settings_file.parent) == [settings_file.name]  # noqa: PTH208 - the names


def test_its_exit_status_is_its_own() -> None:
    assert WRONG_TABLES not in {0, 1, 2, os.EX_CONFIG, os.EX_TEMPFAIL}
