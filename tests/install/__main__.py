"""`python -m tests.install forky bookworm`: from nothing to a paid call, and back to nothing.

The commands are those of docs/install.md, read from it. The first ones want the network, for
packages; from then on everything runs on a loopback of its own. With `--systemd` the system is
booted then, and its own systemd runs Asterisk and Tollgate: see tests/install/served.py.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from assembly.parent import die_with_parent
from lab.telephony import find_telephony
from tests.install import office
from tests.install.document import COMMANDS_MAX, commands_of
from tests.install.root import WORK, Root, unpacked

REPOSITORY = Path(__file__).parents[2]
SHEET = "plans/rates/sample-gbp.csv"
ALONE, SERVED = "tests.install.offline", "tests.install.served"
SYSTEMD_INSTALLED = (
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd mount"
)
OFFLINE_FROM = 3  # the first command that asks nobody for a package


def prepared(suite: str, folder: Path) -> Root:
    """A system with Asterisk, an office, and the three files that the document asks for."""
    root = unpacked(suite, folder, find_telephony())
    subprocess.run(
        [REPOSITORY / "requirements/wheel.sh", sys.executable, root.at("/root")], check=True
    )
    root.at("/root/carrier.csv").write_bytes((REPOSITORY / SHEET).read_bytes())
    office.write(root)
    return root


def try_out(suite: str, rest: str) -> int:
    """The exit status; `rest` is who goes on where no more packages are wanted."""
    with tempfile.TemporaryDirectory(prefix="tollgate-install-", dir=WORK) as folder:
        Path(folder).chmod(0o755)
        root = prepared(suite, Path(folder))
        commands = commands_of("Six commands")
        assert len(commands) <= COMMANDS_MAX
        began = time.monotonic()
        if rest == SERVED:
            root.run(SYSTEMD_INSTALLED)
        for command in commands[:OFFLINE_FROM]:
            say(f"{suite}: $ {command}")
            root.run(command)
        online_s = time.monotonic() - began
        say(f"{suite}: installed in {online_s:.0f} s")
        return subprocess.run(
            [
                *("unshare", "--net", sys.executable, "-m", rest),
                *(suite, folder, f"{online_s:.1f}"),
            ],
            check=False,
            preexec_fn=die_with_parent,
        ).returncode


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    rest = SERVED if "--systemd" in arguments else ALONE
    suites = [each for each in arguments if not each.startswith("-")] or ["forky", "bookworm"]
    return max(try_out(suite, rest) for suite in suites)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
