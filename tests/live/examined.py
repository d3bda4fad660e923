"""What `tollgate doctor` says of a running office."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from admin.checks.findings import Finding
from admin.doctor import ASTERISK, carry_out
from lab.paid_office import PaidOffice
from settings import load_settings


async def examined(paid: PaidOffice) -> list[dict[str, Any]]:
    """All of its findings, in their order, as an admin asks for them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "admin", "doctor", "--json"),
        env={**os.environ, "TOLLGATE_SETTINGS": str(paid.settings_file)},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    findings: list[dict[str, Any]] = json.loads(printed)["findings"]
    return findings


async def said_by(check: str, paid: PaidOffice) -> Sequence[Finding]:
    """The findings of one of its checks of Asterisk."""
    settings = load_settings(paid.settings_file)
    found = await asyncio.to_thread(carry_out, {check: ASTERISK[check]}, settings)
    return [each.finding for each in found]
