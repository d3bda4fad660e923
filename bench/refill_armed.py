"""What an armed refill costs a call that does not cross its threshold: refill off, and armed.

The same offices as in `bench.call_rate`, turn by turn at one rate. No processor knows the card:
nothing here ever charges it.
"""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.call_rate import compared, ms_per_call, of_application, rated_office, set_up_of
from bench.figures import Figure
from bench.ways import Way, p99
from charging.card_commands import ReplaceCard
from charging.card_processor import CardOnFile
from charging.money import parse_money
from charging.money_state import StoredCard
from charging.orders import Consent, refill_rule
from charging.refill_commands import SetRefill
from db.engine import open_engine
from db.ledger import SqlLedger
from lab.errors import LabError
from lab.paid_office import OFFICE_ID, PaidOffice
from lab.telephony import find_telephony

RATE_PER_S = 60
OFF = "refill off"
ARMED = "refill armed"
FRANCE = "0033142685300"


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        return asyncio.run(measure(Path(folder)))


async def measure(folder: Path) -> list[Figure]:
    telephony = find_telephony(lambda _: None)
    off, armed = (rated_office(telephony, folder / name) for name in ("off", "armed"))
    async with off, armed:
        await arm(armed)
        ways = {
            OFF: Way(off.office, FRANCE, off.application),
            ARMED: Way(armed.office, FRANCE, armed.application),
        }
        for way in ways.values():
            await way.step(RATE_PER_S)  # what is read once is read now
        found = await compared(ways, RATE_PER_S, folder)
        audit = await armed.audit()
        if audit.problems:
            raise LabError(f"the ledger is wrong: {audit.problems}")
    cpu = {name: ms_per_call(steps, of_application) for name, steps in found.steps.items()}
    part = cpu[ARMED] / cpu[OFF] - 1
    at = f"at {RATE_PER_S} calls/s"
    return [
        Figure(
            what=f"application's CPU per call {at}, {ARMED}",
            unit="ms",
            value=cpu[ARMED],
            beside=cpu[OFF],
            beside_what=OFF,
            goal=f"at most 3 % more; {100 * part:+.1f} %",
            met=part <= 0.03,  # noqa: PLR2004 - the goal
        ),
        Figure(
            what=f"set-up p99 {at}, {ARMED}",
            unit="ms",
            value=1000 * p99(set_up_of(found.steps[ARMED])),
            beside=1000 * p99(set_up_of(found.steps[OFF])),
            beside_what=OFF,
        ),
    ]


async def arm(office: PaidOffice) -> None:
    """Put a card on file and set the refill, as a manager does."""
    now = datetime.now(UTC)
    card = StoredCard(
        office_id=OFFICE_ID,
        processor="sandbox",
        card=CardOnFile(
            customer_id="bench",
            method_id="bench",
            brand="visa",
            last_four="4242",
            expiry_month=12,
            expiry_year=now.year + 2,
        ),
        added_by="user:bench",
        added_at=now,
    )
    rule = refill_rule(amount=parse_money("20", "GBP"), threshold=parse_money("10", "GBP"))
    consent = Consent(by="user:bench", at=now, words="Add £20 when my balance is below £10")
    async with SqlLedger(open_engine(office.settings.database.url)) as ledger:
        await ledger.carry_out(ReplaceCard(card=card, at=now))
        await ledger.carry_out(SetRefill(office_id=OFFICE_ID, rule=rule, consent=consent, at=now))
