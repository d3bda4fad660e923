"""What is installed for an office: everything that ships, nothing else, and it works alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.test_tidy import ROOT, STAYS_HERE, shipped, tracked

BUILD = "from setuptools import build_meta; build_meta.build_wheel({!r})"
UV = Path(sys.executable).with_name("uv")
PATIENCE_S = 100
ONLY_TO_BUILD = {Path("portal/babel.cfg")}  # what collects the texts of the portal is told


def ran(*command: str | Path, folder: Path) -> str:
    """What it printed; it sees no setting and no package of ours from outside."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={n: v for n, v in os.environ.items() if not n.startswith(("TOLLGATE_", "PYTHON"))},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves things where it builds."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    for file in tracked("*"):
        place = copy / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    ran(sys.executable, "-c", BUILD.format(str(built)), folder=copy)
    (found,) = built.iterdir()
    return found


@pytest.fixture(scope="module")
def contents(wheel: Path) -> Sequence[Path]:
    with zipfile.ZipFile(wheel) as opened:
        return [Path(name) for name in opened.namelist()]


def test_it_holds_what_ships_and_nothing_else(contents: Sequence[Path]) -> None:
    folders = {file.parts[0] for file in contents if not file.parts[0].endswith(".dist-info")}
    assert folders == shipped()
    assert not folders & STAYS_HERE


def test_no_file_of_a_package_is_left_out(contents: Sequence[Path]) -> None:
    """Templates, sounds, plans: what code reads beside itself has to be there too."""
    files = {file.relative_to(ROOT) for package in shipped() for file in tracked(f"{package}/*")}
    assert files - set(contents) == ONLY_TO_BUILD


def test_it_works_alone_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    python, tollgate = environment / "bin" / "python", environment / "bin" / "tollgate"
    ran(UV, "venv", "--quiet", "--python", sys.executable, environment, folder=tmp_path)
    install = (UV, "pip", "install", "--quiet", "--python", python)
    ran(*install, "--require-hashes", "-r", ROOT / "requirements/run.txt", folder=tmp_path)
    ran(*install, "--no-deps", wheel, folder=tmp_path)
    assert ran(tollgate, "--version", folder=tmp_path).startswith("tollgate ")
    assert "France" in ran(tollgate, "explain", "0033612345678", folder=tmp_path)
    assert "a new ledger" in ran(tollgate, "ledger", "prepare", folder=tmp_path)
    assert ran(tollgate, "balance", folder=tmp_path) == "£0.00 available\n"
    alone = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    assert ran(python, "-c", alone.format(sorted(STAYS_HERE)), folder=tmp_path) == "[]\n"
