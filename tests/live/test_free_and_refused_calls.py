"""What costs nothing, what is refused, and what must connect whatever is broken."""

from pathlib import Path

import pytest

from dialplan.phones import EXAMPLE, load_phones
from lab.errors import LabError
from lab.paid_office import PaidOffice
from lab.phone import Phone
from tests.live.conftest import FRANCE, StartOffice, gbp

pytestmark = pytest.mark.live

UK_LANDLINE = "02079460000"
UNRATED = "0081312345678"  # Japan, which the test deck does not know


async def refuse(paid: PaidOffice, phone: Phone, number: str) -> None:
    """Dial, hear why not, and be sure that nothing came of it."""
    seen = len(phone.events)
    await phone.dial(number)
    await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=25)
    assert paid.office.carrier.calls() == []
    assert "0 active channels" in await paid.office.asterisk.cli("core show channels count")


async def test_included_call_goes_straight_through_at_zero_balance(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.phone("1001") as phone:
        await phone.dial(UK_LANDLINE)
        await phone.wait_for("CALL_ESTABLISHED")
        await phone.hang_up()
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.dialled == "442079460000"
        authorised = await paid.application.wait_for("call_authorised")
        assert authorised["category"] == "included"
        assert await paid.entries() == []


async def test_number_that_is_none_or_has_no_rate_is_refused(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        for number, code in [(UNRATED, "no_rate"), ("0033", "invalid_number")]:
            await refuse(paid, phone, number)
            await paid.application.wait_for("call_refused", code=code)
        # These do not even reach the application.
        for number in ("0033&PJSIP/x@trunk", "abc"):
            await refuse(paid, phone, number)
        assert len([e for e in paid.application.entries() if e["event"] == "call_refused"]) == 2
        balances = await paid.balances()
        assert balances.available == gbp("10.00")
        assert balances.reserved == gbp("0.00")


async def test_phone_that_the_application_does_not_know_is_refused(
    start_office: StartOffice, tmp_path: Path
) -> None:
    """Asterisk knows 1002, the application's phones file does not."""
    phones = tmp_path / "phones.toml"
    phones.write_text('[phones.1001]\nname = "Reception"\n', encoding="utf-8")
    settings = {"site": {"phones_file": str(phones)}}
    async with start_office(settings=settings) as paid, paid.office.phone("1002") as phone:
        await refuse(paid, phone, FRANCE)
        await paid.application.wait_for("call_refused", code="unknown_extension")


async def test_emergency_calls_connect_and_paid_calls_do_not_while_the_application_is_away(
    start_office: StartOffice,
) -> None:
    async with start_office(opening=None) as paid, paid.office.phone("1001") as phone:
        await paid.application.stop()
        await refuse(paid, phone, FRANCE)
        for number in ("999", "112"):
            seen = len(phone.events)
            await phone.dial(number)
            await phone.wait_for("CALL_ESTABLISHED", after=seen)
            await phone.hang_up()
            await phone.wait_for("CALL_CLOSED", after=seen)
        assert [call.dialled for call in paid.office.carrier.calls()] == ["999", "112"]
        assert await paid.entries() == []


async def test_internal_call_rings_the_other_phone_and_asks_nobody(
    start_office: StartOffice,
) -> None:
    async with (
        start_office(opening=None) as paid,
        paid.office.phone("1001") as caller,
        paid.office.phone("1002") as called,
    ):
        await paid.application.stop()
        await caller.dial("1002")
        await called.wait_for("CALL_ESTABLISHED")
        assert paid.office.carrier.calls() == []


async def test_damaged_settings_stop_the_application_with_one_sentence(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid:
        await paid.application.stop()
        good = paid.settings_file.read_text(encoding="utf-8")
        paid.settings_file.write_text(good.replace("[ari]", "[ari"), encoding="utf-8")
        with pytest.raises(LabError, match=r"gave up: tollgate: .* is not valid TOML"):
            await paid.application.start()


def test_third_phone_is_one_entry_in_one_file(tmp_path: Path) -> None:
    """The example at the end of the file that comes with Tollgate, with its "#" taken away."""
    before, heading, entry = EXAMPLE.read_text(encoding="utf-8").partition("# [phones.1003]")
    file = tmp_path / "phones.toml"
    file.write_text(before + (heading + entry).replace("# ", ""), encoding="utf-8")
    third = load_phones(file)[2]
    assert (third.number, third.name, third.language) == ("1003", "Salle de réunion", "fr")
