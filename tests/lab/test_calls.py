"""Calls through a real Asterisk, with desk phones, a carrier, and mostly no application at all."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from dialplan.contexts import INCLUDED, PAID, REFUSED, paid_extension
from dialplan.patterns import DirectPattern
from dialplan.render import AsteriskConfig, Trunk
from lab.carrier import (
    BUSY,
    EARLY_MEDIA,
    EARLY_TONE_HZ,
    FAR_END_TONE_HZ,
    NEVER_ANSWERS,
    OUT_OF_ORDER,
    UNKNOWN_NUMBER,
    Rule,
    hangs_up_after,
    redirects_to,
    vanishes_after,
)
from lab.errors import LabError
from lab.instance import Instance
from lab.office import Office, rerouted
from lab.phone import Phone
from lab.raw_phone import RawPhone, Talk

pytestmark = pytest.mark.live

# With 9 for an outside line.
EMERGENCY = (("112", "112"), ("999", "999"), ("9112", "112"), ("9999", "999"))

MakeOffice = Callable[..., Office]
Heard = Callable[[Path], set[int]]
RunApplication = Callable[
    [Instance, Callable[[str], tuple[str, str] | None]], AbstractAsyncContextManager[None]
]

UNAVAILABLE_HZ = 600
NOT_VALID_HZ = 700
EXHAUSTED_HZ = 1000


def with_fallback(config: AsteriskConfig) -> AsteriskConfig:
    """A site that lets landlines through while the application is away: the way to the trunk."""
    landlines = DirectPattern(pattern="_020XXXXXXXX", strip=1, prepend="44")
    return rerouted(replace(config, ring_timeout_s=3), fallback=(landlines,))


async def heard_before_closing(phone: Phone, heard: Heard, number: str) -> tuple[str, set[int]]:
    """Dial a number that is refused; what the phone showed in the end, and what it heard."""
    before, kept = len(phone.events), phone.kept()
    await phone.dial(number)
    closed = await phone.wait_for("CALL_CLOSED", after=before)
    return closed.detail, heard(await phone.heard_since(kept))


async def test_who_is_elsewhere_is_told_the_public_address(make_office: MakeOffice) -> None:
    """Of Asterisk in a container, or behind a router; three seconds."""
    public = "192.0.2.10"
    async with make_office(adapt=lambda config: replace(config, public_address=public)) as office:
        phone = RawPhone(
            extension="1001",
            password=office.config.secrets.phones["1001"],
            address=office.addresses.next(),
            server=(office.config.sip_address, 5060),
        )
        async with phone:
            talk = await phone.call(f"sip:999@{phone.domain}")
            assert isinstance(talk, Talk)
            assert talk.target == f"sip:{public}:5060"
            assert talk.sound_at == public
            assert (await talk.hang_up()).status == 200


# --- the office ---------------------------------------------------------------------------------


async def test_a_phone_with_a_wrong_password_is_refused(make_office: MakeOffice) -> None:
    async with make_office() as office:
        good = office.phone("1001")
        bad = Phone(
            office.telephony,
            office.folder / "intruder",
            extension="1001",
            password="guessed",  # noqa: S106 - it is not one
            address=office.addresses.next(),
            server=office.config.sip_address,
        )
        with pytest.raises(LabError, match="not let in: 401"):
            await bad.start()
        async with good:
            assert good.events[-1].type == "REGISTER_OK"


async def test_one_phone_calls_another(make_office: MakeOffice) -> None:
    async with (
        make_office() as office,
        office.phone("1001") as caller,
        office.phone("1002") as callee,
    ):
        await caller.dial("1002")
        await callee.wait_for("CALL_ESTABLISHED", detail="1001")
        await caller.wait_for("CALL_ESTABLISHED")
        await caller.hang_up()
        await callee.wait_for("CALL_CLOSED")
        assert office.carrier.calls() == []


async def test_a_phone_that_is_switched_off_is_unavailable(make_office: MakeOffice) -> None:
    async with make_office() as office, office.phone("1001") as phone:
        await phone.dial("1002")
        closed = await phone.wait_for("CALL_CLOSED")
    assert closed.detail.startswith("480")


async def test_a_call_from_the_carrier_rings_the_phone(make_office: MakeOffice) -> None:
    async with make_office() as office, office.phone("1001") as phone:
        for number in ("1001", "442079460101"):
            before = len(phone.events)
            call = await office.carrier.call(office.config.sip_address, number)
            await phone.wait_for("CALL_ESTABLISHED", detail="447700900123", after=before)
            await phone.wait_for("CALL_CLOSED", after=before)
            assert call.answered_at_s is not None


async def test_a_call_from_the_carrier_cannot_leave_the_office_again(
    make_office: MakeOffice,
) -> None:
    async with make_office() as office:
        for number in ("112", "0033142685300", "2000"):
            call = await office.carrier.call(office.config.sip_address, number)
            assert call.refused_with == 404, number
        assert office.carrier.calls() == []


# --- emergency ----------------------------------------------------------------------------------


async def test_an_emergency_call_reaches_the_carrier_with_no_application(
    make_office: MakeOffice, heard: Heard
) -> None:
    async with (
        make_office(adapt=lambda config: rerouted(config, emergency=EMERGENCY)) as office,
        office.phone("1001") as phone,
    ):
        for number in ("112", "999", "9112", "9999"):
            before, kept = len(phone.events), phone.kept()
            await phone.dial(number)
            await phone.wait_for("CALL_ESTABLISHED", after=before)
            await phone.hear_until(
                lambda kept=kept: {FAR_END_TONE_HZ} in map(heard, phone.recordings(kept)),  # type: ignore[misc]
                "the carrier",
            )
            await phone.hang_up()
            await phone.wait_for("CALL_CLOSED", after=before)
        await office.carrier.wait_for(lambda _: all(c.ended for c in office.carrier.calls()))
        calls = office.carrier.calls()
    assert [call.dialled for call in calls] == ["112", "999", "112", "999"]
    assert {call.ended_by for call in calls} == {"office"}


# --- everything else, with the application away -------------------------------------------------


async def test_a_paid_number_is_refused_with_a_spoken_reason(
    make_office: MakeOffice, heard: Heard
) -> None:
    async with make_office() as office, office.phone("1001") as phone:
        detail, tones = await heard_before_closing(phone, heard, "0033142685300")
        assert office.carrier.calls() == []
    assert detail.startswith("503")
    assert tones == {UNAVAILABLE_HZ}


async def test_a_hostile_string_is_refused_with_a_spoken_reason_and_dials_nothing(
    make_office: MakeOffice, heard: Heard
) -> None:
    strings = (
        "0033&PJSIP/x@trunk",
        "112&PJSIP/0033142685300@trunk",
        "1002&PJSIP/0033142685300@trunk",
        '0033"',
        "0033,60,giU(x)",
        "0033${CHANNEL(name)}",
        "0033):0:1(",
        "$[1 + 1]",
        "sip:0033",
        "trunk",
        "tollgate-connect",
    )
    async with make_office() as office, office.phone("1001") as phone:
        for string in strings:
            detail, tones = await heard_before_closing(phone, heard, string)
            assert detail.startswith("484"), string
            assert tones == {NOT_VALID_HZ}, string
        channels = await office.asterisk.cli("core show channels count")
        log = office.asterisk.log_file.read_text()
        assert office.carrier.calls() == []
    assert f"{len(strings)} calls processed" in channels
    assert "ERROR" not in log


async def test_an_included_number_goes_through_where_the_site_allows_it(
    make_office: MakeOffice,
) -> None:
    async with make_office(adapt=with_fallback) as office, office.phone("1001") as phone:
        await phone.dial("02079460123")
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.hang_up()
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.dialled == "442079460123"


async def test_a_free_number_needs_no_application(make_office: MakeOffice) -> None:
    def with_free(config: AsteriskConfig) -> AsteriskConfig:
        return rerouted(config, free=(DirectPattern(pattern="_0800!", strip=1, prepend="44"),))

    async with make_office(adapt=with_free) as office, office.phone("1001") as phone:
        await phone.dial("08001111")
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.hang_up()
        call = await office.carrier.wait_for(lambda call: call.ended)
        await phone.dial("0800&PJSIP/0033142685300@trunk")
        await phone.wait_for("CALL_CLOSED", detail="484")
    assert call.dialled == "448001111"
    assert len(office.carrier.calls()) == 1


# --- what the carrier says, the phone shows ------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "shown"),
    [(BUSY, "486"), (UNKNOWN_NUMBER, "404"), (OUT_OF_ORDER, "503"), (NEVER_ANSWERS, "480")],
    ids=lambda value: getattr(value, "name", value),
)
async def test_the_carriers_refusal_is_passed_on(
    make_office: MakeOffice, behaviour: object, shown: str
) -> None:
    async with (
        make_office(adapt=with_fallback, default=behaviour) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("02079460123")
        closed = await phone.wait_for("CALL_CLOSED")
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert closed.detail.startswith(shown)
    assert not call.answered


async def test_a_caller_may_hang_up_while_it_rings(make_office: MakeOffice) -> None:
    async with (
        make_office(adapt=with_fallback, default=NEVER_ANSWERS) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("02079460123")
        await phone.wait_for("CALL_PROGRESS")
        await phone.hang_up()
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.ended_by == "caller"


async def test_early_media_is_heard_before_the_answer(
    make_office: MakeOffice, heard: Heard
) -> None:
    async with (
        make_office(adapt=with_fallback, default=EARLY_MEDIA) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("02079460123")
        await phone.wait_for("CALL_PROGRESS")
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.hear(1)
        await phone.hang_up()
    tones = set[int]().union(*map(heard, phone.recordings()))
    assert tones >= {
        EARLY_TONE_HZ,
        FAR_END_TONE_HZ,
    }  # and ringing, until the carrier's first packet


async def test_the_carriers_hang_up_ends_the_call(make_office: MakeOffice) -> None:
    async with (
        make_office(adapt=with_fallback, default=hangs_up_after(700)) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("02079460123")
        await phone.wait_for("CALL_CLOSED")
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.ended_by == "carrier"
    assert 0.7 <= call.talk_s < 1.7


async def test_a_redirection_by_the_carrier_is_not_followed(make_office: MakeOffice) -> None:
    rules = [Rule("442079460123", redirects_to("447700900999")), Rule("44.*", redirects_to("1002"))]
    async with (
        make_office(adapt=with_fallback, rules=rules) as office,
        office.phone("1001") as phone,
        office.phone("1002") as other,
    ):
        for number in ("02079460123", "02079460999"):
            before = len(phone.events)
            await phone.dial(number)
            await phone.wait_for("CALL_CLOSED", after=before)
        assert [call.dialled for call in office.carrier.calls()] == ["442079460123", "442079460999"]
        assert not any(event.type == "CALL_INCOMING" for event in other.events)


async def test_a_carrier_that_vanished_is_noticed_by_its_silence(make_office: MakeOffice) -> None:
    def impatient(config: AsteriskConfig) -> AsteriskConfig:
        return replace(with_fallback(config), trunk=Trunk(rtp_timeout_s=2))

    async with (
        make_office(adapt=impatient, default=vanishes_after(500)) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("02079460123")
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.wait_for("CALL_CLOSED", timeout_s=8)
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.ended_by == "vanished"


async def test_a_phone_that_lost_its_power_is_noticed_by_its_silence(
    make_office: MakeOffice,
) -> None:
    async with (
        make_office(adapt=lambda config: replace(config, phone_rtp_timeout_s=2)) as office,
        office.phone("1001") as phone,
    ):
        await phone.dial("112")
        await phone.wait_for("CALL_RTPESTAB")
        await phone.kill()
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.ended_by == "office"
    assert call.talk_s < 5


# --- what the application passes to the dialplan -------------------------------------------------


async def test_a_call_is_cut_when_its_paid_time_is_over_and_the_caller_hears_why(
    make_office: MakeOffice, heard: Heard, application: RunApplication
) -> None:
    async with (
        make_office() as office,
        office.phone("1001") as phone,
        application(
            office.asterisk,
            lambda dialled: (PAID, paid_extension(dialled[2:], 1500)),
        ),
    ):
        await phone.dial("0033142685300")
        await phone.wait_for("CALL_CLOSED")
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.dialled == "33142685300"
    assert call.ended_by == "office"
    assert 1.5 <= call.talk_s < 2.5
    assert heard(phone.recordings()[-1]) == {FAR_END_TONE_HZ, EXHAUSTED_HZ}


async def test_a_call_that_ends_by_itself_is_not_told_that_funds_are_exhausted(
    make_office: MakeOffice, heard: Heard, application: RunApplication
) -> None:
    async with (
        make_office(default=hangs_up_after(1200)) as office,
        office.phone("1001") as phone,
        application(
            office.asterisk,
            lambda dialled: (PAID, paid_extension(dialled, 1500)),
        ),
    ):
        await phone.dial("0033142685300")
        await phone.wait_for("CALL_CLOSED")
    assert heard(phone.recordings()[-1]) == {FAR_END_TONE_HZ}


async def test_an_included_call_is_not_cut(
    make_office: MakeOffice, application: RunApplication
) -> None:
    async with (
        make_office(default=hangs_up_after(1500)) as office,
        office.phone("1001") as phone,
        application(
            office.asterisk,
            lambda dialled: (INCLUDED, dialled),
        ),
    ):
        await phone.dial("02079460123")
        await phone.wait_for("CALL_CLOSED")
        call = await office.carrier.wait_for(lambda call: call.ended)
    assert call.ended_by == "carrier"


async def test_a_paid_time_that_is_no_time_is_never_taken_for_no_limit(
    make_office: MakeOffice, heard: Heard, application: RunApplication
) -> None:
    paid = iter(values := ("", "0", "000", "0.5", "-5", "unlimited", "1,2", "nan"))
    async with (
        make_office() as office,
        office.phone("1001") as phone,
        application(
            office.asterisk,
            lambda dialled: (PAID, f"{next(paid)}*{dialled}"),
        ),
    ):
        for value in values:
            _, tones = await heard_before_closing(phone, heard, "0033142685300")
            assert tones == {UNAVAILABLE_HZ}, value
        assert office.carrier.calls() == []


async def test_the_applications_refusal_ends_with_the_cause_it_gave(
    make_office: MakeOffice, application: RunApplication
) -> None:
    async with (
        make_office() as office,
        office.phone("1001") as phone,
        application(office.asterisk, lambda _: (REFUSED, "17")),
    ):
        await phone.dial("0033142685300")
        closed = await phone.wait_for("CALL_CLOSED")
        assert office.carrier.calls() == []
    assert closed.detail.startswith("486")


async def test_an_application_that_hangs_does_not_keep_the_caller_in_silence(
    make_office: MakeOffice, heard: Heard, application: RunApplication
) -> None:
    async with (
        make_office(adapt=lambda config: replace(config, authorise_timeout_s=1)) as office,
        office.phone("1001") as phone,
        application(office.asterisk, lambda _: None),
    ):
        detail, tones = await heard_before_closing(phone, heard, "0033142685300")
        assert office.carrier.calls() == []
    assert detail.startswith("503")
    assert tones == {UNAVAILABLE_HZ}
