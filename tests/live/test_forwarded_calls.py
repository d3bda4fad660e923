"""Calls that a forward, a queue or a follow-me places: who pays, where the admin allows it."""

import asyncio

import pytest

from lab.paid_office import PaidOffice
from lab.raw_phone import Answer, RawPhone, Talk
from tests.live.administrator import add_dialplan
from tests.live.conftest import (
    FRANCE,
    INCREMENT_S,
    PER_INCREMENT,
    StartOffice,
    charged_as_billed,
    gbp,
)
from trials.oracle import ended_with_its_money

pytestmark = pytest.mark.live

ALLOWED = {"call": {"forwarded_calls": True}}
DIGITS = FRANCE.removeprefix("00")
# What an admin writes. The phone 1002 forwards; 6000 does so without saying who pays.
FORWARDS = f"""
[office]
exten => 6000,1,Dial(Local/{FRANCE}@office,20)
exten => 6001,1,Set(_TOLLGATE_PAYER=1002)
 same => n,Dial(Local/{FRANCE}@office,20)
exten => 6002,1,Set(_TOLLGATE_PAYER=1002)
 same => n,Dial(Local/{FRANCE}@office/n,20)
exten => 6003,1,Set(_TOLLGATE_PAYER=1002)
 same => n,Queue(forwarded,r,,,20)
exten => 6004,1,Set(_TOLLGATE_PAYER=1002)
 same => n,FollowMe(forwarded,N)
"""
QUEUES = f"[forwarded]\nstrategy = ringall\nmember => Local/{FRANCE}@office\n"
FOLLOW_ME = f"""[general]
enable_callee_prompt = no
[forwarded]
context = office
number => {FRANCE},20
"""
WAYS = {"forward": "6001", "forward kept": "6002", "queue": "6003", "follow-me": "6004"}


async def let_forward(paid: PaidOffice) -> None:
    etc = paid.office.config.folder / "etc"
    (etc / "queues.conf").write_text(QUEUES, encoding="utf-8")
    (etc / "followme.conf").write_text(FOLLOW_ME, encoding="utf-8")
    for module in ("app_queue", "app_followme"):
        await paid.office.asterisk.cli(f"module load {module}.so")
    await add_dialplan(paid, FORWARDS)


async def dial(phone: RawPhone, extension: str) -> Answer | Talk:
    return await phone.call(f"sip:{extension}@{phone.domain}")


@pytest.mark.parametrize("way", WAYS)
async def test_forwarded_call_is_paid_by_the_phone_that_forwards(
    start_office: StartOffice, way: str
) -> None:
    async with start_office(settings=ALLOWED) as paid, paid.office.raw_phone("1001") as phone:
        await let_forward(paid)
        talk = await dial(phone, WAYS[way])
        assert isinstance(talk, Talk)
        await paid.application.wait_for("interval_debited", interval=1)
        await talk.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        await paid.application.wait_for("call_settled")
        (record,) = await paid.calls()
        assert (record.endpoint, record.number) == ("1002", DIGITS)
        assert charged_as_billed(record, call)
        assert [call.dialled for call in paid.office.carrier.calls()] == [DIGITS]
        said = {entry["event"] for entry in paid.application.entries()}
        assert "balance_announced" not in said  # the caller may be a stranger


async def test_call_from_the_carrier_is_forwarded_and_paid(start_office: StartOffice) -> None:
    """A stranger rings the office and is forwarded: neither the balance nor its end is told."""
    async with start_office(settings=ALLOWED, opening="0.06") as paid:
        await let_forward(paid)
        await add_dialplan(paid, "\n[from-trunk](+)\nexten => 442079460199,1,Goto(office,6001,1)\n")
        placed = await paid.office.carrier.call(
            paid.office.config.sip_address, "442079460199", talk_ms=8000
        )
        assert placed.answered_at_s is not None
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert ended_with_its_money(call, INCREMENT_S)  # one was paid for
        await paid.application.wait_for("call_settled")
        (record,) = await paid.calls()
        assert (record.endpoint, record.debited) == ("1002", PER_INCREMENT)
        said = {entry["event"] for entry in paid.application.entries()}
        assert "money_ending" in said
        assert "balance_announced" not in said


@pytest.mark.parametrize("way", ["forward", "forward kept"])
async def test_forwarded_call_that_ends_unseen_is_charged_to_its_end(
    start_office: StartOffice, way: str
) -> None:
    async with start_office(settings=ALLOWED) as paid, paid.office.raw_phone("1001") as phone:
        await let_forward(paid)
        ringing = asyncio.create_task(dial(phone, WAYS[way]))
        await paid.office.carrier.wait_for(lambda call: not call.answered)
        await paid.application.kill()  # nobody of ours sees the answer
        talk = await ringing
        assert isinstance(talk, Talk)
        await paid.office.carrier.wait_for(lambda call: call.answered)
        await talk.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        await paid.application.start()
        await paid.application.wait_for("call_settled_afterwards", timeout_s=30)
        (record,) = await paid.calls()
        assert charged_as_billed(record, call)


@pytest.mark.parametrize(
    ("settings", "extensions"),
    [({}, ("6000", "6001")), (ALLOWED, ("6000",))],
    ids=["not allowed", "nobody named"],
)
async def test_forwarded_call_that_nobody_pays_for_is_refused_with_a_reason(
    start_office: StartOffice,
    settings: dict[str, dict[str, object]],
    extensions: tuple[str, ...],
) -> None:
    async with start_office(settings=settings) as paid, paid.office.raw_phone("1001") as phone:
        await let_forward(paid)
        for extension in extensions:
            logged, heard = len(paid.application.entries()), list[Talk]()
            answer = await phone.call(f"sip:{extension}@{phone.domain}", on_early=heard.append)
            assert isinstance(answer, Answer)
            assert answer.status >= 400
            assert heard  # early media: the reason
            refused = await paid.application.wait_for("call_refused", after=logged)
            assert refused["code"] == "unknown_extension"
        assert paid.office.carrier.calls() == []
        assert (await paid.balances()).available == gbp("10.00")


async def test_phone_cannot_make_another_one_pay(start_office: StartOffice) -> None:
    """The variable counts for channels that are nobody's phone; headers never become variables."""
    async with start_office(settings=ALLOWED) as paid, paid.office.raw_phone("1001") as phone:
        await add_dialplan(
            paid,
            "\n[office]\nexten => _*7X.,1,Set(__TOLLGATE_PAYER=1002)\n"
            " same => n,Goto(office,${EXTEN:2},1)\n",
        )
        for number in (FRANCE, f"*7{FRANCE}"):
            talk = await phone.call(
                f"sip:{number}@{phone.domain}",
                lines=["TOLLGATE_PAYER: 1002", "X-TOLLGATE_PAYER: 1002", "Diversion: <sip:1002@x>"],
            )
            assert isinstance(talk, Talk)
            await talk.hang_up()
        assert {record.endpoint for record in await paid.calls()} == {"1001"}


async def test_emergency_call_is_forwarded_whatever_the_settings_say(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.raw_phone("1001") as phone:
        await add_dialplan(paid, "\n[office]\nexten => 6005,1,Dial(Local/999@office,20)\n")
        talk = await dial(phone, "6005")
        assert isinstance(talk, Talk)
        assert [call.dialled for call in paid.office.carrier.calls()] == ["999"]
        await talk.hang_up()
