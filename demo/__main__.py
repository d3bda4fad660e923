"""`make run`: one real paid call through a real Asterisk, explained as it happens."""

import asyncio
import contextlib
import fcntl
import json
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from rich.console import Console

from admin.amounts import shown
from admin.checks.account import LOW_MICROS
from assembly.charging import AssemblyError
from charging.entries import REVENUE, PostedEntry
from charging.errors import ChargingError
from charging.ledger import Balances
from charging.money import Money
from charging.rates import Rate, charge_for
from demo.managers_pages import (
    SignIn,
    live_a_month,
    managers_pages,
    sections_for,
    write_phones,
)
from demo.narrator import Narrator
from dialplan.phones import PhonesError, load_phones
from dialplan.render import AsteriskConfig, RenderError
from lab.addresses import GivenAddresses
from lab.application import Entry
from lab.carrier import CarrierCall
from lab.errors import LabError
from lab.instance import PortTakenError
from lab.paid_office import PaidOffice, make_paid_office
from lab.phone import Phone
from lab.telephony import find_telephony
from plans.files import SAMPLE_DECKS
from settings import SettingsError
from telephony.tools import TelephonyError

app = typer.Typer()

NUMBER = "0033612345678"  # a mobile in France: not in the UK plan
TALK_S = 65  # into the second billed minute
CURRENCY = "GBP"
OPENING = Money(10_000_000, CURRENCY)
LOW = Money(2 * LOW_MICROS, CURRENCY)  # so that the doctor does not warn after a call or two
DECK = SAMPLE_DECKS / "sample-gbp.csv"
QUIET_TIMEOUT_S = 90
SHOWN_PHONES = 3
REFUSED = (
    AssemblyError,
    ChargingError,
    LabError,
    PhonesError,
    RenderError,
    SettingsError,
    TelephonyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    sip_address: str
    sip_port: int
    http_port: int
    ami_port: int
    carrier_address: str

    def of(self, config: AsteriskConfig) -> AsteriskConfig:
        return replace(
            config, sip_port=self.sip_port, http_port=self.http_port, ami_port=self.ami_port
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What the one call came to, by the ledger and by the carrier."""

    number: str
    before: Balances
    after: Balances
    entries: Sequence[PostedEntry]
    settled: Entry
    rate: Rate
    carrier: CarrierCall

    @property
    def debited(self) -> Money:
        """What left the account for good, by the postings."""
        moved = 0
        for posted in self.entries:
            for posting in posted.entry.postings:
                moved += posting.amount.micros * (
                    (posting.target == REVENUE) - (posting.source == REVENUE)
                )
        return Money(moved, CURRENCY)

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Where the ledger and the carrier's own log do not say the same."""
        owed = charge_for(math.ceil(self.carrier.talk_s), self.rate)
        found = {
            f"the carrier saw {self.carrier.talk_s:.3f} s, worth {owed}, and {self.debited} was"
            " debited": self.debited != owed,
            "the balance did not fall by what was debited": self.before.available
            - self.after.available
            != self.debited,
            "money is still reserved": self.after.reserved != self.before.reserved,
            "an entry was posted twice": len({e.entry.key for e in self.entries})
            != len(self.entries),
        }
        return tuple(problem for problem, is_so in found.items() if is_so)

    def summary(self) -> dict[str, object]:
        return {
            "number": self.number,
            "talk_s": self.settled["talk_s"],
            "billed_minutes": self.settled["increments"],
            "debited_micros": self.debited.micros,
            "balance_before_micros": self.before.available.micros,
            "balance_after_micros": self.after.available.micros,
            "currency": CURRENCY,
            "ledger_ok": not self.disagreements,
        }


@app.command()
def demo(  # noqa: PLR0913 - each is one option
    *,
    once: Annotated[bool, typer.Option("--once", help="Exit after the one call.")] = False,
    talk_s: Annotated[int, typer.Option(min=1, max=3600, help="How long the call talks.")] = TALK_S,
    number: Annotated[str, typer.Option(help="What the desk phone dials.")] = NUMBER,
    folder: Annotated[Path, typer.Option(help="Where it keeps its state.")] = Path(
        ".tollgate/demo"
    ),
    sip_address: Annotated[
        str, typer.Option(envvar="TOLLGATE_ASTERISK__SIP_ADDRESS", help="Where phones register.")
    ] = "127.0.0.1",
    sip_port: Annotated[int, typer.Option(envvar="TOLLGATE_ASTERISK__SIP_PORT")] = 5060,
    http_port: Annotated[int, typer.Option(envvar="TOLLGATE_ASTERISK__HTTP_PORT")] = 8088,
    ami_port: Annotated[int, typer.Option(envvar="TOLLGATE_ASTERISK__AMI_PORT")] = 5038,
) -> None:
    """One paid call through a real Asterisk, explained as it happens.

    Starts Asterisk, a simulated carrier and the application, lets a simulated desk phone call a
    number abroad, and compares the ledger with the carrier's own log. Then it stays up, so that a
    softphone can register; Ctrl-C stops everything. With --once it exits after the call, with
    status 0 only if ledger and carrier agree; its last line is one JSON object.
    """
    ports = Ports(
        sip_address=sip_address,
        sip_port=sip_port,
        http_port=http_port,
        ami_port=ami_port,
        carrier_address=carrier_beside(sip_address),
    )
    try:
        with only_one(folder):
            agrees = asyncio.run(_run(folder.absolute(), ports, number, talk_s, once=once))
    except PortTakenError as error:
        setting = f"TOLLGATE_ASTERISK__{error.setting.upper()}"
        fail(f"{error} (for example: {setting}={error.port + 10000} make run)")
    except REFUSED as error:
        fail(str(error))
    raise typer.Exit(0 if agrees else 1)


def carrier_beside(address: str) -> str:
    """The simulated carrier never leaves this machine, wherever the phones register."""
    loopback = address.startswith("127.")
    return f"{address.rpartition('.')[0]}.2" if loopback else "127.0.0.2"


def fail(sentence: str) -> None:
    sys.stderr.write(f"tollgate: {sentence}\n")
    raise typer.Exit(1)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel lets go of it when this process ends, however it ends.

    Raises:
        LabError: another demonstration has it, or the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "demonstration.lock").open("w")
    except OSError as error:
        raise LabError(f"the folder {folder} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                f"a demonstration is already running in {folder}; stop it with Ctrl-C first"
            ) from None
        yield


async def _run(folder: Path, ports: Ports, number: str, talk_s: int, *, once: bool) -> bool:
    """Whether ledger and carrier agree. Ctrl-C and SIGTERM stop everything that was started."""
    stop_on_signals()
    out = Console(highlight=False, soft_wrap=True)
    telephony = find_telephony(out.print)
    version = ".".join(map(str, telephony.asterisk_version))
    out.print(f"Starting Asterisk {version}, a simulated carrier and the application …")
    phones_file = folder / "phones.toml"
    write_phones(phones_file)
    paid = make_paid_office(
        telephony,
        folder,
        deck=DECK.read_text(encoding="utf-8"),
        opening=None,
        settings={
            "site": {"phones_file": str(phones_file)},
            **sections_for(ports.sip_address),
        },
        addresses=GivenAddresses(asterisk=ports.sip_address, carrier=ports.carrier_address),
        adapt=ports.of,
        phones=load_phones(phones_file),
    )
    agrees = False
    with contextlib.suppress(asyncio.CancelledError):
        async with paid:
            if await live_a_month(paid):
                out.print("Wrote a month of the office's calls, so that there is one to look at.")
            await _fill(paid, out)
            demonstration = await _one_call(paid, number, talk_s, out)
            agrees = _report(demonstration, out)
            if not once:
                async with paid.feature_codes, managers_pages(paid) as sign_in:
                    await _stay_up(paid, sign_in, out)
            print(json.dumps(demonstration.summary()))  # noqa: T201 - for programs to read
        return agrees
    out.print("Stopped; no process is left behind.")
    return agrees


def stop_on_signals() -> None:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _fill(paid: PaidOffice, out: Console) -> None:
    balances = await paid.balances()
    if balances.available < LOW:
        await paid.top_up(OPENING)
        out.print(f"Topped up the Prepaid Account with {shown(OPENING.micros, CURRENCY)}.")


async def _one_call(paid: PaidOffice, number: str, talk_s: int, out: Console) -> Demonstration:
    before = await paid.balances()
    out.print(f"Balance before the call: {shown(before.available.micros, CURRENCY)}")
    async with paid.office.phone("1001") as phone:
        out.print(f"\nDesk phone 1001 (registered, G.722) dials {number}.")
        first_line = len(paid.application.entries())
        await phone.dial(number)
        talking = asyncio.create_task(_talk(phone, talk_s))
        try:
            told = await _narrate(paid, first_line, out)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        authorised, settled = told["call_authorised"], told["call_settled"]
        carrier = await paid.office.carrier.wait_for(lambda call: call.ended)
        await phone.wait_for("CALL_CLOSED")
        await phone.heard_since({})  # a phone says so before all it heard is on disk
        out.print(f"\nWhat the phone heard: {_keep_recording(phone, paid.office.folder)}")
    return Demonstration(
        number=number,
        before=before,
        after=await paid.balances(),
        entries=await paid.entries(str(settled["call_id"])),
        settled=settled,
        rate=_rate_of(authorised),
        carrier=carrier,
    )


async def _talk(phone: Phone, talk_s: int) -> None:
    """The person at the desk: talks for a while, then hangs up."""
    await phone.wait_for("CALL_ESTABLISHED", timeout_s=QUIET_TIMEOUT_S)
    await asyncio.sleep(talk_s)
    await phone.hang_up()


async def _narrate(paid: PaidOffice, first_line: int, out: Console) -> dict[str, Entry]:
    """Say what happens until the call is settled; every kind of entry's last one.

    Raises:
        LabError: the call was refused.
    """
    narrator, told = Narrator(), dict[str, Entry]()
    lines = paid.application.follow(after=first_line, timeout_s=QUIET_TIMEOUT_S)
    async for entry in lines:
        sentence = narrator.sentence(entry)
        if sentence is not None:
            clock = datetime.now().astimezone().strftime("%H:%M:%S")
            out.print("\n".join(f"  {clock}  {line}" for line in sentence.splitlines()))
        told[str(entry["event"])] = entry
        if entry["event"] == "call_settled":
            break
        if entry["event"] == "call_refused":
            raise LabError("the call was refused, so there is nothing to demonstrate")
    await lines.aclose()
    return told


def _rate_of(authorised: Entry) -> Rate:
    return Rate(
        per_minute=Money(int(authorised["per_minute_micros"]), CURRENCY),
        connection_charge=Money(int(authorised["connection_micros"]), CURRENCY),
        per_call=Money(int(authorised["per_call_micros"]), CURRENCY),
        initial_s=int(authorised["initial_s"]),
        increment_s=int(authorised["increment_s"]),
    )


def _keep_recording(phone: Phone, folder: Path) -> Path:
    """Every stream of sound the phone heard, one after another, in one file that is kept."""
    streams = [soundfile.read(file) for file in phone.recordings()]
    moment = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    kept = folder / "recordings" / f"heard-{moment}.wav"
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    soundfile.write(kept, np.concatenate([samples for samples, _ in streams]), streams[0][1])
    return kept


def _report(demonstration: Demonstration, out: Console) -> bool:
    out.print("\nThe ledger, entry by entry:")
    for entry in (posted.entry for posted in demonstration.entries):
        for posting in entry.postings:
            name = str(entry.key).rpartition(f"{entry.call_id}:")[2]
            amount = shown(posting.amount.micros, CURRENCY)
            out.print(f"  {name:12} {amount:>9}  {posting.source} → {posting.target}")
    carrier = demonstration.carrier
    out.print(
        f"\nThe carrier's own log: {carrier.dialled}, {carrier.talk_s:.3f} s from answer to end."
    )
    out.print(f"Balance after the call: {shown(demonstration.after.available.micros, CURRENCY)}")
    for problem in demonstration.disagreements:
        out.print(f"The ledger is WRONG: {problem}.")
    if not demonstration.disagreements:
        out.print("Ledger and carrier agree.")
    return not demonstration.disagreements


async def _stay_up(paid: PaidOffice, sign_in: SignIn, out: Console) -> None:
    config, codes = paid.office.config, paid.settings.agi.codes
    out.print(
        f"\nEverything stays up. The manager's portal: {sign_in.url}\n"
        f"  mail address {sign_in.mail_address}, password {sign_in.password}\n"
        "  cards are charged by a sandbox, no money is real; the month ended with a card that had"
        f" expired, which paused the refill; a card that works: {sign_in.test_card}"
    )
    out.print("Register a softphone (SIP, UDP) and call a number yourself:")
    for phone in config.phones[:SHOWN_PHONES]:
        out.print(
            f"  user {phone.endpoint}, password {config.secrets.phones[phone.endpoint]},"
            f" server {config.sip_address}:{config.sip_port}"
        )
    out.print(
        f"Dial {codes.balance} to hear the balance, {codes.price} a price, {codes.last_call} the"
        f" cost of your last call; {codes.language} switches the language."
    )
    out.print("Ctrl-C stops everything.")
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    app()
