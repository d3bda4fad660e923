"""Pages of the runbook as one: the fault is made on a running machine, and the page followed.

Whatever is typed stands on the page; a test holds that nothing else stands there.
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from admin.setup import places
from charging.money import Money
from lab.application import wall_clock
from lab.carrier import Carrier
from lab.phone import Phone
from tests.admin.certificates import make_certificate, served
from tests.install.offline import FRANCE, Trial, WrongError, require, talk, until_true
from tests.install.root import CommandFailedError

FOLDER = Path(__file__).parents[2] / "docs/runbook"
# Of each page what is typed in the trial.
TYPED: Mapping[str, Sequence[str]] = {
    "disk-full": (
        "journalctl --vacuum-size=500M",
        "tollgate backup PLACE --keep 7",
        "tollgate ledger verify",
        "tollgate doctor",
        "tollgate doctor --json",
    ),
    "time-moved": (
        "tollgate ledger verify",
        "tollgate report day",
        "tollgate user reset MAIL-ADDRESS",
    ),
    "certificate-over": ("tollgate doctor",),
    "restored-from-yesterday": (
        "systemctl stop tollgate",
        "tollgate backup check FILE",
        "tollgate restore FILE",
        "tollgate restore FILE --over",
        "tollgate doctor",
        "tollgate payments",
        'tollgate topup 20 --key cash-17 --reason "again after the restore"',
        "tollgate rates history",
        "tollgate user list",
    ),
}
# What the pages name, and a machine of a trial does not have.
NOT_TYPED = frozenset(
    {
        *("timedatectl set-ntp true", "timedatectl"),  # its clock is the kernel's, as everybody's
        *("certbot renew", "systemctl list-timers"),  # of a proxy, which is the admin's own
        "tollgate serve",  # systemd runs it
        "tollgate restore",  # of what it does, not to be typed
    }
)
_COMMAND = re.compile(r"`((?:tollgate|systemctl|journalctl|timedatectl|certbot) ?[^`]*)`")
MANAGER = "manager@office.example"
BACKUP = "/var/backups/yesterday.tar.gz"
FILLER = f"{places.LEDGER_FOLDER}/everything-else"
ROOM_KIB = 6_000  # that are free before something else takes them
A_DAY_S = 86_400
FAKETIME = "/usr/local/lib/trial-faketime.so"
OTHER_CLOCK = "/etc/systemd/system/tollgate.service.d/clock.conf"
TWENTY = Money(20_000_000, "GBP")


def commands_on(page: str) -> Sequence[str]:
    """What is to be done, as far as it is typed."""
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    todo = text.partition("## What to do\n")[2].partition("\n## ")[0].partition("\nTried:")[0]
    return [found.strip() for found in _COMMAND.findall(todo.replace("\n", " "))]


class Page:
    """One page, followed on one machine."""

    def __init__(self, trial: Trial, name: str) -> None:
        self.trial = trial
        self.name = name
        self._typed: set[str] = set()

    def type(self, command: str, **words: str) -> str:
        """A command of the page, with the reader's own words in the place of those in capitals."""
        assert command in TYPED[self.name], command
        self._typed.add(command)
        for placeholder, word in words.items():
            command = command.replace(placeholder.upper().replace("_", "-"), word)
        return self.trial.run(command)

    def doctor_says(self, told: str, *, environment: str = "", options: str = "") -> None:
        """Whether it finds all well or not."""
        command = f"tollgate doctor {options}".strip()
        self._typed.add(command)
        try:
            said = self.trial.run(f"{environment} {command}".strip())
        except CommandFailedError as error:
            said = str(error)
        require(told in said, f"the doctor does not say {told!r}: {said}")

    def followed(self, what: str) -> None:
        assert {*TYPED[self.name]} <= self._typed, self._typed  # and the doctor is asked everywhere
        self.trial.say(f"{self.name}: {what}")


async def follow(trial: Trial, log: Path, carrier: Carrier) -> None:
    """Every page, one after the other, with a phone that is registered throughout."""
    async with trial.phone() as phone:
        trial.run(f"tollgate user add {MANAGER}")
        await disk_full(trial, log, carrier, phone)
        await time_moved(trial, log, carrier, phone)
        await certificate_over(trial)
        await restored_from_yesterday(trial, log, carrier, phone)


async def paid_call(log: Path, carrier: Carrier, phone: Phone) -> None:
    """Answered, and charged."""
    settled = settled_in(log)
    await talk(phone, f"9{FRANCE}", carrier)
    await until_true(log, lambda: settled_in(log) > settled, "call_settled")


def settled_in(log: Path) -> int:
    return log.read_text(encoding="utf-8").count('"call_settled"')


def ready_in(log: Path) -> int:
    return log.read_text(encoding="utf-8").count('"ari_connected"')


async def restarted(trial: Trial, log: Path, command: str) -> None:
    """Until it takes calls again."""
    before = ready_in(log)
    trial.run(command)
    await until_true(log, lambda: ready_in(log) > before, "ari_connected")


async def disk_full(trial: Trial, log: Path, carrier: Carrier, phone: Phone) -> None:
    page = Page(trial, "disk-full")
    async with small_disk(trial, log):
        trial.root.run(f"head -c 1G /dev/zero >{FILLER} 2>/dev/null || true")
        seen = len(phone.events)
        await phone.dial(f"9{FRANCE}")
        await phone.wait_for("CALL_CLOSED", after=seen)
        dialled = [call.dialled for call in carrier.calls()]
        await talk(phone, "999", carrier)
        require(
            [call.dialled for call in carrier.calls()] == [*dialled, "999"],
            "a call that cannot be paid for reached the carrier",
        )
        page.doctor_says("GB free")
        page.doctor_says("GB free", options="--json")
        trial.root.run(f"rm {FILLER}")
        page.type("journalctl --vacuum-size=500M")
        page.type("tollgate backup PLACE --keep 7", place="/var/backups")
        await paid_call(log, carrier, phone)
        page.type("tollgate ledger verify")
        page.followed("refused, help connected, and paid for again once there was room")


