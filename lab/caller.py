"""Many calls at once, placed by SIPp: by a desk phone, or by the carrier calling the office."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import processes, sipp
from lab.errors import LabError
from lab.patience import patience
from telephony.tools import Telephony

# What may come instead of an answer; anything else is a defect, and SIPp reports it as such.
REFUSALS = (401, 403, 404, 408, 480, 484, 486, 487, 488, 500, 503, 603)
UNAUTHORISED = 401
FINISH_TIMEOUT_S = 60
CALLER_TONE_HZ = 660


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What to place. `calls` of them, `rate_per_s` new ones each second."""

    number: str | Sequence[str]  # one for all calls, or one for each, again from the first
    user: str  # the extension
    password: str = field(default="", repr=False)  # "": known by its address, as the carrier is
    calls: int = 1
    rate_per_s: int = 1
    talk_ms: int = 0  # then the caller hangs up; 0: the other side does
    ear_port: int = 0  # where what the callers hear is sent (lab/ears.py); 0: nobody listens
    acknowledges: bool = True  # the answer; False: as if every ACK were lost
    sound: bool = False  # sends some, from the answer on
    refresh_status: int = 200  # its answer where the office refreshes the session
    session_expires_s: int = 0  # asks the office to refresh the session; 0: asks for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """One call as its caller saw it; times are seconds since 1970."""

    sip_call_id: str
    dialled: str
    placed_at_s: float
    early_at_s: float | None = None  # sound may come from now on
    ringing_at_s: float | None = None
    sound_from_port: int | None = None  # of Asterisk's, for what this call hears
    answered_at_s: float | None = None
    ended_at_s: float | None = None
    ended_by: str | None = None  # "caller" or "other"
    refused_with: int | None = None

    @property
    def set_up_s(self) -> float:
        """From dialling to answer.

        Raises:
            LabError: it was not answered.
        """
        if self.answered_at_s is None:
            raise LabError(f"the call {self.sip_call_id} was not answered")
        return self.answered_at_s - self.placed_at_s


async def place_calls(  # noqa: PLR0913 - each is one setting, given by name
    telephony: Telephony,
    folder: Path,
    wanted: Calls,
    *,
    address: str,
    server: str,
    server_port: int = 5060,
    port: int = 5070,
    timeout_s: float = FINISH_TIMEOUT_S,
    silence_s: int | None = None,
) -> list[PlacedCall]:
    """Place the calls and wait for the end of the last one.

    `silence_s`: give a call up that hears nothing for so long, and say nothing of calls that went
    wrong: for trials in which Asterisk is broken on purpose.

    Raises:
        LabError: SIPp met something that has no place in a call, or the calls did not end in time.
    """
    _prepare(folder, wanted, broken_on_purpose=silence_s is not None)
    process = await processes.spawn(
        telephony.tool("sipp"),
        [
            *sipp.arguments(folder, name="caller", address=address, port=port),
            *("-inf", folder / "numbers.csv"),
            *("-m", str(wanted.calls), "-r", str(wanted.rate_per_s)),
            *("-l", str(wanted.calls)),
            *(("-recv_timeout", str(silence_s * 1000)) if silence_s else ()),
            f"{server}:{server_port}",
        ],
        folder=folder,
        output=folder / "caller.out",
    )
    try:
        async with patience(timeout_s):
            status = await process.wait()
    except TimeoutError:
        raise LabError(f"the calls did not end within {timeout_s} s") from None
    finally:
        await processes.kill(process)
    if status != 0 and silence_s is None:
        raise LabError(f"a call went wrong: {sipp.last_words(folder, name='caller')}")
    return list(_placed(folder / "caller.log").values())


def _prepare(folder: Path, wanted: Calls, *, broken_on_purpose: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scenario = sipp.render_scenario(
        "caller.xml",
        user=wanted.user,
        password=wanted.password,
        talk_ms=wanted.talk_ms,
        acknowledges=wanted.acknowledges,
        ear_port=wanted.ear_port,
        refusals=[s for s in REFUSALS if not (broken_on_purpose and s == UNAUTHORISED)],
        stray_challenges=broken_on_purpose and bool(wanted.password),
        session_expires_s=wanted.session_expires_s,
        refresh_line=sipp.status_line(wanted.refresh_status),
        audio=sipp.tone(folder / "caller.alaw", CALLER_TONE_HZ) if wanted.sound else None,
    )
    processes.write_private(folder / "caller.xml", scenario)
    numbers = [wanted.number] if isinstance(wanted.number, str) else wanted.number
    (folder / "numbers.csv").write_text("\n".join(["SEQUENTIAL", *numbers, ""]), encoding="utf-8")
    (folder / "caller.log").write_text("", encoding="utf-8")


def _placed(log: Path) -> dict[str, PlacedCall]:
    calls: dict[str, PlacedCall] = {}
    for note in sipp.notes(log):
        if note.what == "placed":
            call = PlacedCall(
                sip_call_id=note.sip_call_id, dialled=note.detail, placed_at_s=note.at_s
            )
        else:
            call = _advanced(calls[note.sip_call_id], note)
        calls[note.sip_call_id] = call
    return calls


def _advanced(call: PlacedCall, note: sipp.Note) -> PlacedCall:
    match note.what:
        case "ringing":
            return replace(call, ringing_at_s=call.ringing_at_s or note.at_s)
        case "early":
            port = int(note.detail) if note.detail else call.sound_from_port
            early_at_s = call.early_at_s or note.at_s
            return replace(call, early_at_s=early_at_s, sound_from_port=port)
        case "answered":
            port = int(note.detail) if note.detail else call.sound_from_port
            return replace(call, answered_at_s=note.at_s, sound_from_port=port)
        case "refused":
            return replace(call, ended_at_s=note.at_s, refused_with=int(note.detail))
        case "ended":
            return replace(call, ended_at_s=note.at_s, ended_by=note.detail)
    raise LabError(f"the caller's log holds a line that means nothing: {note.what}")
