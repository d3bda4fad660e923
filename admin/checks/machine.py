"""The machine under Tollgate: Python, and a clock that can be believed."""

import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from admin.checks.findings import Finding, ok, problem
from settings import Settings

PYTHON_FLOOR = (3, 11)


def check_python(_settings: Settings) -> Iterator[Finding]:
    yield judge_python(sys.version_info[:2])


def check_clock(_settings: Settings) -> Iterator[Finding]:
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    yield judge_clock(datetime.now(UTC), installed=installed)


def judge_python(version: tuple[int, ...]) -> Finding:
    if version < PYTHON_FLOOR:
        floor = ".".join(map(str, PYTHON_FLOOR))
        return problem(
            f"Python {'.'.join(map(str, version))} is older than {floor}",
            f"install Python {floor} or newer, then make Tollgate's environment anew",
        )
    return ok(f"Python {platform.python_version()}")


def judge_clock(now: datetime, *, installed: datetime) -> Finding:
    """A machine whose battery is empty wakes up years ago: every price and limit has a date."""
    if now < installed:
        return problem(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, before Tollgate was installed",
            "set the clock and let it be kept: timedatectl set-ntp true",
        )
    return ok(f"{now:%Y-%m-%d %H:%M:%S} UTC")
