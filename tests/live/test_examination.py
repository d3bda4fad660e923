"""`tollgate doctor` looks at a real Asterisk, as its stand-in in tests/admin is believed to be."""

from pathlib import Path

import pytest

from admin.checks.findings import Finding, Status
from lab.paid_office import PaidOffice
from lab.watch import FileWatch
from tests.live.conftest import StartOffice
from tests.live.examined import examined, said_by

pytestmark = pytest.mark.live

OF_ASTERISK = (
    "ari",
    "application",
    "ami",
    "loaded",
    "dialplan",
    "ways",
    "trunks",
    "dead legs",
    "leg log",
)


async def test_doctor_finds_a_working_asterisk_sound(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        legs = paid.office.asterisk.legs_file
        with FileWatch(legs.parent) as watch:
            await phone.dial("112")
            await watch.until(legs.exists, timeout_s=5)
        found = {each["check"]: each for each in await examined(paid)}
    assert {check: found[check]["status"] for check in OF_ASTERISK} == dict.fromkeys(
        OF_ASTERISK, "ok"
    ), found


async def test_doctor_finds_a_trunk_that_forgot_the_limit(start_office: StartOffice) -> None:
    async with start_office() as paid:
        asterisk = paid.office.asterisk
        await asterisk.cli("dialplan remove context tollgate-trunk")
        assert (await finding("trunks", paid)).status is Status.PROBLEM
        dial = "Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,gi)"
        await asterisk.cli(f"dialplan add extension s,1,{dial} into tollgate-trunk")
        found = await finding("trunks", paid)
    assert found.status is Status.PROBLEM
    assert found.message.endswith("it does not end when the paid time is over")


async def test_doctor_finds_a_log_of_legs_that_asterisk_declined_to_write(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid:
        asterisk = paid.office.asterisk
        file = asterisk.config.folder / "etc" / "cel_custom.conf"
        written = file.read_text(encoding="utf-8")
        await asterisk.cli("module unload cel_custom.so")
        file.write_text("; as a package leaves it\n", encoding="utf-8")
        await asterisk.cli("module load cel_custom.so")
        assert (await finding("leg log", paid)).status is Status.PROBLEM
        file.write_text(written, encoding="utf-8")
        await asterisk.cli("core reload")
        assert "module load cel_custom.so" in (await finding("leg log", paid)).remedy
        await asterisk.cli("module load cel_custom.so")
        assert "does not run" not in (await finding("leg log", paid)).message


async def test_doctor_finds_a_dialplan_that_was_not_read_and_its_remedy_helps(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid:
        asterisk = paid.office.asterisk
        await asterisk.cli("module unload pbx_config.so")
        found = await finding("loaded", paid)
        assert found.status is Status.PROBLEM
        assert "module load pbx_config.so" in found.remedy
        assert "No such command" in await asterisk.cli("dialplan reload")
        await asterisk.cli("module load pbx_config.so")
        assert (await finding("loaded", paid)).status is Status.OK


@pytest.mark.parametrize(("directive", "kept"), [("#tryinclude", True), ("#include", False)])
async def test_file_that_cannot_be_read_costs_the_dialplan_only_where_it_is_included(
    start_office: StartOffice, *, directive: str, kept: bool
) -> None:
    """What `tollgate dialplan render` prints for extensions.conf, and what it used to."""
    async with start_office() as paid:
        asterisk = paid.office.asterisk
        file = paid.office.config.folder / "etc/extensions.conf"
        lost = paid.office.folder / "nowhere.conf"
        with file.open("a", encoding="utf-8") as dialplan:
            dialplan.write(f"\n{directive} {lost}\n")
        await asterisk.cli("module unload pbx_config.so")  # as the next start of Asterisk would
        await asterisk.cli("module load pbx_config.so")
        known = "tollgate-emergency-call" in await asterisk.cli("dialplan show")
        assert known is kept


async def test_doctor_looks_at_every_contact_of_a_phone(start_office: StartOffice) -> None:
    async with start_office() as paid, paid.office.raw_phone("1002") as phone:
        numbers = ("0033142685300", "0033612345678")  # no phones
        assert (
            await phone.register(*(f"<sip:{n}@{phone.address}>" for n in numbers))
        ).status == 200
        told = [each.message for each in await said_by("contacts", paid)]
    for number in numbers:
        said = f"the phone 1002 has registered sip:{number}@"
        assert any(message.startswith(said) for message in told), told


async def test_doctor_takes_a_registered_phone_that_the_settings_forgot_for_a_phone(
    start_office: StartOffice, tmp_path: Path
) -> None:
    file = tmp_path / "phones.toml"
    file.write_text('[phones.1001]\nextension = "1001"\n', encoding="utf-8")
    async with (
        start_office(settings={"site": {"phones_file": str(file)}}) as paid,
        paid.office.raw_phone("1002") as phone,
    ):
        assert (await phone.register(f"<{phone.own_uri}>")).status == 200
        (found,) = await said_by("endpoints", paid)
        assert found.message.startswith("1002 may dial, and is no phone of"), found


async def finding(check: str, paid: PaidOffice) -> Finding:
    """The last one, where a check has several."""
    return (await said_by(check, paid))[-1]
