"""`python -m bench.bare_sync FOLDER SECONDS`: how late one is who only waits, and syncs a page.

What the machine and its disk are late by, in the same minute; what another process is later, it
owes to itself. Prints the milliseconds of the 99th percentile and of the latest.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from lab.errors import LabError

EVERY_S = 0.02
PAGE = bytes(4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    p99_ms: float
    latest_ms: float


def lateness_of(late_s: list[float]) -> Lateness:
    return Lateness(p99_ms=1000 * quantiles(late_s, n=100)[98], latest_ms=1000 * max(late_s))


async def bare_sync(folder: Path, seconds: float) -> Lateness:
    """How late the machine and its disk are by themselves, during these seconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bare_sync", folder, str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return read(printed)


def read(printed: bytes) -> Lateness:
    """Read what the process has printed.

    Raises:
        LabError: it printed something else.
    """
    try:
        return Lateness(**json.loads(printed))
    except (TypeError, ValueError) as error:
        raise LabError(f"the bare sync printed {printed!r}") from error


def wait_and_sync(file: Path, seconds: float) -> list[float]:
    late_s = []
    end_s = time.monotonic() + seconds
    with file.open("wb", buffering=0) as out:
        while (due_s := time.monotonic() + EVERY_S) < end_s:
            time.sleep(EVERY_S)
            out.write(PAGE)
            os.fdatasync(out.fileno())
            late_s.append(time.monotonic() - due_s)
    return late_s


if __name__ == "__main__":
    found = lateness_of(wait_and_sync(Path(sys.argv[1]) / "bare-sync", float(sys.argv[2])))
    print(json.dumps({"p99_ms": found.p99_ms, "latest_ms": found.latest_ms}))
