"""Ways out of metering, each tried on a real Asterisk; the carrier's log says what is owed."""

import math
from dataclasses import replace

import pytest

from dialplan.render import AsteriskConfig, Trunk
from lab.caller import Calls, place_calls
from lab.carrier import (
    ANSWERS,
    ANSWERS_TOO_LATE,
    EARLY_MEDIA_ONLY,
    CarrierCall,
    Rule,
    hangs_up_after,
    redirects_to,
    vanishes_after,
)
from lab.paid_office import PaidOffice
from lab.phone import Phone
from telephony.cel import Leg, LegLog
from tests.live.administrator import (
    Ami,
    administrator,
    caller_leg,
    carrier_leg,
    channels,
    edit_dialplan,
)
from tests.live.conftest import FRANCE, INCREMENT_S, StartOffice, charged_as_billed, gbp
from trials.oracle import LATE_GOODBYE_S

pytestmark = pytest.mark.live

TRANSFERS = {"call": {"allow_transfer": True}}
FREE = "08081570192"
PROGRESS_EVENTS = 5  # of a paid call that the carrier has not answered yet


async def connect(paid: PaidOffice, phone: Phone, number: str = FRANCE) -> CarrierCall:
    """Dial, skip the announcement, and return when the first increment is debited."""
    seen, logged = len(phone.events), len(paid.application.entries())
    known = {call.sip_call_id for call in paid.office.carrier.calls()}
    await phone.dial(number)
    await paid.application.wait_for("balance_playing", after=logged)
    await phone.wait_for("CALL_RTPESTAB", after=seen)
    await phone.press("1")
    await paid.application.wait_for("interval_debited", after=logged, interval=0)
    await phone.wait_for("CALL_ESTABLISHED", after=seen)
    return await paid.office.carrier.wait_for(
        lambda call: call.answered and call.sip_call_id not in known
    )


async def each_progress(phone: Phone, seen: int) -> None:
    """Until the last 183 before the answer: this phone turns to the call that it comes for.

    One for the prompt, one for its end, and those of ringing; with baresip each is an event.
    """
    for _ in range(PROGRESS_EVENTS):
        event = await phone.wait_for("CALL_PROGRESS", after=seen)
        seen = phone.events.index(event, seen) + 1


async def charged_to_its_end(paid: PaidOffice, call: CarrierCall, *, calls: int = 1) -> None:
    """What is charged is what the carrier bills; nothing stays reserved."""
    ended = await paid.office.carrier.wait_for(
        lambda c: c.sip_call_id == call.sip_call_id and c.ended, timeout_s=20
    )
    await paid.application.wait_for("call_settled")
    (record,) = await paid.calls()
    assert charged_as_billed(record, ended)
    assert len(paid.office.carrier.calls()) == calls
    assert (await paid.balances()).reserved == gbp("0.00")


def is_carriers(leg: Leg) -> bool:
    return leg.channel != leg.call


def target(paid: PaidOffice, number: str) -> str:
    return f"sip:{number}@{paid.office.config.sip_address}"


