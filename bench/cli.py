"""What a command costs from its start to its end, in processor time, beside Python doing nothing.

The median of several runs: what else the machine does changes the caches, and so the time.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure
from bench.rates import asked
from plans.files import SAMPLE_DECKS

RUNS = int(os.environ.get("BENCH_CLI_RUNS", "15"))
HELP_GOAL_S, READ_GOAL_S = 0.3, 0.6
SAMPLE = SAMPLE_DECKS / "sample-gbp.csv"
COMMANDS = (
    (("--help",), HELP_GOAL_S),
    (("balance",), READ_GOAL_S),
    (("explain", "0033612345678"), READ_GOAL_S),
    (("rates", "show", "FR"), READ_GOAL_S),
)


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as name:
        settings = Path(name) / "tollgate.toml"
        settings.touch()
        for arguments in (("ledger", "prepare"), ("rates", "import", str(SAMPLE)), ("topup", "20")):
            asked("admin", *arguments, settings=settings)
        return measure(settings)


def measure(settings: Path) -> list[Figure]:
    bare = [sys.executable, "-c", "pass"]
    programs = {"": bare} | {
        " ".join(arguments): [sys.executable, "-m", "admin", *arguments]
        for arguments, _ in COMMANDS
    }
    taken_s: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(RUNS):  # side by side: a busy minute is everybody's
        for name, program in programs.items():
            taken_s[name].append(processor_s(program, settings))
    beside_s = statistics.median(taken_s[""])
    return [
        figure(" ".join(arguments), statistics.median(taken_s[" ".join(arguments)]), beside_s, goal)
        for arguments, goal in COMMANDS
    ]


def processor_s(program: Sequence[str], settings: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        program,
        env=os.environ | {"TOLLGATE_SETTINGS": str(settings)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def figure(name: str, value_s: float, beside_s: float, goal_s: float) -> Figure:
    return Figure(
        what=f"tollgate {name}: processor time",
        unit="s",
        value=value_s,
        beside=beside_s,
        beside_what="python -c pass",
        goal=f"at most {goal_s} s",
        met=value_s <= goal_s,
    )
