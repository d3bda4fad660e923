"""The rest of the document, on a loopback of its own: set up, call, undo, set up again, upgrade."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import soundfile

from admin.setup import places
from admin.setup.machine import Machine, State
from charging.money import Money
from db.engine import open_engine
from lab.carrier import Carrier
from lab.errors import LabError
from lab.likeness import likeness_of
from lab.phone import Phone
from lab.telephony import find_telephony
from lab.watch import FileWatch
from prompts.audio import Sound
from prompts.library import Library
from prompts.phrases import balance_phrase
from tests.db.first_schema import balances_of, fill
from tests.install import office
from tests.install.__main__ import OFFLINE_FROM, say
from tests.install.document import commands_of
from tests.install.root import CommandFailedError, Root, raise_loopback

FIVE_MINUTES_S = 300
EVENT_TIMEOUT_S = 120
LAST_WORDS = 60  # lines of a log
TOPPED_UP = Money(20_000_000, "GBP")  # by the document's last command
FRANCE = "0033612345678"
LANDLINE = "02079460000"
HEARD = 0.6  # of the sentence, where it fits best
FIRST_SCHEMA_CALLS = 300
# Where users are kept: the system user stays, as the ledger does.
KEPT_IN = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
USERS = frozenset({*KEPT_IN, *(f"{name}-" for name in KEPT_IN), ".pwd.lock"})


class WrongError(Exception):
    """Something is not as the document says."""


def manifest(root: Root, *folders: str) -> Mapping[str, State]:
    """Every file below, to the byte, with rights and owner."""
    machine = Machine(root.folder)
    found = {}
    for folder in folders:
        for place in sorted(root.at(folder).rglob("*")):
            path = Path("/") / place.relative_to(root.folder)
            if place.name not in USERS:
                link = State("link", target=str(place.readlink())) if place.is_symlink() else None
                found[str(path)] = link or machine.state(path)
    return found


def differences(before: Mapping[str, State], after: Mapping[str, State]) -> Sequence[str]:
    return [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]


def require(truth: bool, told: object) -> None:  # noqa: FBT001 - what has to be true
    if not truth:
        raise WrongError(str(told))


class Trial:
    """One root, one office, one carrier."""

    def __init__(self, suite: str, root: Root) -> None:
        self.suite = suite
        self.root = root
        self.work = root.at("/var/tmp/trial")  # noqa: S108 - inside the root
        self.work.mkdir(exist_ok=True)
        self.telephony = find_telephony()
        self.asterisk: asyncio.subprocess.Process | None = None
        self.found = ""  # by the doctor

    def say(self, line: str) -> None:
        say(f"{self.suite}: {line}")

    def run(self, command: str, *, answer: str = "y\n") -> str:
        self.say(f"$ {command}")
        return self.root.run(command, answer=answer)

    def went_wrong(self, error: Exception) -> None:
        """With the end of every log, which is gone with the root."""
        self.say(f"WRONG: {error}")
        logs = [*self.work.glob("*.log"), *self.root.at("/var/log/asterisk").glob("messages*")]
        for log in logs:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_WORDS:]
            self.say("\n".join([f"the end of {log.name}:", *last]))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Path]:
        """What its unit does; its log."""
        (command,) = commands_of("Running")
        log = self.work / "serve.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *self.root.started(f"exec {command}"), stdout=out, stderr=out, process_group=0
            )
        try:
            await until(log, "all_answer", "ari_connected")
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await process.wait()

    def before_upgrade(self) -> None:
        """What an admin does who finds a ledger of the first version here: nothing runs."""

    def upgrade(self, command: str) -> None:
        self.run(command)

    def carrier(self) -> Carrier:
        return Carrier(self.telephony, self.work / "carrier", address=office.CARRIER)

    def phone(self) -> Phone:
        return Phone(
            self.telephony,
            self.work / "phone",
            extension="1001",
            password=office.PASSWORD,
            address="127.64.0.10",
            server=office.SIP,
        )


def told(log: Path, event: str) -> bool:
    return any(json.loads(line).get("event") == event for line in lines_of(log))


def lines_of(log: Path) -> Sequence[str]:
    return [line for line in log.read_text().splitlines() if line.startswith("{")]


async def until(log: Path, *events: str) -> None:
    """Return once the log tells of each event."""
    await until_true(log, lambda: all(told(log, event) for event in events), str(events))


async def until_true(log: Path, condition: Callable[[], bool], what: str) -> None:
    """The condition is asked whenever the log has grown."""
    with FileWatch(log) as watch:
        try:
            await watch.until(condition, timeout_s=EVENT_TIMEOUT_S)
        except TimeoutError:
            ends = "\n".join(lines_of(log)[-20:])
            raise WrongError(f"no {what}; the log ends: {ends}") from None


async def first_call(trial: Trial, carrier: Carrier, began: float, online_s: float) -> None:
    """Announced, answered, charged."""
    async with trial.serving() as log:
        async with trial.phone() as phone:
            await talk(phone, f"9{FRANCE}", carrier)
            took_s = online_s + time.monotonic() - began
            await until(log, "call_settled")
            await talk(phone, f"9{LANDLINE}", carrier)
            await talk(phone, "999", carrier)
        trial.say(f"from nothing to the first paid call: {took_s:.0f} s")
        require(took_s <= FIVE_MINUTES_S, f"{took_s:.0f} s are more than five minutes")
        dialled = [call.dialled for call in carrier.calls()]
        require(dialled == ["33612345678", "442079460000", "999"], dialled)
        likeness = heard(trial, phone)
        require(likeness >= HEARD, f"the balance was not heard: {likeness:.2f}")
        trial.say(f"the phone heard its balance announced ({likeness:.2f} of the recording)")
        activity = json.loads(trial.run("tollgate activity --json"))
        require("33612345" in json.dumps(activity), activity)
        trial.say(trial.run("tollgate activity").strip())
        trial.say(trial.run("tollgate balance").strip())
        trial.found = doctor(trial)


async def talk(phone: Phone, number: str, carrier: Carrier) -> None:
    seen, calls = len(phone.events), len(carrier.calls())
    await phone.dial(number)
    await carrier.wait_for(
        lambda call: call.answered and call in carrier.calls()[calls:], timeout_s=20
    )
    await phone.wait_for("CALL_ESTABLISHED", after=seen)
    await phone.hang_up()
    await phone.wait_for("CALL_CLOSED", after=seen)


def heard(trial: Trial, phone: Phone) -> float:
    """How much of "you have twenty pounds" is in what the phone recorded."""
    library = Library(trial.root.at(str(places.SOUNDS)))
    wanted = library.sound_of(balance_phrase(TOPPED_UP, "en"), "en")
    best = 0.0
    for file in phone.recordings():
        samples, rate_hz = soundfile.read(file)
        if len(samples):
            best = max(best, likeness_of(wanted, Sound(samples, rate_hz)))
    return best


def doctor(trial: Trial) -> str:
    """What it names that is wrong: told at the end, when the rest was tried."""
    try:
        trial.say(trial.run("tollgate doctor").splitlines()[-1])
    except CommandFailedError as error:
        return str(error)
    return ""


async def run(trial: Trial, online_s: float) -> None:
    root = trial.root
    before = manifest(root, "/etc", "/usr/share/asterisk", "/usr/local")
    trial.asterisk = await root.asterisk_until_ready(trial.work / "asterisk.log")
    began = time.monotonic()
    for command in commands_of("Six commands")[OFFLINE_FROM:]:
        trial.run(command)
    office.edit(root)
    async with trial.carrier() as carrier:
        await first_call(trial, carrier, began, online_s)
    undo_to_the_byte(trial, before)
    upgrade_from_the_first_schema(trial)
    require(not trial.found, trial.found)


def undo_to_the_byte(trial: Trial, before: Mapping[str, State]) -> None:
    (undo,) = commands_of("Undo")
    try:
        trial.run(undo)
    except CommandFailedError as error:
        require("extensions.conf: was changed since" in str(error), error)
        trial.say("refused, for the admin has edited extensions.conf since")
    else:
        raise WrongError("what the admin had edited was overwritten")
    office.edit_back(trial.root)
    trial.run(undo)
    after = manifest(trial.root, "/etc", "/usr/share/asterisk", "/usr/local")
    require(before == after, differences(before, after))
    trial.say(f"undone: {len(after)} files and folders are to the byte what they were")
    require(trial.root.at(str(places.LEDGER)).exists(), "the ledger is gone")


def upgrade_from_the_first_schema(trial: Trial) -> None:
    """A later installation goes on with the ledger; and one of the first version is upgraded."""
    set_up = commands_of("Six commands")[OFFLINE_FROM]
    trial.run(set_up)
    trial.say(trial.run("tollgate balance").strip())
    trial.before_upgrade()
    ledger = trial.root.at(str(places.LEDGER))
    owner = ledger.stat()
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
    engine = open_engine(f"sqlite:///{ledger}")
    fill(engine, FIRST_SCHEMA_CALLS)
    balances = balances_of(engine)
    engine.dispose()
    for file in ledger.parent.glob(f"{ledger.name}*"):
        os.chown(file, owner.st_uid, owner.st_gid)
    trial.upgrade(commands_of("Upgrade")[1])
    engine = open_engine(f"sqlite:///{ledger}")
    require(balances_of(engine) == balances, "balances differ")
    engine.dispose()
    trial.say(trial.run("tollgate ledger verify").strip())


async def main(suite: str, folder: Path, online_s: float) -> int:
    raise_loopback()
    trial = Trial(suite, Root(folder))
    try:
        await run(trial, online_s)
    except (WrongError, CommandFailedError, LabError) as error:
        trial.went_wrong(error)
        return 1
    finally:
        if trial.asterisk is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(trial.asterisk.pid, signal.SIGKILL)
            await trial.asterisk.wait()
    trial.say("everything as the document says")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))
