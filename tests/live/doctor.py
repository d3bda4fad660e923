"""Does `tollgate doctor` name each fault an admin may make, and nothing where there is none?

`python -m tests.live.doctor` tries them all: `make doctor-faults`.

One running office written by hand, on a real Asterisk: each fault of `doctor_faults.py` is put
in alone, the doctor is asked, and the fault is taken out. Then sound offices, of which it must say
nothing but that they are sound.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from admin import doctor
from admin.checks import asterisk
from admin.checks.findings import Status
from admin.doctor import ASTERISK, MACHINE, SITE, Found, carry_out, examine
from charging.money import Money
from lab.addresses import AddressBlock
from lab.admins_office import admins_office
from lab.errors import LabError
from lab.paid_office import PaidOffice, Sections, make_paid_office
from lab.postgresql import running_server
from lab.telephony import find_telephony
from plans.files import SAMPLE_DECKS
from settings import SETTINGS_VARIABLE, load_settings
from telephony.tools import Telephony
from tests.live.doctor_faults import FAULTS
from tests.live.injected import PHONES as PHONES_FILE
from tests.live.injected import Fault, Patient, Said, call_for_help

REPOSITORY = Path(__file__).parents[2]
PHONES = (REPOSITORY / "dialplan" / "phones.toml").read_text(encoding="utf-8")
HEARD = frozenset({"prompts", "engines"})  # they read two thousand sounds, so only where it matters
DEMO_TIMEOUT_S = 60
PATIENCE_S = 60  # of the doctor
TRUNKS: Sections = {"trunks.backup": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    name: str
    wrong: Sequence[str]
    seconds: float


# --- faults ---------------------------------------------------------------------------------------


async def run_faults(
    faults: Sequence[Fault] = FAULTS, *, everything: bool = True
) -> Sequence[Outcome]:
    """Each fault alone; `everything` False spares the checks that read every sound."""
    with tempfile.TemporaryDirectory(prefix="tollgate-doctor-") as name:
        folder = _open_to_all(Path(name))  # a fault is that another user serves
        async with _patient(find_telephony(_quiet), folder) as patient:
            unwell = _unsaid(await _asked(patient.paid.settings_file, everything=True), ())
            if unwell:
                raise LabError(f"the office is not sound to begin with: {unwell}")
            possible = [each for each in faults if not each.needs_root or os.geteuid() == 0]
            outcomes = [await _tried(fault, patient, everything=everything) for fault in possible]
            left = _unsaid(await _asked(patient.paid.settings_file, everything=True), ())
            return [*outcomes, Outcome(name="every fault taken out", wrong=left, seconds=0)]


async def _tried(fault: Fault, patient: Patient, *, everything: bool) -> Outcome:
    began = time.monotonic()
    async with fault.inject(patient):
        found = await _asked(patient.paid.settings_file, everything=everything or fault.heard)
    return Outcome(
        name=fault.name, wrong=_unsaid(found, fault.says), seconds=time.monotonic() - began
    )


def _unsaid(found: Sequence[Found], says: Sequence[Said]) -> Sequence[str]:
    """What the doctor had to say and did not, and what it said besides."""
    told = [each for each in found if each.finding.status is not Status.OK]
    missing = [f"does not say: {said}" for said in says if not any(map(said.is_in, told))]
    besides = [
        f"says besides: {each.finding.status} {each.check}: {each.finding.message}"
        f" → {each.finding.remedy}"
        for each in told
        if not any(said.is_in(each) for said in says)
    ]
    return [*missing, *besides]


async def _asked(settings_file: Path, *, everything: bool) -> Sequence[Found]:
    # A shared machine is slow at times, and slow is not wrong.
    patience = patch.object(doctor, "CHECK_TIMEOUT_S", PATIENCE_S)
    with _settings_of(settings_file), patience, patch.object(asterisk, "TIMEOUT_S", PATIENCE_S):
        return await asyncio.to_thread(_look, everything)


def _look(everything: bool) -> Sequence[Found]:  # noqa: FBT001 - handed to a thread
    if everything:
        return examine(asterisk=True)
    quick = {name: c for name, c in {**MACHINE, **SITE, **ASTERISK}.items() if name not in HEARD}
    return carry_out(quick, load_settings())


@contextmanager
def _settings_of(file: Path) -> Iterator[None]:
    before = os.environ.get(SETTINGS_VARIABLE)
    os.environ[SETTINGS_VARIABLE] = str(file)
    try:
        yield
    finally:
        if before is None:
            del os.environ[SETTINGS_VARIABLE]
        else:
            os.environ[SETTINGS_VARIABLE] = before


def _quiet(_said: str) -> None:
    """Set-up speaks to people at a terminal."""


@asynccontextmanager
async def _patient(telephony: Telephony, folder: Path) -> AsyncIterator[Patient]:
    """An office as its admin likes it: every file named, money, rates, and one call in the log."""
    office = folder / "office"
    sections: Sections = {
        **TRUNKS,
        "offices.main": {"plan": "uk"},
        "site": {"phones_file": PHONES_FILE},
    }
    paid = _office(telephony, office, deck="gbp", sections=sections)
    async with paid, admins_office(paid) as second, paid.feature_codes:
        _open_to_all(office)
        patient = Patient(paid=paid, second=second, sections=sections)
        await call_for_help(paid)
        yield patient


def _open_to_all(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


def _office(
    telephony: Telephony, folder: Path, *, deck: str, sections: Sections, currency: str = "GBP"
) -> PaidOffice:
    site = {**sections.get("site", {}), "phones_file": PHONES_FILE}
    with_phones = {**sections, "site": site}
    folder.mkdir()
    (folder / PHONES_FILE).write_text(PHONES, encoding="utf-8")
    return make_paid_office(
        telephony,
        folder,
        deck=(SAMPLE_DECKS / f"sample-{deck}.csv").read_text(encoding="utf-8"),
        currency=currency,
        opening=Money(20_000_000, currency),
        settings=with_phones,
    )


# --- sound offices --------------------------------------------------------------------------------


async def run_sound(names: Sequence[str] | None = None) -> Sequence[Outcome]:
    """Offices that differ in all that may differ, of which the doctor has nothing to say."""
    outcomes = []
    for name, office in SOUND.items():
        if names is None or name in names:
            with tempfile.TemporaryDirectory(prefix="tollgate-doctor-") as folder:
                began = time.monotonic()
                async with office(find_telephony(_quiet), Path(folder)) as settings_file:
                    wrong = _unsaid(await _asked(settings_file, everything=True), ())
                seconds = time.monotonic() - began
                outcomes.append(Outcome(name=name, wrong=wrong, seconds=seconds))
    return outcomes


@asynccontextmanager
async def _demonstration(_telephony: Telephony, folder: Path) -> AsyncIterator[Path]:
    """`make run`, once its call is over."""
    with AddressBlock() as block:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "demo", "--folder", str(folder), "--talk-s", "1"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TOLLGATE_ASTERISK__SIP_ADDRESS": block.asterisk,
                 "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert program.stdout is not None
        try:
            async with asyncio.timeout(DEMO_TIMEOUT_S):
                while b"Ctrl-C stops everything" not in (line := await program.stdout.readline()):
                    if not line:
                        raise LabError("the demonstration ended before it stayed up")
            yield folder / "tollgate.toml"
        finally:
            program.terminate()
            await program.communicate()


@asynccontextmanager
async def _written_by_hand(telephony: Telephony, folder: Path) -> AsyncIterator[Path]:
    async with _patient(telephony, folder) as patient:
        yield patient.paid.settings_file


@asynccontextmanager
async def _in_france(telephony: Telephony, folder: Path) -> AsyncIterator[Path]:
    sections: Sections = {"offices": {"main": {"plan": "france"}}}
    paid = _office(telephony, folder / "office", deck="eur", sections=sections, currency="EUR")
    async with paid, paid.feature_codes:
        await call_for_help(paid)
        yield paid.settings_file


@asynccontextmanager
async def _two_trunks_on_postgresql(telephony: Telephony, folder: Path) -> AsyncIterator[Path]:
    """And 9 for a line, and calls that are forwarded."""
    with running_server(durable=False) as server:
        sections: Sections = {
            **TRUNKS,
            "database": {"url": server.url()},
            "call": {"forwarded_calls": True},
            "site": {"outside_line_prefix": "9"},
        }
        paid = _office(telephony, folder / "office", deck="gbp", sections=sections)
        async with paid, admins_office(paid), paid.feature_codes:
            await call_for_help(paid)
            yield paid.settings_file


@asynccontextmanager
async def _transfers_and_no_codes(telephony: Telephony, folder: Path) -> AsyncIterator[Path]:
    off = dict.fromkeys(("balance", "price", "last_call", "language"), "")
    sections: Sections = {
        "call": {"allow_transfer": True, "included_without_application": False},
        "agi": {"codes": off},
        "asterisk": {"phone_rtp_timeout_s": 0},
        "trunks": {"trunk": {"rtp_timeout_s": 0, "timers": "yes"}},
    }
    paid = _office(telephony, folder / "office", deck="gbp", sections=sections)
    async with paid:
        await call_for_help(paid)
        yield paid.settings_file


SOUND = {
    "our own demonstration": _demonstration,
    "an office written by hand, on the UK plan": _written_by_hand,
    "an office in France": _in_france,
    "two trunks, PostgreSQL, 9 for a line, forwarded calls": _two_trunks_on_postgresql,
    "transfers allowed, no feature codes, a carrier without sound": _transfers_and_no_codes,
}


def main() -> int:
    outcomes = [*asyncio.run(run_faults()), *asyncio.run(run_sound())]
    for outcome in outcomes:
        verdict = "WRONG" if outcome.wrong else "right"
        sys.stdout.write("\n  ".join([f"{verdict}  {outcome.name}", *outcome.wrong]) + "\n")
    wrong_ones = sum(bool(outcome.wrong) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    sys.stdout.write(
        f"{len(FAULTS)} faults and {len(SOUND)} sound offices in {seconds:.0f} s:"
        f" {wrong_ones} wrong\n"
    )
    return 1 if wrong_ones else 0


if __name__ == "__main__":
    sys.exit(main())
