"""The end of the money: who hears what, and when; and that nobody else is touched."""

from datetime import datetime

import pytest

from lab.carrier import ANSWERS, Behaviour, Rule
from lab.far_end import far_end
from lab.paid_office import PaidOffice
from lab.phone import Phone
from prompts.phrases import funds_exhausted_phrase, low_balance_phrase, top_up_received_phrase
from tests.live.conftest import FRANCE, StartOffice, gbp
from tests.live.hearing import clips_heard
from trials.oracle import ended_with_its_money

pytestmark = [pytest.mark.live, pytest.mark.hearing]

FAR_END_PORT = 30000
LISTENS = Behaviour(name="listens", media_port=FAR_END_PORT)
RULES = (Rule("33142685300", LISTENS), Rule("49.*", ANSWERS))
GERMANY = "0049301234567"
HALF_MINUTES = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France landline,0.60,0,0,30,30
49,Germany landline,0.60,0,0,600,600
"""
SILENCE = 0.002  # of full scale; a whisper is a hundred times louder

LOW = low_balance_phrase(0, "en")
ADDED = top_up_received_phrase("en")
OVER = funds_exhausted_phrase("en")
WARNINGS = (LOW, ADDED, OVER)


async def connect(paid: PaidOffice, phone: Phone, number: str) -> str:
    """Dial, skip the announcement, and return the call's id when it is answered."""
    logged = len(paid.application.entries())
    await phone.dial(number)
    await paid.application.wait_for("balance_playing", after=logged)
    await phone.wait_for("CALL_RTPESTAB")
    await phone.press("1")
    debited = await paid.application.wait_for("interval_debited", after=logged, interval=0)
    return str(debited["call_id"])


async def test_caller_alone_is_warned_ahead_and_told_why_the_call_ended(
    start_office: StartOffice,
) -> None:
    """Half-minute increments: the warning comes half of one ahead, and the end after thirty s."""
    async with (
        start_office(opening="6.30", deck=HALF_MINUTES, rules=RULES) as paid,
        far_end(paid.office.addresses.carrier, FAR_END_PORT) as ear,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        untouched = await connect(paid, other, GERMANY)
        ending = await connect(paid, phone, FRANCE)
        warned = await paid.application.wait_for("money_ending", call_id=ending, timeout_s=25)
        call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=25)
        assert call.dialled == "33142685300"
        assert call.answered_at_s is not None
        warned_at_s = datetime.fromisoformat(warned["timestamp"]).timestamp()
        assert 14.5 < warned_at_s - call.answered_at_s < 20  # in time to be heard
        assert ended_with_its_money(call, 30)
        await phone.wait_for("CALL_CLOSED", timeout_s=15)
        # The other call: still up, and nobody warned it.
        assert [c.ended for c in paid.office.carrier.calls()] == [False, True]
        said_to_other = [e["event"] for e in paid.application.entries()].count("money_ending")
        assert said_to_other == 1
        await other.hang_up()
        settled = await paid.application.wait_for("call_settled", call_id=untouched)
        assert settled["charged_micros"] == gbp("6.00").micros
        assert ear.heard_s > 25
        assert ear.loudest() < SILENCE
    assert clips_heard(phone, WARNINGS) == LOW.clips + OVER.clips


async def test_top_up_lengthens_the_call_and_the_warned_caller_hears_of_it(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(opening="0.08", rules=RULES) as paid,
        far_end(paid.office.addresses.carrier, FAR_END_PORT) as ear,
        paid.office.phone("1001") as phone,
    ):
        ending = await connect(paid, phone, FRANCE)
        await paid.application.wait_for("money_ending", call_id=ending)
        await paid.top_up(gbp("1.00"))
        await paid.application.wait_for("interval_debited", interval=2, timeout_s=15)
        await phone.hear(2)
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.talk_s > 8
        assert ear.heard_s > 7
        assert ear.loudest() < SILENCE
    assert clips_heard(phone, WARNINGS) == LOW.clips + ADDED.clips
