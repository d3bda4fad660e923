"""How quickly a command starts, and what `tollgate` says of itself."""

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

import pytest
from typer.testing import CliRunner

from admin.__main__ import COMMANDS, app, load
from tests.admin.conftest import Site

# What only simulators, recordings and servers need, and what none of them needs for a balance.
LABORATORY = {"lab", "trials", "bench", "numpy", "soundfile", "gtts", "requests", "aiohttp"}
READS = (["balance"], ["explain", "0033612345678"], ["rates", "show", "FR"], ["ledger", "show"])


def loaded_by(arguments: Iterable[str]) -> set[str]:
    """The top-level modules that a command has loaded when it ends."""
    program = (
        "import json, sys\nfrom admin.__main__ import app\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "try:\n    app()\n"
        "finally:\n"
        "    print(json.dumps([m.partition('.')[0] for m in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_a_read_loads_nothing_of_the_laboratory(site: Site, arguments: list[str]) -> None:
    site.make_ledger()
    assert not loaded_by(arguments) & LABORATORY


def test_help_loads_no_command() -> None:
    assert not loaded_by(["--help"]) & (LABORATORY | {"sqlalchemy", "pydantic", "phonenumbers"})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_each_command_says_of_itself(name: str) -> None:
    told = " ".join((load(name).help or "").partition("\n\n")[0].split())
    assert COMMANDS[name].told == told


def test_every_command_is_listed_and_answers_for_itself() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for name in COMMANDS:
        assert name in listed
        assert CliRunner().invoke(app, [name, "-h"]).exit_code == 0
    assert CliRunner().invoke(app, ["nothing"]).exit_code == 2


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_told(option: str) -> None:
    done = CliRunner().invoke(app, [option])
    assert (done.exit_code, done.output) == (0, f"tollgate {metadata.version('tollgate')}\n")
