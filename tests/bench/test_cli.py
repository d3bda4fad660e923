"""What a command costs is measured of commands that work."""

from pathlib import Path

import pytest

from bench import cli
from bench.figures import Figure


@pytest.mark.long
def test_every_command_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "RUNS", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    figures: list[Figure] = cli.run()
    assert len(figures) == len(cli.COMMANDS)
    assert all(each.value > 0 for each in figures)
