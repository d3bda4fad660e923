"""Numbers that say what is to become of a call: its billing increment, and how long it talks.

A call to France, `33` `A` `1` `NNNNN` `TT`: A is the area, and with it the billing increment; NNNNN
makes the number unique; TT is how long the carrier talks.
"""

from dataclasses import dataclass
from random import Random

from lab.carrier import BUSY, NEVER_ANSWERS, Rule, hangs_up_after

INCREMENT_S = {"1": 2, "2": 3, "4": 4, "5": 6}  # by area
PER_MINUTE_MICROS = 600_000
# Never on a whole second: there the carrier's clock and Asterisk's may differ by a millisecond.
TALK_MS = (700, 1_500, 2_500, 3_400, 4_600, 5_500, 6_400, 7_500, 9_400, 11_500)
BUSY_CODE, SILENT_CODE = "98", "99"

DECK = "prefix,destination,per_minute,connection,per_call,initial_s,increment_s\n" + "".join(
    f"33{area},France {seconds} s,0.60,0,0,{seconds},{seconds}\n"
    for area, seconds in INCREMENT_S.items()
)
RULES = (
    *(Rule(f"33.*{code:02d}", hangs_up_after(talk_ms)) for code, talk_ms in enumerate(TALK_MS)),
    Rule(f"33.*{BUSY_CODE}", BUSY),
    Rule(f"33.*{SILENT_CODE}", NEVER_ANSWERS),
)


@dataclass(frozen=True, slots=True)
class TrialNumber:
    digits: str  # E.164, as the carrier and the ledger have it

    @property
    def dialled(self) -> str:
        return f"00{self.digits}"

    @property
    def carrier_talks_s(self) -> float | None:
        """How long the carrier talks; None: it does not answer."""
        code = int(self.digits[-2:])
        return TALK_MS[code] / 1000 if code < len(TALK_MS) else None

    @property
    def increment_s(self) -> int:
        return INCREMENT_S[self.digits[2]]

    @property
    def increment_micros(self) -> int:
        return PER_MINUTE_MICROS * self.increment_s // 60


def draw_numbers(random: Random, count: int) -> list[TrialNumber]:
    """As many different numbers: mostly answered, some busy, some never answered."""
    codes = [f"{code:02d}" for code in range(len(TALK_MS))] * 4 + [BUSY_CODE, SILENT_CODE]
    return [
        TrialNumber(f"33{random.choice(list(INCREMENT_S))}1{n:05d}{random.choice(codes)}")
        for n in range(count)
    ]
