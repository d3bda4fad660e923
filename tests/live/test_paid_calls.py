"""Paid calls, from the dial to the ledger; the carrier's own log is what is believed."""

from collections.abc import Sequence

import numpy as np
import pytest
import soundfile

from charging.entries import PostedEntry
from charging.money import Money
from lab.paid_office import PaidOffice
from lab.phone import Phone
from tests.live.conftest import (
    BUSY_NUMBER,
    CARRIER_ENDS_IT,
    FRANCE,
    PER_INCREMENT,
    SILENT_NUMBER,
    StartOffice,
    charged_as_billed,
    gbp,
    increments_of,
)
from trials.oracle import ended_with_its_money

pytestmark = pytest.mark.live

SPEECH_RMS = 0.01  # of full scale; silence is far below


def keys(entries: Sequence[PostedEntry]) -> list[str]:
    of_calls = [posted.entry for posted in entries if posted.entry.call_id]
    return [entry.key.rpartition(f"{entry.call_id}:")[2] for entry in of_calls]


def loudness(phone: Phone, *, first_s: float) -> float:
    """Root mean square of the beginning of what the phone heard, once it is switched off."""
    streams = [soundfile.read(file) for file in phone.recordings()]  # the first may be empty
    samples, rate = np.concatenate([samples for samples, _ in streams]), streams[0][1]
    return float(np.sqrt(np.mean(samples[: int(first_s * rate)] ** 2)))


async def settled(paid: PaidOffice) -> dict[str, object]:
    return dict(await paid.application.wait_for("call_settled"))


async def untouched(paid: PaidOffice, balance: str) -> bool:
    balances = await paid.balances()
    return balances.available == gbp(balance) and balances.reserved == gbp("0.00")


async def test_paid_call_is_announced_metered_by_increment_and_settled(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=1, timeout_s=30)
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        settlement = await settled(paid)
        (record,) = await paid.calls()
        assert charged_as_billed(record, call)
        count = increments_of(record)
        assert settlement["increments"] == count
        assert call.dialled == "33142685300"
        assert count >= 2
        charged = Money(PER_INCREMENT.micros * count, "GBP")
        assert settlement["charged_micros"] == charged.micros
        balances = await paid.balances()
        assert balances.available == gbp("10.00") - charged
        assert balances.reserved == gbp("0.00")
        debits = [key for key in keys(await paid.entries()) if key.startswith("debit")]
        assert debits == [f"debit:{n}" for n in range(count)]
    assert loudness(phone, first_s=1.5) > SPEECH_RMS


async def test_call_that_the_carrier_ends_is_charged_to_its_end(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(CARRIER_ENDS_IT)
        call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=30)
        assert call.ended_by == "carrier"
        await settled(paid)
        (record,) = await paid.calls()
        assert increments_of(record) >= 2
        assert charged_as_billed(record, call)


@pytest.mark.parametrize("number", [BUSY_NUMBER, SILENT_NUMBER])
async def test_call_that_nobody_answers_costs_nothing(
    start_office: StartOffice, number: str
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(number)
        await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert (await settled(paid))["charged_micros"] == 0
        assert await untouched(paid, "10.00")


async def test_caller_who_hangs_up_during_the_prompt_pays_nothing(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("balance_playing")
        await phone.hang_up()
        assert (await settled(paid))["charged_micros"] == 0
        assert paid.office.carrier.calls() == []
        assert await untouched(paid, "10.00")


async def test_key_skips_the_announcement(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("balance_playing")
        await phone.wait_for("CALL_RTPESTAB")
        await phone.press("1")
        await paid.application.wait_for("state", state="dialling", timeout_s=1)


async def test_site_that_announces_nothing_connects_at_once_and_charges_the_same(
    start_office: StartOffice,
) -> None:
    silent = {"prompts": {"announce": False}}
    async with start_office(settings=silent) as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=0)
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        await settled(paid)
        (record,) = await paid.calls()
        assert charged_as_billed(record, call)
        said = {entry["event"] for entry in paid.application.entries()}
        assert "balance_announced" not in said


async def test_lack_of_money_is_spoken_and_nothing_is_dialled(start_office: StartOffice) -> None:
    async with start_office(opening="0.03") as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        refused = await paid.application.wait_for("call_refused")
        await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert refused["code"] == "insufficient_balance"
        assert paid.office.carrier.calls() == []
        assert await untouched(paid, "0.03")
    assert loudness(phone, first_s=2) > SPEECH_RMS


async def test_call_ends_with_its_money_and_the_caller_hears_why(
    start_office: StartOffice,
) -> None:
    async with start_office(opening="0.08") as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=30)
        assert ended_with_its_money(call, 8)
        settlement = await settled(paid)
        assert settlement["charged_micros"] == 80_000
        await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert await untouched(paid, "0.00")
        dialplan = await paid.office.asterisk.cli("core show channels count")
        assert "0 active channels" in dialplan
