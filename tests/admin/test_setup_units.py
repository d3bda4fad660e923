"""The unit of systemd, the rule of logrotate, and the document that tells of them."""

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from admin.__main__ import app
from admin.setup import places, units
from assembly.process import WRONG_TABLES
from tests.install.document import COMMANDS_MAX, commands_of, every_command

EXPOSURE_MAX = 2.0  # of 10, as systemd judges it: "OK"
TOLLGATE = re.compile(r"(?:^|\s)(?:\S*/)?tollgate (?P<arguments>[a-z].*)")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    file = tmp_path / "tollgate.service"
    file.write_text(units.service(Path("/bin/true")))
    return file


def test_service_is_ready_when_it_says_so_and_is_watched(unit: Path) -> None:
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign] # systemd's names have capitals
    parsed.read(unit)
    service = parsed["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["User"] == places.USER
    assert service["ReadWritePaths"] == str(places.LEDGER_FOLDER)
    assert str(WRONG_TABLES) in service["RestartPreventExitStatus"].split()


def test_systemd_understands_the_unit_and_finds_it_tight(unit: Path) -> None:
    for command in (["verify"], ["security", "--offline=true", "--no-pager"]):
        judged = subprocess.run(
            ["systemd-analyze", *command, str(unit)],  # noqa: S607 - the system's own
            capture_output=True,
            text=True,
            check=False,
        )
        assert judged.returncode == 0, judged.stderr
    exposure = re.search(r"exposure level for tollgate\.service: ([0-9.]+)", judged.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_log_of_legs_is_rotated_as_who_writes_it() -> None:
    rule = units.logrotate("asterisk")
    assert str(places.LEGS_FILE) in rule
    assert f"su asterisk {places.USER}" in rule


# --- docs/install.md ----------------------------------------------------------------------------


def test_document_goes_from_nothing_to_a_paid_call_in_six_commands() -> None:
    assert len(commands_of("Six commands")) <= COMMANDS_MAX
    with pytest.raises(LookupError):
        commands_of("No such heading")


@pytest.mark.parametrize("line", every_command())
def test_every_command_of_the_document_is_one_that_there_is(line: str) -> None:
    """`--help` behind the words of a command wants every option before it to exist."""
    found = TOLLGATE.search(line)
    if found is None:
        assert shlex.split(line)[0] in {"apt-get", "python3", "/opt/tollgate/bin/pip"}
        return
    words = [word for word in shlex.split(found["arguments"]) if not word.startswith("-")]
    command = words[:2] if words[0] in {"setup", "rates"} else words[:1]
    shown = CliRunner().invoke(app, [*command, "--help"]).output
    assert "Usage" in shown
    for option in re.findall(r"--[a-z-]+", found["arguments"]):
        assert option in shown, option
