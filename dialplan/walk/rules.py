"""What `tollgate dialplan check` may say: every rule with its name, its weight and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """In the words of SARIF 2.1.0."""

    ERROR = "error"  # money or help is at risk
    WARNING = "warning"  # it cannot be told, or somebody should look
    NOTE = "note"  # good to know


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str
    level: Level
    says: str
    remedy: str


UNGATED = Rule(
    name="ungated",
    level=Level.ERROR,
    says="A number that costs money reaches a carrier, and nobody pays.",
    remedy="let the number pass the gate: docs/gate-placement.md",
)
UNGATED_AWAY = Rule(
    name="ungated-while-away",
    level=Level.ERROR,
    says="While the application is away, a number that costs money reaches a carrier.",
    remedy="hang up where STASISSTATUS is FAILED, as [tollgate-away] does",
)
CANNOT_TELL = Rule(
    name="cannot-tell",
    level=Level.WARNING,
    says="What the dialplan does there cannot be known without a call.",
    remedy="see for yourself that no carrier is dialled there",
)
FILE_CANNOT_TELL = Rule(
    name="file-cannot-tell",
    level=Level.WARNING,
    says="The files do not say all that Asterisk has loaded.",
    remedy="run this without --files, so that the running Asterisk is asked",
)
FILE_WRONG = Rule(
    name="file-wrong",
    level=Level.WARNING,
    says="Asterisk leaves a line out, or refuses a file.",
    remedy="correct the line; `dialplan reload` says so in Asterisk's log",
)
UNLIMITED = Rule(
    name="unlimited",
    level=Level.ERROR,
    says="A leg that is paid for does not end when its paid time is over, or may be forwarded.",
    remedy="option L of Dial as in [tollgate-trunk], and option i",
)
EMERGENCY_NOWHERE = Rule(
    name="emergency-nowhere",
    level=Level.ERROR,
    says="An emergency number reaches no carrier.",
    remedy="let emergency numbers be found before everything else: include => tollgate-emergency",
)
EMERGENCY_GATED = Rule(
    name="emergency-gated",
    level=Level.ERROR,
    says="An emergency call waits for the application.",
    remedy="let emergency numbers be found before everything else: include => tollgate-emergency",
)
EMERGENCY_CHANGED = Rule(
    name="emergency-changed",
    level=Level.ERROR,
    says="An emergency number is sent to the carrier as another number.",
    remedy="let emergency numbers be found before everything else: include => tollgate-emergency",
)
UNFILTERED = Rule(
    name="unfiltered-number",
    level=Level.ERROR,
    says="What a phone sends is dialled as it is, so a number with & in it dials twice.",
    remedy="Set(N=${FILTER(+0-9,${EXTEN})}), compare the lengths, and dial ${N}",
)
FEATURE_CLASH = Rule(
    name="feature-code-clash",
    level=Level.WARNING,
    says="A feature code of Tollgate is taken by something else.",
    remedy="give it another code in [agi.codes], or remove the other extension",
)
TRANSFER = Rule(
    name="transfer",
    level=Level.WARNING,
    says="A party of an outside call may transfer it with keys, away from who pays.",
    remedy="no option t or T in that Dial; [call] allow_transfer says what Tollgate expects",
)
DISA = Rule(
    name="disa",
    level=Level.WARNING,
    says="DISA lets whoever gets there dial on as a phone of the office.",
    remedy="remove it, or give it a password and a context with the gate alone",
)
SPY = Rule(
    name="spy",
    level=Level.WARNING,
    says="Somebody may listen to calls of others.",
    remedy="remove ChanSpy and ExtenSpy from what phones reach, or ask for a password before it",
)
PARKING = Rule(
    name="parking",
    level=Level.NOTE,
    says="A call may be parked, and be taken back at another phone than the one that pays.",
    remedy="the phone that began the call pays until it ends; take parking out to prevent it",
)
PAST_THE_HOOK = Rule(
    name="past-the-hook",
    level=Level.WARNING,
    says="A Dial to a trunk that FreePBX's hook before dialling never sees.",
    remedy="let nobody reach it, or put the gate in front of it: docs/freepbx.md",
)

RULES = (
    UNGATED, UNGATED_AWAY, CANNOT_TELL, FILE_CANNOT_TELL, FILE_WRONG, UNLIMITED, EMERGENCY_NOWHERE,
    EMERGENCY_GATED, EMERGENCY_CHANGED, UNFILTERED, FEATURE_CLASH, TRANSFER, DISA, SPY, PARKING,
    PAST_THE_HOOK,
)  # fmt: skip
