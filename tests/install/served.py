"""The rest of the document on a system that its own systemd has booted, which runs the service.

Beside the document: a program that dies, a service that hangs, a wrong setting, and a machine that
is started again.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from admin.setup import places
from lab.errors import LabError
from tests.install import office
from tests.install.__main__ import OFFLINE_FROM
from tests.install.booted import booted
from tests.install.document import commands_of
from tests.install.offline import (
    FRANCE,
    Trial,
    WrongError,
    first_call,
    lines_of,
    manifest,
    require,
    talk,
    undo_to_the_byte,
    until,
    until_true,
    upgrade_from_the_first_schema,
)
from tests.install.root import CommandFailedError, Root, raise_loopback
from tests.install.runbook import follow

SHORT_WATCHDOG = "/etc/systemd/system/tollgate.service.d/trial.conf"
WATCHDOG_S = 3
# Neither rates nor the calls that the trial has placed are in the ledger that is upgraded. The
# application reads of those calls in the log of legs, before the doctor looks or after.
MISSED_BY_THE_DOCTOR = ({"rates"}, {"rates", "ungated legs"})
PRICING = ("ari_app", "agi", "portal")  # the programs that price a call
WRONG_SETTING = (
    f"cp -p {places.SETTINGS_FILE} /root/kept && echo '[no-such]' >>{places.SETTINGS_FILE}"
)
RIGHT_AGAIN = f"cp -p /root/kept {places.SETTINGS_FILE}"
KERNEL = {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0000000000000000", "CapEff": "0" * 16}


class ServedTrial(Trial):
    """Its systemd runs everything."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Path]:
        """It runs already: what its journal says."""
        require(self.systemctl("is-active tollgate") == "active", "tollgate is not active")
        log = self.work / "journal.log"
        follow = "exec journalctl --boot --unit tollgate --lines all --follow --output cat"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *self.root.started(follow), stdout=out, stderr=out, process_group=0
            )
        try:
            await until(log, "all_answer", "ari_connected")
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await process.wait()

    def systemctl(self, words: str) -> str:
        return self.root.run(f"systemctl {words} || true").strip()

    def shown(self, name: str) -> str:
        """A property of the service, as systemd knows it."""
        return self.systemctl(f"show --property={name} --value tollgate")

    def before_upgrade(self) -> None:
        office.edit(self.root)
        self.root.run("systemctl stop tollgate")

    def upgrade(self, command: str) -> None:
        """It ends with the doctor, who misses what a ledger of the first version never had."""
        try:
            super().upgrade(command)
        except CommandFailedError as error:
            said = str(error)
            missed = set(re.findall(r"^(?:problem|warning) +(.*?)  ", said, re.MULTILINE))
            require("starts with the machine" in said, said)
            require(missed in MISSED_BY_THE_DOCTOR, said)
        else:
            raise WrongError("the doctor did not look at the upgraded ledger")


async def run(trial: ServedTrial, root: Root, online_s: float) -> None:
    async with booted(root) as machine:
        trial.root = machine
        trial.say(f"booted: systemd {machine.run('systemctl --version').split()[1]}")
        before = manifest(root, "/etc", "/usr/share/asterisk", "/usr/local")
        machine.run("systemctl start asterisk")
        began = time.monotonic()
        for command in commands_of("Six commands")[OFFLINE_FROM:]:
            trial.run(command)
        require(trial.systemctl("is-enabled tollgate") == "enabled", "it is not enabled")
        office.edit(machine)
        await rates_in_force(trial)
        async with trial.carrier() as carrier:
            await first_call(trial, carrier, began, online_s)
            await looked_after(trial)
    async with booted(root) as machine:
        trial.root = machine
        await started_with_the_machine(trial)
        undo_to_the_byte(trial, before)
        require(trial.shown("LoadState") == "not-found", "systemd still knows the service")
        upgrade_from_the_first_schema(trial)
        require(trial.systemctl("is-active tollgate") == "active", "it does not run once upgraded")
    require(not trial.found, trial.found)


async def rates_in_force(trial: ServedTrial) -> None:
    """Who served before they were imported has seen them."""
    async with trial.serving() as log:
        await until_true(
            log,
            lambda: log.read_text(encoding="utf-8").count('"rate_deck_changed"') >= len(PRICING),
            "rate deck seen by every program",
        )


