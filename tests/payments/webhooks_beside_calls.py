"""`python -m tests.payments.webhooks_beside_calls 10000 20`: webhooks while an office calls.

A worker of its own takes and handles them, on the ledger from which a laboratory's office pays for
twenty calls a second meanwhile. The carrier's log judges the calls, as in `trials.soak`; what was
credited is judged as in any other storm.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from lab.application import Application
from lab.carrier import CarrierCall
from lab.paid_office import Sections
from lab.postgresql import running_server
from lab.sandbox import PROGRAM, Sandbox
from lab.telephony import find_telephony
from payments.keys import sandbox_keys
from tests.payments.webhook_storm import Storm, drawn, send, wrongly_credited
from tests.payments.webhooks_on_databases import OnDatabase, on_database
from trials.chaos import office_under_trial, until_quiet
from trials.evidence import kept_if_wrong
from trials.numbers import draw_numbers
from trials.oracle import judge
from trials.soak import SoakPlan, failed_calls, place

WEBHOOKS_PER_S: Final = 40  # what they are thought to need, so that calls go on all the while
FIRST_CALL_S: Final = 60.0
HANDLED_WITHIN_S: Final = 300.0
LOOK_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StormOutcome:
    webhooks: int
    paid: int
    handled_s: float
    placed: int
    placed_meanwhile: int
    answered: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.webhooks} webhooks handled in {self.handled_s:.0f} s, {self.paid} payments"
            f" paid; {self.placed} calls placed, {self.placed_meanwhile} of them meanwhile,"
            f" {self.answered} answered; {len(self.problems)} wrong"
        )


async def storm_beside_calls(
    count: int, rate_per_s: int, settings: Sections, folder: Path
) -> StormOutcome:
    sandbox = Sandbox.in_folder(folder / "sandbox")
    payments = sandbox.payments
    sections = {
        **settings,
        "payments": {
            "sandbox_folder": str(payments.sandbox_folder),
            "sandbox_port": payments.sandbox_port,
            "port": payments.port,
        },
    }
    (secret,) = sandbox_keys(payments.sandbox_folder).webhook_secrets
    plan = SoakPlan(minutes=count / WEBHOOKS_PER_S / 60, rate_per_s=rate_per_s, seed=count)
    numbers = draw_numbers(Random(plan.seed), plan.calls)  # noqa: S311 - to be repeated
    storm = drawn(count, seed=count, secret=secret)
    paid = office_under_trial(find_telephony(lambda _: None), folder, sections)
    async with (
        paid,
        Application(paid.settings_file, folder / "sandbox-log", module=PROGRAM),
        on_database(paid.settings.database.url) as crediting,
    ):
        await crediting.begin(storm.payments)
        async with Application(paid.settings_file, folder / "worker", module="payments"):
            calling = asyncio.create_task(place(paid, numbers, plan))
            await paid.office.carrier.wait_for(_answered, timeout_s=FIRST_CALL_S)
            began_s, before = time.monotonic(), len(paid.office.carrier.calls())
            answers = await _sent_and_handled(storm, payments.port, secret, crediting)
            handled_s = time.monotonic() - began_s
            meanwhile = len(paid.office.carrier.calls()) - before
            outlasted = calling.done()
            placed = await calling
            await until_quiet(paid)
        verdict = judge(paid.office.carrier.calls(), await paid.calls())
        audit = await paid.audit()
        credited = await wrongly_credited(storm, crediting)
    failed = failed_calls(placed, numbers, verdict)
    return StormOutcome(
        webhooks=count,
        paid=len(storm.paid),
        handled_s=handled_s,
        placed=len(placed),
        placed_meanwhile=meanwhile,
        answered=verdict.answered,
        problems=(
            *answers,
            *credited,
            *verdict.problems,
            *audit.problems,
            *([f"{failed} calls failed"] if failed else []),
            *(["the webhooks outlasted the calls"] if outlasted else []),
        ),
    )


def _answered(call: CarrierCall) -> bool:
    return call.answered


async def _sent_and_handled(
    storm: Storm, port: int, secret: str, crediting: OnDatabase
) -> Sequence[str]:
    answers = await send(storm, port, secret)
    async with asyncio.timeout(HANDLED_WITHIN_S):
        while await crediting.left():  # noqa: ASYNC110 - another program's records
            await asyncio.sleep(LOOK_EVERY_S)
    return answers


async def main(count: int, rate_per_s: int) -> int:
    """On both databases; how much is wrong."""
    wrong = 0
    with running_server(durable=True) as server:
        for name, settings in (
            ("sqlite", {}),
            ("postgresql", {"database": {"url": server.url()}}),
        ):
            outcome = await kept_if_wrong(
                "webhooks",
                partial(storm_beside_calls, count, rate_per_s, settings),
                print,
            )
            print(f"{name}: {outcome}")  # noqa: T201 - the result of a command
            for problem in outcome.problems[:20]:
                print(f"  {problem}")  # noqa: T201 - the result of a command
            wrong += len(outcome.problems)
    return wrong


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))) else 0)
