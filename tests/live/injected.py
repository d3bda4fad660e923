"""How an admin's faults are put into a running office, and taken out again."""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self
from unittest.mock import patch

from sqlalchemy import Engine

from admin.checks import asterisk
from admin.checks.findings import Status
from admin.doctor import Found
from charging.rate_deck import DeckKey
from db.engine import file_of, open_engine
from db.rate_decks import decks_in_force, roll_back
from lab.carrier import Carrier
from lab.paid_office import PaidOffice, Sections, import_rates, settings_text
from lab.watch import FileWatch
from plans.files import SAMPLE_DECKS
from tests.admin.certificates import mails, make_certificate, served

LOG_TIMEOUT_S = 10
PHONES = "phones.toml"
REPOSITORY = Path(__file__).parents[2]
AS_NOBODY = REPOSITORY / "tests/admin/serve_as_nobody.py"
NOBODY = 65534
SAMPLE = (SAMPLE_DECKS / "sample-gbp.csv").read_text(encoding="utf-8")
W, P = Status.WARNING, Status.PROBLEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The running office that the faults are put into."""

    paid: PaidOffice
    second: Carrier  # the carrier behind the trunk [backup]
    sections: Sections  # of the settings file, beside what says how to reach Asterisk

    @property
    def etc(self) -> Path:
        return self.paid.office.config.folder / "etc"

    @property
    def ledger(self) -> Path:
        file = file_of(self.paid.settings.database.url)
        assert file is not None
        return file

    async def cli(self, *commands: str) -> None:
        for command in commands:
            await self.paid.office.asterisk.cli(command)

    def write_settings(self, extra: Sections) -> None:
        office = self.paid.office
        names = dict.fromkeys([*self.sections, *extra])
        merged = {name: {**self.sections.get(name, {}), **extra.get(name, {})} for name in names}
        text = settings_text(office.config, legs_file=office.asterisk.legs_file, extra=merged)
        self.paid.settings_file.write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the doctor's, by parts of what it says and of what it says to do."""

    check: str
    status: Status
    what: str
    remedy: str

    def is_in(self, found: Found) -> bool:
        finding = found.finding
        return (
            (found.check, finding.status) == (self.check, self.status)
            and self.what in finding.message
            and self.remedy in finding.remedy
        )


