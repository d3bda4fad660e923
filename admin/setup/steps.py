"""What set-up does besides files: a system user, sounds, the ledger, Asterisk, the service."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from admin.setup import places
from admin.setup.found import Found
from admin.setup.machine import Machine, SetupError

Say = Callable[[str], None]
SYSTEMD = Path("/run/systemd/system")  # there where systemd runs this machine
SERVICE = "tollgate.service"
RELOADS = (
    "module reload http",
    "module reload res_ari.so",
    "manager reload",
    "module reload cel",
    "module load cel_custom.so",  # declined at a start without a configuration
    "module reload cel_custom.so",
    "module reload res_pjsip.so",
    "dialplan reload",
    "module reload sounds",
)


def has_systemd(machine: Machine) -> bool:
    return machine.live and SYSTEMD.is_dir()


def make_user(machine: Machine, say: Say) -> None:
    """The system user whom everything of Tollgate's runs as.

    Raises:
        SetupError: it cannot be made.
    """
    if machine.uid(places.USER) is not None:
        return
    program = machine.program("useradd")
    if program is None:
        if machine.live:
            raise SetupError("there is no useradd to make the system user tollgate with")
        return
    _must(
        machine,
        *(program, "--system", "--user-group", "--home-dir", str(places.LEDGER_FOLDER)),
        *("--no-create-home", "--shell", "/usr/sbin/nologin", places.USER),
    )
    say(f"the system user {places.USER} made")


def prepare_ledger(machine: Machine, program: Path, say: Say) -> None:
    """As the user who will write to it, so that every file of it is theirs."""
    said = tollgate(machine, program, "ledger", "prepare", as_user=True)
    say(said.splitlines()[-1])


def back_up(machine: Machine, program: Path, say: Say) -> None:
    """The first one; from then on it is the admin's timetable that decides."""
    if not machine.exists(places.BACKUPS):
        said = tollgate(machine, program, "backup", as_user=True)
        say(said.splitlines()[0])


def build_sounds(machine: Machine, program: Path, say: Say) -> None:
    """From the voice that comes with Tollgate; what is recorded already takes no time."""
    say("recording what callers hear: about a minute, once …")
    said = tollgate(machine, program, "prompts", "build", "--engine", "pack")
    for line in said.splitlines()[-2:]:
        say(line)


def tollgate(machine: Machine, program: Path, *arguments: str, as_user: bool = False) -> str:
    """A command of ours, with the settings of this machine.

    Raises:
        SetupError: it failed; the message is its own last line.
    """
    environment = f"TOLLGATE_SETTINGS={places.SETTINGS_FILE}"
    command = ("/usr/bin/env", environment, str(program), *arguments)
    return _must(machine, *command, user=places.USER if as_user else None)


def reload_asterisk(machine: Machine, found: Found, say: Say) -> None:
    """Let a running Asterisk read what was written; one that does not run reads it when it does."""
    if found.program is None or not found.running:
        say("Asterisk does not run: it reads all of this when it starts")
        return
    for command in RELOADS:
        machine.run(found.program, "-rx", command)  # a module that is not there has none to reload
    say("Asterisk has read its files again; no call was touched")


def start_service(machine: Machine, program: Path, say: Say) -> None:
    """By systemd, where it runs this machine; else the admin is told how."""
    if not has_systemd(machine):
        say("there is no systemd here; Tollgate starts by")
        say(f"  {start_command(program)}")
        return
    _must(machine, "systemctl", "daemon-reload")
    _must(machine, "systemctl", "enable", "--quiet", SERVICE)
    _must(machine, "systemctl", "restart", SERVICE)
    say(f"{SERVICE} runs, and starts with the machine")


def stop_service(machine: Machine) -> None:
    """Calls under way stay up, and are settled when it runs again."""
    if has_systemd(machine):
        _must(machine, "systemctl", "stop", SERVICE)


def remove_service(machine: Machine) -> None:
    if has_systemd(machine) and machine.exists(places.SERVICE):
        _must(machine, "systemctl", "disable", "--now", "--quiet", SERVICE)


def forget_service(machine: Machine) -> None:
    """Once its unit is gone."""
    if has_systemd(machine):
        _must(machine, "systemctl", "daemon-reload")


def start_command(program: Path) -> str:
    return (
        f"setpriv --reuid={places.USER} --regid={places.USER} --clear-groups"
        f" env TOLLGATE_SETTINGS={places.SETTINGS_FILE} {program} serve"
    )


def require_root(machine: Machine) -> None:
    if machine.live and os.geteuid() != 0:
        raise SetupError("this writes to the system: run it as root")


def _must(machine: Machine, *command: str, user: str | None = None) -> str:
    ran = machine.run(*command, user=user)
    if ran.status != 0:
        told = ran.said.splitlines()[-1] if ran.said else "nothing"
        raise SetupError(f"{_name(command)} failed, and said: {told}")
    return ran.said


def _name(command: Sequence[str]) -> str:
    words = command[2:] if command[0] == "/usr/bin/env" else command
    return " ".join(words)