@asynccontextmanager
async def small_disk(trial: Trial, log: Path) -> AsyncIterator[None]:
    """The ledger's folder on a disk of its own, which has little room."""
    folder, beside = places.LEDGER_FOLDER, f"{places.LEDGER_FOLDER}.beside"
    used_kib = int(trial.root.run(f"du -sk {folder}").split()[0])
    trial.run("systemctl stop tollgate")
    trial.root.run(
        f"mkdir {beside} && cp -a {folder}/. {beside}/"
        f" && mount -t tmpfs -o size={used_kib + ROOM_KIB}k tmpfs {folder}"
        f" && cp -a {beside}/. {folder}/ && chown --reference={beside} {folder}"
        f" && chmod --reference={beside} {folder}"
    )
    await restarted(trial, log, "systemctl start tollgate")
    try:
        yield
    finally:
        trial.run("systemctl stop tollgate")
        trial.root.run(
            f"rm -r {beside} && cp -a {folder}/. {beside} && umount {folder}"
            f" && cp -a {beside}/. {folder}/ && rm -r {beside}"
        )
        await restarted(trial, log, "systemctl start tollgate")


async def time_moved(trial: Trial, log: Path, carrier: Carrier, phone: Phone) -> None:
    """For a while the clock is a day ahead."""
    page = Page(trial, "time-moved")
    environment = wall_clock(A_DAY_S)
    shutil.copyfile(environment["LD_PRELOAD"], trial.root.at(FAKETIME))
    trial.root.run(f"chmod 755 {FAKETIME}")
    lines = [f"Environment={n}={v}" for n, v in {**environment, "LD_PRELOAD": FAKETIME}.items()]
    trial.root.run(f"mkdir -p {Path(OTHER_CLOCK).parent}")
    trial.root.at(OTHER_CLOCK).write_text("[Service]\n" + "\n".join(lines) + "\n")
    await restarted(trial, log, "systemctl daemon-reload && systemctl restart tollgate")
    await paid_call(log, carrier, phone)
    trial.root.run(f"rm -r {Path(OTHER_CLOCK).parent} {FAKETIME}")
    await restarted(trial, log, "systemctl daemon-reload && systemctl restart tollgate")
    page.doctor_says("still to come")
    await paid_call(log, carrier, phone)
    page.type("tollgate ledger verify")
    page.type("tollgate report day")
    said = page.type("tollgate user reset MAIL-ADDRESS", mail_address=MANAGER)
    require("works once" in said, said)
    page.followed("a day ahead: calls were charged, the doctor said so, the ledger is sound")


async def certificate_over(trial: Trial) -> None:
    page = Page(trial, "certificate-over")
    folder = trial.work / "certificate"
    folder.mkdir(exist_ok=True)
    for ahead_s, told in ((-10 * A_DAY_S, "certificate has expired"), (0, "ends on")):
        certificate = make_certificate(folder, days=5, clock=wall_clock(ahead_s))
        async with served(certificate) as port:
            inside = Path("/") / certificate.relative_to(trial.root.folder)
            environment = (
                f"SSL_CERT_FILE={inside} TOLLGATE_PORTAL__PUBLIC_URL=https://localhost:{port}"
            )
            await asyncio.to_thread(page.doctor_says, told, environment=environment)
    page.followed("the doctor says that it is over, and later that the next one is good")


async def restored_from_yesterday(trial: Trial, log: Path, carrier: Carrier, phone: Phone) -> None:
    page = Page(trial, "restored-from-yesterday")
    as_user = f"setpriv --reuid={places.USER} --regid={places.USER} --clear-groups"
    trial.root.run(f"install -d -o {places.USER} {Path(BACKUP).parent}")
    trial.run(f"{as_user} tollgate backup {BACKUP}")
    yesterday = balance(trial)
    await paid_call(log, carrier, phone)
    trial.run("tollgate topup 20 --key cash-17")
    page.type("systemctl stop tollgate")
    trial.root.run(f"head -c 65536 /dev/urandom >{places.LEDGER}")
    page.type("tollgate backup check FILE", file=BACKUP)
    try:
        page.type("tollgate restore FILE", file=BACKUP)
    except CommandFailedError as error:
        require("cannot be read" in str(error), error)
    else:
        raise WrongError("a ledger that cannot be read was replaced without a question")
    said = page.type("tollgate restore FILE --over", file=BACKUP)
    require("1 answered legs" in said, said)
    await restarted(trial, log, "systemctl start tollgate")
    page.type("tollgate payments")
    require(balance(trial) == yesterday, f"{balance(trial)} is not {yesterday}")
    page.type('tollgate topup 20 --key cash-17 --reason "again after the restore"')
    require(balance(trial) == yesterday + TWENTY.micros, "the money is not there again")
    page.type("tollgate rates history")
    require(MANAGER in page.type("tollgate user list"), "the manager is not there")
    page.doctor_says("ledger")
    await paid_call(log, carrier, phone)
    trial.run("tollgate ledger verify")
    page.followed("the ledger is yesterday's: sound, paid from, nothing doubled")


def balance(trial: Trial) -> int:
    """Micro-units."""
    return int(json.loads(trial.root.run("tollgate balance --json"))["available_micros"])
