"""Two offices on one Asterisk, in two countries, whose phones have the same numbers.

Nothing of one is the other's: help, plan, price, currency, voice, phones, money.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from admin.checks.asterisk import check_dialplan
from admin.checks.endpoints import check_endpoints
from admin.checks.findings import Status
from admin.checks.offices import check_offices
from admin.checks.ways import check_trunks, check_ways
from charging.money import Money, parse_money
from dialplan.phones import load_phones
from lab.caller import Calls, PlacedCall, place_calls
from lab.likeness import likeness_of
from lab.paid_office import PaidOffice, make_paid_office
from lab.phone import Phone
from prompts.library import Library, default_sounds_folder
from prompts.phrases import Phrase, balance_phrase
from telephony.tools import Telephony
from tests.live.hearing import heard_by
from tests.live.test_escapes import connect, target
from tests.live.test_feature_codes import dial_and_listen

pytestmark = pytest.mark.live

PHONES = """\
[phones.1001]
office = "london"
[phones.1002]
office = "london"
[phones.lyon-1001]
extension = "1001"
office = "lyon"
[phones.lyon-1002]
extension = "1002"
office = "lyon"
[phones.lyon-1003]
extension = "1003"
office = "lyon"
"""
OFFICES = {"london": {"plan": "uk"}, "lyon": {"plan": "france"}}
HEADINGS = "prefix,destination,per_minute,connection,per_call,initial_s,increment_s\n"
POUNDS = f"{HEADINGS}336,France mobile,0.60,0,0,4,4\n"
EUROS = f"{HEADINGS}447,UK mobile,1.20,0,0,4,4\n"
MOBILE_OF_FRANCE, MOBILE_OF_UK = "0033612345678", "00447400123456"
LANDLINE_OF_FRANCE, LANDLINE_OF_UK = "0442685300", "02079460000"
FREE_IN_FRANCE, FREE_IN_UK = "0805123456", "08081570192"
CURRENCY = {"london": "GBP", "lyon": "EUR"}


@asynccontextmanager
async def two_offices(
    telephony: Telephony, folder: Path, *, allow_transfer: bool = False
) -> AsyncIterator[PaidOffice]:
    phones_file = folder / "phones.toml"
    phones_file.write_text(PHONES, encoding="utf-8")
    paid = make_paid_office(
        telephony,
        folder / "office",
        deck=POUNDS,
        currency="GBP",
        other_decks={"EUR": EUROS},
        opening=None,
        settings={
            "offices": OFFICES,
            "site": {"phones_file": str(phones_file)},
            "call": {"allow_transfer": allow_transfer},
        },
        phones=load_phones(phones_file),
    )
    async with paid:
        yield paid


async def dialled(paid: PaidOffice, phone: str, numbers: Sequence[str]) -> Mapping[str, bool]:
    """Which of the numbers were answered when that phone dialled them, one after the other."""
    config = paid.office.config
    placed = await place_calls(
        paid.office.telephony,
        paid.office.folder / f"caller-{phone}-{len(paid.office.carrier.calls())}",
        Calls(
            number=numbers,
            user=phone,
            password=config.secrets.phones[phone],
            calls=len(numbers),
            rate_per_s=5,
            talk_ms=200,
        ),
        address=paid.office.addresses.next(),
        server=config.sip_address,
    )
    return {call.dialled: _was_answered(call) for call in placed}


def _was_answered(call: PlacedCall) -> bool:
    return call.answered_at_s is not None


async def test_each_office_has_its_own_help_and_its_own_plan(
    telephony: Telephony, tmp_path: Path
) -> None:
    async with two_offices(telephony, tmp_path) as paid:
        assert await dialled(paid, "1001", ["999", "112", LANDLINE_OF_UK, "15"]) == {
            "999": True,
            "112": True,
            LANDLINE_OF_UK: True,
            "15": False,
        }
        assert {call.dialled for call in paid.office.carrier.calls()} == {
            "999",
            "112",
            "442079460000",
        }
        seen = len(paid.office.carrier.calls())
        numbers = ["15", "17", "18", "112", LANDLINE_OF_FRANCE, "999"]
        assert await dialled(paid, "lyon-1001", numbers) == {
            **dict.fromkeys(numbers, True),
            "999": False,
        }
        assert {call.dialled for call in paid.office.carrier.calls()[seen:]} == {
            *("15", "17", "18", "112"),
            "33442685300",
        }
        assert await paid.calls() == []
        assert await _wrong(paid) == []
        pjsip = paid.office.config.folder / "etc/pjsip.conf"
        text = pjsip.read_text(encoding="utf-8")
        pjsip.write_text(text.replace("context = office.lyon", "context = office.london"))
        await paid.office.asterisk.cli("module reload res_pjsip.so")
        (told,) = [each for each in await _wrong(paid) if "serves lyon-1001" in each]
        assert "of the office lyon and has the contexts of london" in told


async def _wrong(paid: PaidOffice) -> Sequence[str]:
    """What the doctor has to say of the dialplan, beside that all is well."""
    checks = (check_dialplan, check_ways, check_trunks, check_offices, check_endpoints)
    found = await asyncio.to_thread(
        lambda: [finding for check in checks for finding in check(paid.settings)]
    )
    return [each.message for each in found if each.status is not Status.OK]


async def test_without_the_application_each_office_has_what_its_plan_gives(
    telephony: Telephony, tmp_path: Path
) -> None:
    async with two_offices(telephony, tmp_path) as paid:
        await paid.application.kill()
        numbers = ["112", FREE_IN_UK, LANDLINE_OF_UK, LANDLINE_OF_FRANCE, MOBILE_OF_FRANCE]
        assert await dialled(paid, "1001", numbers) == {
            **dict.fromkeys(numbers[:3], True),
            **dict.fromkeys(numbers[3:], False),
        }
        numbers = ["112", FREE_IN_FRANCE, LANDLINE_OF_FRANCE, LANDLINE_OF_UK, MOBILE_OF_UK]
        assert await dialled(paid, "lyon-1001", numbers) == {
            **dict.fromkeys(numbers[:3], True),
            **dict.fromkeys(numbers[3:], False),
        }
        assert sorted(call.dialled for call in paid.office.carrier.calls()) == sorted(
            ["112", "448081570192", "442079460000", "112", "33805123456", "33442685300"]
        )


async def test_no_ring_no_money_and_no_row_crosses(telephony: Telephony, tmp_path: Path) -> None:
    async with two_offices(telephony, tmp_path) as paid, paid.feature_codes:
        await paid.top_up(parse_money("10.00", "GBP"), "london")
        await paid.top_up(parse_money("20.00", "EUR"), "lyon")
        async with (
            paid.office.phone("1001") as london,
            paid.office.phone("lyon-1001") as lyon,
            paid.office.phone("lyon-1002") as colleague,
        ):
            await _rings_its_colleague(colleague, lyon, nobody_else=london)
            await _pays(paid, london, MOBILE_OF_FRANCE)
            await _pays(paid, lyon, MOBILE_OF_UK)
        await _assert_ledger(paid, "london", "1001", parse_money("0.04", "GBP"))
        await _assert_ledger(paid, "lyon", "lyon-1001", parse_money("0.08", "EUR"))
        heard = {phone: await _hears_balance(paid, phone) for phone in ("1001", "lyon-1001")}
        left = {office: (await paid.balances(office)).available for office in OFFICES}
    _assert_said(heard["1001"], left["london"], "en")
    _assert_said(heard["lyon-1001"], left["lyon"], "fr")


async def test_neither_a_number_nor_a_transfer_rings_another_offices_phone(
    telephony: Telephony, tmp_path: Path
) -> None:
    """Only Lyon has a 1003."""
    async with two_offices(telephony, tmp_path, allow_transfer=True) as paid:
        await paid.top_up(parse_money("10.00", "GBP"), "london")
        async with paid.office.phone("1001") as phone, paid.office.phone("lyon-1003") as other:
            for number in ("1003", "lyon-1003", "1003@tollgate.lyon"):
                seen = len(phone.events)
                await phone.dial(number)
                await phone.wait_for("CALL_CLOSED", after=seen, timeout_s=20)
            await connect(paid, phone, MOBILE_OF_FRANCE)
            await phone.command("transfer", target(paid, "1003"))
            await paid.application.wait_for("call_settled", timeout_s=20)
            assert not [event for event in other.events if event.type.startswith("CALL_")]
        assert [call.dialled for call in paid.office.carrier.calls()] == ["33612345678"]


async def test_an_office_that_is_removed_ends_no_call_and_gets_no_further_one(
    telephony: Telephony, tmp_path: Path
) -> None:
    async with two_offices(telephony, tmp_path) as paid:
        await paid.top_up(parse_money("20.00", "EUR"), "lyon")
        async with paid.office.phone("lyon-1001") as phone:
            await phone.dial(MOBILE_OF_UK)
            await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
            _remove_lyon(paid, tmp_path / "phones.toml")
            await paid.application.wait_for("offices_changed", offices=["london"])
            seen = len(paid.application.entries())
            await paid.application.wait_for("interval_debited", after=seen, timeout_s=20)
            await phone.hang_up()
            await paid.application.wait_for("call_settled", after=seen)
            await phone.dial(MOBILE_OF_UK)
            await paid.application.wait_for("call_refused", code="unknown_extension", after=seen)
        (call,) = await paid.calls()
        assert (call.office_id, call.rate.currency) == ("lyon", "EUR")
        assert call.debited >= parse_money("0.16", "EUR")
        assert not (await paid.audit()).problems


def _remove_lyon(paid: PaidOffice, phones_file: Path) -> None:
    """Each file by itself, as an editor saves it: the application may see one without the other."""
    text = paid.settings_file.read_text(encoding="utf-8")
    without = text.replace('[offices.lyon]\nplan = "france"\n', "")
    assert without != text
    paid.settings_file.write_text(without, encoding="utf-8")
    phones_file.write_text(PHONES[: PHONES.index("[phones.lyon-1001]")], encoding="utf-8")


async def _rings_its_colleague(caller: Phone, called: Phone, *, nobody_else: Phone) -> None:
    """Both have the number 1001."""
    await caller.dial("1001")
    await called.wait_for("CALL_ESTABLISHED")
    await caller.hang_up()
    await called.wait_for("CALL_CLOSED")
    assert not [event for event in nobody_else.events if event.type.startswith("CALL_")]


async def _pays(paid: PaidOffice, phone: Phone, number: str) -> None:
    seen = len(paid.application.entries())
    await phone.dial(number)
    await paid.application.wait_for("interval_debited", after=seen, interval=0, timeout_s=20)
    await phone.hang_up()
    await paid.application.wait_for("call_settled", after=seen)


async def _assert_ledger(
    paid: PaidOffice, office: str, endpoint: str, per_increment: Money
) -> None:
    """One call of that phone, at the office's own price; the other's money is nowhere in it."""
    (call,) = [call for call in await paid.calls() if call.office_id == office]
    assert call.endpoint == endpoint
    assert call.debited.currency == CURRENCY[office]
    assert call.debited.micros % per_increment.micros == 0
    assert call.debited.micros > 0
    postings = [
        posting
        for posted in await paid.entries(office_id=office)
        for posting in posted.entry.postings
    ]
    assert {posting.amount.currency for posting in postings} == {CURRENCY[office]}
    other = next(name for name in OFFICES if name != office)
    assert not [posting for posting in postings if other in f"{posting.source}{posting.target}"]


async def _hears_balance(paid: PaidOffice, endpoint: str) -> Phone:
    async with paid.office.phone(endpoint) as phone:
        await dial_and_listen(phone, "*80")
    return phone


def _assert_said(phone: Phone, balance: Money, language: str) -> None:
    """Every clip of that sentence in that language, and none of the same sentence in the other."""
    library = Library(default_sounds_folder(os.environ))
    other = "fr" if language == "en" else "en"
    recording = heard_by(phone)
    for spoken, wanted in ((language, True), (other, False)):
        clips = balance_phrase(balance, spoken).clips
        alike = [
            likeness_of(library.sound_of(Phrase((clip,)), spoken), recording) for clip in clips
        ]
        assert (min(alike) > 0.85) is wanted, (spoken, clips, alike)