async def looked_after(trial: ServedTrial) -> None:
    async with trial.serving() as log:
        shut_in(trial)
        await a_program_dies(trial, log)
        await the_service_hangs(trial, log)
    a_setting_is_wrong(trial)


def shut_in(trial: ServedTrial) -> None:
    """What the kernel lets the service do is what its unit says."""
    pid = trial.shown("MainPID")
    status = trial.root.run(f"cat /proc/{pid}/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    require({name: found[name] for name in KERNEL} == KERNEL, found)
    user = trial.root.run(f"stat -c %U /proc/{pid}").strip()
    require(user == places.USER, user)
    seen = f"/proc/{pid}/root"  # by the service
    written = f"{seen}{places.LEDGER_FOLDER}/written"
    trial.root.run(f"touch {written} && rm {written}")
    for forbidden in ("/etc", "/usr", "/root", "/opt/tollgate"):
        tried = trial.root.run(f"touch {seen}{forbidden}/written 2>&1 || echo refused")
        require(tried.endswith("refused\n"), f"{forbidden} can be written to")
    trial.say("the service may write to its ledger's folder alone, and has no rights of root")


async def a_program_dies(trial: ServedTrial, log: Path) -> None:
    """It is brought back by the service itself, which systemd need not start again."""
    (pid,) = (
        line["pid"]
        for line in map(json.loads, lines_of(log))
        if line["event"] == "program_started" and line["program"] == "agi"
    )
    trial.root.run(f"kill -KILL {pid}")
    await said(log, '"program_died"', '"program_started"')
    require(trial.shown("NRestarts") == "0", trial.shown("NRestarts"))
    trial.say("a program was killed: started again, and the service with it never ended")


async def the_service_hangs(trial: ServedTrial, log: Path) -> None:
    """It is ended and started again by systemd, which hears no more of it."""
    trial.root.run(
        f"mkdir -p {Path(SHORT_WATCHDOG).parent}"
        f" && printf '[Service]\\nWatchdogSec={WATCHDOG_S}\\n' >{SHORT_WATCHDOG}"
        " && systemctl daemon-reload && systemctl restart tollgate"
    )
    pid = trial.shown("MainPID")
    trial.root.run(f"kill -STOP {pid}")
    await said(log, "Watchdog timeout", '"all_answer"')
    require(trial.shown("NRestarts") == "1", trial.shown("NRestarts"))
    require(trial.shown("MainPID") != pid, "the same process runs")
    trial.root.run(f"rm -r {Path(SHORT_WATCHDOG).parent} && systemctl daemon-reload")
    trial.say(f"the service was stopped: ended after {WATCHDOG_S} s without a word, started again")


def a_setting_is_wrong(trial: ServedTrial) -> None:
    """It says which, and another start is not tried."""
    trial.root.run(f"{WRONG_SETTING}; systemctl restart tollgate || true")
    require(trial.systemctl("is-active tollgate") == "failed", "a wrong setting is no fault")
    require(trial.shown("ExecMainStatus") == str(os.EX_CONFIG), trial.shown("ExecMainStatus"))
    last = trial.root.run("journalctl --unit tollgate --output cat --lines 20")
    require("no-such" in last, last)
    trial.root.run(f"{RIGHT_AGAIN}; systemctl restart tollgate")
    trial.say("a wrong setting: told in one sentence, and not started for ever")


async def started_with_the_machine(trial: ServedTrial) -> None:
    async with trial.serving() as log, trial.carrier() as carrier:
        async with trial.phone() as phone:
            await talk(phone, f"9{FRANCE}", carrier)
            await until(log, "call_settled")
        await follow(trial, log, carrier)
    trial.say("the machine was started again: Tollgate with it, and a call was charged")


async def said(log: Path, first: str, then: str) -> None:
    """Return once the log says the one, and after it the other."""

    def is_said() -> bool:
        _, found, after = log.read_text(encoding="utf-8").partition(first)
        return bool(found) and then in after

    await until_true(log, is_said, f"{first} and then {then}")


async def main(suite: str, folder: Path, online_s: float) -> int:
    raise_loopback()
    trial = ServedTrial(suite, Root(folder))
    try:
        await run(trial, Root(folder), online_s)
    except (WrongError, CommandFailedError, LabError) as error:
        trial.went_wrong(error)
        return 1
    trial.say("everything as the document says, and as its unit says")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))