# --- transfer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["blind", "attended"])
async def test_transfer_is_refused(start_office: StartOffice, kind: str) -> None:
    async with (
        start_office() as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        to = target(paid, "1002")
        if kind == "attended":
            to = await consult(paid, admin, phone, other)
        rang = len(other.events)
        before = await channels(paid)
        await phone.command("transfer", to)
        await phone.wait_for("TRANSFER_FAILED")
        # This phone then ends a call by itself; one of test_requests_in_a_call does not.
        assert (await channels(paid)).items() <= before.items()
        assert not [event for event in other.events[rang:] if event.type == "CALL_INCOMING"]
        await phone.command("hangupall")
        await charged_to_its_end(paid, call)


async def test_blind_transfer_where_allowed_is_metered_until_its_money_ends(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(settings=TRANSFERS, opening="0.08") as paid,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        await phone.command("transfer", target(paid, "1002"))
        await phone.wait_for("CALL_CLOSED")
        await other.wait_for("CALL_ESTABLISHED")
        await other.wait_for("CALL_CLOSED", timeout_s=15)
        await charged_to_its_end(paid, call)
        assert (await paid.balances()).available == gbp("0.00")


async def test_transferred_leg_ends_with_its_paid_time_though_the_application_died(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(settings=TRANSFERS) as paid,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        await connect(paid, phone)
        await phone.command("transfer", target(paid, "1002"))
        await other.wait_for("CALL_ESTABLISHED")
        await paid.application.kill()
        (record,) = await paid.calls()
        call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=12)
        assert call.talk_s <= INCREMENT_S * record.reserved_intervals + LATE_GOODBYE_S


@pytest.mark.parametrize("application", ["alive", "dead"])
async def test_transferred_leg_may_not_dial_a_number_of_its_own(
    start_office: StartOffice, application: str
) -> None:
    """Not even an included one: dialling would put the application's time limit on the leg."""
    async with start_office(settings=TRANSFERS) as paid, paid.office.phone("1001") as phone:
        call = await connect(paid, phone)
        if application == "dead":
            await paid.application.kill()
        await phone.command("transfer", target(paid, "02079460000"))
        ended = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=3)
        assert ended.sip_call_id == call.sip_call_id
        assert ended.ended_by == "office"
        assert len(paid.office.carrier.calls()) == 1


async def test_leg_sent_to_a_free_number_may_not_dial_another_afterwards(
    start_office: StartOffice,
) -> None:
    """A free number is let through without us; the leg must still be known for a leg after it."""
    async with (
        start_office(settings=TRANSFERS) as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
    ):
        call = await connect(paid, phone)
        leg = await carrier_leg(paid)
        await phone.command("transfer", target(paid, FREE))
        carrier = paid.office.carrier
        await carrier.wait_for(lambda call: call.dialled.endswith(FREE[1:]) and call.answered)
        await admin.ask("Redirect", Channel=leg, Context="office", Exten=FRANCE, Priority="1")
        await charged_to_its_end(paid, call, calls=2)


async def consult(paid: PaidOffice, admin: Ami, phone: Phone, other: Phone) -> str:
    """Put the call on hold and call the other phone; return the address that joins the two.

    Baresip has no command for it, so the call to replace is named as Asterisk knows it.
    """
    held = await caller_leg(paid)
    await phone.command("hold")
    seen = len(phone.events)
    await phone.dial("1002")
    await other.wait_for("CALL_ESTABLISHED")
    await phone.wait_for("CALL_ESTABLISHED", after=seen)  # it refers nobody out of an early call
    return await replacing(paid, admin, held)


async def replacing(paid: PaidOffice, admin: Ami, channel: str) -> str:
    """Where to refer somebody to who is to take over our side of that call."""
    call_id = await admin.variable(channel, "CHANNEL(pjsip,call-id)")
    ours = await admin.variable(channel, "CHANNEL(pjsip,local_tag)")
    theirs = await admin.variable(channel, "CHANNEL(pjsip,remote_tag)")
    replaces = f"{call_id}%3Bto-tag%3D{ours}%3Bfrom-tag%3D{theirs}"
    return f"{target(paid, '0')}?Replaces={replaces}"


async def test_attended_transfer_where_allowed_is_metered_until_its_money_ends(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(settings=TRANSFERS, opening="0.08") as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        await phone.command("transfer", await consult(paid, admin, phone, other))
        await phone.wait_for("CALL_CLOSED")
        await other.wait_for("CALL_CLOSED", timeout_s=15)
        await charged_to_its_end(paid, call)
        assert (await paid.balances()).available == gbp("0.00")


async def test_transfer_into_a_call_that_still_rings_leaves_both_carrier_legs_metered(
    start_office: StartOffice,
) -> None:
    """The two carriers' legs then talk to each other, and each is charged on its own."""
    slow = replace(ANSWERS, name="rings for a while", ring_ms=2000)
    rules = (Rule("33142685309", slow),)
    async with (
        start_office(settings=TRANSFERS, rules=rules, opening="0.20") as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
    ):
        await connect(paid, phone)
        first = await caller_leg(paid)
        await phone.command("hold")
        seen, logged = len(phone.events), len(paid.application.entries())
        await phone.dial("0033142685309")
        await paid.application.wait_for("balance_playing", after=logged)
        await phone.wait_for("CALL_RTPESTAB", after=seen)
        await phone.press("1")
        await paid.office.carrier.wait_for(lambda call: call.dialled.endswith("309"))
        await each_progress(phone, seen)
        (second,) = [n for n in await channels(paid) if n.startswith("PJSIP/1001-") and n != first]
        await phone.command("line", "1")
        await phone.command("transfer", await replacing(paid, admin, second))
        await phone.wait_for("CALL_CLOSED", after=seen)
        await paid.office.carrier.wait_for(
            lambda call: call.dialled.endswith("309") and call.ended, timeout_s=20
        )
        for record in await paid.calls():
            await paid.application.wait_for("call_settled", call_id=record.call_id)
        records = {record.number: record for record in await paid.calls()}
        assert len(records) == len(paid.office.carrier.calls()) == 2
        for call in paid.office.carrier.calls():
            assert charged_as_billed(records[call.dialled], call)


# --- what the carrier does ------------------------------------------------------------------------


async def test_forwarding_by_the_carrier_is_not_followed(start_office: StartOffice) -> None:
    rules = (Rule("33142685302", redirects_to("33142685300")),)
    async with start_office(rules=rules) as paid, paid.office.phone("1001") as phone:
        await phone.dial("0033142685302")
        await phone.wait_for("CALL_CLOSED", timeout_s=15)
        settled = await paid.application.wait_for("call_settled")
        assert settled["charged_micros"] == 0
        assert [call.rejected_with for call in paid.office.carrier.calls()] == [302]


async def test_early_media_that_never_answers_ends_at_the_ring_timeout_and_costs_nothing(
    start_office: StartOffice,
) -> None:
    rules = (Rule("33142685300", EARLY_MEDIA_ONLY),)
    async with start_office(rules=rules) as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=20)
        assert call.ended_by == "caller"
        assert not call.answered
        assert call.ended_at_s is not None
        assert 3.5 < call.ended_at_s - call.invited_at_s < 4 + LATE_GOODBYE_S
        settled = await paid.application.wait_for("call_settled")
        assert settled["charged_micros"] == 0


async def test_carrier_that_vanished_is_found_out_and_charged_to_the_end_of_asterisks_leg(
    start_office: StartOffice,
) -> None:
    """Its BYE is lost and its sound with it."""
    rules = (Rule("33142685300", vanishes_after(1500)),)
    silence_s = 2

    def impatient(config: AsteriskConfig) -> AsteriskConfig:
        return replace(config, trunk=Trunk(rtp_timeout_s=silence_s))

    async with (
        start_office(rules=rules, adapt=impatient) as paid,
        paid.office.phone("1001") as phone,
    ):
        await connect(paid, phone)
        settled = await paid.application.wait_for("call_settled", timeout_s=15)
        legs = LegLog(paid.office.asterisk.legs_file).read(0)
        (leg,) = [leg for of_call in legs.values() for leg in of_call if is_carriers(leg)]
        assert leg.answered_ms is not None
        assert leg.ended_ms is not None
        leg_s = (leg.ended_ms - leg.answered_ms) / 1000
        # The same second to the edge of a millisecond: two clocks read it.
        assert settled["talk_s"] in {math.ceil(leg_s - 0.01), math.ceil(leg_s + 0.01)}
        assert leg_s < 1.5 + silence_s + 1.5 + LATE_GOODBYE_S
        assert (await paid.office.carrier.wait_for(lambda c: c.ended)).ended_by == "vanished"


async def test_answer_that_the_phone_never_acknowledges_is_charged_as_the_carrier_bills(
    start_office: StartOffice,
) -> None:
    """Every ACK is lost; Asterisk would give up after 32 s, and the money ends before."""
    async with start_office(opening="0.08") as paid:
        config = paid.office.config
        await place_calls(
            paid.office.telephony,
            paid.office.folder / "caller",
            Calls(
                number=FRANCE,
                user="1001",
                password=config.secrets.phones["1001"],
                acknowledges=False,
            ),
            address=paid.office.addresses.next(),
            server=config.sip_address,
        )
        (call,) = paid.office.carrier.calls()
        await charged_to_its_end(paid, call)


async def test_answer_that_crosses_the_callers_hang_up_is_ended_at_once(
    start_office: StartOffice,
) -> None:
    rules = (Rule("33142685300", ANSWERS_TOO_LATE),)
    async with start_office(rules=rules) as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        await paid.office.carrier.wait_for(lambda _: True, timeout_s=15)
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.answered
        assert call.talk_s < LATE_GOODBYE_S
        settled = await paid.application.wait_for("call_settled")
        assert settled["charged_micros"] == 0  # it never was a call to Asterisk either
        assert "0 active channels" in await paid.office.asterisk.cli("core show channels count")


# --- what a phone may press or dial ---------------------------------------------------------------


async def test_hold_does_not_stop_the_meter(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        call = await connect(paid, phone)
        await phone.command("hold")
        await paid.application.wait_for("interval_debited", interval=1)
        await phone.hang_up()
        await charged_to_its_end(paid, call)


async def test_feature_codes_pickup_and_parking_do_nothing_to_a_call(
    start_office: StartOffice,
) -> None:
    async with (
        start_office() as paid,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        before = await channels(paid)
        await phone.press("#1*2*0#72")  # Asterisk's usual transfer, record, hang-up and parking
        for code in ("*8", "700", "*8#"):
            seen = len(other.events)
            await other.dial(code)
            await other.wait_for("CALL_CLOSED", after=seen, timeout_s=15)
        assert await channels(paid) == before
        await phone.hang_up()
        await charged_to_its_end(paid, call)
        for application in ("Park", "Pickup", "ParkAndAnnounce", "ChanSpy", "ConfBridge"):
            said = await paid.office.asterisk.cli(f"core show application {application}")
            assert "Your application(s) is (are) not registered" in said


# --- what an administrator may do -----------------------------------------------------------------


async def test_redirected_caller_leaves_no_carrier_leg_behind(start_office: StartOffice) -> None:
    async with (
        start_office() as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        caller = await caller_leg(paid)
        said = await admin.ask(
            "Redirect", Channel=caller, Context="office", Exten="1002", Priority="1"
        )
        assert said["Response"] == "Success"
        await other.wait_for("CALL_ESTABLISHED")
        await charged_to_its_end(paid, call)


async def test_redirected_carrier_leg_stays_metered(start_office: StartOffice) -> None:
    async with (
        start_office(opening="0.08") as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
        paid.office.phone("1002") as other,
    ):
        call = await connect(paid, phone)
        leg = await carrier_leg(paid)
        await admin.ask("Redirect", Channel=leg, Context="office", Exten="1002", Priority="1")
        await other.wait_for("CALL_ESTABLISHED")
        await other.wait_for("CALL_CLOSED", timeout_s=15)
        await charged_to_its_end(paid, call)


async def test_caller_redirected_to_another_paid_number_pays_for_both_calls(
    start_office: StartOffice,
) -> None:
    async with (
        start_office() as paid,
        administrator(paid) as admin,
        paid.office.phone("1001") as phone,
    ):
        await connect(paid, phone)
        caller = await caller_leg(paid)
        number, logged = "0033142685301", len(paid.application.entries())
        await admin.ask("Redirect", Channel=caller, Context="office", Exten=number, Priority="1")
        carrier = paid.office.carrier
        await carrier.wait_for(lambda call: call.dialled.endswith("301") and call.answered)
        # Hung up any earlier, Asterisk might not have heard the answer yet.
        await paid.application.wait_for("interval_debited", after=logged, interval=0)
        await phone.hang_up()
        await carrier.wait_for(lambda call: call.dialled.endswith("301") and call.ended)
        for record in await paid.calls():
            await paid.application.wait_for("call_settled", call_id=record.call_id)
        records = {record.number: record for record in await paid.calls()}
        for call in carrier.calls():
            assert charged_as_billed(records[call.dialled], call)
        assert len(records) == 2
        assert "KeyError" not in paid.application.log_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("application", ["alive", "dead"])
async def test_second_dial_in_the_dialplan_is_never_free(
    start_office: StartOffice, application: str
) -> None:
    """An owner who dials again after a call that was answered: by mistake, in a failover."""
    rules = (Rule("33142685300", hangs_up_after(1000)),)
    async with start_office(rules=rules) as paid, paid.office.phone("1001") as phone:
        limit = '${IF($["${DIALSTATUS}" = "ANSWER"]?0:${TOLLGATE_PAID_MS})}'
        dial = f"same => n,Dial(PJSIP/${{TOLLGATE_DIAL}}@trunk,4,giL({limit}))"
        again = dial.replace("${TOLLGATE_DIAL}", "33142685301")
        await edit_dialplan(paid, dial, f"{dial}\n {again}")
        await connect(paid, phone)
        if application == "dead":
            await paid.application.kill()
        await phone.wait_for("CALL_CLOSED")
        assert [call.dialled for call in paid.office.carrier.calls()] == ["33142685300"]
