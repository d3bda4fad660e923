"""A folder that whoever asks may not enter: root's, for a command that the service's user runs."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
# Imported by somebody who may: nobody may not enter the folder that it is installed in either.
ASKED = f"""
import os, sys
from pathlib import Path
from settings import SettingsError, reading
reading.SYSTEM_FILE = Path(sys.argv[2])
os.chdir(sys.argv[1])
os.chmod(sys.argv[3], 0)
if os.geteuid() == 0:
    os.setgid({NOBODY})
    os.setuid({NOBODY})
try:
    print(reading.settings_file())
except SettingsError as error:
    assert reading.problems_of() == [str(error)]
    print(error)
"""


@pytest.fixture
def machine() -> Iterator[Path]:
    """Not below pytest's own folder, which is for one user alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def system_file(machine: Path) -> Path:
    file = machine / "etc" / "tollgate.toml"
    file.parent.mkdir()
    file.write_text("")
    return file


def asked(folder: Path, system_file: Path, *, closed: Path) -> str:
    try:
        return subprocess.run(
            [sys.executable, "-c", ASKED, folder, system_file, closed],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    finally:
        closed.chmod(0o755)


def test_from_a_folder_that_may_not_be_entered_the_system_s_file_is_read(
    machine: Path, system_file: Path
) -> None:
    folder = machine / "of-somebody-else"
    folder.mkdir()
    (folder / "tollgate.toml").write_text("")
    assert asked(folder, system_file, closed=folder) == str(system_file)


def test_a_system_s_file_that_may_not_be_read_is_never_taken_for_none(
    machine: Path, system_file: Path
) -> None:
    said = asked(machine, system_file, closed=system_file.parent)
    assert said == f"{system_file} cannot be read: Permission denied"
