"""Does `tollgate doctor` name each fault an admin may make, and nothing where there is none?

`python -m tests.live.doctor` tries them all: `make doctor-faults`; with names, those alone.

One running office written by hand, on a real Asterisk: each fault of `doctor_faults.py` is put
in alone, the doctor is asked, and the fault is taken out; where the fault is one of the dialplan,
`tollgate dialplan check` has to name it as well. Then the sound offices of `doctor_sound.py`, of
which neither may say that anything is wrong.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from admin import doctor
from admin.checks import asterisk
from admin.checks.findings import Status
from admin.doctor import ASTERISK, MACHINE, SITE, Found, carry_out, examine
from dialplan.walk.rules import Level
from lab.addresses import AddressBlock
from lab.admins_office import admins_office
from lab.errors import LabError
from lab.paid_office import PaidOffice, Sections
from lab.telephony import find_telephony
from settings import SETTINGS_VARIABLE, load_settings
from telephony.tools import Telephony
from tests.live.dialplan_checked import Named, checked, named
from tests.live.doctor_faults import FAULTS
from tests.live.doctor_sound import OF_THE_DEMONSTRATION, SOUND, TRUNKS, paid_office
from tests.live.injected import PHONES as PHONES_FILE
from tests.live.injected import Fault, Patient, Said, call_for_help

REPOSITORY = Path(__file__).parents[2]
HEARD = frozenset({"prompts", "engines"})  # they read two thousand sounds, so only where it matters
DEMONSTRATION = "our own demonstration"
DEMO_TIMEOUT_S = 60
PATIENCE_S = 60  # of the doctor


SoundOffice = Callable[[Telephony, Path], AbstractAsyncContextManager[PaidOffice]]


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
            with _settings_of(patient.paid.settings_file):
                before = {*map(named, await checked(patient.paid))}
            possible = [each for each in faults if not each.needs_root or os.geteuid() == 0]
            outcomes = [
                await _tried(fault, patient, before, everything=everything) for fault in possible
            ]
            left = _unsaid(await _asked(patient.paid.settings_file, everything=True), ())
            return [*outcomes, Outcome(name="every fault taken out", wrong=left, seconds=0)]


async def _tried(
    fault: Fault, patient: Patient, before: AbstractSet[Named], *, everything: bool
) -> Outcome:
    began = time.monotonic()
    async with fault.inject(patient):
        found = await _asked(patient.paid.settings_file, everything=everything or fault.heard)
        wrong = [*_unsaid(found, fault.says)]
        if fault.checks:
            wrong += await _unchecked(patient, before, fault.checks)
    return Outcome(name=fault.name, wrong=wrong, seconds=time.monotonic() - began)


async def _unchecked(
    patient: Patient, before: AbstractSet[Named], rules: Sequence[str]
) -> Sequence[str]:
    """What `dialplan check` had to name, in which file and line, and did not."""
    with _settings_of(patient.paid.settings_file):
        found = await checked(patient.paid)
    new = [each for each in found if named(each) not in before]
    without = [
        f"no file and line: {each['message']}" for each in new if each["place"] and not each["line"]
    ]
    rules_found = {each["rule"] for each in new}
    if rules_found == set(rules):
        return without
    return [f"dialplan check names {sorted(rules_found)}, not {sorted(rules)}", *without]


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
    paid = paid_office(telephony, office, decks=("gbp",), sections=sections)
    async with paid, admins_office(paid) as second, paid.feature_codes:
        _open_to_all(office)
        patient = Patient(paid=paid, second=second, sections=sections)
        await call_for_help(paid)
        yield patient


def _open_to_all(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


# --- sound offices --------------------------------------------------------------------------------


async def run_sound(names: Sequence[str] | None = None) -> Sequence[Outcome]:
    """Offices that differ in all that may differ, of which there is nothing to say."""
    outcomes = []
    for name, office in _sound_offices().items():
        if names is None or name in names:
            with tempfile.TemporaryDirectory(prefix="tollgate-doctor-") as folder:
                began = time.monotonic()
                async with office(find_telephony(_quiet), Path(folder)) as paid:
                    says = SOUND[name].says if name in SOUND else ()
                    wrong = [*_unsaid(await _asked(paid.settings_file, everything=True), says)]
                    with _settings_of(paid.settings_file):
                        wrong += [
                            f"dialplan check says {each['rule']}: {each['message']}"
                            for each in await checked(paid)
                            if each["level"] == Level.ERROR
                        ]
                seconds = time.monotonic() - began
                outcomes.append(Outcome(name=name, wrong=wrong, seconds=seconds))
    return outcomes


async def run_demonstration() -> Outcome:
    """`make run`, once its call is over: of its Asterisk the doctor alone is asked."""
    with tempfile.TemporaryDirectory(prefix="tollgate-doctor-") as folder:
        began = time.monotonic()
        async with _demonstration(Path(folder)) as settings_file:
            wrong = _unsaid(await _asked(settings_file, everything=True), OF_THE_DEMONSTRATION)
        seconds = time.monotonic() - began
    return Outcome(name=DEMONSTRATION, wrong=wrong, seconds=seconds)


@asynccontextmanager
async def _demonstration(folder: Path) -> AsyncIterator[Path]:
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
async def _written_by_hand(telephony: Telephony, folder: Path) -> AsyncIterator[PaidOffice]:
    async with _patient(telephony, folder) as patient:
        yield patient.paid


def _sound_offices() -> Mapping[str, SoundOffice]:
    return {
        "an office written by hand, on the UK plan": _written_by_hand,
        **{name: office.running for name, office in SOUND.items()},
    }


async def _all_of(names: Sequence[str]) -> Sequence[Outcome]:
    wanted = [fault for fault in FAULTS if not names or fault.name in names]
    faults = await run_faults(wanted) if wanted else ()
    demonstration = (await run_demonstration(),) if not names or DEMONSTRATION in names else ()
    return [*faults, *demonstration, *await run_sound(names or None)]


def main(names: Sequence[str]) -> int:
    outcomes = asyncio.run(_all_of(names))
    for outcome in outcomes:
        verdict = "WRONG" if outcome.wrong else "right"
        sys.stdout.write("\n  ".join([f"{verdict}  {outcome.name}", *outcome.wrong]) + "\n")
    wrong_ones = sum(bool(outcome.wrong) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    sys.stdout.write(
        f"{len(FAULTS)} faults, {sum(bool(each.checks) for each in FAULTS)} of them named by"
        f" `dialplan check` too, and {len(_sound_offices())} sound offices in {seconds:.0f} s:"
        f" {wrong_ones} wrong\n"
    )
    return 1 if wrong_ones else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
