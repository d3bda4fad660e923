"""`make coverage`: how much of each module ran, against the floors of pyproject.toml."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS: Mapping[str, int] = PROJECT["tool"]["tollgate"]["coverage-floors"]


def main() -> int:
    """Exit status 1 if one is below its floor; what is missing has been printed by pytest."""
    below = [files for files, percent in FLOORS.items() if not reaches(files, percent)]
    for files in below:
        sys.stdout.write(f"{files} is below its floor of {FLOORS[files]} %\n")
    return 1 if below else 0


def reaches(files: str, percent: int) -> bool:
    limits = (f"--include={files}", f"--fail-under={percent}")
    report = (sys.executable, "-m", "coverage", "report", *limits)
    return subprocess.run(report, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
