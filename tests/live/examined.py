"""What `tollgate doctor` says of a running office."""

import asyncio
import json
import os
import sys
from typing import Any

from lab.paid_office import PaidOffice


async def examined(paid: PaidOffice) -> list[dict[str, Any]]:
    """Its findings, in their order."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "admin", "doctor", "--json"),
        env={**os.environ, "TOLLGATE_SETTINGS": str(paid.settings_file)},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    findings: list[dict[str, Any]] = json.loads(printed)["findings"]
    return findings
