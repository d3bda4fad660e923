"""What `tollgate dialplan check` says of a running office, asked as its admin would."""

import asyncio
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from admin.__main__ import app
from lab.paid_office import PaidOffice

Named = tuple[str, str]


async def checked(paid: PaidOffice) -> list[dict[str, Any]]:
    """Its findings, each with file and line where Asterisk knows them.

    The settings in force are those of the office: $TOLLGATE_SETTINGS.
    """
    shown = paid.office.folder / "dialplan-show.txt"
    shown.write_text(await paid.office.asterisk.cli("dialplan show"), encoding="utf-8")
    return await asyncio.to_thread(_findings, shown)


def _findings(shown: Path) -> list[dict[str, Any]]:
    arguments = ["dialplan", "check", "--json", "--lines", str(shown)]
    said = CliRunner().invoke(app, arguments)
    report = json.loads(said.stdout)
    of_contexts = [found for each in report["contexts"] for found in each["findings"]]
    return [*of_contexts, *report["findings"]]


def named(finding: dict[str, Any]) -> Named:
    """By which one finding is told from another; the number that shows it may be another one."""
    return finding["rule"], finding["place"]
