"""A call that lacks money while the account's card is charged: real processes, real phones."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from charging.commands import TopUp
from charging.orders import Consent, refill_rule
from charging.refill_commands import SetRefill
from db.engine import open_engine
from db.ledger import SqlLedger
from dialplan.phones import load_phones
from lab.application import Application, Entry
from lab.carrier import CarrierCall
from lab.paid_office import OFFICE_ID, PaidOffice
from lab.phone import Phone
from lab.sandbox import PROGRAM, Sandbox, put_card_on_file
from payments.sandbox_server.cards import CARDS
from prompts.phrases import balance_phrase, not_enough_money_phrase, refilling_phrase
from tests.db.money import WORDS, Spend
from tests.live.conftest import FRANCE, StartOffice, gbp
from tests.live.hearing import clips_heard
from trials.oracle import ended_with_its_money

pytestmark = pytest.mark.live

WAIT_S = 8
STALLED_S = 60  # longer than any test needs: what happens meanwhile happens while a card is charged
CONNECTS_WITHIN_S = 2.0
LANDLINE_OF_UK = "02079460000"
OTHER_OFFICE = "upstairs"
PHONES = f"""\
[phones.1001]
[phones.1002]
[phones.{OTHER_OFFICE}-1001]
extension = "1001"
office = "{OTHER_OFFICE}"
"""
CARD_NUMBERS = {card.name: card.number for card in reversed(CARDS)}
MOMENT = refilling_phrase("en")


@dataclass(frozen=True)
class CardOffice:
    """An office whose account refills itself from a card of the sandbox's."""

    paid: PaidOffice
    sandbox: Sandbox
    engine: Engine
    worker: Application

    async def save_card(self, card: str) -> None:
        await put_card_on_file(self.engine, currency="GBP", number=CARD_NUMBERS[card])

    async def arm(self) -> None:
        now = datetime.now(UTC)
        consent = Consent(by="user:anna", at=now, words=WORDS)
        rule = refill_rule(amount=gbp("10"), threshold=gbp("0.01"))
        await self._do(SetRefill(office_id=OFFICE_ID, rule=rule, consent=consent, at=now))

    async def spend_all(self) -> None:
        """The balance falls below the threshold: the card is to be charged."""
        await self._do(Spend(OFFICE_ID, None, key="all", at=datetime.now(UTC)))

    async def spend(self, amount: str) -> None:
        await self._do(Spend(OFFICE_ID, gbp(amount), key="some", at=datetime.now(UTC)))

    async def fill(self, office_id: str, amount: str) -> None:
        """Another office has money, and no card."""
        await self._do(
            TopUp(
                office_id=office_id,
                amount=gbp(amount),
                key="cash",
                actor="cli:test",
                reason="",
                at=datetime.now(UTC),
            )
        )

    async def _do(self, command: SetRefill | Spend | TopUp) -> None:
        async with SqlLedger(open_engine(self.paid.settings.database.url)) as ledger:
            await ledger.carry_out(command)


@asynccontextmanager
async def refilled_office(
    start_office: StartOffice, folder: Path, *, wait_s: float = WAIT_S, card: str = "succeeds"
) -> AsyncIterator[CardOffice]:
    sandbox = Sandbox.in_folder(folder / "sandbox", request_timeout_s=30)
    payments = {
        "sandbox_folder": str(sandbox.payments.sandbox_folder),
        "sandbox_port": sandbox.payments.sandbox_port,
        "port": sandbox.payments.port,
        "request_timeout_s": sandbox.payments.request_timeout_s,
    }
    settings: dict[str, Any] = {"payments": payments, "call": {"refill_wait_s": wait_s}}
    phones_file = folder / "phones.toml"
    phones_file.write_text(PHONES, encoding="utf-8")
    settings["site"] = {"phones_file": str(phones_file)}
    settings["offices"] = {OFFICE_ID: {"plan": "uk"}, OTHER_OFFICE: {"plan": "uk"}}
    async with (
        start_office(opening="5.00", settings=settings, phones=load_phones(phones_file)) as paid,
        Application(paid.settings_file, folder / "sandbox-log", module=PROGRAM),
        Application(paid.settings_file, folder / "payments-log", module="payments") as worker,
    ):
        engine = open_engine(paid.settings.database.url)
        office = CardOffice(paid, sandbox, engine, worker)
        await office.save_card(card)
        await sandbox.order("choose", webhooks="lost")
        await office.arm()
        yield office
        engine.dispose()


async def dial_without_money(
    office: CardOffice, phone: Phone, fault: str, *, seconds: int = 2
) -> None:
    """The processor is slow, so that the call finds the card being charged."""
    await office.sandbox.order(
        "fault", kind=fault, path="/v1/payment_intents", seconds=seconds, times=1
    )
    await office.spend_all()
    await phone.dial(FRANCE)
    await office.paid.application.wait_for("refill_under_way")


async def be_connected(paid: PaidOffice, phone: Phone) -> None:
    """From waiting for the card to the end of the call."""
    awaited = await paid.application.wait_for("refill_awaited", timeout_s=WAIT_S + 5)
    assert awaited["waited_s"] < WAIT_S
    await paid.application.wait_for("balance_announced", timeout_s=20)
    await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
    await phone.hang_up()
    settled = await paid.application.wait_for("call_settled")
    assert settled["charged_micros"] > 0


