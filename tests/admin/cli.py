"""Tollgate's command as an admin runs it, with what it says."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from admin.__main__ import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def told(*arguments: str) -> Any:
    """What a command that succeeds says with --json."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