Inject = Callable[[Patient], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    name: str
    inject: Inject
    says: tuple[Said, ...]
    checks: tuple[str, ...] = ()  # the rules by which `dialplan check` names it as well
    heard: bool = False  # whether it is of the sounds
    needs_root: bool = False


# --- how faults are put in and taken out ----------------------------------------------------------


def settings(**sections: Mapping[str, object]) -> Inject:
    """Fields of the settings file; of a section "call.x" written call__x."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with kept(patient.paid.settings_file):
            patient.write_settings({name.replace("__", "."): f for name, f in sections.items()})
            yield

    return inject


def written(text: str) -> Inject:
    """The settings file with something of the admin's own below it."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with kept(patient.paid.settings_file) as file:
            file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
            yield

    return inject


def phones(before: str, after: str) -> Inject:
    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with edited(patient.paid.office.folder / PHONES, before, after):
            yield

    return inject


def conf(name: str, before: str, after: str, *reload: str, times: int = 1) -> Inject:
    """A file of Asterisk's; `reload` is how it is read again, with the fault and without."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        try:
            with edited(patient.etc / name, before, after, times=times):
                await patient.cli(*reload)
                yield
        finally:
            await patient.cli(*reload)

    return inject


def dialplan(before: str, after: str) -> Inject:
    return conf("extensions.conf", before, after, "dialplan reload")


def pjsip(before: str, after: str, *, times: int = 1) -> Inject:
    return conf("pjsip.conf", before, after, "module reload res_pjsip.so", times=times)


def phone_has(line: str) -> Inject:
    """The phone 1001, with a line of its own in its endpoint."""
    return pjsip("[1001](phone)\n", f"[1001](phone)\n{line}\n")


def cli(put_in: str, take_out: str) -> Inject:
    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        await patient.cli(put_in)
        try:
            yield
        finally:
            await patient.cli(take_out)

    return inject


def mode(bits: int, file: Callable[[Patient], Path]) -> Inject:
    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        found = file(patient)
        before = found.stat().st_mode
        found.chmod(bits)
        try:
            yield
        finally:
            # SQLite makes what is beside the ledger with the ledger's own mode.
            for each in found.parent.glob(f"{found.name}*"):
                each.chmod(before)

    return inject


def sql(put_in: str, take_out: str, *, without_trigger: str | None = None) -> Inject:
    """What somebody may do to the ledger with a tool of their own."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with closing(sqlite3.connect(patient.ledger, isolation_level=None, timeout=10)) as ledger:
            trigger = None
            if without_trigger is not None:
                query = "SELECT sql FROM sqlite_master WHERE name = ?"
                (trigger,) = ledger.execute(query, [without_trigger]).fetchone()
                ledger.execute(f"DROP TRIGGER {without_trigger}")
            ledger.execute(put_in)
            try:
                yield
            finally:
                ledger.execute(take_out)
                if trigger is not None:
                    ledger.execute(trigger)

    return inject


@contextmanager
def kept(file: Path) -> Iterator[Path]:
    """Whatever is done to it within the block is undone."""
    before = file.read_bytes()
    try:
        yield file
    finally:
        file.write_bytes(before)


@contextmanager
def edited(file: Path, before: str, after: str, *, times: int = 1) -> Iterator[None]:
    with kept(file):
        text = file.read_text(encoding="utf-8")
        assert before in text, before
        file.write_text(text.replace(before, after, times), encoding="utf-8")
        yield


# --- faults that need more than a file ------------------------------------------------------------


@asynccontextmanager
async def application_is_away(patient: Patient) -> AsyncIterator[None]:
    await patient.paid.application.stop()
    try:
        yield
    finally:
        await patient.paid.application.start()


@asynccontextmanager
async def feature_codes_are_away(patient: Patient) -> AsyncIterator[None]:
    await patient.paid.feature_codes.stop()
    try:
        yield
    finally:
        await patient.paid.feature_codes.start()


@asynccontextmanager
async def feature_codes_run_as_nobody(patient: Patient) -> AsyncIterator[None]:
    """The ledger is root's, and its group may read it."""
    files = sorted(patient.ledger.parent.glob(f"{patient.ledger.name}*"))
    async with feature_codes_are_away(patient):
        for file in files:
            shutil.chown(file, group=NOBODY)
            file.chmod(0o640)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, AS_NOBODY, patient.paid.settings_file, "agi"),
            env={"PYTHONPATH": str(REPOSITORY)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdin is not None and program.stdout is not None  # noqa: PT018 - PIPE
        try:
            assert await program.stdout.readline() == b"ready\n"
            yield
        finally:
            program.stdin.close()
            await program.wait()
            for file in files:
                shutil.chown(file, group=0)
                file.chmod(0o600)


@asynccontextmanager
async def journal_is_no_wal(patient: Patient) -> AsyncIterator[None]:
    """A ledger that was copied to where SQLite cannot have one, as a network file system."""
    copied = patient.paid.office.folder / "copied.sqlite"
    with closing(sqlite3.connect(patient.ledger)) as ledger, closing(sqlite3.connect(copied)) as to:
        ledger.backup(to)
        to.execute("PRAGMA journal_mode = DELETE")
    copied.chmod(0o600)
    async with settings(database={"url": f"sqlite:///{copied}"})(patient):
        yield
    copied.unlink()


def disk_has(free_bytes: int) -> Inject:
    """Only the doctor is told so: nobody may fill a disk that others use."""
    usage = shutil.disk_usage

    @asynccontextmanager
    async def inject(_patient: Patient) -> AsyncIterator[None]:
        with patch.object(shutil, "disk_usage", lambda path: usage(path)._replace(free=free_bytes)):
            yield

    return inject


@asynccontextmanager
async def clock_is_behind(_patient: Patient) -> AsyncIterator[None]:
    """This machine's, by an hour: nobody may set the clock of a machine that others use."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(hours=1)

    with patch.object(asterisk, "datetime", Behind):
        yield


def deck(text: str) -> Inject:
    """Rates that are imported over those in force, and rolled back."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with closing_engine(patient) as engine, engine.connect() as reader:
            before = decks_in_force(reader)[DeckKey("GBP")]
        await asyncio.to_thread(import_rates, patient.paid.settings, text, "GBP")
        try:
            yield
        finally:
            with closing_engine(patient) as engine:
                roll_back(engine, DeckKey("GBP"), at=datetime.now(UTC), deck_id=before)

    return inject


@contextmanager
def closing_engine(patient: Patient) -> Iterator[Engine]:
    engine = open_engine(patient.paid.settings.database.url)
    try:
        yield engine
    finally:
        engine.dispose()


def sounds(spoil: Callable[[Path], object]) -> Inject:
    """The office's own copy of the sounds, of which something is spoilt."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        folder = patient.paid.office.folder / "sounds"
        library = (patient.paid.office.config.folder / "data/sounds").resolve()
        shutil.copytree(library, folder, symlinks=True, copy_function=os.link)
        spoil(folder / "en" / "tollgate")
        try:
            async with settings(prompts={"sounds_folder": str(folder)})(patient):
                yield
        finally:
            shutil.rmtree(folder)

    return inject


def overwritten(folder: Path) -> None:
    """Another file of the same name: the others of a hard link are whole."""
    for clip in folder.glob("your-balance-is.*"):
        content = clip.read_bytes()
        clip.unlink()
        clip.write_bytes(bytes(100) + content[100:])


@asynccontextmanager
async def sounds_are_elsewhere(patient: Patient) -> AsyncIterator[None]:
    link = patient.paid.office.config.folder / "data/sounds"
    target = link.readlink()
    link.unlink()
    try:
        yield
    finally:
        link.symlink_to(target)


@asynccontextmanager
async def leg_log_was_declined(patient: Patient) -> AsyncIterator[None]:
    """As a package leaves it: an empty configuration when Asterisk starts."""
    file = patient.etc / "cel_custom.conf"
    await patient.cli("module unload cel_custom.so")
    try:
        with kept(file):
            file.write_text("; as a package leaves it\n", encoding="utf-8")
            await patient.cli("module load cel_custom.so")
        await patient.cli("core reload")  # which does not help
        yield
    finally:
        await patient.cli("module load cel_custom.so")


def legs_say(fields: str) -> Inject:
    """The log of legs with other fields, from the next call on."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        before = "EventType,EventTime,UniqueID,LinkedID,ChanName,EventExtra,AppData,DNID"
        file = conf("cel_custom.conf", before, fields, "module reload cel_custom.so")
        async with file(patient):
            await call_for_help(patient.paid)
            yield
        await call_for_help(patient.paid)

    return inject


async def call_for_help(paid: PaidOffice) -> None:
    """A call, and its two lines in the log of legs: what the sound office has, too."""
    legs = paid.office.asterisk.legs_file
    before = _ends(legs)
    async with paid.office.phone("1001") as phone:
        with FileWatch(legs.parent), FileWatch(legs if legs.exists() else legs.parent) as watch:
            await phone.dial("112")
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.hang_up()
            await watch.until(lambda: _ends(legs) >= before + 2, timeout_s=LOG_TIMEOUT_S)


def _ends(legs: Path) -> int:
    return legs.read_text(encoding="utf-8").count('"HANGUP"') if legs.exists() else 0


@asynccontextmanager
async def without_leg_log(patient: Patient) -> AsyncIterator[None]:
    line = f'cel_file = "{patient.paid.office.asterisk.legs_file}"\n'
    with edited(patient.paid.settings_file, line, ""):
        yield


@asynccontextmanager
async def folder_of_legs_is_missing(patient: Patient) -> AsyncIterator[None]:
    folder = patient.paid.office.asterisk.legs_file.parent
    moved = folder.rename(folder.with_name("moved"))
    try:
        yield
    finally:
        moved.rename(folder)


OUT = "[out]\nexten => _0X.,1,Dial(PJSIP/${EXTEN}@trunk,30)\n"
OUT_BEFORE_OURS = dialplan("include => services\n", "include => services\ninclude => out\n")


@asynccontextmanager
async def somebody_called_past_us(patient: Patient) -> AsyncIterator[None]:
    """The way past us has been closed again, and was used."""
    with edited(patient.etc / "extensions.conf", "[ring]\n", f"{OUT}\n[ring]\n"):
        async with OUT_BEFORE_OURS(patient), patient.paid.office.phone("1001") as phone:
            await phone.dial("0033142685300")
            await patient.paid.application.wait_for("leg_ungated")
            await phone.hang_up()
            await phone.wait_for("CALL_CLOSED")
    await patient.cli("dialplan reload")
    async with sql("SELECT 1", "DELETE FROM ungated_legs")(patient):
        yield


@asynccontextmanager
async def phone_names_the_carrier(patient: Patient) -> AsyncIterator[None]:
    """A phone has registered what `Dial(PJSIP/1002)` would follow to the carrier."""
    office = patient.paid.office
    async with office.raw_phone("1002") as hostile:
        await hostile.register(
            f"<sip:0033612345678@{hostile.address};maddr={office.carrier.address}>"
        )
        try:
            yield
        finally:
            await hostile.unregister()


def portal_shows_a_certificate(*, days: int, believed: bool) -> Inject:
    """As the proxy before the portal would; browsers are told here whom to believe."""

    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            certificate = make_certificate(Path(folder), days=days)
            trusted = {"SSL_CERT_FILE": str(certificate)} if believed else {}
            async with served(certificate) as port:
                address = {"public_url": f"https://localhost:{port}"}
                async with settings(portal=address)(patient):
                    with patch.dict(os.environ, trusted):
                        yield

    return inject


def mail_server_shows_a_certificate(*, days: int) -> Inject:
    @asynccontextmanager
    async def inject(patient: Patient) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            certificate = make_certificate(Path(folder), days=days)
            async with served(certificate, mails) as port:
                server = {
                    "smtp_host": "localhost",
                    "smtp_port": port,
                    "smtp_tls": "tls",
                    "smtp_ca_file": str(certificate),
                }
                async with settings(notices=server)(patient):
                    yield

    return inject