async def test_a_call_that_lacks_money_connects_when_the_card_has_paid(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with refilled_office(start_office, tmp_path) as office:
        async with office.paid.office.phone("1001") as phone:
            await dial_without_money(office, phone, "late")
            await be_connected(office.paid, phone)
        assert (await office.paid.audit()).problems == ()


@pytest.mark.long  # what it measures wants a machine that does nothing else
async def test_a_call_goes_on_two_seconds_after_the_processors_answer_at_the_latest(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with (
        refilled_office(start_office, tmp_path) as office,
        office.paid.office.phone("1001") as phone,
    ):
        await dial_without_money(office, phone, "late")
        await be_connected(office.paid, phone)
        answered = await office.worker.wait_for("payment_asked", answer="Succeeded")
        goes_on = await office.paid.application.wait_for("refill_awaited")
        seconds = (_moment(goes_on) - _moment(answered)).total_seconds()
        assert seconds <= CONNECTS_WITHIN_S


def _moment(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry["timestamp"])


@pytest.mark.hearing
async def test_whoever_waits_hears_so(start_office: StartOffice, tmp_path: Path) -> None:
    async with (
        refilled_office(start_office, tmp_path) as office,
        office.paid.office.phone("1001") as phone,
    ):
        await dial_without_money(office, phone, "late")
        await be_connected(office.paid, phone)  # who heard the balance, by the log
    told = (MOMENT, balance_phrase(gbp("10.00"), "en"), not_enough_money_phrase("en"))
    assert clips_heard(phone, told, first_s=1)[:1] == MOMENT.clips  # it ends when money came


async def test_with_the_processor_stalled_a_caller_is_refused_after_a_while(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with refilled_office(start_office, tmp_path, wait_s=3) as office:
        paid = office.paid
        async with paid.office.phone("1001") as phone:
            await dial_without_money(office, phone, "stall")
            awaited = await paid.application.wait_for("refill_awaited", timeout_s=10)
            assert awaited["waited_s"] >= 3
            await paid.application.wait_for("state", state="refusing")
            await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert (await paid.balances()).available == gbp("0")


@pytest.mark.long  # a dozen seconds
async def test_while_a_caller_waits_for_the_card_no_other_call_waits(
    start_office: StartOffice, tmp_path: Path
) -> None:
    """Neither an included one of the same office, nor one that another office pays for."""
    async with refilled_office(start_office, tmp_path, wait_s=STALLED_S) as office:
        paid = office.paid
        await office.fill(OTHER_OFFICE, "5.00")
        async with (
            paid.office.phone("1001") as waits,
            paid.office.phone("1002") as included,
            paid.office.phone(f"{OTHER_OFFICE}-1001") as pays,
        ):
            await dial_without_money(office, waits, "stall", seconds=STALLED_S)
            await included.dial(LANDLINE_OF_UK)
            await pays.dial(FRANCE)
            for number in (LANDLINE_OF_UK, FRANCE):
                await paid.office.carrier.wait_for(_answered(number), timeout_s=30)
            await paid.application.wait_for("interval_debited", interval=0, timeout_s=20)
            assert "refill_awaited" not in {each["event"] for each in paid.application.entries()}
            for phone in (included, pays, waits):
                await phone.hang_up()
            await paid.application.wait_for("call_settled")


def _answered(number: str) -> Callable[[CarrierCall], bool]:
    ending = number.removeprefix("00").removeprefix("0")
    return lambda call: call.answered and call.dialled.endswith(ending)


async def test_with_a_card_that_is_declined_a_caller_is_refused_at_once(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with refilled_office(start_office, tmp_path, card="no_funds") as office:
        paid = office.paid
        async with paid.office.phone("1001") as phone:
            await office.spend_all()
            await phone.dial(FRANCE)
            await paid.application.wait_for("state", state="refusing")
            await phone.wait_for("CALL_CLOSED", timeout_s=20)
        assert (await paid.balances()).available == gbp("0")


PAID_S = 12  # three increments of four seconds, for twelve pence


async def talk_until_money_is_short(office: CardOffice, phone: Phone) -> None:
    """A call that is answered with money for twelve seconds."""
    await office.spend("4.88")
    await phone.dial(FRANCE)
    await office.paid.application.wait_for("interval_debited", interval=0, timeout_s=20)


async def test_a_running_call_lives_through_a_refill_and_is_not_warned(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with refilled_office(start_office, tmp_path) as office:
        paid = office.paid
        async with paid.office.phone("1001") as phone:
            await talk_until_money_is_short(office, phone)
            await paid.application.wait_for("interval_debited", interval=4, timeout_s=40)
            await phone.hang_up()
            await paid.application.wait_for("call_settled")
        (call,) = paid.office.carrier.calls()
        assert call.talk_s > PAID_S
        assert "money_ending" not in {each["event"] for each in paid.application.entries()}
        assert (await paid.balances()).available > gbp("9.50")
        assert (await paid.audit()).problems == ()


async def test_with_a_card_that_is_declined_a_running_call_is_warned_and_ends_when_it_is_paid_for(
    start_office: StartOffice, tmp_path: Path
) -> None:
    async with refilled_office(start_office, tmp_path, card="no_funds") as office:
        paid = office.paid
        async with paid.office.phone("1001") as phone:
            await talk_until_money_is_short(office, phone)
            await paid.application.wait_for("money_ending", timeout_s=20)
            call = await paid.office.carrier.wait_for(lambda call: call.ended, timeout_s=40)
            await phone.wait_for("CALL_CLOSED", timeout_s=30)
            await paid.application.wait_for("call_settled")
        assert ended_with_its_money(call, PAID_S)
        assert await office.sandbox.order("log") == []  # nothing was charged
        balances = await paid.balances()
        assert (balances.available, balances.reserved) == (gbp("0"), gbp("0"))
        assert (await paid.audit()).problems == ()
