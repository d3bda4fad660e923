"""An application that stands still, and one that is slow: nobody waits long in silence."""

import asyncio
import os
import signal
import sqlite3
import time

import pytest

from dialplan.contexts import SILENCE_MAX_S
from lab.paid_office import PaidOffice
from tests.live.conftest import FRANCE, StartOffice

pytestmark = pytest.mark.live

UK_LANDLINE = "02079460000"
SLACK_S = 4  # Asterisk looks once a second, and two phones share a busy machine


async def test_callers_of_an_application_that_stands_still_are_treated_as_if_it_were_away(
    start_office: StartOffice,
) -> None:
    async with (
        start_office() as paid,
        paid.office.phone("1001") as included,
        paid.office.phone("1002") as charged,
    ):
        os.kill(paid.application.pid, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            await included.dial(UK_LANDLINE)
            await charged.dial(FRANCE)
            await charged.wait_for("CALL_RTPESTAB", timeout_s=20)  # it hears that and why
            await included.wait_for("CALL_ESTABLISHED", timeout_s=20)
            assert time.monotonic() - began_s < SILENCE_MAX_S + SLACK_S
            closed = await charged.wait_for("CALL_CLOSED", timeout_s=20)
            assert closed.detail.startswith("503")
            assert [call.dialled for call in paid.office.carrier.calls()] == ["442079460000"]
            await included.hang_up()
        finally:
            os.kill(paid.application.pid, signal.SIGCONT)
        # It hears of both now. Neither is charged, and both are done with.
        heard = len(paid.application.entries())
        await charged.dial(FRANCE)
        await paid.application.wait_for("interval_debited", after=heard, timeout_s=20)
        assert sum(bool(call.debited.micros) for call in await paid.calls()) == 1


async def test_slow_ledger_and_a_long_prompt_cut_no_call_short(start_office: StartOffice) -> None:
    """Together they take longer than Asterisk waits for an application that says nothing."""
    async with start_office(opening="123456.78") as paid, paid.office.phone("1001") as phone:
        async with locked_ledger(paid):
            await phone.dial(FRANCE)
            await asyncio.sleep(4.5)  # what is tried here is time itself
        await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
        await phone.hang_up()


class locked_ledger:  # noqa: N801 - reads as what it is
    """Holds SQLite's write lock."""

    def __init__(self, paid: PaidOffice) -> None:
        self._file = paid.settings.database.url.removeprefix("sqlite:///")

    async def __aenter__(self) -> None:
        self._holder = await asyncio.to_thread(
            sqlite3.connect, self._file, timeout=30, check_same_thread=False
        )
        await asyncio.to_thread(self._holder.execute, "BEGIN EXCLUSIVE")

    async def __aexit__(self, *_: object) -> None:
        self._holder.rollback()
        self._holder.close()
